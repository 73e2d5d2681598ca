"""`simulate`: what becomes of a plan's operations in every scenario."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtr, pdtrik

from clearlung.anatomy import LOBES
from clearlung.staging.problem import StagingProblem
from clearlung.staging.stress.draws import Draws
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
    fev1_after_percent
        Right after each operation, percent of predicted.
    fev1_final_percent
        Shape (scenarios,): after full recovery from all.
    permanent, early
        What each operation takes, fractions of the value before the first.
    recovery
        Shape (scenarios,): factor of the time constants.
    error_percent
        Shape (scenarios,): error of the prediction, points of percent predicted.
    """

    week: Floats
    found: Floats
    nodules: Floats
    lobe_nodules: Floats
    minutes: Floats
    removed_ml: Floats
    fev1_after_percent: Floats
    fev1_final_percent: Floats
    permanent: Floats
    early: Floats
    recovery: Floats
    error_percent: Floats


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
    found = _found(planned, draws)
    minutes = _minutes(staged, draws, found.sum(axis=1))
    return _over_time(problem, staged, draws, planned, found, minutes, _weeks(staged, draws))


def put_off(problem: StagingProblem, staged: Staged, draws: Draws, course: Course, later: Floats) -> Course:
    """Return the same scenarios with operations put off.

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
    week = course.week + later[:, None]
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
    permanent, early = _losses(problem, staged, draws, bedded, anatomical)
    nodules = planned[:, :, None] + found
    error = draws.patient("fev1_bias") + draws.patient("fev1_error")
    course = Course(
        week=week,
        found=found,
        nodules=nodules.sum(axis=1),
        # What the hand finds where nothing was planned is not in this operation.
        lobe_nodules=nodules.max(axis=1),
        minutes=minutes,
        removed_ml=bedded + anatomical,
        fev1_after_percent=np.empty_like(week),
        fev1_final_percent=_final(problem, permanent, error),
        permanent=permanent,
        early=early,
        recovery=draws.patient("recovery"),
        error_percent=error,
    )
    for place in range(len(staged)):
        course.fev1_after_percent[place] = fev1_percent(problem, course, week[place], operations=place + 1)
    return course


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
    model = problem.function
    value = 1.0 + _regained(problem, course.recovery, np.asarray(week, dtype=np.float64))
    last = len(course.week) if operations is None else operations
    for place in range(last):
        since = week - course.week[place]
        lost = course.permanent[place] + course.early[place] * _left(problem, course.recovery, since)
        value = value - (lost if operations is not None else np.where(since >= 0, lost, 0.0))
    return np.asarray(np.maximum(model.baseline_percent * value + course.error_percent, 0.0))


def _left(problem: StagingProblem, factor: Floats, weeks: Floats) -> Floats:
    recovery = problem.function.recovery
    left = np.zeros(np.broadcast(factor, weeks).shape)
    for share, tau in zip(recovery.shares, recovery.weeks, strict=True):
        if share:
            left += share * np.exp(-np.maximum(weeks, 0.0) / (tau * factor))
    return left


def _regained(problem: StagingProblem, factor: Floats, week: Floats) -> Floats | float:
    model = problem.function
    if not any(model.unrecovered):
        return 0.0
    parts = zip(model.unrecovered, model.recovery.weeks, strict=True)
    return np.asarray(sum(part * (1.0 - np.exp(-week / (tau * factor))) for part, tau in parts))


def _final(problem: StagingProblem, permanent: Floats, error: Floats) -> Floats:
    model = problem.function
    kept = 1.0 + model.regained(math.inf) - permanent.sum(axis=0)
    return np.asarray(np.maximum(model.baseline_percent * kept + error, 0.0))


def _weeks(staged: Staged, draws: Draws) -> Floats:
    """Return the week of each operation: what a complication delays, delays all that follow."""
    count = len(staged)
    week = np.repeat(staged.week[:, None], draws.scenarios, axis=1)
    stay = draws.spreads["stay"]
    delay = np.maximum(draws.operations("stay", count) - stay.planned, 0.0) / _DAYS
    delayed = np.where(_complicated(staged, draws), delay, 0.0)
    week[1:] += np.cumsum(delayed, axis=0)[:-1]
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


def _found(planned: Floats, draws: Draws) -> Floats:
    """Return the nodules that the hand finds, shape (operations, lobes, scenarios).

    In each lobe a Poisson number whose mean is what was planned there, times the ratio less one.
    """
    more = np.maximum(draws.patient("found_ratio") - 1.0, 0.0)
    found = np.zeros((*planned.shape, draws.scenarios))
    if more.any():
        for place, lobe in np.argwhere(planned > 0).tolist():
            at = draws.quantiles("found_count", place * len(LOBES) + lobe)
            found[place, lobe] = _poisson(at, planned[place, lobe] * more)
    return found


def _poisson(at: Floats, mean: Floats) -> Floats:
    """Return quantiles of Poisson distributions: never less for a larger mean."""
    count = np.zeros_like(mean)
    # Below the chance of none at all the inverse is not defined, and the number is none.
    some = at > np.exp(-mean)
    count[some] = np.ceil(pdtrik(at[some], mean[some]))
    # The inverse is numerical: where it lies a hair above a whole number, that number is meant.
    one_less = np.maximum(count - 1.0, 0.0)
    return np.where(some & (pdtr(one_less, mean) >= at), one_less, count)


def _found_ml(problem: StagingProblem, draws: Draws) -> Floats:
    """Return what one nodule that was found takes: a ball with the rim that the plan's specimens have."""
    rims = problem.specimens.margin_mm
    rim = float(np.median(rims)) if len(rims) else 0.0
    return np.asarray(np.pi / 6 * (draws.patient("found_diameter") + 2 * rim) ** 3 / _MM3_PER_ML)


def _removed_ml(
    problem: StagingProblem, staged: Staged, draws: Draws, week: Floats, found: Floats
) -> tuple[Floats, Floats]:
    """Return the tissue taken around beds, with what grew and what was found, and taken anatomically.

    A lobe whose tumors outgrow it gives what earlier operations have left of it.
    """
    specimens, each_ml = problem.specimens, _found_ml(problem, draws)
    bedded = np.zeros((len(staged), draws.scenarios))
    anatomical = np.zeros_like(bedded)
    book = problem.protocol.book()
    for number, lobe in enumerate(LOBES):
        left = problem.function.lung_ml * book.value(_LOBE_SHARE.format(lobe), unit="%") / 100
        for place, rows in enumerate(staged.rows):
            own = rows[specimens.lobe[rows] == lobe]
            whole = float(specimens.volume_ml[own[specimens.anatomical[own]]].sum())
            beds = found[place, number] * each_ml
            for row in own[~specimens.anatomical[own]].tolist():
                beds = beds + specimens.volume_ml[row] * _grown(problem, row, draws, _DAYS * week[place])
            share = np.minimum(1.0, left / np.maximum(beds + whole, _NOTHING_ML))
            bedded[place] += beds * share
            anatomical[place] += whole * share
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


def _losses(
    problem: StagingProblem, staged: Staged, draws: Draws, bedded_ml: Floats, anatomical_ml: Floats
) -> tuple[Floats, Floats]:
    """Return what each operation takes for good and at first, as :meth:`FunctionModel.loss` does."""
    model = problem.function
    bedded, anatomical = bedded_ml / model.lung_ml, anatomical_ml / model.lung_ml
    perfused = np.where(staged.perfused, model.perfusion_permanent, 0.0)[:, None]
    permanent = bedded + model.anatomical_factor * anatomical + perfused
    return permanent, model.early_access + draws.patient("tissue_factor") * bedded
