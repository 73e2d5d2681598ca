"""No way to spread the tissue below the same peaks ends before the bound on weeks says."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from clearlung.staging.budget import Budget
from clearlung.staging.draft import Candidate, LungDraft, schedule
from clearlung.staging.items import items_of
from clearlung.staging.weeks_bound import weeks_bound

from .problems import function, problem, protocol


def lung(case, side):
    """Every specimen in an operation of its own, in the order of the list."""
    rows = np.flatnonzero(case.specimens.side == side)
    operations = tuple(np.array([place]) for place in range(len(rows)))
    return LungDraft(items_of(case, side, rows), operations, (False,) * len(rows))


def planned(volumes, limits, model):
    specimens = [("RLL", ml, 10.0) for ml in volumes["right"]] + [("LLL", ml, 10.0) for ml in volumes["left"]]
    case = problem(specimens, limits, model=model)
    budget = Budget.of(case)
    return schedule(Candidate(lung(case, "right"), lung(case, "left"), {}), budget), budget


def spread_anew(volumes, peak, rng):
    """Another way to share the same tissue between as many operations, none above the peak."""
    total, n = sum(volumes), len(volumes)
    spare = n * peak - total
    cuts = np.sort(rng.uniform(0, 1, n - 1))
    shares = np.diff(np.r_[0.0, cuts, 1.0]) * spare
    # Some put all that is spare into a single operation, the hardest case.
    if rng.uniform() < 0.4:
        shares = np.zeros(n)
        shares[rng.integers(n)] = spare
    made = np.round(peak - shares, 3)
    return None if made.min() < 0.1 else made.tolist()


@settings(max_examples=60)
@given(
    right=st.lists(st.floats(20, 60), min_size=1, max_size=5),
    left=st.lists(st.floats(20, 60), min_size=1, max_size=5),
    lung_ml=st.floats(900, 3000),
    waiting=st.one_of(st.none(), st.floats(2, 12)),
    seed=st.integers(0, 1000),
)
def test_no_spread_of_the_tissue_ends_before_the_bound(right, left, lung_ml, waiting, seed):
    rng = np.random.default_rng(seed)
    limits = protocol(other_side_min=1, same_side_min=2, fev1_unrecovered_percent_max=waiting)
    model = function(lung_ml=lung_ml)
    volumes = {"right": [round(ml, 3) for ml in right], "left": [round(ml, 3) for ml in left]}
    draft, budget = planned(volumes, limits, model)
    assume(draft is not None)
    bound = weeks_bound(draft, budget)
    assert bound <= draft.weeks
    peaks = {side: math.ceil(max(own) - 1e-9) for side, own in volumes.items()}
    for _ in range(8):
        other = {side: spread_anew(own, peaks[side], rng) for side, own in volumes.items()}
        if None in other.values():
            continue
        found, _ = planned(other, limits, model)
        # Rounding to thousandths moves the total by as much.
        if found is not None and all(abs(sum(other[s]) - sum(volumes[s])) < 1e-9 for s in other):
            assert found.weeks >= bound
