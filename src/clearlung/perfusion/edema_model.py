"""How the risk of edema is learned from the few perfusions that were counted.

The log odds of edema are linear in the logarithm of the drug per perfused volume, in the logarithm of the
volume, and in the temperature, with one step for each drug. The priors are weak, and say that more drug and
more heat never have less risk. The posterior is an importance sample: quasi-random draws of the prior,
weighted by the likelihood of the counts and drawn again by their weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.special import comb, expit, logit, ndtri
from scipy.stats import qmc

from clearlung.errors import EvidenceError
from clearlung.evidence import EvidenceBook

FloatArray = NDArray[np.float64]

NORMAL_C = 37.0
"""Temperature at which the reference rate holds."""
HEATED_C = 42.0
"""Temperature at which the prior's odds for heat hold."""
_STREAM = 41
# With 2^16 draws of the prior about five thousand carry weight: more than are asked for.
_PRIOR_DRAWS_LOG2 = 16
_HALF_NORMAL_MEDIAN = NormalDist().inv_cdf(0.75)
# "A third more drug" in the prior's words: 60 mg over 45 mg.
_MORE_DRUG = 4.0 / 3.0


@dataclass(frozen=True)
class Count:
    """Perfusions of a whole lung with one drug, dose and temperature.

    Parameters
    ----------
    drug
        Its name.
    perfusions
        How many.
    dose
        Dose over the drug's reference dose.
    temperature_c
        Temperature of the perfusate.
    """

    drug: str
    perfusions: int
    dose: float
    temperature_c: float


@dataclass(frozen=True)
class Series:
    """Groups of perfusions of which only the sum of the edemas is known.

    Parameters
    ----------
    groups
        The groups.
    edemas
        Perfusions followed by edema, all groups together.
    at_least
        Whether there may have been more.
    """

    groups: tuple[Count, ...]
    edemas: int
    at_least: bool = False


@dataclass(frozen=True)
class Prior:
    """What is expected before the counts; log odds throughout.

    Parameters
    ----------
    middle, spread
        Mean and SD at the reference dose, whole lung, 37 °C.
    dose_spread
        Scale of the half-normal slope with the logarithm of the drug per volume.
    heat_spread
        Scale of the half-normal slope with the temperature, 1/°C.
    drug_spread
        SD of another drug's difference from melphalan.
    volume_low, volume_high
        Bounds of the uniform weight of the volume, as a share of the slope with the drug per volume.
    """

    middle: float
    spread: float
    dose_spread: float
    heat_spread: float
    drug_spread: float
    volume_low: float
    volume_high: float


@dataclass(frozen=True, eq=False)
class Posterior:
    """Equally likely draws of the model's parameters, each of shape (draws,).

    Parameters
    ----------
    middle
        Log odds at the reference dose, whole lung, 37 °C, melphalan.
    dose
        Slope with the logarithm of the drug per volume.
    heat
        Slope with the temperature, 1/°C.
    volume
        Slope with the logarithm of the volume.
    drugs
        Each drug's difference from melphalan.
    """

    middle: FloatArray
    dose: FloatArray
    heat: FloatArray
    volume: FloatArray
    drugs: dict[str, FloatArray]

    def risk(self, drug: str, *, dose: float, temperature_c: float, share: float) -> FloatArray:
        """Return the chance of edema, shape (draws,).

        Parameters
        ----------
        drug
            Its name.
        dose
            Dose over the drug's reference dose for a whole lung.
        temperature_c
            Temperature of the perfusate. Below 37 °C nothing was counted, and nothing is taken off.
        share
            Perfused volume over that of a whole lung.
        """
        odds = (
            self.middle
            + self.drugs[drug]
            + self.dose * math.log(dose / share)
            + self.volume * math.log(share)
            + self.heat * max(temperature_c - NORMAL_C, 0.0)
        )
        risk: FloatArray = expit(odds)
        return risk


def prior_of(book: EvidenceBook, *, heat_times: float = 1.0) -> Prior:
    """Return the prior of the evidence, that of heat as many times as wide.

    Raises
    ------
    EvidenceError
        If the odds that heat or dose are expected to bring are below 1, or the rate is not within 0 to 100 %.
    """
    power = book["edema.prior.volume_power"]
    rate = book.value("edema.prior.rate", unit="%")
    if not 0 < rate < 100:
        raise EvidenceError("edema.prior.rate", f"takes a rate between 0 and 100 %, not {rate:g}")
    return Prior(
        middle=float(logit(rate / 100)),
        spread=book.value("edema.prior.rate_spread", unit="1"),
        dose_spread=_half_normal_scale(book, "edema.prior.dose_odds") / math.log(_MORE_DRUG),
        heat_spread=heat_times * _half_normal_scale(book, "edema.prior.heat_odds") / (HEATED_C - NORMAL_C),
        drug_spread=book.value("edema.prior.drug_spread", unit="1"),
        volume_low=power.value if power.low is None else power.low,
        volume_high=power.value if power.high is None else power.high,
    )


def _half_normal_scale(book: EvidenceBook, key: str) -> float:
    odds = book.value(key, unit="1")
    if odds < 1:
        raise EvidenceError(key, f"takes 1 or more, not {odds:g}: nothing is expected to protect from edema")
    return math.log(odds) / _HALF_NORMAL_MEDIAN


def counts_of(book: EvidenceBook) -> tuple[Series, ...]:
    """Return the published counts of edema, and the assumed one of the phase I.

    Levchenko's percentages are of 53 perfusions, three of them heated, while the events are called
    normothermic: here they are of the 50 whose doses are listed, and the three heated stand apart.
    """

    def number(key: str, unit: str) -> int:
        return round(book.value(f"toxicity.{key}", unit=unit))

    reference = book.value("regimen.petrov-melphalan-50.dose_mg", unit="mg")
    cisplatin = book.value("regimen.petrov-cisplatin-135.dose_mg_per_m2", unit="mg/m2")
    petrov = (
        *(
            Count("melphalan", number(f"edema37.melphalan_{mg}", "perfusion"), mg / reference, NORMAL_C)
            for mg in (30, 45, 50)
        ),
        Count("cisplatin", number("edema37.cisplatin_135", "perfusion"), 1.0, NORMAL_C),
    )
    heated = Count(
        "melphalan",
        number("edema42.perfusions", "perfusion"),
        book.value("regimen.antwerp-melphalan-45.dose_mg", unit="mg") / reference,
        HEATED_C,
    )
    ratto = Count(
        "cisplatin",
        number("edema_ratto.patients", "patient"),
        book.value("tolerated.cisplatin.ratto", unit="mg/m2") / cisplatin,
        NORMAL_C,
    )
    leiden = Count(
        "melphalan",
        number("edema_leiden.patients", "patient"),
        book.value("edema.leiden.dose", unit="mg") / reference,
        book.value("edema.leiden.temperature", unit="degC"),
    )
    phase1 = Count(
        "melphalan",
        round(book.value("edema.phase1.patients", unit="patient")),
        book.value("tolerated.melphalan.limiting", unit="mg") / reference,
        NORMAL_C,
    )
    return (
        Series(petrov, number("edema37.interstitial", "perfusion") + number("edema37.lobar", "perfusion")),
        Series((heated,), number("edema42.events", "perfusion")),
        Series((ratto,), number("edema_ratto.events", "patient")),
        Series((leiden,), number("edema_leiden.events", "patient")),
        Series((phase1,), round(book.value("edema.phase1.limited", unit="patient")), at_least=True),
    )


@lru_cache(maxsize=16)
def posterior(
    prior: Prior, counts: tuple[Series, ...], drugs: tuple[str, ...], draws: int, seed: int
) -> Posterior:
    """Return draws of the parameters after the counts; the same arguments give the same draws.

    Parameters
    ----------
    prior, counts
        What is expected before, and what was counted.
    drugs
        All drugs that can be asked for; the first is the one that the others are compared with.
    draws, seed
        How many draws, and of which seed.
    """
    rng = np.random.default_rng([seed, _STREAM])
    sample = _prior_sample(prior, drugs, rng)
    weight = np.ones(len(sample.middle))
    for series in counts:
        weight *= likelihood(series, sample)
    row = _resample(weight, sample.middle, draws, rng)
    return Posterior(
        sample.middle[row],
        sample.dose[row],
        sample.heat[row],
        sample.volume[row],
        {drug: differs[row] for drug, differs in sample.drugs.items()},
    )


def _prior_sample(prior: Prior, drugs: tuple[str, ...], rng: np.random.Generator) -> Posterior:
    """Return quasi-random draws of the prior: they fill it more evenly than random ones."""
    unit = qmc.Sobol(3 + len(drugs), rng=rng).random_base2(_PRIOR_DRAWS_LOG2)
    normal = ndtri(np.clip(unit, 1e-12, 1 - 1e-12))
    dose = prior.dose_spread * np.abs(normal[:, 1])
    weight = prior.volume_low + (prior.volume_high - prior.volume_low) * unit[:, 3]
    others = {name: prior.drug_spread * normal[:, 4 + i] for i, name in enumerate(drugs[1:])}
    return Posterior(
        middle=prior.middle + prior.spread * normal[:, 0],
        dose=dose,
        heat=prior.heat_spread * np.abs(normal[:, 2]),
        volume=weight * dose,
        drugs={drugs[0]: np.zeros(len(unit)), **others},
    )


def likelihood(series: Series, parameters: Posterior) -> FloatArray:
    """Return the chance of a series' count under each draw of the parameters, shape (draws,).

    The sum of the groups' edemas is what is known: their binomials are folded into its distribution.
    """
    if series.at_least and series.edemas == 0:
        return np.ones_like(parameters.middle)
    top = series.edemas - int(series.at_least)
    total = np.zeros((top + 1, len(parameters.middle)))
    total[0] = 1.0
    for group in series.groups:
        chance = parameters.risk(group.drug, dose=group.dose, temperature_c=group.temperature_c, share=1.0)
        events = np.arange(min(top, group.perfusions) + 1)[:, None]
        own = comb(group.perfusions, events) * chance**events * (1 - chance) ** (group.perfusions - events)
        folded = np.zeros_like(total)
        for k, part in enumerate(own):
            folded[k:] += part * total[: top + 1 - k]
        total = folded
    chance_of_count: FloatArray = 1.0 - total.sum(axis=0) if series.at_least else total[-1]
    return chance_of_count


def _resample(weight: FloatArray, key: FloatArray, draws: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return rows drawn by weight, in random order.

    The pointers are evenly spaced over the rows in the order of the key, whose quantiles are so kept.
    """
    order = np.argsort(key)
    edges = np.cumsum(weight[order])
    pointers = (np.arange(draws) + rng.random()) / draws * edges[-1]
    row = np.minimum(np.searchsorted(edges, pointers), len(weight) - 1)
    return rng.permutation(order[row])
