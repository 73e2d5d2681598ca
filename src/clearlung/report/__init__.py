"""The printed plan: pictures, page and PDF."""

from clearlung.report.anatomy_sheet import anatomy_png
from clearlung.report.marks import operation_color, operation_marker
from clearlung.report.nodule_sheet import TILE_MM, SheetNodule, nodule_sheets
from clearlung.report.source import ReportInput
from clearlung.report.write import write_report

__all__ = [
    "TILE_MM",
    "ReportInput",
    "SheetNodule",
    "anatomy_png",
    "nodule_sheets",
    "operation_color",
    "operation_marker",
    "write_report",
]
