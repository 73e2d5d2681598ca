"""What an operation takes: minutes in theatre, blood, the chance of a complication, days in hospital.

Every answer is an interval. Minutes are a sum of access, freeing an opened lung, specimens and perfusion.
Each specimen has its own minutes; beyond the count of the series that these come from, a further one takes a
falling share, because a straight line through the published times overshoots for dozens of metastases. The
chance of a complication follows published odds, and the stay follows from that chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar, Literal, get_args

from clearlung.errors import ProtocolError
from clearlung.evidence import EvidenceBook

Approach = Literal["thoracotomy", "bilateral anterior", "sternotomy"]
"""How the chest is opened. Minutes of a thoracoscopic access were not found apart from the resections'."""

_ACCESS: dict[Approach, str] = {
    "thoracotomy": "time.access",
    "bilateral anterior": "time.anterior_access",
    "sternotomy": "time.sternotomy_access",
}
# A stay is not normal: its SD is two thirds of its mean. Quantiles of its interval.
_STAY_INTERVAL = (0.025, 0.975)
_HALVINGS = 60


@dataclass(frozen=True)
class Estimate:
    """A number that is not known exactly."""

    low: float
    expected: float
    high: float

    @classmethod
    def of(cls, book: EvidenceBook, key: str, unit: str) -> Estimate:
        """Read an entry with its range; one that a center has set is taken as it is."""
        value, entry = book.value(key, unit=unit), book[key]
        return cls(
            value if entry.low is None else entry.low, value, value if entry.high is None else entry.high
        )

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(self.low + other.low, self.expected + other.expected, self.high + other.high)

    def times(self, factor: float) -> Estimate:
        """Return it that many times; a negative factor turns the interval round."""
        low, high = sorted((self.low * factor, self.high * factor))
        return Estimate(low, self.expected * factor, high)

    def map(self, rising: Callable[[float], float]) -> Estimate:
        """Return a rising function of it."""
        return Estimate(rising(self.low), rising(self.expected), rising(self.high))


NOTHING = Estimate(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class OperationEstimate:
    """What one operation takes.

    Parameters
    ----------
    minutes
        In theatre.
    blood_ml
        Lost.
    complication
        Probability of any complication.
    stay_days
        In hospital: 95 % of single patients lie within low and high.
    notes
        Where it extrapolates, and what is not in it.
    """

    minutes: Estimate
    blood_ml: Estimate
    complication: Estimate
    stay_days: Estimate
    notes: tuple[str, ...]


@dataclass(frozen=True)
class OperationModel:
    """What operations take, from the evidence: :meth:`from_evidence`.

    Parameters
    ----------
    access
        By approach: minutes to open and close.
    reentry, perfusion
        Minutes that freeing an opened lung, and a perfusion, add.
    superficial, deep
        Minutes of one metastasis at the surface, and of a deep one.
    practiced
        Specimens of one operation that take all of their minutes.
    economy
        Exponent of the falling share of a further one.
    blood_access, blood_specimen, blood_anatomical, blood_reentry
        Milliliters.
    log_odds, per_lesion, anatomical
        Logarithms of the odds of a complication at the reference count, and of their ratios.
    reference
        Metastases per thoracotomy to which the odds refer.
    stay_with, stay_without
        Days with and without a complication: mean and one SD each side.
    lesions_timed, lesions_followed
        Most metastases per operation of the series that the minutes, and the complications, come from.

    Notes
    -----
    The exponent of the economy is fitted to one session: 42 metastases and a perfusion in 18 hours.
    ``expected`` has it, and ``low``, which takes every specimen for one at the surface; ``high`` is the
    straight line of the published minutes per metastasis. No times are published for sessions with more. Even
    with the economy, 28 deep metastases take 12 hours, and "several hours each" were reported for 28 on
    average: that holds only if most of those lay at the surface.

    The odds are those of 174 thoracotomies for sarcoma. Their interval combines the published intervals of
    the rate and of the odds ratios, and the assumed range of the reference count, as independent errors of
    the log odds. Both sides in one operation count as two thoracotomies that share the metastases.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> model = OperationModel.from_evidence(load_evidence())
    >>> both = model.estimate([26.25] * 8, lesions=8, sides=2)
    >>> both.minutes.expected  # Commander 2017: a median of 315
    315.0
    """

    EVIDENCE: ClassVar[tuple[str, ...]] = (
        "time.access",
        "time.reentry",
        "time.perfusion",
        "time.nodule.superficial",
        "time.nodule.deep",
        "operation.economy.exponent",
        "operation.blood.access",
        "operation.blood.specimen",
        "operation.blood.anatomical",
        "operation.blood.reentry",
        "operation.reference.lesions",
        "staged.commander.simultaneous_metastases",
        "staged.laser.metastases",
        "complication.sarcoma.rate",
        "complication.sarcoma.odds_per_nodule",
        "complication.sarcoma.odds_anatomical",
        "complication.sarcoma.stay_with",
        "complication.sarcoma.stay_without",
    )
    """Ids of the evidence entries that an estimate by thoracotomy rests on."""

    access: Mapping[Approach, Estimate]
    reentry: Estimate
    perfusion: Estimate
    superficial: float
    deep: float
    practiced: int
    economy: float
    blood_access: Estimate
    blood_specimen: Estimate
    blood_anatomical: Estimate
    blood_reentry: Estimate
    log_odds: Estimate
    per_lesion: Estimate
    anatomical: Estimate
    reference: Estimate
    stay_with: Estimate
    stay_without: Estimate
    lesions_timed: int
    lesions_followed: int

    @classmethod
    def from_evidence(cls, book: EvidenceBook) -> OperationModel:
        """Return the model with the evidence's numbers.

        Raises
        ------
        EvidenceError
            If the book lacks an entry, or has it in another unit.
        """
        timed = Estimate.of(book, "staged.commander.simultaneous_metastases", "nodule")
        return cls(
            access={name: Estimate.of(book, key, "min") for name, key in _ACCESS.items()},
            reentry=Estimate.of(book, "time.reentry", "min"),
            perfusion=Estimate.of(book, "time.perfusion", "min"),
            superficial=book.value("time.nodule.superficial", unit="min"),
            deep=book.value("time.nodule.deep", unit="min"),
            practiced=round(timed.expected),
            economy=book.value("operation.economy.exponent", unit="1"),
            blood_access=Estimate.of(book, "operation.blood.access", "ml"),
            blood_specimen=Estimate.of(book, "operation.blood.specimen", "ml"),
            blood_anatomical=Estimate.of(book, "operation.blood.anatomical", "ml"),
            blood_reentry=Estimate.of(book, "operation.blood.reentry", "ml"),
            log_odds=Estimate.of(book, "complication.sarcoma.rate", "%").map(lambda p: _logit(p / 100)),
            per_lesion=Estimate.of(book, "complication.sarcoma.odds_per_nodule", "1").map(math.log),
            anatomical=Estimate.of(book, "complication.sarcoma.odds_anatomical", "1").map(math.log),
            reference=Estimate.of(book, "operation.reference.lesions", "nodule"),
            stay_with=Estimate.of(book, "complication.sarcoma.stay_with", "day"),
            stay_without=Estimate.of(book, "complication.sarcoma.stay_without", "day"),
            lesions_timed=round(timed.high),
            lesions_followed=round(Estimate.of(book, "staged.laser.metastases", "nodule").high),
        )

    def estimate(
        self,
        minutes_of_specimens: Sequence[float],
        lesions: int,
        anatomical: bool = False,
        perfused: bool = False,
        reentry: int = 0,
        sides: int = 1,
        approach: Approach = "thoracotomy",
    ) -> OperationEstimate:
        """Return what an operation takes.

        Parameters
        ----------
        minutes_of_specimens
            The minutes of each specimen by itself, without access; their order makes no difference.
        lesions
            How many metastases they hold.
        anatomical
            Whether a segment or a lobe is among them.
        perfused
            Whether the lung is perfused. The perfusion's own harm is not in the estimate.
        reentry
            How many of the lungs that it opens have been operated on before.
        sides
            1, or 2 for both sides in one operation.
        approach
            How the chest is opened; a thoracotomy counts once per side.

        Raises
        ------
        ValueError
            If minutes are negative or not finite, or there are fewer lesions than specimens, or sides are
            neither 1 nor 2.
        ProtocolError
            If there are no minutes for the approach.
        """
        if any(not 0 <= minutes < math.inf for minutes in minutes_of_specimens):
            raise ValueError(f"minutes of specimens must be finite and not negative: {minutes_of_specimens}")
        if lesions < len(minutes_of_specimens) or sides not in (1, 2):
            raise ValueError(
                f"{lesions} lesions in {len(minutes_of_specimens)} specimens on {sides} sides: each specimen"
                " holds a lesion, and there are one or two sides"
            )
        if approach not in self.access:
            known = ", ".join(get_args(Approach))
            raise ProtocolError("approach", f"there are no minutes for {approach!r}; there are for {known}")
        complication = self._complication(lesions, anatomical, sides)
        return OperationEstimate(
            minutes=self._minutes(minutes_of_specimens, lesions, perfused, reentry, sides, approach),
            blood_ml=self.blood_access.times(sides)
            + self.blood_specimen.times(len(minutes_of_specimens))
            + (self.blood_anatomical if anatomical else NOTHING)
            + self.blood_reentry.times(reentry),
            complication=complication,
            stay_days=self._stay(complication),
            notes=self._notes(lesions, perfused, reentry > 0, sides),
        )

    def access_minutes(self, approach: Approach, sides: int = 1) -> float:
        """Return the expected minutes of opening and closing; a thoracotomy counts once per side."""
        return self._access(approach, sides).expected

    def _access(self, approach: Approach, sides: int) -> Estimate:
        return self.access[approach].times(sides if approach == "thoracotomy" else 1)

    def _minutes(
        self,
        own: Sequence[float],
        lesions: int,
        perfused: bool,
        reentry: int,
        sides: int,
        approach: Approach,
    ) -> Estimate:
        # The longest come first, at full minutes: no order of the same specimens takes more.
        ranked = sorted(own, reverse=True)
        shares = [self._share(place) for place in range(1, len(ranked) + 1)]
        below = self.deep - self.superficial
        at_surface = [min(m, max(self.superficial, m - below)) for m in ranked]
        specimens = Estimate(
            sum(m * share for m, share in zip(at_surface, shares, strict=True)),
            sum(m * share for m, share in zip(ranked, shares, strict=True)),
            max(sum(ranked), lesions * self.deep),
        )
        access = self._access(approach, sides)
        return access + specimens + self.reentry.times(reentry) + (self.perfusion if perfused else NOTHING)

    def _share(self, place: int) -> float:
        """Share of its own minutes that the specimen at a place, from 1 on, takes."""
        return min(1.0, math.pow(self.practiced / place, self.economy))

    def _complication(self, lesions: int, anatomical: bool, sides: int) -> Estimate:
        more = lesions / sides - self.reference.expected
        # A reference of more metastases makes the same operation a smaller one.
        shift = Estimate(
            self.reference.expected - self.reference.high, 0.0, self.reference.expected - self.reference.low
        )
        terms = [
            self.log_odds,
            self.per_lesion.times(more),
            shift.times(self.per_lesion.expected),
            *([self.anatomical] if anatomical else []),
        ]
        middle = sum(term.expected for term in terms)
        down = math.hypot(*(term.expected - term.low for term in terms))
        up = math.hypot(*(term.high - term.expected for term in terms))
        one = Estimate(middle - down, middle, middle + up).map(_chance)
        return one.map(lambda p: 1.0 - (1.0 - p) ** sides)

    def _stay(self, complication: Estimate) -> Estimate:
        """Return the mean stay, and the interval that holds 95 % of single stays."""
        p = complication.expected
        below, above = _STAY_INTERVAL
        return Estimate(
            self._stay_quantile(below, complication.low),
            p * self.stay_with.expected + (1 - p) * self.stay_without.expected,
            self._stay_quantile(above, complication.high),
        )

    def _stay_quantile(self, quantile: float, complicated: float) -> float:
        """Quantile of the stays of patients of whom a share has a complication: two lognormals mixed."""
        parts = (
            (complicated, _logarithm_of(self.stay_with)),
            (1 - complicated, _logarithm_of(self.stay_without)),
        )
        low, high = 0.0, math.exp(max(part.inv_cdf(0.9999) for _, part in parts))
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            below = math.fsum(share * part.cdf(math.log(middle)) for share, part in parts)
            low, high = (middle, high) if below < quantile else (low, middle)
        return high

    def _notes(self, lesions: int, perfused: bool, reentry: bool, sides: int) -> tuple[str, ...]:
        notes: list[str] = []
        if lesions > self.lesions_timed:
            notes.append(
                f"Published times end at {self.lesions_timed} metastases in an operation, but for one session"
                f" that news reported; the minutes for {lesions} extrapolate."
            )
        if lesions / sides > self.lesions_followed:
            notes.append(
                f"Published complications end at {self.lesions_followed} metastases in an operation; the"
                f" chance for {lesions} extrapolates their odds ratio per metastasis."
            )
        if reentry:
            notes.append(
                "How much longer and bloodier it is to free a lung that has been operated on is assumed, and"
                " a higher risk of it is not in the chance of a complication."
            )
        if perfused:
            notes.append("The perfusion's own harm is not in the chance of a complication or in the stay.")
        return tuple(notes)


def _logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def _chance(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))


def _logarithm_of(stay: Estimate) -> NormalDist:
    """Distribution of the logarithm of a lognormal stay with this mean and SD."""
    relative = (stay.high - stay.expected) / stay.expected
    variance = math.log(1 + relative**2)
    return NormalDist(math.log(stay.expected) - variance / 2, math.sqrt(variance))
