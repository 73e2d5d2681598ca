"""The printed plan: pictures, page and PDF."""

from clearlung.report.anatomy_sheet import anatomy_png
from clearlung.report.marks import operation_color, operation_marker
from clearlung.report.source import ReportInput
from clearlung.report.write import write_report

__all__ = ["ReportInput", "anatomy_png", "operation_color", "operation_marker", "write_report"]
