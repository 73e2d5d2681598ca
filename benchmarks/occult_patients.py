"""Simulated patients whose every metastasis is known, seen or not: what the occult burden is held to.

None of the generators is the estimate's own law with its own prior: power laws with a sharp smallest size,
lognormal laws, the phantom's own sizes and lobes, lobes in which metastases gather, and metastases that are
seeded one by one and grow by Gompertz.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from clearlung.anatomy import LOBES
from clearlung.evidence import load_evidence
from clearlung.perfusion.occult import (
    DetectionCurve,
    Findings,
    OccultBurden,
    Seen,
    detection_curve,
    occult_burden,
)
from clearlung.phantom.body import make_body
from clearlung.phantom.metastases import draw_diameters_mm, lobe_chances
from clearlung.phantom.spec import PhantomSpec
from clearlung.phantom.variety import draw_variety

STREAM = 72
FEWEST, MOST = 5, 500
LARGEST_MM = 28.0
SLICES_MM = (1.0, 1.0, 2.5, 5.0)
DRAWS = 1000


@dataclass(frozen=True, eq=False)
class SimulatedPatient:
    """One patient.

    Parameters
    ----------
    diameter_mm, lobe, shown
        Of every metastasis; ``shown`` is whether the CT shows it.
    curve
        What the estimate is told of the CT; the curve that showed them was drawn from its uncertainty.
    """

    generator: str
    diameter_mm: np.ndarray
    lobe: np.ndarray
    shown: np.ndarray
    curve: DetectionCurve

    @property
    def seen(self) -> Seen:
        """What the CT shows."""
        return Seen(self.diameter_mm[self.shown], self.lobe[self.shown])

    def occult(self, left: np.ndarray | None = None) -> np.ndarray:
        """Return the true number of unseen metastases in each lobe, of those that are left."""
        hidden = ~self.shown if left is None else ~self.shown & left
        return np.array([np.count_nonzero(hidden & (self.lobe == lobe)) for lobe in LOBES])


Drawn = tuple[np.ndarray, np.ndarray]
Generator = Callable[[int, np.random.Generator], Drawn]


@cache
def _chances(variety: float) -> np.ndarray:
    """Chances of the lobes in a phantom's body: the average one, or one that differs from it as people do."""
    rng = np.random.default_rng([STREAM, 0])
    return lobe_chances(make_body(rng, draw_variety(variety, rng)))


def _by_volume(count: int, rng: np.random.Generator) -> np.ndarray:
    chances = _chances(float(rng.integers(2)))
    return np.array(LOBES)[rng.choice(len(LOBES), size=count, p=chances)]


def _phantom(count: int, rng: np.random.Generator) -> Drawn:
    return draw_diameters_mm(PhantomSpec(nodules=count), rng), _by_volume(count, rng)


def _lognormal(count: int, rng: np.random.Generator) -> Drawn:
    spec = PhantomSpec(
        nodules=count, diameter_median_mm=rng.uniform(2.5, 6.5), diameter_log_sd=rng.uniform(0.4, 0.8)
    )
    return draw_diameters_mm(spec, rng), _by_volume(count, rng)


def _power(count: int, rng: np.random.Generator) -> Drawn:
    smallest = np.exp(rng.uniform(np.log(0.1), np.log(3.0)))
    slope = 3 * np.exp(rng.uniform(np.log(0.3), np.log(1.5)))
    # Inverse of the distribution between the smallest and the largest.
    share = rng.random(count) * (1 - (smallest / LARGEST_MM) ** slope)
    return smallest * (1 - share) ** (-1 / slope), _by_volume(count, rng)


def _clustered(count: int, rng: np.random.Generator) -> Drawn:
    diameters, _ = (_lognormal, _power)[int(rng.integers(2))](count, rng)
    book = load_evidence()
    volumes = np.array([book.value(f"anatomy.lobe_share.{lobe}", unit="%") for lobe in LOBES])
    shares = rng.dirichlet(rng.uniform(2, 8) * volumes / volumes.sum())
    return diameters, np.array(LOBES)[rng.choice(len(LOBES), size=count, p=shares)]


def _seeded(count: int, rng: np.random.Generator) -> Drawn:
    """Seed at a rate that grew with the primary until that was removed; growth by Gompertz since."""
    cell_mm, limit_mm = 0.02, 52.0
    fast, slow = (load_evidence().value(f"growth.{k}.doubling", unit="day") for k in ("fast", "slow"))
    rate = np.log(2) / np.exp(rng.uniform(np.log(fast), np.log(slow)))
    seeding = rate * np.exp(rng.uniform(np.log(0.3), np.log(1.2)))
    since = rng.uniform(0, 500)
    kept = np.zeros(0)
    while len(kept) < count:
        age = since + rng.exponential(1 / seeding, 4 * count)
        # Gompertz with the drawn rate at 5 mm; each metastasis has a rate of its own.
        slowing = rate * np.exp(0.2 * rng.standard_normal(4 * count)) / (3 * np.log(limit_mm / 5))
        diameters = limit_mm * (cell_mm / limit_mm) ** np.exp(-slowing * age)
        kept = np.append(kept, diameters[(diameters > 0.1) & (diameters < LARGEST_MM)])
        if len(kept) == 0:
            since = rng.uniform(0, 500)
    return kept[:count], _by_volume(count, rng)


GENERATORS: dict[str, Generator] = {
    "phantom": _phantom,
    "lognormal": _lognormal,
    "power law": _power,
    "clustered": _clustered,
    "seeded": _seeded,
}


def simulate(seed: int) -> SimulatedPatient:
    """Return a patient with at least one visible metastasis; the generators take turns."""
    name = list(GENERATORS)[seed % len(GENERATORS)]
    rng = np.random.default_rng([STREAM, 1, seed])
    book = load_evidence()
    while True:
        count = round(float(np.exp(rng.uniform(np.log(FEWEST), np.log(MOST)))))
        diameters, lobes = GENERATORS[name](count, rng)
        curve = detection_curve("reader", book, slice_mm=float(rng.choice(SLICES_MM)))
        chance = curve.chances(rng.standard_normal((1, 3)), np.log(diameters))[0]
        shown = rng.random(count) < chance
        if shown.any():
            return SimulatedPatient(name, diameters, lobes, shown, curve)


def operate(
    patient: SimulatedPatient, burden: OccultBurden, rng: np.random.Generator
) -> tuple[Findings, np.ndarray]:
    """Open the right lung after some days: what a hand finds, and which metastases are left."""
    day = float(rng.uniform(0, 30))
    # Growth and the hand as the estimate assumes them: the CT tells nothing of either.
    growth, hand = rng.standard_normal((2, 1))
    larger = np.exp(burden.case.growth.at(growth) * day / 3)
    palpation = burden.case.palpation
    chance = palpation.chance(patient.diameter_mm * larger, palpation.half_mm.at(hand))
    found = ~patient.shown & np.char.startswith(patient.lobe, "R") & (rng.random(len(chance)) < chance)
    counts = {lobe: int(np.count_nonzero(found & (patient.lobe == lobe))) for lobe in LOBES[:3]}
    return Findings(day=day, found=counts), ~found


def standing(draws: np.ndarray, truth: float, rng: np.random.Generator) -> float:
    """Where the truth stands among the draws, 0 to 1; ties are broken at random, as for whole numbers."""
    return float(np.mean(draws < truth) + rng.random() * np.mean(draws == truth))


@dataclass(frozen=True, eq=False)
class Check:
    """How one patient's truth stands among the draws.

    Parameters
    ----------
    generator, seen, occult
        Of the patient: what made it, and how many metastases the CT shows, and does not.
    total, lobes
        Standing of the truth, before the operation: all lobes together, and each, shape (5,).
    after_total, after_lobes
        The same after an operation on the right lung.
    within
        Whether low to high of the interval holds the total, and each lobe's number: shape (6,).
    low, high
        Of the interval of the total.
    effective, effective_after
        Effective draws before and after the operation.
    """

    generator: str
    seen: int
    occult: int
    total: float
    lobes: np.ndarray
    after_total: float
    after_lobes: np.ndarray
    within: np.ndarray
    low: float
    high: float
    effective: float
    effective_after: float


def check(seed: int) -> Check:
    """Estimate one simulated patient's burden, operate, and estimate again."""
    patient = simulate(seed)
    rng = np.random.default_rng([STREAM, 2, seed])
    burden = occult_burden(patient.seen, patient.curve, load_evidence(), draws=DRAWS, seed=seed)
    found, left = operate(patient, burden, rng)
    after = burden.after(found)
    truth, now = patient.occult(), patient.occult(left)
    intervals = [burden.interval(), *(burden.interval(lobe) for lobe in LOBES)]
    values = [truth.sum(), *truth]
    return Check(
        generator=patient.generator,
        seen=len(patient.seen),
        occult=int(truth.sum()),
        total=standing(burden.count(), truth.sum(), rng),
        lobes=np.array([standing(burden.count(n), t, rng) for n, t in zip(LOBES, truth, strict=True)]),
        after_total=standing(after.count(), now.sum(), rng),
        after_lobes=np.array([standing(after.count(n), t, rng) for n, t in zip(LOBES, now, strict=True)]),
        within=np.array([i.low <= v <= i.high for i, v in zip(intervals, values, strict=True)]),
        low=intervals[0].low,
        high=intervals[0].high,
        effective=burden.effective_draws,
        effective_after=after.effective_draws,
    )


def coverage(standings: np.ndarray, nominal: float) -> float:
    """Share of standings within the central interval."""
    return float(np.mean(np.abs(np.asarray(standings) - 0.5) <= nominal / 2))
