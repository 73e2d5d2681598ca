"""The report's pictures, each with its words for those who cannot see it."""

from __future__ import annotations

from collections import Counter
from typing import cast

import numpy as np

from clearlung.anatomy import Lobe
from clearlung.report.course import draw_course
from clearlung.report.document import Picture, Pictures
from clearlung.report.figures import as_png, as_svg, drawing, write_notice
from clearlung.report.lettering import LegendEntry
from clearlung.report.lung_views import LungViews
from clearlung.report.maps import Marked, draw_map
from clearlung.report.marks import SIDE_WORDS, operation_sign
from clearlung.report.numbers import counted, percent
from clearlung.report.projections import (
    AXIAL,
    CORONAL,
    OPERATION_VIEWS,
    SAGITTAL_LEFT,
    SAGITTAL_RIGHT,
    View,
)
from clearlung.report.schematic import count_by_lobe, draw_schematic
from clearlung.report.source import ReportInput
from clearlung.staging import Operation

PAGE_WIDTH_MM = 178.0
_HALF_WIDTH_MM = 87.0
# Of a sheet for one operation: what headings and captions leave, a row of the table, and sensible maps.
_SHEET_MM, _SECTION_MM, _ROW_MM = 219.0, 34.0, 3.45
_MAP_MIN_MM, _MAP_MAX_MM = 62.0, 88.0
_SAGITTAL = (SAGITTAL_RIGHT, SAGITTAL_LEFT)


class Atlas:
    """The maps of one report."""

    def __init__(self, report: ReportInput) -> None:
        self._report = report

    def overview(self, height_max_mm: float, dpi: int = 200) -> tuple[Picture, bytes]:
        """Return the first picture, for the report and as PNG: coronal, or a schematic without places."""
        report = self._report
        if report.has_places:
            return self._map(CORONAL, self._marked(CORONAL), PAGE_WIDTH_MM, height_max_mm, overview_dpi=dpi)
        with drawing():
            figure = draw_schematic(_counts(report), PAGE_WIDTH_MM)
            write_notice(figure)
            svg, png = as_svg(figure), as_png(figure, dpi)
        caption = "Nodules by lobe and operation; the patient's right is on the picture's left."
        return Picture("lobes", svg, _schematic_alt(report), caption, PAGE_WIDTH_MM), png

    def further(self) -> tuple[Pictures, ...]:
        """Return the sagittal maps, one per lung, and the axial one; nothing without places."""
        if not self._report.has_places:
            return ()
        sizes = [self._lungs.behind(view).size_mm for view in _SAGITTAL]
        room = (max(width for width, _ in sizes), max(height for _, height in sizes))
        lungs = [
            self._map(view, self._marked(view), _HALF_WIDTH_MM, 122.0, room_mm=room)[0] for view in _SAGITTAL
        ]
        feet, _ = self._map(AXIAL, self._marked(AXIAL), PAGE_WIDTH_MM, 110.0)
        return Pictures(tuple(lungs)), Pictures((feet,))

    def of_operation(self, operation: Operation) -> tuple[Pictures, ...]:
        """Return an operation's nodules from two directions, the others as dots; nothing without places."""
        if not self._report.has_places:
            return ()
        height = _height_beside(len(operation.specimens), first=operation is self._report.plan.operations[0])
        maps = [
            self._map(view, self._marked(view, operation.number), _HALF_WIDTH_MM, height)[0]
            for view in OPERATION_VIEWS[operation.side]
        ]
        return (Pictures(tuple(maps)),)

    def _map(
        self,
        view: View,
        nodules: Marked,
        width_mm: float,
        height_max_mm: float,
        overview_dpi: int | None = None,
        room_mm: tuple[float, float] | None = None,
    ) -> tuple[Picture, bytes]:
        legend = () if overview_dpi is None else _legend(self._report)
        behind = self._lungs.behind(view)
        with drawing():
            figure = draw_map(view, behind, nodules, legend, width_mm, height_max_mm, room_mm)
            if overview_dpi is not None:
                write_notice(figure)
            svg = as_svg(figure)
            png = b"" if overview_dpi is None else as_png(figure, overview_dpi)
        name = f"map-{view.name}"
        return Picture(name, svg, _map_alt(view, nodules), _map_caption(view, nodules), width_mm), png

    @property
    def _lungs(self) -> LungViews:
        assert self._report.lungs is not None  # noqa: S101 - asked for only with places
        return self._report.lungs

    def _marked(self, view: View, operation: int | None = None) -> Marked:
        """Return the nodules of a view; with an operation given, the rest of them as dots."""
        report = self._report
        nodules = report.nodules
        places = self._lungs.places_mm(nodules)
        in_view = np.isin(nodules.side, list(view.sides)) & np.isfinite(places).all(axis=1)
        removed_by = [report.operation_of(int(number)) for number in nodules.id]
        mine = np.array([operation is None or by == operation for by in removed_by], dtype=bool)
        shown = np.flatnonzero(in_view & mine)
        return Marked(
            ids=tuple(int(number) for number in nodules.id[shown]),
            places=places[shown],
            diameter_mm=nodules.diameter_mm[shown],
            operations=tuple(removed_by[index] for index in shown),
            others=places[in_view & ~mine],
        )


def course_picture(report: ReportInput) -> Picture:
    """Return the time line with FEV1."""
    plan = report.plan
    with drawing():
        svg = as_svg(draw_course(plan, PAGE_WIDTH_MM, report.weeks_from))
    steps = "; ".join(
        f"operation {o.number} in week {o.week}, {SIDE_WORDS[o.side]}"
        f"{', with perfusion' if o.perfusion else ''}{_scan_words(o)}: "
        f"FEV1 {percent(o.fev1_before_percent)} before, "
        f"{percent(o.fev1_after_percent)} after, lower bound {percent(o.fev1_after_low_percent)}"
        for o in plan.operations
    )
    scans = (
        "; CT: the scans, each with the number of the operation that it is before"
        if any(map(_scan_words, plan.operations))
        else ""
    )
    dlco = "" if plan.function.ppo_dlco_percent is None else " and DLCO"
    end = (
        f"After full recovery {percent(plan.function.ppo_fev1_percent)} "
        f"({percent(plan.function.ppo_fev1_low_percent)} to {percent(plan.function.ppo_fev1_high_percent)})."
    )
    return Picture(
        "course",
        svg,
        "Time line of the operations and expected FEV1 in percent of predicted. "
        f"{steps or 'No operations'}. {end}",
        "Above: operations by week, R on the right lung, L on the left one; the number above each mark is"
        " the operation, the number below how many metastases it removes there; a ring means with perfusion,"
        " a line joins the marks of an operation on both lungs. A hatched bar runs until the protocol lets"
        f" the lung be operated on again{scans}. Below: expected FEV1{dlco}; gray bars reach down to the"
        " lower bound that the limits are checked against, the last one shows the interval after full"
        " recovery.",
        PAGE_WIDTH_MM,
    )


def _scan_words(operation: Operation) -> str:
    week = operation.scan_week
    return "" if week is None else f", CT in week {week}"


def _height_beside(rows: int, *, first: bool) -> float:
    """Height of an operation's maps that leaves room for its table on the same sheet, if it fits at all."""
    left = _SHEET_MM - (_SECTION_MM if first else 0.0) - rows * _ROW_MM
    return min(left, _MAP_MAX_MM) if left >= _MAP_MIN_MM else _MAP_MAX_MM


def _legend(report: ReportInput) -> tuple[LegendEntry, ...]:
    entries = [
        LegendEntry(
            o.number,
            f"{o.number}: {SIDE_WORDS[o.side]}, week {o.week}, n = {len(o.lesions)}"
            f"{', perfusion' if o.perfusion else ''}",
        )
        for o in report.plan.operations
    ]
    left = sum(report.operation_of(int(number)) is None for number in report.nodules.id)
    if left:
        entries.append(LegendEntry(None, f"in no operation, n = {left}"))
    return tuple(entries)


def _counts(report: ReportInput) -> dict[Lobe, Counter[int | None]]:
    lobes = [cast(Lobe, str(lobe)) for lobe in report.nodules.lobe]
    return count_by_lobe(lobes, tuple(report.operation_of(int(n)) for n in report.nodules.id))


def _tally(operations: Counter[int | None]) -> str:
    parts = [
        f"{operations[n]} in operation {n} ({operation_sign(n)})" for n in sorted(filter(None, operations))
    ]
    if operations[None]:
        parts.append(f"{operations[None]} in no operation (hollow cross)")
    return ", ".join(parts) or "none"


def _map_alt(view: View, nodules: Marked) -> str:
    tally = _tally(Counter(nodules.operations))
    return f"{view.title}; {_direction(view)}. {counted(len(nodules), 'numbered nodule')}: {tally}."


def _map_caption(view: View, nodules: Marked) -> str:
    if len(nodules.others):
        return "Dots: nodules of other operations."
    return (
        f"{_direction(view).capitalize()}. Circles are true to scale, the smallest ones enlarged to be seen; "
        "the mark inside is the operation's. Dashed: lobes."
    )


def _direction(view: View) -> str:
    if view.marks == CORONAL.marks:
        return "the patient's right is on the picture's left, the head up"
    if view is AXIAL:
        return "the patient's right is on the picture's left, the front of the body up"
    return "the front of the body is on the picture's left, the head up"


def _schematic_alt(report: ReportInput) -> str:
    lobes = "; ".join(f"{lobe}: {_tally(by)}" for lobe, by in _counts(report).items())
    return f"The five lobes as boxes, the patient's right on the picture's left. {lobes}."
