"""Scans: read, checked, and placed in the patient."""

from clearlung.ct.codes import REJECTION_CODES
from clearlung.ct.dicom_headers import SeriesInfo
from clearlung.ct.files import check_volume_target, read_volume, write_volume
from clearlung.ct.limits import IntakeLimits
from clearlung.ct.read import list_series, read_scan
from clearlung.ct.scan import Scan
from clearlung.ct.volume import AxisOrder, Box, Volume

__all__ = [
    "REJECTION_CODES",
    "AxisOrder",
    "Box",
    "IntakeLimits",
    "Scan",
    "SeriesInfo",
    "Volume",
    "check_volume_target",
    "list_series",
    "read_scan",
    "read_volume",
    "write_volume",
]
