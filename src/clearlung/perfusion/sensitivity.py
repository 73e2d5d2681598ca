"""Which assumption matters most for an outcome: each moved alone, and its share of the spread of all.

Two questions with two answers. The swing says how far an outcome moves where one assumption goes from its
low to its high value and all others stay. The share of the variance says how much of the spread of the
imagined patients would be gone on average if that one assumption were known (Sobol's first-order index).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from clearlung.errors import PerfusionError
from clearlung.evidence import EvidenceBook

FloatArray = NDArray[np.float64]

# Enough groups that a curved effect is seen, and enough draws in each that chance is not.
_GROUPS = 20
_LEAST_IN_GROUP = 20


@dataclass(frozen=True)
class Assumption:
    """One assumed input of an outcome.

    Parameters
    ----------
    name
        What it is, in words or as an evidence id.
    low, middle, high
        Its range and the value that it has otherwise.
    evidence
        Id of the entry that it is from; "" if it is none.
    unit
        Of the values.
    """

    name: str
    low: float
    middle: float
    high: float
    evidence: str = ""
    unit: str = "1"


@dataclass(frozen=True)
class Sensitivity:
    """How an outcome moves with one assumption.

    Parameters
    ----------
    name
        The assumption.
    low_value, high_value
        Its low and its high value.
    outcome_low, outcome_high
        The outcome at each of them, all else as it is; either may be the larger.
    evidence
        Id of the entry that the assumption is from; "" if it is none.
    unit
        Of the values.
    """

    name: str
    low_value: float
    high_value: float
    outcome_low: float
    outcome_high: float
    evidence: str
    unit: str = "1"

    @property
    def swing(self) -> float:
        """How far the outcome moves."""
        return abs(self.outcome_high - self.outcome_low)


def one_at_a_time(
    outcome: Callable[[Mapping[str, float]], float], assumptions: Iterable[Assumption]
) -> tuple[Sensitivity, ...]:
    """Return how an outcome moves with each assumption, the widest swing first.

    Parameters
    ----------
    outcome
        Takes all assumptions by name, returns the outcome.
    assumptions
        Those to move.

    Raises
    ------
    PerfusionError
        If a range is out of order, two assumptions have one name, or an outcome is not finite.

    Examples
    --------
    >>> assumed = [Assumption("leak", 0, 1, 2), Assumption("dose", 1, 2, 3)]
    >>> found = one_at_a_time(lambda at: 10 * at["dose"] - at["leak"], assumed)
    >>> [(one.name, one.outcome_low, one.outcome_high) for one in found]
    [('dose', 9.0, 29.0), ('leak', 20.0, 18.0)]
    """
    given = tuple(assumptions)
    middle = {one.name: one.middle for one in given}
    if len(middle) < len(given):
        raise PerfusionError("assumptions", "two have one name: give each its own")
    for one in given:
        if not one.low <= one.middle <= one.high:
            raise PerfusionError(one.name, f"{one.low:g}, {one.middle:g}, {one.high:g} are not in order")

    def at(name: str, value: float) -> float:
        found = float(outcome({**middle, name: value}))
        if not np.isfinite(found):
            raise PerfusionError(name, f"the outcome at {value:g} is {found:g}: it must be finite")
        return found

    found = [
        Sensitivity(
            one.name, one.low, one.high, at(one.name, one.low), at(one.name, one.high), one.evidence, one.unit
        )
        for one in given
    ]
    return by_swing(found)


def by_swing(found: Iterable[Sensitivity]) -> tuple[Sensitivity, ...]:
    """Return sensitivities with the widest swing first; those of one width by name."""
    return tuple(sorted(found, key=lambda one: (-one.swing, one.name)))


def assumptions_of(book: EvidenceBook, keys: Iterable[str]) -> tuple[Assumption, ...]:
    """Return entries of the evidence as assumptions, each over its range.

    Raises
    ------
    EvidenceError
        If there is no such entry.
    PerfusionError
        If an entry is not assumed, or has no range.
    """
    found = []
    for key in keys:
        entry = book[key]
        if entry.tag != "assumed":
            raise PerfusionError(key, f"is {entry.tag}; only what is assumed is moved")
        if entry.low is None or entry.high is None:
            raise PerfusionError(key, "has no range to move it over")
        found.append(Assumption(entry.title, entry.low, entry.value, entry.high, key, entry.unit))
    return tuple(found)


def move_evidence(
    outcome: Callable[[EvidenceBook], float], book: EvidenceBook, keys: Iterable[str]
) -> tuple[Sensitivity, ...]:
    """Return how an outcome moves with assumed entries of the evidence, the widest swing first.

    All others stay as they are in the book: those that are drawn from their range go on being drawn.

    Parameters
    ----------
    outcome
        Takes a book, returns the outcome.
    book
        The evidence, with the protocol's own assumptions.
    keys
        Ids of the entries to move.

    Raises
    ------
    EvidenceError, PerfusionError
        As for :func:`assumptions_of`.
    """
    found = []
    for one in assumptions_of(book, keys):
        low, high = (float(outcome(book.overriding({one.evidence: end}))) for end in (one.low, one.high))
        found.append(Sensitivity(one.name, one.low, one.high, low, high, one.evidence, one.unit))
    return by_swing(found)


@dataclass(frozen=True)
class Share:
    """How much of the spread of an outcome goes with one input.

    Parameters
    ----------
    name
        The input.
    variance
        Share of the outcome's variance that would be gone if it were known, 0 to 1.
    rank_correlation
        Spearman's correlation of both: its sign says which way the outcome goes.
    """

    name: str
    variance: float
    rank_correlation: float


def variance_shares(inputs: Mapping[str, FloatArray], outcome: FloatArray) -> tuple[Share, ...]:
    """Return each input's share of the spread of an outcome, the largest first.

    The draws are grouped by the input's rank, and the variance between the groups' means is compared with the
    whole one (Sobol's first-order index from given draws), less what chance alone puts between the groups.

    Parameters
    ----------
    inputs
        Independent draws by name, each of shape (draws,).
    outcome
        The outcome of each draw, shape (draws,).

    Raises
    ------
    PerfusionError
        If there are fewer than 400 draws, or an input has another number of them.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> a, b = rng.random(4000), rng.random(4000)
    >>> [share.name for share in variance_shares({"a": a, "b": b}, a + 3 * b)]
    ['b', 'a']
    """
    y = np.asarray(outcome, dtype=np.float64)
    if len(y) < _GROUPS * _LEAST_IN_GROUP:
        raise PerfusionError("draws", f"takes {_GROUPS * _LEAST_IN_GROUP} or more, not {len(y)}")
    found = []
    for name, draws in inputs.items():
        x = np.asarray(draws, dtype=np.float64)
        if x.shape != y.shape:
            raise PerfusionError(name, f"has {x.shape} draws, and the outcome {y.shape}")
        found.append(Share(name, _first_order(x, y), _spearman(x, y)))
    return tuple(sorted(found, key=lambda share: (-share.variance, share.name)))


def _first_order(x: FloatArray, y: FloatArray) -> float:
    total = y.var()
    if total == 0 or x.min() == x.max():
        return 0.0
    groups = np.array_split(y[np.argsort(x, kind="stable")], _GROUPS)
    sizes = np.array([len(group) for group in groups])
    between = float(np.average([(group.mean() - y.mean()) ** 2 for group in groups], weights=sizes))
    within = float(np.average([group.var() for group in groups], weights=sizes))
    # As in an analysis of variance: chance alone puts that much between the means of so many groups.
    chance = within * (_GROUPS - 1) / (len(y) - _GROUPS)
    return float(np.clip((between - chance) / total, 0.0, 1.0))


def _spearman(x: FloatArray, y: FloatArray) -> float:
    if x.min() == x.max() or y.min() == y.max():
        return 0.0
    return float(np.corrcoef(rankdata(x), rankdata(y))[0, 1])
