"""The kernel against the matrix exponential, an independent integrator and the laws of conservation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from clearlung.errors import PerfusionError
from clearlung.perfusion.compartments import Flows, run

SIZE = 5


@st.composite
def networks(draw):
    flows = Flows()
    place = st.integers(0, SIZE - 1)
    for _ in range(draw(st.integers(1, 12))):
        source, sink = draw(place), draw(place)
        if source != sink:
            flows.add(source, sink, draw(st.floats(0.001, 20)))
    return flows


@settings(max_examples=40, deadline=None)
@given(networks(), st.floats(0.1, 40))
def test_linear_flows_agree_with_the_matrix_exponential(flows, minutes):
    start = np.arange(1.0, SIZE + 1)
    found = run(start, flows, minutes, 0.5)
    # The second half of the vector is the integral.
    both = np.zeros((2 * SIZE, 2 * SIZE))
    both[:SIZE, :SIZE], both[SIZE:, :SIZE] = flows.matrix(SIZE), np.eye(SIZE)
    exact = expm(minutes * both) @ np.concatenate((start, np.zeros(SIZE)))
    assert found.amounts_mg[-1] == pytest.approx(exact[:SIZE], rel=1e-5, abs=1e-9)
    assert found.areas_mg_min[-1] == pytest.approx(exact[SIZE:], rel=1e-5, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(networks(), st.booleans())
def test_nothing_is_lost_made_or_negative(flows, coarse):
    start = np.arange(1.0, SIZE + 1)
    found = run(start, flows, 30, 1.0, coarse=coarse)
    assert found.amounts_mg.sum(axis=1) == pytest.approx(start.sum(), rel=1e-12)
    assert found.areas_mg_min[-1].sum() == pytest.approx(30 * start.sum(), rel=1e-9)
    assert found.amounts_mg.min() >= -1e-12
    assert np.abs(flows.matrix(SIZE).sum(axis=0)).max() < 1e-12


def test_saturating_flow_agrees_with_an_independent_integrator():
    flows = Flows()
    flows.add(0, 1, 0.5, half_mg=2.0)
    flows.add(1, 0, 0.1)
    found = run(np.array([10.0, 0.0]), flows, 20, 1.0)

    def slope(_, y):
        moved = 0.5 * y[0] / (1 + y[0] / 2) - 0.1 * y[1]
        return [-moved, moved]

    exact = solve_ivp(slope, (0, 20), [10.0, 0.0], rtol=1e-11, atol=1e-13, t_eval=found.minutes).y.T
    assert found.amounts_mg == pytest.approx(exact, rel=1e-5)


def test_a_saturated_flow_moves_no_more_than_its_limit():
    flows = Flows()
    flows.add(0, 1, 0.5, half_mg=2.0)
    moved = run(np.array([1e6, 0.0]), flows, 10, 1.0).amounts_mg[-1, 1]
    assert moved == pytest.approx(0.5 * 2.0 * 10, rel=1e-4)


def test_exchange_evens_out_levels():
    flows = Flows()
    flows.exchange(0, 1, clearance_ml_per_min=100.0, a_ml=1000.0, b_ml=50.0)
    end = run(np.array([42.0, 0.0]), flows, 60, 1.0).amounts_mg[-1]
    assert end == pytest.approx([40.0, 2.0])


def test_nothing_flows_without_flows():
    flows = Flows()
    flows.add(0, 1, 0.0)
    found = run(np.array([3.0, 0.0]), flows, 2, 0.5)
    assert (found.amounts_mg == [3.0, 0.0]).all()
    assert found.areas_mg_min[-1, 0] == pytest.approx(6.0)
    assert found.minutes.tolist() == [0, 0.5, 1, 1.5, 2]


def test_a_chain_decays_as_bateman_says():
    flows = Flows()
    flows.add(0, 1, 0.3)
    flows.add(1, 2, 0.1)
    found = run(np.array([1.0, 0.0, 0.0]), flows, 10, 1.0)
    middle = 0.3 / (0.1 - 0.3) * (math.exp(-3) - math.exp(-1))
    assert found.amounts_mg[-1, 1] == pytest.approx(middle, rel=1e-5)


@pytest.mark.parametrize("rate", [1e6, math.inf])
def test_what_empties_within_milliseconds_is_refused(rate):
    flows = Flows()
    flows.add(0, 1, rate)
    with pytest.raises(PerfusionError, match="a volume or half-time near 0"):
        run(np.ones(2), flows, 1, 0.5)
