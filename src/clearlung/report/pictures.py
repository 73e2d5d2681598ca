"""The report's pictures, each with its words for those who cannot see it."""

from __future__ import annotations

from collections import Counter
from typing import cast

import numpy as np

from clearlung.anatomy import Lobe
from clearlung.report.course import draw_course
from clearlung.report.document import Picture, Pictures
from clearlung.report.figures import as_png, as_svg, drawing
from clearlung.report.maps import LegendEntry, Marked, draw_map
from clearlung.report.marks import operation_sign
from clearlung.report.numbers import counted, percent
from clearlung.report.projections import (
    AXIAL,
    CORONAL,
    SAGITTAL_LEFT,
    SAGITTAL_RIGHT,
    View,
    backdrop,
    places_mm,
)
from clearlung.report.schematic import count_by_lobe, draw_schematic
from clearlung.report.source import ReportInput

PAGE_WIDTH_MM = 178.0
_HALF_WIDTH_MM = 87.0
_SIDE_WORDS = {"right": "right", "left": "left", "both": "both sides"}


def overview_picture(report: ReportInput, *, height_max_mm: float) -> Picture:
    """Return the first picture: the coronal map, or the schematic where no places were given."""
    if report.has_places:
        return _map(report, CORONAL, PAGE_WIDTH_MM, height_max_mm, legend=True)
    with drawing():
        svg = as_svg(draw_schematic(_counts(report), PAGE_WIDTH_MM))
    return Picture("lobes", svg, _schematic_alt(report), "Nodules by lobe and operation.", PAGE_WIDTH_MM)


def overview_png(report: ReportInput, dpi: int = 200) -> bytes:
    """Return the first picture as PNG."""
    with drawing():
        if not report.has_places:
            return as_png(draw_schematic(_counts(report), PAGE_WIDTH_MM), dpi)
        assert report.anatomy is not None  # noqa: S101 - has_places says so
        behind = backdrop(CORONAL, report.anatomy, report.scan)
        figure = draw_map(CORONAL, behind, _marked(report, CORONAL), _legend(report), PAGE_WIDTH_MM, 200.0)
        return as_png(figure, dpi)


def further_maps(report: ReportInput) -> tuple[Pictures, ...]:
    """Return the sagittal maps, one per lung, and the axial one; nothing without places."""
    if not report.has_places:
        return ()
    lungs = tuple(
        _map(report, view, _HALF_WIDTH_MM, 135.0, legend=False) for view in (SAGITTAL_RIGHT, SAGITTAL_LEFT)
    )
    return Pictures(lungs), Pictures((_map(report, AXIAL, PAGE_WIDTH_MM, 112.0, legend=False),))


def course_picture(report: ReportInput) -> Picture:
    """Return the time line with FEV1."""
    plan = report.plan
    with drawing():
        svg = as_svg(draw_course(plan, PAGE_WIDTH_MM))
    steps = "; ".join(
        f"operation {o.number} in week {o.week}, {_SIDE_WORDS[o.side]}"
        f"{', with perfusion' if o.perfusion else ''}: FEV1 {percent(o.fev1_before_percent)} before, "
        f"{percent(o.fev1_after_percent)} after, lower bound {percent(o.fev1_after_low_percent)}"
        for o in plan.operations
    )
    end = (
        f"After full recovery {percent(plan.function.ppo_fev1_percent)} "
        f"({percent(plan.function.ppo_fev1_low_percent)} to {percent(plan.function.ppo_fev1_high_percent)})."
    )
    return Picture(
        "course",
        svg,
        f"Time line of the operations and expected FEV1 in percent of predicted. {steps or 'No operations'}. {end}",
        "Above: operations by week and side; the number above each mark is the operation, the number below is "
        "how many metastases it removes, and a ring means with perfusion. Below: expected FEV1; gray bars "
        "reach down to the lower bound that the limits are checked against, the last one shows the interval "
        "after full recovery.",
        PAGE_WIDTH_MM,
    )


def _map(report: ReportInput, view: View, width_mm: float, height_max_mm: float, *, legend: bool) -> Picture:
    assert report.anatomy is not None  # noqa: S101 - asked for only with places
    nodules = _marked(report, view)
    with drawing():
        figure = draw_map(
            view,
            backdrop(view, report.anatomy, report.scan),
            nodules,
            _legend(report) if legend else (),
            width_mm,
            height_max_mm,
        )
        svg = as_svg(figure)
    return Picture(f"map-{view.name}", svg, _map_alt(view, nodules), _map_caption(view), width_mm)


def _marked(report: ReportInput, view: View) -> Marked:
    assert report.anatomy is not None  # noqa: S101 - asked for only with places
    nodules = report.nodules
    shown = np.isin(nodules.side, list(view.sides))
    numbers = tuple(int(number) for number in nodules.id[shown])
    return Marked(
        ids=numbers,
        places=places_mm(nodules, report.anatomy)[shown],
        diameter_mm=nodules.diameter_mm[shown],
        operations=tuple(report.operation_of(number) for number in numbers),
    )


def _legend(report: ReportInput) -> tuple[LegendEntry, ...]:
    entries = [
        LegendEntry(
            o.number,
            f"{o.number}: {_SIDE_WORDS[o.side]}, week {o.week}, {len(o.lesions)}{', perfusion' if o.perfusion else ''}",
        )
        for o in report.plan.operations
    ]
    left = sum(report.operation_of(int(number)) is None for number in report.nodules.id)
    if left:
        entries.append(LegendEntry(None, f"in no operation, {left}"))
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
    convention = (
        f"{view.title} lung".replace("lung lung", "lung")
        if view.side is None
        else f"{view.title}, the front of the body on the picture's left, the head up"
    )
    if view is CORONAL:
        convention = f"{view.title}, the patient's right on the picture's left, the head up"
    elif view is AXIAL:
        convention = f"{view.title}, the patient's right on the picture's left, the front of the body up"
    return f"{convention}. {counted(len(nodules), 'nodule')}: {_tally(Counter(nodules.operations))}."


def _map_caption(view: View) -> str:
    direction = {
        "coronal": "patient's right on the left",
        "axial": "patient's right on the left, front of the body up",
    }.get(view.name, "front of the body on the left")
    return f"{view.title}; {direction}. Circles are true to scale; the mark inside is the operation's."


def _schematic_alt(report: ReportInput) -> str:
    lobes = "; ".join(f"{lobe}: {_tally(by)}" for lobe, by in _counts(report).items())
    return f"The five lobes as boxes, the patient's right on the picture's left. {lobes}."
