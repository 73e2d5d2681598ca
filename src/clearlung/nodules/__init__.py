"""Nodules: found, outlined and measured."""

from clearlung.nodules.table import COLUMNS, NoduleTable, sphere_diameter_mm, sphere_volume_mm3

__all__ = ["COLUMNS", "NoduleTable", "sphere_diameter_mm", "sphere_volume_mm3"]
