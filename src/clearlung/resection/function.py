"""Lung function over the course of operations: what falls at once, what comes back, what stays away.

FEV1 or DLCO after operations i in weeks w_i is

    value(t) = value_0 × (1 − Σ_i [p_i + e_i × left(t − w_i)])
    left(t)  = f × exp(−t / τ_fast) + (1 − f) × exp(−t / τ_slow)

with a permanent part p_i (the removed share of the lungs, and the perfusion's own part) and an early part
e_i (opening the chest, and tissue around the beds that is out of work at first) that recovers in two phases.
The parts add up: a second operation starts on a baseline that has not recovered. What is taken anatomically,
by the segment or lobe, leaves no bed, and counts for good with a factor below one: a year after a lobectomy
less function is gone than the lobe's share of volume. The constants are fitted to the published courses by
``python -m benchmarks function``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

from clearlung.anatomy import Side
from clearlung.evidence import EvidenceBook

Measure = Literal["fev1", "dlco"]
"""What of lung function is predicted: FEV1, or the diffusing capacity for carbon monoxide."""

MEASURES: tuple[Measure, ...] = ("fev1", "dlco")
"""Every measure."""


@dataclass(frozen=True)
class Loss:
    """What one operation takes, as fractions of the value before the first operation."""

    permanent: float
    early: float


@dataclass(frozen=True)
class Recovery:
    """How an early loss recovers: two phases, each with its time constant.

    Parameters
    ----------
    fast_share
        Share of the early loss that recovers in the fast phase.
    fast_weeks, slow_weeks
        Time constants, weeks.

    Examples
    --------
    >>> Recovery(fast_share=1.0, fast_weeks=4.0, slow_weeks=20.0).left(0.0)
    1.0
    """

    fast_share: float
    fast_weeks: float
    slow_weeks: float

    @property
    def shares(self) -> tuple[float, float]:
        """Shares of the fast and of the slow phase."""
        return self.fast_share, 1.0 - self.fast_share

    @property
    def weeks(self) -> tuple[float, float]:
        """Time constants of the fast and of the slow phase."""
        return self.fast_weeks, self.slow_weeks

    def left(self, weeks: float) -> float:
        """Return the share of an early loss that has not recovered so many weeks later."""
        return sum(
            share * math.exp(-weeks / tau)
            for share, tau in zip(self.shares, self.weeks, strict=True)
            if share
        )


@dataclass(frozen=True)
class FunctionModel:
    """One measure of one patient's lung function over a course of operations.

    Parameters
    ----------
    measure
        FEV1 or DLCO.
    baseline_percent
        Its value before the first operation, percent of predicted.
    predicted
        Its predicted value: liters for FEV1, mmol/(min kPa) or ml/(min mmHg) for DLCO; None where unknown.
    lung_ml
        Volume of both lungs before the first operation, ml.
    confidence
        One-sided confidence of the bounds.
    early_access
        Fraction lost at once by opening the chest.
    early_tissue_factor
        Tissue out of work at first, as a multiple of what was removed around beds.
    anatomical_factor
        Fraction lost for good by tissue taken anatomically, as a multiple of its share of the lungs.
    perfusion_permanent
        Fraction lost for good by a perfusion of one lung.
    recovery
        How the early part recovers.
    bias_percent, sd_percent
        Error of the prediction, points of percent predicted.
    unrecovered
        What earlier operations took and have not given back in week 0, fractions of the baseline: the part
        that recovers fast, and the part that recovers slowly.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> model = FunctionModel.from_evidence(
    ...     load_evidence(), "fev1", percent=98, predicted=2.8, lung_ml=5000, confidence=0.95
    ... )
    >>> loss = model.loss(removed_ml=45.0, perfused=False)
    >>> round(model.percent([(0, loss)], week=0))
    70
    """

    measure: Measure
    baseline_percent: float
    predicted: float | None
    lung_ml: float
    confidence: float
    early_access: float
    early_tissue_factor: float
    anatomical_factor: float
    perfusion_permanent: float
    recovery: Recovery
    bias_percent: float
    sd_percent: float
    unrecovered: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def from_evidence(
        cls,
        book: EvidenceBook,
        measure: Measure,
        *,
        percent: float,
        predicted: float | None,
        lung_ml: float,
        confidence: float,
    ) -> FunctionModel:
        """Return the model of one patient with the evidence's constants.

        Parameters
        ----------
        book
            The evidence, with the protocol's own assumptions.
        measure
            FEV1 or DLCO.
        percent, predicted, lung_ml, confidence
            As in the class. FEV1 without its predicted value takes the reference one for its interval.
        """
        known = f"function.{measure}"
        bias, sd = _error_percent(book, measure, predicted)
        return cls(
            measure=measure,
            baseline_percent=percent,
            predicted=predicted,
            lung_ml=lung_ml,
            confidence=confidence,
            early_access=book.value(f"{known}.access", unit="%") / 100,
            early_tissue_factor=book.value("function.early.tissue_factor", unit="1"),
            anatomical_factor=book.value(f"{known}.anatomical", unit="1"),
            perfusion_permanent=book.value(f"{known}.perfusion", unit="%") / 100,
            recovery=recovery_of(book, measure),
            bias_percent=bias,
            sd_percent=sd,
        )

    @property
    def evidence(self) -> tuple[str, ...]:
        """Ids of the evidence entries that a prediction rests on."""
        error = {"fev1": ("bias_ml", "sd_ml"), "dlco": ("dlco_bias", "dlco_sd")}[self.measure]
        return (
            "function.early.tissue_factor",
            *(f"function.{self.measure}.{name}" for name in _CONSTANTS[self.measure]),
            *(f"function.ppo.{name}" for name in error),
        )

    def loss(self, removed_ml: float, *, perfused: float, anatomical_ml: float = 0.0) -> Loss:
        """Return what an operation takes at once and for good.

        Parameters
        ----------
        removed_ml
            All tissue taken out, ml.
        perfused
            Whether the lung is perfused; where only some lobes are, their share of its function, 0 to 1.
        anatomical_ml
            How much of ``removed_ml`` is segments and lobes.

        Raises
        ------
        ValueError
            If more is taken anatomically than in all, or a volume is negative.
        """
        if not -1e-9 <= anatomical_ml <= removed_ml + 1e-9:
            raise ValueError(f"{anatomical_ml:g} ml of {removed_ml:g} ml cannot have been taken anatomically")
        bedded = (removed_ml - anatomical_ml) / self.lung_ml
        anatomical = self.anatomical_factor * anatomical_ml / self.lung_ml
        return Loss(
            permanent=bedded + anatomical + self.perfusion_permanent * perfused,
            early=self.early_access + self.early_tissue_factor * bedded,
        )

    def percent(self, operations: Sequence[tuple[float, Loss]], week: float) -> float:
        """Return the expected value in a week, percent of predicted, after operations (week, loss)."""
        lost = sum(
            loss.permanent + loss.early * self.recovery.left(week - then)
            for then, loss in operations
            if then <= week
        )
        return self.baseline_percent * (1.0 + self.regained(week) - lost)

    def final_percent(self, losses: Sequence[Loss]) -> float:
        """Return the expected value after full recovery, percent of predicted."""
        return self.baseline_percent * (
            1.0 + self.regained(math.inf) - sum(loss.permanent for loss in losses)
        )

    def regained(self, week: float) -> float:
        """Return what has come back by a week of earlier operations' losses, as a fraction."""
        return sum(
            part * (1.0 - math.exp(-week / tau))
            for part, tau in zip(self.unrecovered, self.recovery.weeks, strict=True)
        )

    @property
    def margin_percent(self) -> float:
        """Half-width of the interval of a prediction, in points of percent predicted.

        The bias is added to both sides, since the source does not say which way it goes.
        """
        return self.bias_percent + NormalDist().inv_cdf(self.confidence) * self.sd_percent


_CONSTANTS: dict[Measure, tuple[str, ...]] = {
    "fev1": ("access", "fast_share", "fast_weeks", "slow_weeks", "anatomical", "perfusion"),
    # Two readings do not tell two phases apart: DLCO recovers in one.
    "dlco": ("access", "weeks", "anatomical", "perfusion"),
}


def recovery_of(book: EvidenceBook, measure: Measure) -> Recovery:
    """Return how the early loss of a measure recovers."""
    if measure == "dlco":
        weeks = book.value("function.dlco.weeks", unit="week")
        return Recovery(1.0, weeks, weeks)
    return Recovery(
        fast_share=book.value("function.fev1.fast_share", unit="1"),
        fast_weeks=book.value("function.fev1.fast_weeks", unit="week"),
        slow_weeks=book.value("function.fev1.slow_weeks", unit="week"),
    )


def _error_percent(book: EvidenceBook, measure: Measure, predicted: float | None) -> tuple[float, float]:
    """Return bias and SD of a prediction, points of percent predicted."""
    if measure == "dlco":
        return book.value("function.ppo.dlco_bias", unit="%"), book.value("function.ppo.dlco_sd", unit="%")
    liters = predicted or book.value("function.reference.fev1_predicted_l", unit="l")
    bias, sd = (book.value(f"function.ppo.{name}_ml", unit="ml") for name in ("bias", "sd"))
    return bias / (10 * liters), sd / (10 * liters)


@dataclass(frozen=True)
class LungFunction:
    """FEV1 and DLCO of one patient, and each lung's part in them.

    Parameters
    ----------
    fev1, dlco
        The model of each measure.
    right_share
        The right lung's share of both before the first operation, 0 to 1.
    share_method
        Where the share comes from.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> book = load_evidence()
    >>> constants = dict(lung_ml=5000, confidence=0.95)
    >>> lungs = LungFunction(
    ...     fev1=FunctionModel.from_evidence(book, "fev1", percent=100, predicted=3.0, **constants),
    ...     dlco=FunctionModel.from_evidence(book, "dlco", percent=80, predicted=None, **constants),
    ...     right_share=published_right_share(book),
    ...     share_method="published",
    ... )
    >>> round(lungs.lung_percent("fev1", "left", [], week=0), 1)
    46.4
    """

    fev1: FunctionModel
    dlco: FunctionModel
    right_share: float
    share_method: Literal["ct volume", "published"]

    def model(self, measure: Measure) -> FunctionModel:
        """Return the model of a measure."""
        return self.fev1 if measure == "fev1" else self.dlco

    def share(self, side: Side) -> float:
        """Return a lung's share before the first operation."""
        return self.right_share if side == "right" else 1.0 - self.right_share

    def lung_percent(
        self, measure: Measure, side: Side, operations: Sequence[tuple[Side, float, Loss]], week: float
    ) -> float:
        """Return one lung's part of the expected value in a week, points of percent predicted.

        Both lungs' parts add up to the value of both. An operation's losses, early and permanent, fall on
        the lung that it opens; what comes back of earlier operations is shared by the lungs' shares. A lung
        whose share the losses exceed would come out below zero and is given none.

        Parameters
        ----------
        measure, side
            Which measure of which lung.
        operations
            Side, week and loss of each operation.
        week
            When.
        """
        model = self.model(measure)
        own = [(then, loss) for on, then, loss in operations if on == side]
        # The lung alone, as a model whose first value is this lung's part: losses are fractions of both.
        both = replace(model, unrecovered=(0.0, 0.0))
        lost = model.baseline_percent - both.percent(own, week)
        return max(0.0, self.share(side) * model.baseline_percent * (1.0 + model.regained(week)) - lost)


def published_right_share(book: EvidenceBook) -> float:
    """Return the right lung's share of volume where there is no scan."""
    right = book.value("segment.supine.right", unit="%")
    return right / (right + book.value("segment.supine.left", unit="%"))
