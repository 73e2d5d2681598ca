"""What perfusing a lung spares: what bounds suppose of it, for chances of any shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearlung.perfusion import LungBenefit

TABLE_MM = np.geomspace(0.25, 8.0, 6)
chances = st.lists(st.floats(0.0, 1.0), min_size=len(TABLE_MM), max_size=len(TABLE_MM))
weeks = st.integers(0, 200)
fast = settings(max_examples=200, deadline=None, derandomize=True)


def lung(felt, sterilized, growth=(0.01, 0.02)):
    draws = len(growth)
    return LungBenefit(
        side="left",
        diameters_mm=np.array([0.5, 1.0, 3.0]),
        unseen=np.array([[3.0, 2.0, 1.0]] * draws),
        growth_per_day=np.array(growth),
        table_mm=TABLE_MM,
        felt=np.tile(felt, (draws, 1)),
        sterilized=np.tile(sterilized, (draws, 1)),
        edema=np.zeros(draws),
        death=np.zeros(draws),
    )


@fast
@given(
    chances, chances, st.tuples(*[st.floats(-0.02, 0.04)] * 2), weeks, st.lists(weeks, min_size=1, max_size=3)
)
def test_for_bounds_perfusions_spare_no_less_and_never_more_for_waiting(felt, sterilized, growth, last, then):
    given_lung = lung(felt, sterilized, growth)
    bounding = given_lung.for_bounds
    spared = bounding.spared_mean(last, then)
    assert spared >= given_lung.spared_mean(last, then) - 1e-9
    assert bounding.spared_mean(last + 5, then) <= spared + 1e-9
    for place in range(len(then)):
        later = [week + 5 * (place == k) for k, week in enumerate(then)]
        assert bounding.spared_mean(last, later) <= spared + 1e-9


@fast
@given(chances, chances, weeks, st.lists(weeks, min_size=1, max_size=3))
def test_the_mean_is_that_of_the_draws(felt, sterilized, last, then):
    given_lung = lung(felt, sterilized, (0.0, 0.03))
    assert given_lung.spared_mean(last, then) == pytest.approx(given_lung.spared(last, then).mean(), abs=1e-9)


def test_where_waiting_is_never_better_the_lung_itself_is_what_bounds_use():
    felt, sterilized = np.linspace(0.0, 1.0, 6), np.linspace(0.9, 0.0, 6)
    given_lung = lung(felt, sterilized)
    assert given_lung.for_bounds is given_lung
    assert lung(felt, sterilized, (0.01, -0.01)).for_bounds is not None
    assert lung(sterilized, sterilized).for_bounds.spared_mean(0, [0]) > lung(
        sterilized, sterilized
    ).spared_mean(0, [0])
