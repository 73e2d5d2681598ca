"""Imagined patients: parameters drawn together, as likely as they explain what was seen and found.

Of the parameters, the law of sizes, the detection curve, the rate of growth and the hand are drawn by
importance sampling. Given those, the number of all metastases is gamma distributed before and after what
was seen, and the lobes' shares are Dirichlet distributed: both are integrated over for the weights and drawn
after. What the hand found couples number and shares weakly; the weights of the draws carry that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from clearlung.perfusion.occult.detection import PARAMETERS as DETECTION_PARAMETERS
from clearlung.perfusion.occult.felt_through import FeltThrough, feel_through
from clearlung.perfusion.occult.findings import Findings
from clearlung.perfusion.occult.law import PARAMETERS as LAW_PARAMETERS
from clearlung.perfusion.occult.law import size_shares
from clearlung.perfusion.occult.patient import OccultCase
from clearlung.perfusion.occult.sampler import effective, resample, sample, weigh

FloatArray = NDArray[np.float64]

# Patients imagined before some are taken by what the hand found.
_PATIENTS = 4096
# Points of the grid over the concentration of the lobes' shares, in standard normal coordinates.
_TOGETHER = np.linspace(-2.6, 2.6, 27)
_SEEN_PARAMETERS = LAW_PARAMETERS + DETECTION_PARAMETERS
# Growth and the hand: nothing that the CT shows tells of them.
_FELT_PARAMETERS = 2
_NEVER = 1e-300


@dataclass(frozen=True, eq=False)
class Imagined:
    """Equally likely imagined patients, the first axis of every array.

    Parameters
    ----------
    expected
        Shape (draws, lobes, k): expected number of unseen metastases that are left.
    growth_per_day, half_mm
        Shape (draws,): growth rate, and diameter of which the hand finds one in two.
    effective
        How many different patients they are worth.
    drawn
        Values of the law of sizes and of the detection curve by the id of their entry, each shape (draws,).
    """

    expected: FloatArray
    growth_per_day: FloatArray
    half_mm: FloatArray
    effective: float
    drawn: Mapping[str, FloatArray]


def imagine(
    case: OccultCase, operations: Sequence[Findings], draws: int, rng: np.random.Generator
) -> Imagined:
    """Draw patients that explain what the CT shows and what operations found."""
    standard, weights = _law_curve_and_hand(case, operations, rng)
    law_rows = resample(weights, _PATIENTS, rng)
    standard = standard[law_rows]
    hidden, visible = _hidden_and_visible(case, standard)
    felt = _felt(case, operations, hidden, standard)
    rates = _rates(case, visible, felt)
    outcome = case.counts.by_lobe[np.arange(_PATIENTS) % len(case.counts.by_lobe)] + felt.found
    metastases = outcome.sum(axis=1) + case.prior.number_shape
    shares, corrections = draw_shares(
        _together(case, outcome, rng)[:, None] * case.volumes + outcome, metastases, rates, rng
    )
    corrections -= _log_mean(case, rates, felt.found, metastases)
    chance = weigh(corrections)
    number = rng.gamma(metastases) / (shares * rates).sum(axis=1)
    rows = resample(chance, draws, rng)
    left = np.stack([np.broadcast_to(part, hidden.shape)[rows] for part in felt.left], axis=1)
    growth, half = _growth_and_hand(case, standard[rows])
    return Imagined(
        expected=left * hidden[rows][:, None] * (number[rows, None] * shares[rows])[:, :, None],
        growth_per_day=growth,
        half_mm=half,
        effective=min(
            effective(weights),
            effective(chance),
            effective(np.bincount(law_rows, chance).astype(np.float64)),
        ),
        drawn=_drawn(case, standard[rows]),
    )


def _drawn(case: OccultCase, standard: FloatArray) -> dict[str, FloatArray]:
    law = case.prior.drawn(standard[:, :LAW_PARAMETERS])
    return law | case.detection.drawn(standard[:, LAW_PARAMETERS:_SEEN_PARAMETERS])


def _law_curve_and_hand(
    case: OccultCase, operations: Sequence[Findings], rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Draw the parameters, as standard normal coordinates, with their weights."""
    prior = case.prior
    seen = case.counts.by_size

    def log_likelihood(standard: FloatArray) -> FloatArray:
        law, shown = _law_and_shown(case, standard)
        visible = law * shown
        logs = np.log(visible + _NEVER) @ seen
        if not operations:
            rate = visible.sum(axis=1) + 1 / prior.number_scale
            return np.asarray(logs - (seen.sum() + prior.number_shape) * np.log(rate))
        felt = _felt(case, operations, law - visible, standard)
        rates = _rates(case, visible.sum(axis=1), felt)
        metastases = np.full(len(standard), seen.sum() + felt.found.sum() + prior.number_shape)
        return np.asarray(logs + felt.log_sizes + _log_mean(case, rates, felt.found, metastases))

    if operations:
        return sample(log_likelihood, _SEEN_PARAMETERS + _FELT_PARAMETERS, rng)
    standard, weights = sample(log_likelihood, _SEEN_PARAMETERS, rng)
    return np.hstack([standard, rng.standard_normal((len(standard), _FELT_PARAMETERS))]), weights


def _law_and_shown(case: OccultCase, standard: FloatArray) -> tuple[FloatArray, FloatArray]:
    law = size_shares(case.prior, standard[:, :LAW_PARAMETERS], case.axis)
    return law, case.detection.chances(standard[:, LAW_PARAMETERS:_SEEN_PARAMETERS], case.axis.logs)


def _hidden_and_visible(case: OccultCase, standard: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Shares of all metastases: unseen of each size (n, k), and seen of any (n,)."""
    law, shown = _law_and_shown(case, standard)
    return law * (1 - shown), np.asarray((law * shown).sum(axis=1))


def _growth_and_hand(case: OccultCase, standard: FloatArray) -> tuple[FloatArray, FloatArray]:
    growth, hand = standard[:, _SEEN_PARAMETERS:].T
    return case.growth.at(growth), case.palpation.half_mm.at(hand)


def _felt(
    case: OccultCase, operations: Sequence[Findings], hidden: FloatArray, standard: FloatArray
) -> FeltThrough:
    growth, half = _growth_and_hand(case, standard)
    return feel_through(operations, case.lobes, hidden, growth, half, case.axis, case.palpation)


def _rates(case: OccultCase, visible: FloatArray, felt: FeltThrough) -> FloatArray:
    """How many a metastasis of each lobe adds to what was seen and found, shape (n, lobes)."""
    return np.asarray(visible[:, None] + 1 / case.prior.number_scale + felt.expected)


def _log_mean(case: OccultCase, rates: FloatArray, found: FloatArray, metastases: FloatArray) -> FloatArray:
    """Log of what the rates make likely, for lobes that are as usual; shape (n,)."""
    usual = case.prior.together.value * case.volumes + case.counts.by_lobe.mean(axis=0) + found
    pull, middle = _pull(np.broadcast_to(usual, rates.shape), metastases, rates)
    return _log_correction(np.broadcast_to(usual, rates.shape), metastases, rates, pull, middle)


def _together(case: OccultCase, outcome: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Draw the concentration of the lobes' shares about their volumes, as the counts suggest; shape (n,)."""
    grid = case.prior.together.at(_TOGETHER)
    pseudo = grid[:, None] * case.volumes
    mean = outcome.mean(axis=0)
    logs = gammaln(grid) - gammaln(grid + mean.sum())
    logs += (gammaln(pseudo + mean) - gammaln(pseudo)).sum(axis=1) - 0.5 * _TOGETHER**2
    return np.asarray(rng.choice(grid, size=len(outcome), p=weigh(logs)))


def draw_shares(
    counts: FloatArray, metastases: FloatArray, rates: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Draw lobes' shares where lobes differ in how many of their metastases are known.

    Parameters
    ----------
    counts
        Shape (n, lobes): Dirichlet parameters of the shares if all lobes were alike.
    metastases, rates
        Shapes (n,) and (n, lobes): the density of the shares has the further factor
        ``(shares . rates) ** -metastases``, from which the number of all metastases is integrated out.

    Returns
    -------
    tuple
        Shares, shape (n, lobes), and logarithms of the weights that make them exact, shape (n,).
    """
    pull, _ = _pull(counts, metastases, rates)
    drawn = rng.standard_gamma(counts) / pull + _NEVER
    shares = drawn / drawn.sum(axis=1, keepdims=True)
    return shares, _log_correction(counts, metastases, rates, pull, shares)


def _pull(counts: FloatArray, metastases: FloatArray, rates: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Factors that tilt a Dirichlet distribution as the rates do near its middle, and that middle."""
    total = counts.sum(axis=1)
    middle = counts / total[:, None]
    pull = np.ones_like(rates)
    for _ in range(3):
        mean = (middle * rates).sum(axis=1)
        pull = 1 + (metastases / total)[:, None] * (rates / mean[:, None] - 1)
        middle = counts / pull
        middle = middle / middle.sum(axis=1, keepdims=True)
    return pull, middle


def _log_correction(
    counts: FloatArray, metastases: FloatArray, rates: FloatArray, pull: FloatArray, shares: FloatArray
) -> FloatArray:
    """Log of the wanted density of shares over that of the tilted Dirichlet distribution, shape (n,)."""
    logs = -metastases * np.log((shares * rates).sum(axis=1))
    logs += counts.sum(axis=1) * np.log((shares * pull).sum(axis=1))
    return np.asarray(logs - (counts * np.log(pull)).sum(axis=1))
