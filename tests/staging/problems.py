"""Staging problems in one line, and a checker of plans that shares no code with the optimizer."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from clearlung.anatomy import LOBE_SIDES
from clearlung.evidence import load_evidence
from clearlung.followup import LesionTable
from clearlung.perfusion import make_regimen
from clearlung.resection import FunctionModel, LungFunction, PatientFunction, SpecimenSet, lobe_volumes
from clearlung.staging import Plan, Protocol, StagingProblem, broken_limits, load_protocol

EASY_LUNG_ML = 1e6  # so large that tissue takes no function


def protocol(name="conservative", **limits) -> Protocol:
    """A shipped protocol with some limits changed: ``nodules_max=3, other_side_min=1, ...``."""
    base = load_protocol(name)
    parts = {}
    for part_name in ("per_operation", "weeks", "function", "perfusion", "total", "scans"):
        part = getattr(base, part_name)
        mine = {k: v for k, v in limits.items() if k in type(part).model_fields}
        parts[part_name] = part.model_copy(update=mine)
    return base.model_copy(update=parts)


def function(lung_ml=EASY_LUNG_ML, fev1_percent=98.0, **constants) -> FunctionModel:
    model = FunctionModel.from_evidence(
        load_evidence(), "fev1", percent=fev1_percent, predicted=2.8, lung_ml=lung_ml, confidence=0.95
    )
    return replace(model, **constants)


def patient(fev1: FunctionModel, dlco_percent=80.0, *, known=True, **constants) -> PatientFunction:
    """A patient with this FEV1, and a DLCO whose course the evidence's constants or others describe."""
    dlco = FunctionModel.from_evidence(
        load_evidence(), "dlco", percent=dlco_percent, predicted=None, lung_ml=fev1.lung_ml, confidence=0.95
    )
    lungs = LungFunction(fev1, replace(dlco, **constants), 0.53, "ct volume")
    return PatientFunction(lungs, lobe_volumes(fev1.lung_ml, load_evidence()), None, known)


def problem(
    specimens,
    limits=None,
    *,
    model=None,
    perfused=False,
    vdt=None,
    seed=0,
    reentry=0.0,
    operated=(),
    anatomical=(),
    patient=None,
) -> StagingProblem:
    """A problem from ``(lobe, ml, minutes)`` or ``(lobe, ml, minutes, lesions)`` for each specimen.

    ``anatomical`` holds the places of those that are segments or lobes.
    """
    rows = [(*s, 1) if len(s) == 3 else s for s in specimens]
    counts = [s[3] for s in rows]
    starts = np.cumsum([0, *counts])
    groups = tuple(tuple(range(int(a) + 1, int(a) + 1 + n)) for a, n in zip(starts, counts, strict=False))
    lobe = np.array([s[0] for s in rows], dtype=np.str_)
    side = np.array([LOBE_SIDES[s[0]] for s in rows], dtype=np.str_)
    total = int(starts[-1])
    limits = limits or protocol()
    made = StagingProblem.build(
        limits.book(),
        specimens=SpecimenSet(
            id=np.arange(1, len(rows) + 1, dtype=np.int32),
            lesions=groups,
            technique=np.full(len(rows), "laser"),
            side=side,
            lobe=lobe,
            volume_ml=np.array([s[1] for s in rows], dtype=float),
            margin_mm=np.full(len(rows), 5.0),
            minutes=np.array([s[2] for s in rows], dtype=float),
            unresectable={},
            evidence=("technique.laser.rim",),
            anatomical=np.isin(np.arange(len(rows)), list(anatomical)),
        ),
        lesions=LesionTable(
            id=np.arange(1, total + 1, dtype=np.int32),
            side=np.repeat(side, counts),
            lobe=np.repeat(lobe, counts),
            diameter_mm=np.full(total, 6.0),
            depth_mm=np.full(total, 10.0),
            vdt_days=np.full(total, np.nan if vdt is None else vdt),
        ),
        function=model or function(),
        protocol=limits,
        regimen=make_regimen("petrov-melphalan-50", limits.book()) if perfused else None,
        operated=None if operated is None else frozenset(operated),
        seed=seed,
        patient=patient,
    )
    return replace(made, reentry_minutes=reentry)


def goals(plan: Plan) -> list[float]:
    """Values of the goals in order of rank."""
    return [goal.value for goal in plan.solver.goals]


def rows_of(operation) -> list[int]:
    """Rows of an operation's specimens: they are numbered from one."""
    return [specimen.id - 1 for specimen in operation.specimens]


def check(given: StagingProblem, plan: Plan) -> None:
    """Demand that a plan obeys every limit and accounts for every lesion."""
    assert not broken_limits(plan)
    per, weeks, floors = given.protocol.per_operation, given.protocol.weeks, given.protocol.function
    model = given.function
    done = []
    if given.patient is not None and plan.operations:
        _check_dlco(given, plan)
    assert [o.number for o in plan.operations] == list(range(1, len(plan.operations) + 1))
    assert not plan.operations or plan.operations[0].week == 0
    for i, operation in enumerate(plan.operations):
        assert operation.specimens
        assert {s.side for s in operation.specimens} == {operation.side}
        assert len(operation.lesions) <= per.nodules_max
        for lobe in {s.lobe for s in operation.specimens}:
            assert (
                sum(len(s.lesions) for s in operation.specimens if s.lobe == lobe) <= per.nodules_per_lobe_max
            )
        minutes = given.access_minutes + sum(s.minutes for s in operation.specimens)
        minutes += given.perfusion_minutes if operation.perfusion else 0
        opened = given.operated | {earlier.side for earlier in plan.operations[:i]}
        minutes += given.reentry_minutes if operation.side in opened else 0
        assert operation.minutes == minutes or abs(operation.minutes - minutes) < 1e-6
        assert operation.minutes <= per.minutes_max + 1e-6
        assert operation.reentry == (operation.side in opened)
        # What the limit holds for is the sum without economy: no less than what is expected. The time of
        # re-entry is the problem's there and the evidence's here.
        if given.reentry_minutes == given.protocol.book().value("time.reentry", unit="min"):
            assert operation.minutes_low <= operation.minutes_expected <= operation.minutes + 1e-6
            assert operation.minutes <= operation.minutes_high + 1e-6
        assert 0 < operation.complication_percent.low <= operation.complication_percent.high <= 100
        removed = sum(s.volume_ml for s in operation.specimens)
        assert abs(operation.removed_ml - removed) < 1e-6
        assert removed <= per.removed_ml_max + 1e-6
        assert not any(first <= operation.week <= last for first, last in weeks.blocked)
        for earlier in plan.operations[:i]:
            gap = operation.week - earlier.week
            assert gap >= (weeks.same_side_min if earlier.side == operation.side else weeks.other_side_min)
            assert gap >= (weeks.after_perfusion_min if earlier.perfusion else 0)
        assert abs(operation.fev1_before_percent - model.percent(done, operation.week)) < 1e-6
        done.append(
            (operation.week, given.loss(rows_of(operation), perfused=operation.perfusion is not None))
        )
        after = model.percent(done, operation.week)
        assert abs(operation.fev1_after_percent - after) < 1e-6
        assert after - model.margin_percent >= floors.fev1_after_percent_min - 1e-6
        assert abs(operation.fev1_after_low_percent - (after - model.margin_percent)) < 1e-6
    if plan.operations:
        final = model.final_percent([loss for _, loss in done])
        assert abs(plan.function.ppo_fev1_percent - final) < 1e-6
        assert plan.function.ppo_fev1_low_percent >= floors.ppo_fev1_percent_min - 1e-6
    assert weeks.total_max is None or plan.weeks_until_clear <= weeks.total_max
    limits, perfused = given.protocol.perfusion, [o for o in plan.operations if o.perfusion]
    fewer = limits.total_max is not None or limits.drug_mg_max is not None
    assert len(perfused) <= (limits.total_max if limits.total_max is not None else 20)
    assert sum(o.perfusion.dose_mg for o in perfused) <= (limits.drug_mg_max or 1e9) + 1e-6
    for earlier, later in pairwise(perfused):
        assert later.week - earlier.week >= (limits.weeks_between_min or 0)
    for side in ("right", "left"):
        own = [o for o in plan.operations if o.side == side]
        expected = min(given.perfusions_per_lung, len(own))
        if fewer:
            assert sum(o.side == side for o in perfused) <= expected
            expected = sum(o.side == side for o in perfused)
        assert [o.perfusion is not None for o in own] == [False] * (len(own) - expected) + [True] * expected
    removed_lesions = [lesion for o in plan.operations for lesion in o.lesions]
    left = [u.lesion for u in plan.unassigned]
    assert sorted(removed_lesions + left) == sorted(given.lesions.id.tolist())
    for lesion in plan.lesions:
        own = [o.number for o in plan.operations if lesion.id in o.lesions]
        assert own == ([] if lesion.operation is None else [lesion.operation])
    for goal in plan.solver.goals:
        assert goal.bound <= goal.value
        assert goal.proven == (goal.bound == goal.value)
    assert (plan.solver.status == "optimal") == all(g.proven for g in plan.solver.goals)
    assert plan.solver.objective == len(plan.operations)


def _check_dlco(given: StagingProblem, plan: Plan) -> None:
    """Demand that DLCO keeps to its limits, where there are any."""
    model, floors, done = given.patient.lungs.dlco, given.protocol.function, []
    for operation in plan.operations:
        loss = given.loss(rows_of(operation), perfused=operation.perfusion is not None, model=model)
        done.append((operation.week, loss))
        low = model.percent(done, operation.week) - model.margin_percent
        assert abs(operation.dlco_after_low_percent - low) < 1e-6
        assert low >= (floors.dlco_after_percent_min or -1e9) - 1e-6
    low = model.final_percent([loss for _, loss in done]) - model.margin_percent
    assert low >= (floors.ppo_dlco_percent_min or -1e9) - 1e-6
