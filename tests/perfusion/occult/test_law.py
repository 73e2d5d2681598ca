"""The law of sizes is a power law where it should be, and a lognormal one where it should be."""

import numpy as np
import pytest
from scipy.stats import norm

from clearlung.perfusion.occult.law import SizeAxis, size_shares
from clearlung.perfusion.occult.prior import OccultPrior, Spread


def certain(value: float) -> Spread:
    return Spread(value, value, value)


def shares(prior: OccultPrior) -> tuple[SizeAxis, np.ndarray]:
    axis = SizeAxis.of(prior)
    return axis, size_shares(prior, np.zeros((1, 4)), axis)[0]


@pytest.mark.parametrize("power", [0.3, 0.663, 1.0])
def test_the_number_of_larger_ones_falls_as_a_straight_line(book, power):
    """Lee and Withers: log number above a volume against log volume, with the power as its slope."""
    prior = OccultPrior.of(book).changed(
        last_mm=certain(0.5), scatter=certain(0.05), power=certain(power), top_mm=certain(1e6)
    )
    axis, share = shares(prior.changed(largest_mm=1e5))
    above = np.cumsum(share[::-1])[::-1]
    inside = (axis.edges_mm[:-1] > 1) & (axis.edges_mm[:-1] < 30)
    slope, _ = np.polyfit(3 * np.log(axis.edges_mm[:-1][inside]), np.log(above[inside]), 1)
    assert slope == pytest.approx(-power, rel=0.02)
    assert share[axis.edges_mm[1:] < 0.4].sum() < 0.01


def test_a_large_power_leaves_a_lognormal_law(book):
    prior = OccultPrior.of(book).changed(
        last_mm=certain(4.5), scatter=certain(0.6), power=certain(200.0), top_mm=certain(1e6)
    )
    axis, share = shares(prior.changed(largest_mm=1e3))
    expected = np.diff(norm.cdf(np.log(axis.edges_mm / 4.5) / 0.6))
    assert np.abs(share - expected).max() < 2e-3


def test_the_axis_covers_the_sizes_and_what_lies_beyond(book):
    axis = SizeAxis.of(OccultPrior.of(book))
    assert (np.diff(axis.edges_mm) > 0).all()
    assert axis.bins(axis.diameters_mm).tolist() == list(range(len(axis.diameters_mm)))
    assert axis.bins(np.array([0.01, 500.0])).tolist() == [0, len(axis.diameters_mm) - 1]
