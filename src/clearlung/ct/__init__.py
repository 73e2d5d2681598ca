"""Scans: read, checked, and placed in the patient."""

from clearlung.ct.scan import Scan
from clearlung.ct.volume import AxisOrder, Box, Volume

__all__ = ["AxisOrder", "Box", "Scan", "Volume"]
