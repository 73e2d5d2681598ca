"""`Spread`: one thing that may turn out otherwise than planned, and how far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from clearlung.evidence import EvidenceBook
from clearlung.resection import FunctionModel, Measure

Shape = Literal["triangular", "normal", "lognormal", "either", "imagined"]
"""triangular: from low over value to high; normal and lognormal: value is the mean, high one SD above it;
either: low or high, each with the same chance; imagined: one of the patients imagined to be
estimated from, of whom 5 % have less than low, half less than value, 5 % more than high."""

Scope = Literal["patient", "operation"]
"""Whether a value is drawn once for all operations of a scenario, or anew for each."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """One thing that may turn out otherwise than planned, and how far.

    Parameters
    ----------
    name, title, unit
        What it is.
    scope
        Drawn once a scenario, or once for each of its operations.
    shape
        Of its distribution.
    planned
        What the plan takes it for.
    low, value, high
        Of the distribution, see :data:`Shape`.
    evidence
        Ids of the entries that it rests on.
    assumed
        Whether its range is assumed; how patients spread within it is for all of them.
    strength
        How much of the way from the planned to the drawn value is gone: 1 as drawn, 0 as planned.

    Raises
    ------
    ValueError
        If low, value and high are not in order, or the strength is not 0 to 1.

    Examples
    --------
    >>> evidence = ("stress.pace",)
    >>> pace = Spread("pace", "Pace", "1", "operation", "triangular", 1.0, 0.5, 1.0, 1.5, evidence, False)
    >>> pace.drawn(np.array([0.0, 0.5, 1.0])).tolist()
    [0.5, 1.0, 1.5]
    >>> pace.muted().drawn(np.array([0.0, 0.5, 1.0])).tolist()
    [1.0, 1.0, 1.0]
    """

    name: str
    title: str
    unit: str
    scope: Scope
    shape: Shape
    planned: float
    low: float
    value: float
    high: float
    evidence: tuple[str, ...]
    assumed: bool
    strength: float = 1.0

    def __post_init__(self) -> None:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"{self.name}: {self.low:g}, {self.value:g}, {self.high:g} are not in order")
        if not 0 <= self.strength <= 1:
            raise ValueError(f"{self.name}: a strength is 0 to 1, not {self.strength:g}")

    def drawn(self, at: Floats) -> Floats:
        """Return the values at quantiles from 0 to 1."""
        return self.planned + self.strength * (self._quantile(at) - self.planned)

    def muted(self) -> Spread:
        """Return the same with no spread: as planned in every scenario."""
        return self.weakened(0.0)

    def weakened(self, strength: float) -> Spread:
        """Return the same with a part of the spread, 0 to 1."""
        return replace(self, strength=self.strength * strength)

    def _quantile(self, at: Floats) -> Floats:
        sd = self.high - self.value
        if self.low == self.high:
            return np.full(np.shape(at), self.value)
        if self.shape == "triangular":
            return triangular(at, self.low, self.value, self.high)
        if self.shape == "either":
            return np.asarray(np.where(at < 0.5, self.low, self.high), dtype=np.float64)
        if self.shape == "normal":
            return np.asarray(self.value + sd * ndtri(at))
        if self.shape == "imagined":
            return np.asarray(np.interp(at, (0.05, 0.5, 0.95), (self.low, self.value, self.high)))
        variance = math.log1p((sd / self.value) ** 2)
        return np.asarray(np.exp(math.log(self.value) - variance / 2 + math.sqrt(variance) * ndtri(at)))


def triangular(at: Floats, low: Floats | float, mode: Floats | float, high: Floats | float) -> Floats:
    """Return quantiles of a triangular distribution; low, mode and high broadcast against ``at``."""
    width = np.maximum(np.asarray(high, dtype=np.float64) - low, np.finfo(float).tiny)
    split = (np.asarray(mode) - low) / width
    rising = low + np.sqrt(at * width * (np.asarray(mode) - low))
    falling = high - np.sqrt((1.0 - at) * width * (np.asarray(high) - mode))
    return np.asarray(np.where(at < split, rising, falling), dtype=np.float64)


# Name, title, scope, what the plan takes, evidence entry and its unit: all triangular over the entry's range.
_RANGES: tuple[tuple[str, str, Scope, float, str, str], ...] = (
    ("found_ratio", "Nodules found for each one seen", "patient", 1.0, "stress.found.ratio", "1"),
    ("found_diameter", "Diameter of a nodule found", "patient", 3.0, "stress.found.diameter", "mm"),
    ("found_minutes", "Minutes for a nodule found", "operation", 5.0, "stress.found.minutes", "min"),
    ("pace", "Time that specimens take, times the planned", "operation", 1.0, "stress.pace", "1"),
    (
        "recovery",
        "Time constants of recovery, times the planned",
        "patient",
        1.0,
        "stress.recovery.factor",
        "1",
    ),
    ("growth", "Specific growth rate while waiting", "patient", 0.0, "stress.growth.rate", "%/day"),
    ("edema", "Chance of edema after a perfusion", "patient", 0.0, "toxicity.edema37.rate", "%"),
)
# Minutes are drawn as multiples of what the plan takes, which a center may have set.
_FACTORS = (
    ("access", "Minutes of access, times the planned", "time.access"),
    ("reentry", "Minutes of re-entry, times the planned", "time.reentry"),
    ("perfusion", "Minutes of a perfusion, times the planned", "time.perfusion"),
)
_COMPLICATION = ("complication.sarcoma.rate", "complication.sarcoma.odds_per_nodule")
_STAY = ("complication.sarcoma.stay_with", "complication.sarcoma.stay_without")


def spreads_of(
    book: EvidenceBook, function: FunctionModel, dlco: FunctionModel | None = None
) -> Mapping[str, Spread]:
    """Return everything that a stress test varies, by name, from the evidence.

    Parameters
    ----------
    book
        The evidence, with the protocol's own assumptions. An assumption that a center has set has no range
        and is taken as it is.
    function
        The patient's model of FEV1: its error is one of the spreads.
    dlco
        That of DLCO, where it is limited.

    Raises
    ------
    EvidenceError
        If the book lacks an entry.
    """
    found = [
        _from_range(book, name, title, scope, planned, key, unit)
        for name, title, scope, planned, key, unit in _RANGES
    ]
    found += [_factor(book, name, title, key) for name, title, key in _FACTORS]
    return {
        spread.name: spread
        for spread in (
            *found,
            _tissue(book, function),
            *_errors(function),
            *_complications(book),
            *(() if dlco is None else _errors(dlco)),
        )
    }


def _from_range(
    book: EvidenceBook, name: str, title: str, scope: Scope, planned: float, key: str, unit: str
) -> Spread:
    value, entry = book.value(key, unit=unit), book[key]
    low = value if entry.low is None else entry.low
    high = value if entry.high is None else entry.high
    # Of a nodule that nobody finds, size and minutes do not matter: the plan takes the entry's.
    planned = value if name in ("found_diameter", "found_minutes") else planned
    return Spread(
        name, title, unit, scope, "triangular", planned, low, value, high, (key,), entry.tag == "assumed"
    )


def _factor(book: EvidenceBook, name: str, title: str, key: str) -> Spread:
    spread = _from_range(book, name, title, "operation", 1.0, key, "min")
    value = spread.value or 1.0
    return replace(spread, unit="1", low=spread.low / value, value=1.0, high=spread.high / value)


def _tissue(book: EvidenceBook, function: FunctionModel) -> Spread:
    key = "function.early.tissue_factor"
    spread = _from_range(
        book, "tissue_factor", "Tissue out of work around beds, times the removed", "patient", 0.0, key, "1"
    )
    return replace(spread, planned=function.early_tissue_factor)


_ERROR: dict[Measure, tuple[str, str]] = {
    "fev1": ("function.ppo.bias_ml", "function.ppo.sd_ml"),
    "dlco": ("function.ppo.dlco_bias", "function.ppo.dlco_sd"),
}


def _errors(function: FunctionModel) -> tuple[Spread, Spread]:
    """Return the error of a predicted measure: its bias, which goes either way, and its spread."""
    bias, sd, measure = function.bias_percent, function.sd_percent, function.measure
    name, keys = measure.upper(), _ERROR[measure]
    return (
        _error(
            f"{measure}_bias", f"Bias of predicted {name}, which goes either way", "either", bias, keys[0]
        ),
        _error(f"{measure}_error", f"Error of predicted {name} besides its bias", "normal", sd, keys[1]),
    )


def _error(name: str, title: str, shape: Shape, half: float, key: str) -> Spread:
    return Spread(name, title, "%", "patient", shape, 0.0, -half, 0.0, half, (key,), True)


def _complications(book: EvidenceBook) -> tuple[Spread, Spread]:
    rate = book[_COMPLICATION[0]]
    with_, without = (book.value(key, unit="day") for key in _STAY)
    sd = (book[_STAY[0]].high or with_) - with_
    return (
        Spread(
            "complication",
            "Chance of a complication (each operation's own; here that of the series)",
            "%",
            "patient",
            "triangular",
            0.0,
            rate.value if rate.low is None else rate.low,
            rate.value,
            rate.value if rate.high is None else rate.high,
            _COMPLICATION,
            False,
        ),
        Spread(
            "stay",
            f"Days in hospital after a complication; beyond {without:g} they delay what follows",
            "day",
            "operation",
            "lognormal",
            without,
            max(0.0, with_ - sd),
            with_,
            with_ + sd,
            _STAY,
            False,
        ),
    )
