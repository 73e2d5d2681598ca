"""Imagined patients: parameters drawn together, weighted by how well they explain what was seen and found.

Given a patient's parameters, the metastases of each lobe and size are Poisson distributed, and so are those
that the CT shows, those that the hand finds and those that are left, each independently of the others: a
thinned Poisson process. What was found therefore weighs the parameters exactly, without any count of unseen
ones having to be imagined first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from clearlung.anatomy import Lobe
from clearlung.perfusion.occult.detection import PARAMETERS as DETECTION_PARAMETERS
from clearlung.perfusion.occult.detection import DetectionCurve
from clearlung.perfusion.occult.findings import Findings
from clearlung.perfusion.occult.law import PARAMETERS as LAW_PARAMETERS
from clearlung.perfusion.occult.law import SizeAxis, size_shares
from clearlung.perfusion.occult.palpation import Palpation
from clearlung.perfusion.occult.prior import OccultPrior
from clearlung.perfusion.occult.sampler import effective, resample, sample

FloatArray = NDArray[np.float64]

# Imagined outcomes of which nodules are metastases; more do not change an interval.
_OUTCOMES = 256
# Imagined patients that findings of operations are weighed against.
_PATIENTS = 8192
# Points of the grid over the concentration of the lobes' shares, in standard normal coordinates.
_TOGETHER = np.linspace(-2.6, 2.6, 27)


@dataclass(frozen=True, eq=False)
class Particles:
    """Weighted imagined patients; the first axis of every array is the patient.

    Parameters
    ----------
    weights
        Sum to 1.
    source
        Which law and detection curve each patient has: as many differ as numbers do.
    hidden
        Shape (n, k): share of all metastases that are of a size and not shown by the CT.
    number
        Expected number of all metastases.
    shares
        Shape (n, lobes): of them in each lobe.
    growth_per_day
        Specific growth rate.
    felt_half_mm
        Diameter of which the hand finds one in two.
    axis, palpation
        The sizes on the day of the CT, and what the hand finds.
    """

    weights: FloatArray
    source: NDArray[np.intp]
    hidden: FloatArray
    number: FloatArray
    shares: FloatArray
    growth_per_day: FloatArray
    felt_half_mm: FloatArray
    axis: SizeAxis
    palpation: Palpation

    def __len__(self) -> int:
        return len(self.weights)

    def take(self, rows: NDArray[np.intp]) -> Particles:
        """Return some of the patients, weighted alike; a row may occur more than once."""
        return replace(
            self,
            weights=np.full(len(rows), 1 / len(rows)),
            source=self.source[rows],
            hidden=self.hidden[rows],
            number=self.number[rows],
            shares=self.shares[rows],
            growth_per_day=self.growth_per_day[rows],
            felt_half_mm=self.felt_half_mm[rows],
        )

    @property
    def effective(self) -> float:
        """How many different patients, and different laws, they are worth: the lesser number."""
        return min(
            effective(self.weights), effective(np.bincount(self.source, self.weights).astype(np.float64))
        )

    def felt(self, day: float) -> FloatArray:
        """Chance that the hand finds each size of the day of the CT on a later day, shape (n, k)."""
        larger = np.exp(self.growth_per_day * day / 3)
        return self.palpation.chance(self.axis.diameters_mm * larger[:, None], self.felt_half_mm[:, None])

    def missed(self, operations: Sequence[Findings], lobes: Sequence[Lobe]) -> list[FloatArray]:
        """Chance that each size was left in each lobe by all operations: shape (n, k) for each lobe."""
        left = [np.ones((1, 1)) for _ in lobes]
        for operation in operations:
            missed = 1 - self.felt(operation.day)
            left = [
                part * missed if lobe in operation.found else part
                for part, lobe in zip(left, lobes, strict=True)
            ]
        return left

    def explained(self, found: Findings, before: Sequence[Findings], lobes: Sequence[Lobe]) -> FloatArray:
        """Log likelihood of what an operation found, after the earlier ones; shape (n,)."""
        logs = np.zeros(len(self))
        felt = self.hidden * self.felt(found.day)
        for column, (lobe, left) in enumerate(zip(lobes, self.missed(before, lobes), strict=True)):
            if lobe not in found.found:
                continue
            each = felt * left
            expected = self.number * self.shares[:, column]
            total = each.sum(axis=1)
            sizes = np.asarray(found.diameters_mm.get(lobe, ()), dtype=np.float64)
            logs -= expected * total
            logs += found.found[lobe] * np.log(expected + 1e-300)
            logs += (found.found[lobe] - len(sizes)) * np.log(total + 1e-300)
            for size in sizes:
                then = size / np.exp(self.growth_per_day * found.day / 3)
                logs += np.log(each[np.arange(len(self)), self.axis.bins(then)] + 1e-300)
        return logs

    def expected(self, operations: Sequence[Findings], lobes: Sequence[Lobe]) -> FloatArray:
        """Return the expected number left unseen of each size in each lobe, shape (n, lobes, k)."""
        by_lobe = [self.hidden * left for left in self.missed(operations, lobes)]
        return np.stack(by_lobe, axis=1) * (self.number[:, None] * self.shares)[:, :, None]


@dataclass(frozen=True, eq=False)
class Counts:
    """What is seen, as far as the estimate goes.

    Parameters
    ----------
    by_size
        Shape (k,): expected number of metastases among the visible nodules of each size.
    by_lobe
        Shape (outcomes, lobes): metastases in each lobe, for imagined outcomes of which nodules are.
    """

    by_size: FloatArray
    by_lobe: FloatArray

    @classmethod
    def of(
        cls,
        size: NDArray[np.intp],
        lobe: NDArray[np.intp],
        chance: FloatArray,
        shape: tuple[int, int],
        rng: np.random.Generator,
    ) -> Counts:
        """Count nodules, given the bin, the lobe's column and the chance of each; shape is (k, lobes)."""
        order = np.lexsort((chance, lobe, size))
        size, lobe, chance = size[order], lobe[order], chance[order]
        by_size = np.bincount(size, weights=chance, minlength=shape[0]).astype(np.float64)
        is_metastasis = rng.random((_OUTCOMES, len(chance))) < chance
        member = lobe[:, None] == np.arange(shape[1])
        return cls(by_size, is_metastasis.astype(np.float64) @ member.astype(np.float64))


def imagine(
    counts: Counts,
    volumes: FloatArray,
    prior: OccultPrior,
    detection: DetectionCurve,
    axis: SizeAxis,
    rng: np.random.Generator,
) -> tuple[NDArray[np.intp], FloatArray, FloatArray, FloatArray]:
    """Draw what explains the visible sizes, numbers and lobes.

    The number of all metastases is gamma distributed beforehand, and so it is given the law: it is integrated
    over for the weights, and drawn after. The lobes share the law and the number.

    Returns
    -------
    tuple
        Source (n,), hidden (n, k), number (n,) and shares (n, lobes), as of :class:`Particles`, of patients
        that are equally likely.
    """
    shape, rate = prior.number_shape, 1 / prior.number_scale
    seen = counts.by_size.sum()
    logs = axis.logs

    def both(standard: FloatArray) -> tuple[FloatArray, FloatArray]:
        law = size_shares(prior, standard[:, :LAW_PARAMETERS], axis)
        return law, detection.chances(standard[:, LAW_PARAMETERS:], logs)

    kept: list[tuple[FloatArray, FloatArray]] = []

    def log_likelihood(standard: FloatArray) -> FloatArray:
        law, shown = both(standard)
        visible = law * shown
        total = visible.sum(axis=1)
        kept.append((law - visible, total))
        fit = np.log(visible + 1e-300) @ counts.by_size
        return np.asarray(fit - (seen + shape) * np.log(total + rate))

    _, weights = sample(log_likelihood, LAW_PARAMETERS + DETECTION_PARAMETERS, rng)
    source = resample(weights, _PATIENTS, rng)
    hidden = np.concatenate([part for part, _ in kept])[source]
    visible = np.concatenate([part for _, part in kept])[source]
    outcome = counts.by_lobe[np.arange(_PATIENTS) % len(counts.by_lobe)]
    number = rng.gamma(outcome.sum(axis=1) + shape) / (visible + rate)
    return source, hidden, number, _shares(outcome, volumes, prior, rng)


def _shares(
    outcome: FloatArray, volumes: FloatArray, prior: OccultPrior, rng: np.random.Generator
) -> FloatArray:
    """Draw the lobes' shares: Dirichlet about their volumes, as concentrated as the counts suggest."""
    grid = prior.together.at(_TOGETHER)
    pseudo = grid[:, None] * volumes
    mean = outcome.mean(axis=0)
    logs = gammaln(grid) - gammaln(grid + mean.sum())
    logs += (gammaln(pseudo + mean) - gammaln(pseudo)).sum(axis=1) - 0.5 * _TOGETHER**2
    chance = np.exp(logs - logs.max())
    together = rng.choice(grid, size=len(outcome), p=chance / chance.sum())
    drawn = rng.standard_gamma(together[:, None] * volumes + outcome) + 1e-300
    return np.asarray(drawn / drawn.sum(axis=1, keepdims=True))
