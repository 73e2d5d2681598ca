"""Made-up lungs, nodules and plans for the report: lopsided, so that a mirrored picture shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from clearlung.anatomy import LOBE_LABELS, LOBE_SIDES, LOBES, LUNG_LABELS, Anatomy
from clearlung.ct import AxisOrder, Scan, Volume
from clearlung.evidence import load_evidence
from clearlung.nodules import NoduleTable, sphere_volume_mm3
from clearlung.perfusion import make_regimen
from clearlung.report import LungViews, ReportInput
from clearlung.staging import (
    Interval,
    Operation,
    Plan,
    PlannedLesion,
    PlannedSpecimen,
    Unassigned,
    load_protocol,
)
from clearlung.staging.assignment import Assignment
from clearlung.staging.plan import FunctionSummary, Goal, SolverReport

# Middle and half axes in mm along z, y, x (LPS: x to the patient's left). The right lung is wider and sits
# higher, the left one is slimmer, reaches lower and further back.
LUNGS = {
    "right": ((150.0, 110.0, 95.0), (120.0, 85.0, 68.0)),
    "left": ((140.0, 122.0, 245.0), (128.0, 78.0, 52.0)),
}
EXTENT_MM = (290.0, 230.0, 330.0)


def make_scan(spacing_mm=(2.0, 2.0, 2.0), seed=1):
    """Return a scan and its anatomy; the box leaves out a margin, so that its offset matters."""
    shape = tuple(int(e / s) for e, s in zip(EXTENT_MM, spacing_mm, strict=True))
    rng = np.random.default_rng(seed)
    hu = np.full(shape, 40, dtype=np.int16)
    lungs = np.zeros(shape, dtype=np.uint8)
    lobes = np.zeros(shape, dtype=np.uint8)
    depth = np.zeros(shape, dtype=np.float32)
    z, y, x = np.ogrid[tuple(slice(0, n) for n in shape)]
    z, y, x = z * spacing_mm[0], y * spacing_mm[1], x * spacing_mm[2]
    for side, (middle, half) in LUNGS.items():
        r2 = sum(((g - m) / h) ** 2 for g, m, h in zip((z, y, x), middle, half, strict=True))
        inside = r2 < 1
        lungs[inside] = LUNG_LABELS[side]
        depth[inside] = ((1 - np.sqrt(r2[inside])) * min(half)).astype(np.float32)
        hu[inside] = (-880 + 120 * r2[inside] + rng.normal(0, 20, int(inside.sum()))).astype(np.int16)
        lower = z < middle[0] + 0.6 * (y - middle[1]) - 5
        upper_lobe, lower_lobe = ("RUL", "RLL") if side == "right" else ("LUL", "LLL")
        lobes[inside & lower] = LOBE_LABELS[lower_lobe]
        lobes[inside & ~lower] = LOBE_LABELS[upper_lobe]
        if side == "right":
            lobes[inside & ~lower & (z < middle[0])] = LOBE_LABELS["RML"]
    origin = (-160.0, -120.0, -300.0)
    volume = Volume.at(hu, spacing_mm, origin)
    found = np.argwhere(lungs[:, ::2, ::2])
    low = np.maximum(found.min(axis=0) * (1, 2, 2) - 3, 0)
    high = found.max(axis=0) * (1, 2, 2) + 4
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))

    def part(array):
        cropped = volume.with_array(array).crop(box)
        return Volume(np.ascontiguousarray(cropped.array), spacing_mm, cropped.origin_mm, cropped.direction)

    anatomy = Anatomy(
        box=box,
        lungs=part(lungs),
        lobes=part(lobes),
        lobe_confidence=part((lungs > 0).astype(np.float32)),
        depth_mm=part(depth),
        lobe_method="planes of a made-up patient",
    )
    scan = Scan(volume, AxisOrder(), "phantom", "made-up lungs", "0" * 64)
    return scan, anatomy


def make_nodules(anatomy, count=170, seed=2, places=True):
    """Return nodules strewn over both lungs, numbered by side, lobe, head to feet."""
    rng = np.random.default_rng(seed)
    inside = np.argwhere(anatomy.depth_mm.array > 2)
    index = inside[rng.choice(len(inside), size=count, replace=False)]
    points = anatomy.lungs.points_mm(index)
    labels = anatomy.lobes.array[tuple(index.T)]
    order = np.lexsort((-points[:, 2], labels))
    index, points, labels = index[order], points[order], labels[order]
    lobe = np.array([LOBES[label - 1] for label in labels], dtype="<U5")
    diameter = np.clip(rng.lognormal(1.9, 0.45, count), 3, 32)
    confidence = np.where(rng.random(count) < 0.1, rng.uniform(0.5, 0.79, count), 1.0)
    if not places:
        points = np.full_like(points, np.nan)
    return NoduleTable(
        id=np.arange(1, count + 1, dtype=np.int32),
        x_mm=points[:, 0],
        y_mm=points[:, 1],
        z_mm=points[:, 2],
        side=np.array([LOBE_SIDES[name] for name in lobe], dtype="<U5"),
        lobe=lobe,
        lobe_confidence=confidence,
        diameter_mm=diameter,
        volume_mm3=sphere_volume_mm3(diameter),
        depth_mm=anatomy.depth_mm.array[tuple(index.T)].astype(np.float64),
        probability=rng.uniform(0.55, 1, count) if places else np.ones(count),
        mean_hu=np.full(count, 20.0 if places else np.nan),
        max_hu=np.full(count, 60.0 if places else np.nan),
        calcified=np.zeros(count, dtype=bool),
        vdt_days=np.where(rng.random(count) < 0.2, 60.0, np.nan),
    )


def make_plan(nodules, operations=6, protocol="high-volume", left_out=2):
    """Return a plan that deals the nodules out by side; plausible, and checked by no optimizer."""
    limits = load_protocol(protocol)
    book = load_evidence()
    regimen = make_regimen("petrov-melphalan-50", book)
    sides = ["right" if i % 2 == 0 else "left" for i in range(operations)]
    rows = list(nodules.rows())
    missed = {row["id"] for row in rows[:: max(1, len(rows) // max(left_out, 1))][:left_out]}
    done, lesions, specimen_id = [], [], 0
    operation_of = {}
    for number, side in enumerate(sides, start=1):
        mine = [row for row in rows if row["side"] == side and row["id"] not in missed]
        share = [i + 1 for i, s in enumerate(sides) if s == side]
        mine = mine[share.index(number) :: len(share)]
        specimens = []
        while mine:
            take = 2 if len(mine) > 1 and mine[0]["lobe"] == mine[1]["lobe"] and specimen_id % 9 == 4 else 1
            group, mine = mine[:take], mine[take:]
            specimen_id += 1
            specimens.append(
                PlannedSpecimen(
                    id=specimen_id,
                    technique="laser" if take == 1 else "wedge",
                    lesions=tuple(row["id"] for row in group),
                    side=side,
                    lobe=group[0]["lobe"],
                    volume_ml=sum(0.8 + row["volume_mm3"] / 1000 for row in group),
                    margin_mm=5.0,
                    minutes=8.0 * take,
                    **_measured(specimen_id, group),
                )
            )
            operation_of.update({row["id"]: number for row in group})
        before = 96.0 - 3.0 * (number - 1)
        done.append(
            Operation(
                number=number,
                side=side,
                approach="thoracotomy",
                week=(number - 1) * 8,
                minutes=52.5 + sum(s.minutes for s in specimens) + (90 if number in (3, 4) else 0),
                removed_ml=sum(s.volume_ml for s in specimens),
                perfusion=regimen if number in (3, 4) else None,
                specimens=tuple(specimens),
                fev1_before_percent=before,
                fev1_after_percent=before - 26,
                fev1_after_low_percent=before - 41,
                reentry=number > 2,
                minutes_low=60.0 + 4 * len(specimens),
                minutes_expected=70.0 + 7 * len(specimens),
                minutes_high=80.0 + 12 * len(specimens),
                blood_ml=Interval(low=80, expected=210, high=600),
                complication_percent=Interval(low=9, expected=21.6, high=44),
                stay_days=Interval(low=2.5, expected=6.2, high=14),
                notes=("Published times end at 15 metastases in an operation; the minutes extrapolate.",),
            )
        )
    for row in rows:
        growing = np.isfinite(row["vdt_days"])
        lesions.append(
            PlannedLesion(
                id=row["id"],
                side=row["side"],
                lobe=row["lobe"],
                diameter_mm=row["diameter_mm"],
                depth_mm=row["depth_mm"],
                operation=operation_of.get(row["id"]),
                vdt_days=row["vdt_days"] if growing else None,
                diameter_at_operation_mm=row["diameter_mm"] * 1.1 if growing else None,
            )
        )
    goals = [
        Goal(key="lesions_left", name="Metastases left in place", unit="1", value=len(missed),
             bound=len(missed), gap=0, proven=True, method="no technique fits them"),
        Goal(key="operations", name="Operations", unit="1", value=operations, bound=operations, gap=0,
             proven=True, method="counts, minutes and lobe limits"),
        Goal(key="weeks", name="Week of the last operation", unit="week", value=40, bound=40, gap=0,
             proven=True, method="all orders enumerated"),
        Goal(key="tissue", name="Largest tissue loss of one operation", unit="ml", value=83.2, bound=82.9,
             gap=0.0036, proven=False, method="relaxation"),
    ]  # fmt: skip
    return Plan(
        protocol=limits,
        solver=SolverReport(
            status="feasible",
            objective=operations,
            bound=operations,
            gap=0.0,
            seed=7,
            seconds=4.2,
            solver="HiGHS 1.12.0",
            goals=tuple(goals),
        ),
        function=FunctionSummary(
            fev1_percent=96,
            fev1_predicted_l=2.9,
            lung_ml=5200,
            assumed=("lung_ml",),
            ppo_fev1_percent=81,
            ppo_fev1_low_percent=66,
            ppo_fev1_high_percent=96,
        ),
        operations=tuple(done),
        unassigned=tuple(
            Unassigned(
                lesion=i, code="no_technique", reason="Depth 41 mm and diameter 32 mm: no technique fits."
            )
            for i in sorted(missed)
        ),
        lesions=tuple(lesions),
        warnings=("Slices are 2.0 mm thick: metastases under 4 mm may be missed.",),
        evidence=tuple(book.overriding({"time.nodule.superficial": 8}).values()),
    )


def _measured(specimen_id, group):
    """What is known of a specimen that was cut on a scan; across a fissure, sutured, untested in turn."""
    volume_ml = sum(0.8 + row["volume_mm3"] / 1000 for row in group)
    across = specimen_id % 7 == 3
    share = 0.8 if across else 1.0
    other = "RUL" if group[0]["lobe"] != "RUL" else "RML"
    return {
        "lobe_ml": {group[0]["lobe"]: share * volume_ml} | ({other: 0.2 * volume_ml} if across else {}),
        "reach_mm": max(row["depth_mm"] + row["diameter_mm"] / 2 + 5.0 for row in group),
        "margin_least_mm": 3.9 if specimen_id % 13 == 6 else 5.1,
        "margin_low_mm": 2.5 if specimen_id % 13 == 6 else 3.7,
        "margin_high_mm": 5.3 if specimen_id % 13 == 6 else 6.5,
        "clear": 0.91 if specimen_id % 11 == 5 else 0.998,
        "vessel_mm": 2.4 if specimen_id % 3 == 0 else 0.0,
        "bronchus_mm": 1.3 if specimen_id % 6 == 0 else 0.0,
        "closure": ("airtight", "suture", "untested")[specimen_id % 3] if len(group) == 1 else "staples",
    }


def make_input(count=170, operations=6, *, places=True, spacing_mm=(2.0, 2.0, 2.0), **more):
    """Return everything that a report is written from."""
    scan, anatomy = make_scan(spacing_mm)
    nodules = make_nodules(anatomy, count, places=places)
    options = {
        "plan": make_plan(nodules, operations) if "plan" not in more else None,
        "nodules": nodules,
        "lungs": LungViews.of(anatomy, scan) if places else None,
        "title": "Made-up patient",
        "source": "Synthetic lungs with nodules strewn at random",
        "created": "2026-03-04",
    }
    return ReportInput(**(options | more))


def make_both_input(count=24, *, places=True):
    """Return a report whose first operation opens both sides, and the CT before its second."""
    report = make_input(count, 3, places=places, spacing_mm=(4.0, 4.0, 4.0))
    first, second, third = report.plan.operations
    taken = (*first.specimens, *second.specimens[:2])
    both = first.model_copy(
        update={"side": "both", "specimens": taken, "approach": "bilateral anterior thoracotomy"}
    )
    later = second.model_copy(update={"specimens": second.specimens[2:], "scan_week": second.week - 1})
    moved = {lesion: 1 for specimen in second.specimens[:2] for lesion in specimen.lesions}
    lesions = tuple(
        lesion.model_copy(update={"operation": moved.get(lesion.id, lesion.operation)})
        for lesion in report.plan.lesions
    )
    wish = Assignment(lesions=(5,), leave=True, reason="at the hilum")
    plan = report.plan.model_copy(
        update={"operations": (both, later, third), "lesions": lesions, "assignments": (wish,)}
    )
    return replace(report, plan=plan)
