"""The sampler against posteriors that are known in closed form."""

import numpy as np
import pytest

from clearlung.perfusion.occult.imagine import draw_shares
from clearlung.perfusion.occult.sampler import effective, resample, sample, weigh


@pytest.mark.parametrize(("at", "sd"), [(0.0, 10.0), (2.0, 0.5), (-3.0, 0.05)])
def test_a_normal_likelihood_gives_the_normal_posterior(at, sd):
    """Prior N(0, 1), likelihood N(at, sd): mean at / (1 + sd²), variance sd² / (1 + sd²)."""

    def log_likelihood(draws):
        return -0.5 * ((draws[:, 0] - at) / sd) ** 2

    draws, weights = sample(log_likelihood, 5, np.random.default_rng(0))
    variance = sd**2 / (1 + sd**2)
    mean = weights @ draws
    assert weights.sum() == pytest.approx(1)
    assert effective(weights) > 400
    assert mean[0] == pytest.approx(at / (1 + sd**2), abs=0.12 * variance**0.5)
    assert weights @ (draws[:, 0] - mean[0]) ** 2 == pytest.approx(variance, rel=0.15)
    # What nothing was learned of stays as it was.
    assert mean[1:] == pytest.approx(np.zeros(4), abs=0.15)


def test_resampled_rows_are_as_frequent_as_their_weights():
    weights = np.array([0.5, 0.25, 0.25, 0.0])
    rows = resample(weights, 4000, np.random.default_rng(0))
    assert np.bincount(rows, minlength=4).tolist() == pytest.approx([2000, 1000, 1000, 0], abs=1)


def test_shares_tilted_by_what_was_found_are_exact():
    """Against plain draws of the Dirichlet distribution, weighted with the factor itself."""
    rng = np.random.default_rng(3)
    counts, rates, metastases = np.array([40.0, 12.0, 25.0]), np.array([1.4, 0.8, 1.0]), 40.0
    n = 40_000
    plain = rng.dirichlet(counts, n)
    factor = weigh(-metastases * np.log(plain @ rates))
    shares, logs = draw_shares(np.tile(counts, (n, 1)), np.full(n, metastases), np.tile(rates, (n, 1)), rng)
    weights = weigh(logs)
    assert effective(weights) > 0.9 * n > effective(factor)
    assert weights @ shares == pytest.approx(factor @ plain, abs=0.004)
