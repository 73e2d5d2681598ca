"""Nodules: found, outlined and measured."""

from clearlung.nodules.blobs import find_blobs
from clearlung.nodules.candidates import Candidates, Detector, detector_names, register_detector
from clearlung.nodules.csv_file import read_nodule_list, write_nodules
from clearlung.nodules.find import find_nodules
from clearlung.nodules.match import Match, match_nodules
from clearlung.nodules.options import NoduleOptions
from clearlung.nodules.table import (
    COLUMNS,
    REVIEWS,
    TEXTURES,
    NoduleTable,
    sphere_diameter_mm,
    sphere_volume_mm3,
)

__all__ = [
    "COLUMNS",
    "REVIEWS",
    "TEXTURES",
    "Candidates",
    "Detector",
    "Match",
    "NoduleOptions",
    "NoduleTable",
    "detector_names",
    "find_blobs",
    "find_nodules",
    "match_nodules",
    "read_nodule_list",
    "register_detector",
    "sphere_diameter_mm",
    "sphere_volume_mm3",
    "write_nodules",
]
