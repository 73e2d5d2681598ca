"""Lung function over the course of operations: what falls at once, what comes back, what stays away.

FEV1 after operations i at weeks w_i is

    FEV1(t) = FEV1_0 × (1 − Σ_i [p_i + e_i × exp(−(t − w_i) / τ)])

with a permanent part p_i (the removed share of the lungs, and the perfusion's own part) and an early part
e_i (opening the chest, and tissue around the beds that is out of work at first) that recovers with one
time constant. The parts add up: a second operation starts on a baseline that has not recovered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar

from clearlung.evidence import EvidenceBook


@dataclass(frozen=True)
class Loss:
    """What one operation takes, as fractions of the first FEV1."""

    permanent: float
    early: float


@dataclass(frozen=True)
class FunctionModel:
    """FEV1 of one patient over a course of operations.

    Parameters
    ----------
    fev1_percent
        FEV1 before the first operation, percent of predicted.
    fev1_predicted_l
        Predicted FEV1, liters.
    lung_ml
        Volume of both lungs before the first operation, ml.
    confidence
        One-sided confidence of the bounds.
    early_access
        Fraction lost at once by opening the chest.
    early_tissue_factor
        Tissue out of work at first, as a multiple of what was removed.
    recovery_weeks
        Time constant of recovery, weeks.
    perfusion_permanent
        Fraction lost for good by a perfusion.
    bias_l, sd_l
        Error of the prediction, liters.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> model = FunctionModel.from_evidence(
    ...     load_evidence(), fev1_percent=98, fev1_predicted_l=2.8, lung_ml=5000, confidence=0.95
    ... )
    >>> loss = model.loss(removed_ml=45.0, perfused=False)
    >>> round(model.percent([(0, loss)], week=0))
    69
    """

    EVIDENCE: ClassVar[tuple[str, ...]] = (
        "function.early.access",
        "function.early.tissue_factor",
        "function.recovery.tau",
        "function.perfusion.permanent",
        "function.ppo.bias_ml",
        "function.ppo.sd_ml",
    )
    """Ids of the evidence entries that a prediction rests on."""

    fev1_percent: float
    fev1_predicted_l: float
    lung_ml: float
    confidence: float
    early_access: float
    early_tissue_factor: float
    recovery_weeks: float
    perfusion_permanent: float
    bias_l: float
    sd_l: float

    @classmethod
    def from_evidence(
        cls,
        book: EvidenceBook,
        *,
        fev1_percent: float,
        fev1_predicted_l: float,
        lung_ml: float,
        confidence: float,
    ) -> FunctionModel:
        """Return the model of one patient with the evidence's constants."""
        return cls(
            fev1_percent=fev1_percent,
            fev1_predicted_l=fev1_predicted_l,
            lung_ml=lung_ml,
            confidence=confidence,
            early_access=book.value("function.early.access", unit="%") / 100,
            early_tissue_factor=book.value("function.early.tissue_factor", unit="1"),
            recovery_weeks=book.value("function.recovery.tau", unit="week"),
            perfusion_permanent=book.value("function.perfusion.permanent", unit="%") / 100,
            bias_l=book.value("function.ppo.bias_ml", unit="ml") / 1000,
            sd_l=book.value("function.ppo.sd_ml", unit="ml") / 1000,
        )

    def loss(self, removed_ml: float, *, perfused: bool) -> Loss:
        """Return what an operation takes at once and for good."""
        share = removed_ml / self.lung_ml
        return Loss(
            permanent=share + (self.perfusion_permanent if perfused else 0.0),
            early=self.early_access + self.early_tissue_factor * share,
        )

    def percent(self, operations: list[tuple[float, Loss]], week: float) -> float:
        """Return the expected FEV1 in a week, percent of predicted, after operations (week, loss)."""
        lost = sum(
            loss.permanent + loss.early * math.exp(-(week - then) / self.recovery_weeks)
            for then, loss in operations
            if then <= week
        )
        return self.fev1_percent * (1.0 - lost)

    @property
    def margin_percent(self) -> float:
        """Half-width of the interval of a predicted FEV1, in points of percent predicted.

        The bias is added to both sides, since the source does not say which way it goes.
        """
        error_l = self.bias_l + NormalDist().inv_cdf(self.confidence) * self.sd_l
        return 100.0 * error_l / self.fev1_predicted_l
