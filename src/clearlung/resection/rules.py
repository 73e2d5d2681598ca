"""Who may be operated on: guidelines as registered rule sets, each with its classes.

The sets disagree and none is the default truth; a protocol names the one that it works by. A rule set reads
predicted postoperative values and exercise tests, and answers with a class of risk and what it asks for next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from clearlung.errors import ProtocolError
from clearlung.evidence import EvidenceBook
from clearlung.resection.function import FunctionModel
from clearlung.resection.predicted import Predicted

Risk = Literal["low", "moderate", "high", "undetermined"]
"""A class of risk; undetermined where a test is missing."""

NEXT_NOTHING = "no further test"
NEXT_DLCO = "measure DLCO"
NEXT_EXERCISE = "exercise test: stair climb or shuttle walk"
NEXT_CPET = "cardiopulmonary exercise test"
NEXT_OTHER = "less resection or another treatment"

DEFAULT_RULE_SET = "accp-2013"
"""The rule set of a protocol that names none."""


@dataclass(frozen=True)
class Exercise:
    """Exercise tests; None where not done.

    Parameters
    ----------
    vo2_ml_kg_min, vo2_percent
        Peak oxygen uptake, and the same in percent of predicted.
    stair_climb_m
        Height climbed, m.
    shuttle_walk_m
        Distance walked, m.
    """

    vo2_ml_kg_min: float | None = None
    vo2_percent: float | None = None
    stair_climb_m: float | None = None
    shuttle_walk_m: float | None = None


@dataclass(frozen=True)
class Level:
    """One measure before and after the operations.

    Parameters
    ----------
    before_percent
        Before the first operation, percent of predicted.
    ppo_percent, ppo_low_percent
        Predicted for after recovery, percent of predicted, and its lower bound.
    predicted
        The predicted value itself, liters for FEV1; None where unknown.
    """

    before_percent: float
    ppo_percent: float
    ppo_low_percent: float
    predicted: float | None = None

    @classmethod
    def cautious(cls, model: FunctionModel, predictions: Sequence[Predicted]) -> Level:
        """Return a measure with the lowest of its predictions by all methods.

        Guidelines count segments or shares of function; the course of this program also counts perfusion, and
        forgives part of what segments and lobes take.

        Raises
        ------
        ValueError
            If there is no prediction of the model's measure.
        """
        own = [one for one in predictions if one.measure == model.measure]
        return cls(
            before_percent=model.baseline_percent,
            ppo_percent=min(one.percent for one in own),
            ppo_low_percent=min(one.low_percent for one in own),
            predicted=model.predicted,
        )


@dataclass(frozen=True)
class Finding:
    """A class, what is asked for next, why, and the entries that decided."""

    risk: Risk
    next_step: str
    reason: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """What a rule set says at the expected values, and at the lower bounds.

    ``assumed`` tells whether a threshold that decides either is assumed.
    """

    rule_set: str
    risk: Risk
    next_step: str
    reason: str
    at_low: Finding
    evidence: tuple[str, ...]
    assumed: bool


@dataclass(frozen=True)
class RuleSet:
    """A guideline's rules.

    Parameters
    ----------
    name, title
        The name that protocols use, and the one that reports use.
    judge
        Returns the finding for FEV1, DLCO, exercise tests and the evidence.
    """

    name: str
    title: str
    judge: Callable[[Level, Level | None, Exercise, EvidenceBook], Finding]


def apply_rules(
    name: str, *, fev1: Level, dlco: Level | None, exercise: Exercise, book: EvidenceBook
) -> Verdict:
    """Judge a plan by a guideline, at the expected values and at the lower bounds.

    Parameters
    ----------
    name
        Key of :data:`RULE_SETS`.
    fev1, dlco
        Before and after; DLCO None where it was not measured.
    exercise
        Exercise tests.
    book
        The evidence.

    Raises
    ------
    ProtocolError
        If there is no such rule set.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> level = Level(before_percent=80, ppo_percent=61, ppo_low_percent=45)
    >>> verdict = apply_rules(
    ...     "accp-2013", fev1=level, dlco=level, exercise=Exercise(), book=load_evidence()
    ... )
    >>> verdict.risk, verdict.at_low.next_step
    ('low', 'exercise test: stair climb or shuttle walk')
    """
    if name not in RULE_SETS:
        raise ProtocolError("function.rule_set", f"{name!r} is not one of {', '.join(RULE_SETS)}")
    judge = RULE_SETS[name].judge
    expected = judge(fev1, dlco, exercise, book)
    low = judge(_at_low(fev1), None if dlco is None else _at_low(dlco), exercise, book)
    evidence = tuple(dict.fromkeys((*expected.evidence, *low.evidence)))
    return Verdict(
        rule_set=name,
        risk=expected.risk,
        next_step=expected.next_step,
        reason=expected.reason,
        at_low=low,
        evidence=evidence,
        assumed=any(book[key].tag == "assumed" for key in evidence),
    )


def _at_low(level: Level) -> Level:
    return replace(level, ppo_percent=level.ppo_low_percent)


def _vo2_at_least(exercise: Exercise, book: EvidenceBook, key: str) -> bool:
    """Whether every form in which peak oxygen uptake is known reaches a threshold; one must be known."""
    pairs = ((exercise.vo2_ml_kg_min, key, "ml/kg/min"), (exercise.vo2_percent, f"{key}_percent", "%"))
    return all(value >= book.value(entry, unit=unit) for value, entry, unit in pairs if value is not None)


def _has_vo2(exercise: Exercise) -> bool:
    return exercise.vo2_ml_kg_min is not None or exercise.vo2_percent is not None


def _vo2_words(exercise: Exercise) -> str:
    words = []
    if exercise.vo2_ml_kg_min is not None:
        words.append(f"{exercise.vo2_ml_kg_min:g} ml/kg/min")
    if exercise.vo2_percent is not None:
        words.append(f"{exercise.vo2_percent:g} % of predicted")
    return f"peak oxygen uptake {' and '.join(words)}"


def _both(key: str) -> tuple[str, str]:
    return key, f"{key}_percent"


def _accp(fev1: Level, dlco: Level | None, exercise: Exercise, book: EvidenceBook) -> Finding:
    """ACCP 2013: predicted values, then a simple exercise test, then oxygen uptake, which outranks them."""
    high = "threshold.accp.vo2_high_risk"
    if _has_vo2(exercise) and not _vo2_at_least(exercise, book, high):
        return Finding("high", NEXT_OTHER, f"{_vo2_words(exercise)} is under the limit", _both(high))
    if dlco is None:
        return Finding("undetermined", NEXT_DLCO, "DLCO is not known", ("threshold.accp.low_risk_ppo",))
    low_key = "threshold.accp.low_risk_ppo"
    low = book.value(low_key, unit="%")
    ppo = f"predicted FEV1 {fev1.ppo_percent:.0f} % and DLCO {dlco.ppo_percent:.0f} %"
    if min(fev1.ppo_percent, dlco.ppo_percent) > low:
        return Finding("low", NEXT_NOTHING, f"{ppo} are both above {low:g} %", (low_key,))
    floors = ("protocol.function.ppo_fev1", "threshold.accp.exercise_ppo_dlco")
    fev1_floor, dlco_floor = (book.value(key, unit="%") for key in floors)
    if fev1.ppo_percent < fev1_floor or dlco.ppo_percent < dlco_floor:
        return _accp_cpet(f"{ppo}: one is under {fev1_floor:g} %", exercise, book, floors)
    keys = (low_key, *floors, "threshold.accp.stair_climb", "threshold.accp.shuttle_walk")
    passed = _simple_tests(exercise, book)
    if passed is None:
        if _has_vo2(exercise):
            return _accp_cpet(ppo, exercise, book, keys)
        return Finding("undetermined", NEXT_EXERCISE, f"{ppo}: one is not above {low:g} %", keys)
    if passed:
        return Finding("low", NEXT_NOTHING, f"{ppo}; the exercise test is passed", keys)
    return _accp_cpet(f"{ppo}; the exercise test is not passed", exercise, book, keys)


def _simple_tests(exercise: Exercise, book: EvidenceBook) -> bool | None:
    """Whether stair climb and shuttle walk are passed, as far as they were done; None where neither was."""
    climb, walk = exercise.stair_climb_m, exercise.shuttle_walk_m
    results = []
    if climb is not None:
        results.append(climb >= book.value("threshold.accp.stair_climb", unit="m"))
    if walk is not None:
        results.append(walk > book.value("threshold.accp.shuttle_walk", unit="m"))
    return all(results) if results else None


def _accp_cpet(why: str, exercise: Exercise, book: EvidenceBook, keys: tuple[str, ...]) -> Finding:
    """Class by oxygen uptake; what is under the limit of high risk does not come here."""
    if not _has_vo2(exercise):
        return Finding("undetermined", NEXT_CPET, why, (*keys, *_both("threshold.accp.vo2_high_risk")))
    low = "threshold.accp.vo2_low_risk"
    risk: Risk = "low" if _vo2_at_least(exercise, book, low) else "moderate"
    return Finding(risk, NEXT_NOTHING, f"{why}; {_vo2_words(exercise)}", (*keys, *_both(low)))


def _ers_ests(fev1: Level, dlco: Level | None, exercise: Exercise, book: EvidenceBook) -> Finding:
    """ERS/ESTS 2009: the values before, then oxygen uptake, then predicted values."""
    high = "threshold.ers_ests.vo2_high_risk"
    if _has_vo2(exercise) and not _vo2_at_least(exercise, book, high):
        return Finding("high", NEXT_OTHER, f"{_vo2_words(exercise)} is under the limit", _both(high))
    any_key = "threshold.ers_ests.any_resection"
    if dlco is None:
        return Finding("undetermined", NEXT_DLCO, "DLCO is not known", (any_key,))
    enough = book.value(any_key, unit="%")
    before = f"FEV1 {fev1.before_percent:.0f} % and DLCO {dlco.before_percent:.0f} % before"
    if min(fev1.before_percent, dlco.before_percent) > enough:
        return Finding("low", NEXT_NOTHING, f"{before} are both above {enough:g} %", (any_key,))
    if not _has_vo2(exercise):
        why = f"{before}: one is not above {enough:g} %"
        return Finding("undetermined", NEXT_CPET, why, (any_key, *_both(high)))
    decides, ppo_key = "threshold.ers_ests.vo2_ppo_decides", "threshold.ers_ests.ppo"
    keys = (any_key, *_both(decides), ppo_key)
    if _above(exercise, book, decides):
        return Finding("low", NEXT_NOTHING, f"{_vo2_words(exercise)} is above the band", _both(decides))
    limit = book.value(ppo_key, unit="%")
    ppo = f"predicted FEV1 {fev1.ppo_percent:.0f} % and DLCO {dlco.ppo_percent:.0f} %"
    if min(fev1.ppo_percent, dlco.ppo_percent) > limit:
        return Finding("moderate", NEXT_NOTHING, f"{ppo} are both above {limit:g} %", keys)
    return Finding("high", NEXT_OTHER, f"{ppo}: one is not above {limit:g} %", keys)


def _above(exercise: Exercise, book: EvidenceBook, key: str) -> bool:
    """Whether every form in which peak oxygen uptake is known lies above a band."""
    pairs = ((exercise.vo2_ml_kg_min, key, "ml/kg/min"), (exercise.vo2_percent, f"{key}_percent", "%"))
    return all(value > book.value(entry, unit=unit) for value, entry, unit in pairs if value is not None)


def _bts(fev1: Level, dlco: Level | None, exercise: Exercise, book: EvidenceBook) -> Finding:
    """BTS 2010: predicted values, then a shuttle walk, then oxygen uptake."""
    ppo_key, walk_key, vo2_key = "threshold.bts.ppo", "threshold.bts.shuttle_walk", "threshold.bts.vo2"
    if dlco is None:
        return Finding("undetermined", NEXT_DLCO, "DLCO is not known", (ppo_key,))
    limit = book.value(ppo_key, unit="%")
    ppo = f"predicted FEV1 {fev1.ppo_percent:.0f} % and DLCO {dlco.ppo_percent:.0f} %"
    if min(fev1.ppo_percent, dlco.ppo_percent) > limit:
        return Finding("low", NEXT_NOTHING, f"{ppo} are both above {limit:g} %", (ppo_key,))
    walk, vo2 = exercise.shuttle_walk_m, exercise.vo2_ml_kg_min
    if walk is None and vo2 is None:
        why = f"{ppo}: one is not above {limit:g} %"
        return Finding("undetermined", NEXT_EXERCISE, why, (ppo_key, walk_key))
    if vo2 is not None:
        risk: Risk = "moderate" if vo2 >= book.value(vo2_key, unit="ml/kg/min") else "high"
        return Finding(
            risk,
            NEXT_NOTHING if risk == "moderate" else NEXT_OTHER,
            f"{ppo}; peak oxygen uptake {vo2:g} ml/kg/min",
            (ppo_key, vo2_key),
        )
    if walk is not None and walk > book.value(walk_key, unit="m"):
        return Finding("moderate", NEXT_NOTHING, f"{ppo}; shuttle walk {walk:g} m", (ppo_key, walk_key))
    return Finding("undetermined", NEXT_CPET, f"{ppo}; shuttle walk {walk:g} m", (ppo_key, walk_key, vo2_key))


def _older(fev1: Level, _dlco: Level | None, _exercise: Exercise, book: EvidenceBook) -> Finding:
    """Judge by the older rule in liters, not scaled to the patient."""
    key = "threshold.older.ppo_fev1"
    limit = book.value(key, unit="l")
    if fev1.predicted is None:
        return Finding("undetermined", "predicted FEV1 in liters", "predicted FEV1 is not known", (key,))
    liters = fev1.predicted * fev1.ppo_percent / 100
    if liters < limit:
        return Finding("high", NEXT_OTHER, f"predicted FEV1 {liters:.2f} l is under {limit:g} l", (key,))
    return Finding("low", NEXT_NOTHING, f"predicted FEV1 {liters:.2f} l is not under {limit:g} l", (key,))


RULE_SETS: dict[str, RuleSet] = {
    rules.name: rules
    for rules in (
        RuleSet("accp-2013", "American College of Chest Physicians 2013", _accp),
        RuleSet(
            "ers-ests-2009",
            "European Respiratory Society and European Society of Thoracic Surgeons 2009",
            _ers_ests,
        ),
        RuleSet("bts-2010", "British Thoracic Society 2010", _bts),
        RuleSet("older", "Older rule in liters", _older),
    )
}
"""Every rule set by name."""
