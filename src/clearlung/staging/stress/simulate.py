"""`simulate`: what becomes of a plan's operations in every scenario."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBES
from clearlung.resection import FunctionModel
from clearlung.staging.fixed import lobe_ml_of
from clearlung.staging.problem import StagingProblem
from clearlung.staging.stress.draws import Draws
from clearlung.staging.stress.found import found_by_hand
from clearlung.staging.stress.lost import Lost
from clearlung.staging.stress.spreads import Floats, triangular
from clearlung.staging.stress.staged import Staged

_LOBE_SHARE = "anatomy.lobe_share.{}"
_DAYS = 7.0
_MM3_PER_ML = 1000.0
# A lobe of nothing is divided by this.
_NOTHING_ML = 1e-12
# Growth by more fills any lobe; the exponential itself must stay finite.
_LARGEST_EXPONENT = 30.0


@dataclass(frozen=True, eq=False)
class Course:
    """What becomes of a plan's operations, by scenario.

    Parameters
    ----------
    week
        Shape (operations, scenarios), as all that follow unless they say otherwise.
    found
        Shape (operations, lobes, scenarios): nodules that the hand finds besides those seen.
    nodules, minutes, removed_ml
        Of each operation.
    lobe_nodules
        Of the lobe with the most.
    lobe_ml
        Shape (operations, lobes, scenarios): tissue that each operation takes from each lobe.
    fev1_after_percent
        Right after each operation, percent of predicted.
    fev1_unrecovered_percent
        What is still to come back of FEV1 when each operation begins, points of percent predicted.
    fev1_final_percent
        Shape (scenarios,): after full recovery from all.
    permanent, early
        What each operation takes, fractions of the value before the first.
    recovery
        Shape (scenarios,): factor of the time constants.
    error_percent
        Shape (scenarios,): error of the prediction, points of percent predicted.
    dlco
        The same of DLCO, where it is limited.
    """

    week: Floats
    found: Floats
    nodules: Floats
    lobe_nodules: Floats
    minutes: Floats
    removed_ml: Floats
    lobe_ml: Floats
    fev1_after_percent: Floats
    fev1_unrecovered_percent: Floats
    fev1_final_percent: Floats
    permanent: Floats
    early: Floats
    recovery: Floats
    error_percent: Floats
    dlco: Dlco | None


@dataclass(frozen=True, eq=False)
class Dlco:
    """DLCO in percent of predicted: right after each operation, and after full recovery from all."""

    after_percent: Floats
    final_percent: Floats


def limited_dlco(problem: StagingProblem) -> FunctionModel | None:
    """Return the patient's model of DLCO where the protocol limits it.

    Raises
    ------
    CaseError
        If DLCO is limited and was not measured.
    """
    return next((floor.model for floor in problem.floors if floor.model.measure == "dlco"), None)


def simulate(problem: StagingProblem, staged: Staged, draws: Draws) -> Course:
    """Return what becomes of a plan's operations in every scenario.

    The plan is carried out as it stands: every operation takes its specimens and what the hand finds besides,
    in its week, or later by what complications before it delay. Specimens of the beds grow with the lesions
    in them; segments and lobes do not. No lobe gives more than it has.

    Parameters
    ----------
    problem
        What was planned.
    staged
        The plan's operations.
    draws
        The scenarios.
    """
    planned = _planned_nodules(problem, staged)
    week = _weeks(problem, staged, draws)
    found = found_by_hand(problem, staged, draws, planned, week)
    minutes = _minutes(staged, draws, found.sum(axis=1))
    return _over_time(problem, staged, draws, planned, found, minutes, week)


def put_off(problem: StagingProblem, staged: Staged, draws: Draws, course: Course, later: Floats) -> Course:
    """Return the same scenarios with operations put off; the hand finds the same in them.

    Parameters
    ----------
    problem, staged, draws
        As for :func:`simulate`.
    course
        What it returned.
    later
        Weeks by which each operation is put off, shape (operations,), never falling.
    """
    planned = _planned_nodules(problem, staged)
    week = _free(problem, course.week + later[:, None])
    return _over_time(problem, staged, draws, planned, course.found, course.minutes, week)


def _over_time(
    problem: StagingProblem,
    staged: Staged,
    draws: Draws,
    planned: Floats,
    found: Floats,
    minutes: Floats,
    week: Floats,
) -> Course:
    """Return the course, given what does not depend on the weeks."""
    bedded, anatomical = _removed_ml(problem, staged, draws, week, found)
    lobe_ml = bedded + anatomical
    bedded, anatomical = bedded.sum(axis=1), anatomical.sum(axis=1)
    lost = Lost.of(problem, problem.function, staged, draws, (bedded, anatomical), week)
    nodules = planned[:, :, None] + found
    return Course(
        week=week,
        found=found,
        nodules=nodules.sum(axis=1),
        lobe_nodules=nodules.max(axis=1),
        minutes=minutes,
        removed_ml=bedded + anatomical,
        lobe_ml=lobe_ml,
        fev1_after_percent=lost.after_percent(),
        fev1_unrecovered_percent=lost.unrecovered_percent(),
        fev1_final_percent=lost.final_percent(),
        permanent=lost.permanent,
        early=lost.early,
        recovery=lost.factor,
        error_percent=lost.error_percent,
        dlco=_dlco(problem, staged, draws, (bedded, anatomical), week),
    )


def _dlco(
    problem: StagingProblem, staged: Staged, draws: Draws, removed_ml: tuple[Floats, Floats], week: Floats
) -> Dlco | None:
    model = limited_dlco(problem)
    if model is None:
        return None
    lost = Lost.of(problem, model, staged, draws, removed_ml, week)
    return Dlco(lost.after_percent(), lost.final_percent())


def fev1_percent(
    problem: StagingProblem, course: Course, week: Floats | float, *, operations: int | None = None
) -> Floats:
    """Return FEV1 in a week of each scenario, shape (scenarios,), percent of predicted.

    Parameters
    ----------
    problem, course
        What was planned, and what becomes of it.
    week
        One for all scenarios, or one for each.
    operations
        Count only the first so many; otherwise all that have been by then.
    """
    lost = Lost(
        problem.function, course.week, course.permanent, course.early, course.recovery, course.error_percent
    )
    return lost.percent(week, operations)


def _weeks(problem: StagingProblem, staged: Staged, draws: Draws) -> Floats:
    """Return the week of each operation: what a complication delays, delays all that follow."""
    count = len(staged)
    week = np.empty((count, draws.scenarios))
    stay = draws.spreads["stay"]
    delay = np.maximum(draws.operations("stay", count) - stay.planned, 0.0) / _DAYS
    delayed = np.where(_complicated(staged, draws), delay, 0.0)
    later = np.zeros(draws.scenarios)
    for place in range(count):
        week[place] = _free(problem, staged.week[place] + later)
        later = week[place] - staged.week[place] + delayed[place]
    return week


def _free(problem: StagingProblem, week: Floats) -> Floats:
    """Return weeks put off until one is free: nobody operates in the others."""
    for first, last in problem.protocol.weeks.blocked:
        week = np.where((week >= first) & (week < last + 1), last + 1.0, week)
    return week


def _complicated(staged: Staged, draws: Draws) -> NDArray[np.bool_]:
    """Return whether each operation has a complication, of its own or of its perfusion."""
    count = len(staged)
    at = draws.quantiles("complication")
    low, expected, high = (staged.complication[:, [column]] for column in range(3))
    chance = draws.spreads["complication"].strength * triangular(at[None, :], low, expected, high)
    own = draws.each("complication_event", count) > 1.0 - chance
    edema = draws.each("edema_event", count) > 1.0 - draws.patient("edema") / 100
    return np.asarray(own | (edema & staged.perfused[:, None]))


def _planned_nodules(problem: StagingProblem, staged: Staged) -> Floats:
    """Return the lesions that each operation takes from each lobe, shape (operations, lobes)."""
    specimens = problem.specimens
    planned = np.zeros((len(staged), len(LOBES)))
    for place, rows in enumerate(staged.rows):
        for number, lobe in enumerate(LOBES):
            planned[place, number] = specimens.counts[rows][specimens.lobe[rows] == lobe].sum()
    return planned


def _found_ml(problem: StagingProblem, draws: Draws) -> Floats:
    """Return what one nodule that was found takes: a ball with the rim that the plan's specimens have."""
    rims = problem.specimens.margin_mm
    rim = float(np.median(rims)) if len(rims) else 0.0
    return np.asarray(np.pi / 6 * (draws.patient("found_diameter") + 2 * rim) ** 3 / _MM3_PER_ML)


def _removed_ml(
    problem: StagingProblem, staged: Staged, draws: Draws, week: Floats, found: Floats
) -> tuple[Floats, Floats]:
    """Return the tissue taken around beds, with what grew and was found, and taken anatomically.

    Each of shape (operations, lobes, scenarios). A lobe whose tumors outgrow it gives what earlier operations
    have left of it.
    """
    specimens, each_ml = problem.specimens, _found_ml(problem, draws)
    bedded = np.zeros((len(staged), len(LOBES), draws.scenarios))
    anatomical = np.zeros_like(bedded)
    book = problem.protocol.book()
    shares = np.array(
        [list(lobe_ml_of(problem, [row]).values()) for row in range(len(specimens))], dtype=np.float64
    ).reshape(len(specimens), len(LOBES))
    for number, lobe in enumerate(LOBES):
        left = problem.function.lung_ml * book.value(_LOBE_SHARE.format(lobe), unit="%") / 100
        for place, rows in enumerate(staged.rows):
            own = rows[shares[rows, number] > 0]
            whole = float(shares[own[specimens.anatomical[own]], number].sum())
            beds = found[place, number] * each_ml
            for row in own[~specimens.anatomical[own]].tolist():
                beds = beds + shares[row, number] * _grown(problem, row, draws, _DAYS * week[place])
            share = np.minimum(1.0, left / np.maximum(beds + whole, _NOTHING_ML))
            bedded[place, number] = beds * share
            anatomical[place, number] = whole * share
            left = left - (beds + whole) * share
    return bedded, anatomical


def _grown(problem: StagingProblem, row: int, draws: Draws, days: Floats) -> Floats:
    """Return by what a specimen has grown after some days: its lesions as balls with its rim, added up.

    A lesion whose doubling time is known grows at that rate, the others at the scenario's.
    """
    places = np.isin(problem.lesions.id, problem.specimens.lesions[row])
    rim_mm = float(problem.specimens.margin_mm[row])
    diameter, vdt = problem.lesions.diameter_mm[places], problem.lesions.vdt_days[places]
    drawn, strength = draws.patient("growth") / 100, draws.spreads["growth"].strength
    if not strength:
        return np.ones(draws.scenarios)
    then = np.zeros(draws.scenarios)
    for size, doubling in zip(diameter.tolist(), vdt.tolist(), strict=True):
        known = math.isfinite(doubling) and doubling != 0
        rate = strength * math.log(2) / doubling if known else drawn
        then += (size * np.exp(np.minimum(rate * days / 3, _LARGEST_EXPONENT)) + 2 * rim_mm) ** 3
    return np.asarray(then / ((diameter + 2 * rim_mm) ** 3).sum())


def _minutes(staged: Staged, draws: Draws, found: Floats) -> Floats:
    count = len(staged)
    minutes = found * draws.operations("found_minutes", count)
    for planned, name in (
        (staged.access_minutes, "access"),
        (staged.reentry_minutes, "reentry"),
        (staged.perfusion_minutes, "perfusion"),
        (staged.specimen_minutes, "pace"),
    ):
        minutes = minutes + planned[:, None] * draws.operations(name, count)
    return minutes
