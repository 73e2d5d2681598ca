"""Nodules: found, outlined and measured."""

from clearlung.nodules.csv_file import read_nodule_list, write_nodules
from clearlung.nodules.match import Match, match_nodules
from clearlung.nodules.table import COLUMNS, NoduleTable, sphere_diameter_mm, sphere_volume_mm3

__all__ = [
    "COLUMNS",
    "Match",
    "NoduleTable",
    "match_nodules",
    "read_nodule_list",
    "sphere_diameter_mm",
    "sphere_volume_mm3",
    "write_nodules",
]
