"""Anatomy made elsewhere: files of other programs read and checked, and programs asked to run."""

from clearlung.anatomy.sources.adopt import Adopted, adopt
from clearlung.anatomy.sources.conventions import CONVENTIONS
from clearlung.anatomy.sources.files import read_anatomy_file
from clearlung.anatomy.sources.layers import holds_labels, read_labels
from clearlung.anatomy.sources.parts import Parts
from clearlung.anatomy.sources.registry import SOURCES, AnatomySource, Source, find_parts, parse_source

__all__ = [
    "CONVENTIONS",
    "SOURCES",
    "Adopted",
    "AnatomySource",
    "Parts",
    "Source",
    "adopt",
    "find_parts",
    "holds_labels",
    "parse_source",
    "read_anatomy_file",
    "read_labels",
]
