"""Growth against the closed forms and the published test values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlung.followup import diameter_after_mm, doubling_time_days, specific_growth_rate_percent_per_day

diameters = st.floats(0.5, 100)
days = st.floats(1, 2000)


def test_schwartz():
    assert doubling_time_days(5, 10, 192) == pytest.approx(64.0, abs=0.1)
    assert doubling_time_days(5, 5, 100) == np.inf
    assert doubling_time_days(10, 5, 192) == pytest.approx(-64.0, abs=0.1)


@pytest.mark.parametrize(("vdt", "expected"), [(20, 139.3), (64, 445.8)])
def test_from_one_to_five_millimeters(vdt, expected):
    assert diameter_after_mm(1.0, vdt, expected) == pytest.approx(5.0, rel=1e-3)


@pytest.mark.parametrize(("vdt", "times"), [(20, 4.29), (64, 1.58)])
def test_volume_in_six_weeks(vdt, times):
    assert diameter_after_mm(1.0, vdt, 42) ** 3 == pytest.approx(times, rel=0.01)


@pytest.mark.parametrize(("vdt", "rate"), [(64, 1.083), (20, 3.466)])
def test_specific_growth_rate(vdt, rate):
    assert specific_growth_rate_percent_per_day(vdt) == pytest.approx(rate, abs=0.005)


@given(first=diameters, vdt=st.floats(5, 2000), interval=days)
def test_growing_and_measuring_are_inverse(first, vdt, interval):
    second = diameter_after_mm(first, vdt, interval)
    if second / first > 1.0001 and second < 1e6:
        assert doubling_time_days(first, second, interval) == pytest.approx(vdt, rel=1e-3)
