"""`Lost`: what the operations of every scenario take of one measure of lung function."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from clearlung.resection import FunctionModel
from clearlung.staging.problem import StagingProblem
from clearlung.staging.stress.draws import Draws
from clearlung.staging.stress.spreads import Floats
from clearlung.staging.stress.staged import Staged


@dataclass(frozen=True, eq=False)
class Lost:
    """What the operations take of one measure, counted as :meth:`FunctionModel.percent` does.

    Parameters
    ----------
    model
        The patient's model of it.
    week
        Shape (operations, scenarios).
    permanent, early
        What each operation takes, fractions of the value before the first; the same shape.
    factor
        Shape (scenarios,): of the time constants.
    error_percent
        Shape (scenarios,): error of the prediction, points of percent predicted.
    """

    model: FunctionModel
    week: Floats
    permanent: Floats
    early: Floats
    factor: Floats
    error_percent: Floats

    @classmethod
    def of(
        cls,
        problem: StagingProblem,
        model: FunctionModel,
        staged: Staged,
        draws: Draws,
        removed_ml: tuple[Floats, Floats],
        week: Floats,
    ) -> Lost:
        """Return what operations take that remove so much around beds, and anatomically."""
        bedded, anatomical = (ml / model.lung_ml for ml in removed_ml)
        perfused = (model.perfusion_permanent * staged.perfused_share)[:, None]
        # The factor that is drawn is that of FEV1.
        tissue = draws.patient("tissue_factor") + model.early_tissue_factor
        tissue = tissue - problem.function.early_tissue_factor
        return cls(
            model,
            week,
            bedded + model.anatomical_factor * anatomical + perfused,
            model.early_access * staged.opened[:, None] + tissue * bedded,
            draws.patient("recovery"),
            draws.patient(f"{model.measure}_bias") + draws.patient(f"{model.measure}_error"),
        )

    def percent(self, week: Floats | float, operations: int | None = None) -> Floats:
        """Return the value in a week after the first so many operations, or all that have been by then."""
        value = 1.0 + self._regained(np.asarray(week, dtype=np.float64))
        for place in range(len(self.week) if operations is None else operations):
            since = week - self.week[place]
            lost = self.permanent[place] + self.early[place] * self._left(since)
            value = value - (lost if operations is not None else np.where(since >= 0, lost, 0.0))
        return np.asarray(np.maximum(self.model.baseline_percent * value + self.error_percent, 0.0))

    def after_percent(self) -> Floats:
        """Return the value right after each operation."""
        found = np.empty_like(self.week)
        for place, week in enumerate(self.week):
            found[place] = self.percent(week, place + 1)
        return found

    def final_percent(self) -> Floats:
        """Return the value after full recovery from all operations."""
        kept = 1.0 + self.model.regained(math.inf) - self.permanent.sum(axis=0)
        return np.asarray(np.maximum(self.model.baseline_percent * kept + self.error_percent, 0.0))

    def unrecovered_percent(self) -> Floats:
        """Return what is still to come back when each operation begins."""
        left = np.empty_like(self.week)
        for place, week in enumerate(self.week):
            left[place] = sum(self.model.unrecovered) - self._regained(week)
            for before in range(place):
                left[place] += self.early[before] * self._left(week - self.week[before])
        return self.model.baseline_percent * left

    def _left(self, weeks: Floats) -> Floats:
        recovery = self.model.recovery
        left = np.zeros(np.broadcast(self.factor, weeks).shape)
        for share, tau in zip(recovery.shares, recovery.weeks, strict=True):
            if share:
                left += share * np.exp(-np.maximum(weeks, 0.0) / (tau * self.factor))
        return left

    def _regained(self, week: Floats) -> Floats | float:
        model = self.model
        if not any(model.unrecovered):
            return 0.0
        parts = zip(model.unrecovered, model.recovery.weeks, strict=True)
        return np.asarray(sum(part * (1.0 - np.exp(-week / (tau * self.factor))) for part, tau in parts))
