"""The printed plan: pictures, page and PDF."""

from clearlung.report.anatomy_sheet import anatomy_png
from clearlung.report.lung_views import LungViews, ScanFacts
from clearlung.report.marks import operation_color, operation_marker
from clearlung.report.nodule_sheet import TILE_MM, SheetNodule, nodule_sheets
from clearlung.report.perfusion_input import Moved, PerfusionPages, PerfusionSheet, SizeEffect
from clearlung.report.projections import GRAY_STEPS, Backdrop
from clearlung.report.replan_figure import replan_alt_text, replan_png, replan_svg
from clearlung.report.resection_picture import Remainder, ResectionPicture
from clearlung.report.resection_sheet import specimen_sheet
from clearlung.report.resection_slices import specimen_slices
from clearlung.report.source import ReportInput, Revision
from clearlung.report.stress_figure import stress_alt, stress_png, stress_svg
from clearlung.report.tradeoff_curve import CurvePoint, PlanPlace, TradeoffCurve
from clearlung.report.tradeoff_figure import tradeoff_png, tradeoff_svg, tradeoff_words
from clearlung.report.write import write_report, write_sheet

__all__ = [
    "GRAY_STEPS",
    "TILE_MM",
    "Backdrop",
    "CurvePoint",
    "LungViews",
    "Moved",
    "PerfusionPages",
    "PerfusionSheet",
    "PlanPlace",
    "Remainder",
    "ReportInput",
    "ResectionPicture",
    "Revision",
    "ScanFacts",
    "SheetNodule",
    "SizeEffect",
    "TradeoffCurve",
    "anatomy_png",
    "nodule_sheets",
    "operation_color",
    "operation_marker",
    "replan_alt_text",
    "replan_png",
    "replan_svg",
    "specimen_sheet",
    "specimen_slices",
    "stress_alt",
    "stress_png",
    "stress_svg",
    "tradeoff_png",
    "tradeoff_svg",
    "tradeoff_words",
    "write_report",
    "write_sheet",
]
