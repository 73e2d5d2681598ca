"""What the hand finds in each operation and scenario besides what the CT shows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import pdtr, pdtrik
from scipy.stats import binom

from clearlung.anatomy import LOBE_SIDES, LOBES, SIDES, Side
from clearlung.perfusion import OccultBurden
from clearlung.staging.problem import StagingProblem
from clearlung.staging.stress.draws import Draws
from clearlung.staging.stress.spreads import Floats
from clearlung.staging.stress.staged import Staged

_DAYS = 7.0
# A share of nothing is divided by this.
_NOTHING = 1e-12


def found_by_hand(
    problem: StagingProblem, staged: Staged, draws: Draws, planned: Floats, week: Floats
) -> Floats:
    """Return the nodules that the hand finds, shape (operations, lobes, scenarios).

    Where what is unseen was estimated, every scenario is one of its imagined patients, in whom the hand feels
    through each lung that is opened. Otherwise their number goes by the published ratio of found to seen.

    Parameters
    ----------
    problem, staged, draws
        As for :func:`simulate`.
    planned
        Lesions that each operation takes from each lobe, shape (operations, lobes).
    week
        Of each operation, shape (operations, scenarios).
    """
    spread = draws.spreads["found_ratio"]
    if spread.shape == "imagined" and problem.basis is not None and problem.burden is not None:
        since = week + problem.basis.unseen.weeks_since_ct
        return _of_burden(problem, problem.burden, staged, draws, since)
    return _of_ratio(planned, draws)


def _of_burden(
    problem: StagingProblem, burden: OccultBurden, staged: Staged, draws: Draws, weeks: Floats
) -> Floats:
    """Return what is felt of the unseen metastases of imagined patients, some weeks after the CT.

    As in what a plan says of them (:class:`clearlung.perfusion.LungBenefit`), a hand feels what is large
    enough: those of its chance that the lung's earlier operations have not found yet. What is there is whole
    metastases, each in its lobe; no more are found than there are.
    """
    found = np.zeros((len(staged), len(LOBES), draws.scenarios))
    strength = draws.spreads["found_ratio"].strength
    if not strength:
        return found
    # The more of them the higher, as with every other spread.
    by_count = np.argsort(burden.count(), kind="stable")
    patients = burden.take(by_count[(draws.quantiles("found_ratio") * burden.draws).astype(np.intp)])
    there = patients.by_size.sum(axis=2)
    left, known = there.copy(), np.zeros_like(there)
    for place, rows in enumerate(staged.rows):
        felt = patients.felt(patients.diameters_on(_DAYS * weeks[place]))
        opened = _sides(problem, rows)
        for column, lobe in enumerate(burden.lobes):
            if LOBE_SIDES[lobe] not in opened:
                continue
            among = (patients.by_size[:, column] * felt).sum(axis=1)
            chance = strength * among / np.maximum(there[:, column], 1.0)
            new = (chance - known[:, column]) / np.maximum(1.0 - known[:, column], _NOTHING)
            at = draws.quantiles("found_count", place * len(LOBES) + LOBES.index(lobe))
            count = binom.ppf(at, left[:, column], np.clip(new, 0.0, 1.0))
            found[place, LOBES.index(lobe)] = count
            left[:, column] -= count
            known[:, column] = np.maximum(known[:, column], chance)
    return found


def _sides(problem: StagingProblem, rows: NDArray[np.intp]) -> set[Side]:
    sides = problem.specimens.side[rows]
    return {side for side in SIDES if (sides == side).any()}


def _of_ratio(planned: Floats, draws: Draws) -> Floats:
    """Return in each lobe a Poisson number whose mean is what was planned there, times the ratio less one."""
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
