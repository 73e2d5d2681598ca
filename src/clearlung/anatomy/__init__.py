"""Lungs, lobes, airways, vessels, hila, and how deep everything lies below the pleura."""

from clearlung.anatomy.conditions import CONDITIONS
from clearlung.anatomy.distance import distance_to
from clearlung.anatomy.measures import LobeMeasures, add_measures, measure_lobes
from clearlung.anatomy.places import Places, find_places
from clearlung.anatomy.pleura import pleural_parts
from clearlung.anatomy.segment import segment_anatomy
from clearlung.anatomy.sources import (
    CONVENTIONS,
    SOURCES,
    AnatomySource,
    holds_labels,
    parse_source,
    read_labels,
)
from clearlung.anatomy.tree import BranchTree
from clearlung.anatomy.types import (
    LOBE_LABELS,
    LOBE_SIDES,
    LOBES,
    LUNG_LABELS,
    PLEURAL_LABELS,
    SIDES,
    Anatomy,
    Condition,
    Fissure,
    Lobe,
    PleuralPart,
    Side,
)

__all__ = [
    "CONDITIONS",
    "CONVENTIONS",
    "LOBES",
    "LOBE_LABELS",
    "LOBE_SIDES",
    "LUNG_LABELS",
    "PLEURAL_LABELS",
    "SIDES",
    "SOURCES",
    "Anatomy",
    "AnatomySource",
    "BranchTree",
    "Condition",
    "Fissure",
    "Lobe",
    "LobeMeasures",
    "Places",
    "PleuralPart",
    "Side",
    "add_measures",
    "distance_to",
    "find_places",
    "holds_labels",
    "measure_lobes",
    "parse_source",
    "pleural_parts",
    "read_labels",
    "segment_anatomy",
]
