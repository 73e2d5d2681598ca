"""Adaptive importance sampling of a few parameters whose prior is standard normal.

Rounds of draws: the first from the prior, each further one from a Student t distribution fitted to what the
rounds before found, with some of the prior mixed in. All draws are weighed against the mixture of all rounds
(deterministic mixture weights [1]_), so that no round can spoil the answer.

References
----------
.. [1] Veach and Guibas 1995; Cornuet et al., Adaptive multiple importance sampling, Scand J Stat 2012;39:798.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Rounds end when this many draws count; a thousand nodules need three times as many rounds as a hundred.
_ENOUGH, FEWEST_ROUNDS, MOST_ROUNDS, PER_ROUND = 500.0, 3, 24, 1536
_PRIOR_SHARE = 0.15
_DEGREES = 5.0
# A fit needs as many effective draws as this; fewer, and the likelihood is flattened until there are.
_LEAST_EFFECTIVE = 100.0
_WIDER = 1.2


def effective(weights: FloatArray) -> float:
    """Effective number of weighted draws (Kish)."""
    return float(weights.sum() ** 2 / np.sum(weights**2))


def resample(weights: FloatArray, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return rows drawn by their weights (systematic resampling), in random order; shape (count,)."""
    steps = (rng.random() + np.arange(count)) / count
    rows = np.searchsorted(np.cumsum(weights) / weights.sum(), steps)
    return rng.permutation(np.minimum(rows, len(weights) - 1))


def weigh(logs: FloatArray) -> FloatArray:
    """Return weights that sum to 1 from their logarithms."""
    weights = np.exp(logs - logs.max())
    return np.asarray(weights / weights.sum())


def sample(
    log_likelihood: Callable[[FloatArray], FloatArray], dimensions: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Draw from the posterior of parameters that are standard normal beforehand.

    Parameters
    ----------
    log_likelihood
        From draws, shape (n, dimensions), to their log likelihoods, shape (n,).
    dimensions
        Number of parameters.
    rng
        Random numbers.

    Returns
    -------
    tuple
        Draws, shape (n, dimensions), and their weights, which sum to 1.
    """
    draws = rng.standard_normal((PER_ROUND, dimensions))
    likelihood = log_likelihood(draws)
    log_prior = _log_normal(draws)
    fits: list[tuple[FloatArray, FloatArray]] = []
    # Sum of the densities of all rounds at every draw.
    density = np.exp(log_prior)
    while True:
        logs = likelihood + log_prior - np.log(density / (1 + len(fits)))
        weights = weigh(logs)
        enough = len(fits) >= FEWEST_ROUNDS - 1 and effective(weights) >= _ENOUGH
        if enough or len(fits) == MOST_ROUNDS - 1:
            return draws, weights
        fits.append(_fit(draws, logs))
        new = _proposed(*fits[-1], rng)
        new_prior = _log_normal(new)
        density += _proposal_density(draws, log_prior, *fits[-1])
        new_density = np.exp(new_prior) + sum(_proposal_density(new, new_prior, *fit) for fit in fits)
        draws = np.concatenate([draws, new])
        log_prior = np.concatenate([log_prior, new_prior])
        density = np.concatenate([density, new_density])
        likelihood = np.concatenate([likelihood, log_likelihood(new)])


def _log_normal(draws: FloatArray) -> FloatArray:
    return np.asarray(-0.5 * (draws**2).sum(axis=1) - 0.5 * draws.shape[1] * math.log(2 * math.pi))


def _fit(draws: FloatArray, logs: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and Cholesky factor of weighted draws, flattened until enough of them count."""
    power = 1.0
    weights = weigh(logs)
    while effective(weights) < _LEAST_EFFECTIVE and power > 1e-3:
        power *= 0.7
        weights = weigh(power * logs)
    mean = weights @ draws
    apart = draws - mean
    covariance = (apart * weights[:, None]).T @ apart + 1e-4 * np.eye(len(mean))
    return np.asarray(mean), np.asarray(_WIDER * np.linalg.cholesky(covariance))


def _proposed(mean: FloatArray, factor: FloatArray, rng: np.random.Generator) -> FloatArray:
    of_prior = round(_PRIOR_SHARE * PER_ROUND)
    steps = rng.standard_normal((PER_ROUND, len(mean)))
    tails = np.sqrt(_DEGREES / rng.chisquare(_DEGREES, PER_ROUND))
    moved = mean + (steps @ factor.T) * tails[:, None]
    moved[:of_prior] = steps[:of_prior]
    return np.asarray(moved)


def _proposal_density(
    draws: FloatArray, log_prior: FloatArray, mean: FloatArray, factor: FloatArray
) -> FloatArray:
    return np.asarray(_PRIOR_SHARE * np.exp(log_prior) + (1 - _PRIOR_SHARE) * _student(draws, mean, factor))


def _student(draws: FloatArray, mean: FloatArray, factor: FloatArray) -> FloatArray:
    size = len(mean)
    steps = np.linalg.solve(factor, (draws - mean).T)
    constant = math.lgamma((_DEGREES + size) / 2) - math.lgamma(_DEGREES / 2)
    constant -= size / 2 * math.log(_DEGREES * math.pi) + float(np.log(np.diag(factor)).sum())
    distance = (steps**2).sum(axis=0) / _DEGREES
    return np.asarray(np.exp(constant - (_DEGREES + size) / 2 * np.log1p(distance)))
