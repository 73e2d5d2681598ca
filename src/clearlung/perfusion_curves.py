"""The curves of ``perfusion.json``: levels over time in perfusate, lung, body and metastases."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from clearlung.perfusion import Course

# Curves are kept by the minute while the lung is isolated, and more coarsely in the hours after it.
_STEP_ISOLATED_MIN, _STEP_AFTER_MIN = 1.0, 10.0


class CurvesFound(BaseModel):
    """Levels over time, mg/l."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minutes: tuple[float, ...]
    perfusate_mg_per_l: tuple[float, ...]
    lung_mg_per_l: dict[str, tuple[float, ...]] = Field(description="In the tissue of each perfused lobe.")
    systemic_mg_per_l: tuple[float, ...]
    nodules_mg_per_l: dict[str, tuple[float, ...]] = Field(
        description="By diameter, mm; for the middle of the tumor's prior: their height is not known."
    )

    @classmethod
    def of(cls, course: Course) -> Self:
        """Return the curves at whole minutes, and where a phase ends."""
        phases = course.phases
        wanted = np.unique(
            np.concatenate(
                [
                    np.arange(0.0, phases.reconnection, _STEP_ISOLATED_MIN),
                    np.arange(phases.reconnection, phases.end, _STEP_AFTER_MIN),
                    [phases.perfusion, phases.reconnection, phases.end],
                ]
            )
        )
        at = np.unique(np.searchsorted(course.minutes, wanted - 1e-9).clip(max=len(course.minutes) - 1))

        def curve(levels: NDArray[np.float64]) -> tuple[float, ...]:
            return tuple(float(f"{value:.5g}") for value in levels[at].tolist())

        return cls(
            minutes=curve(course.minutes),
            perfusate_mg_per_l=curve(course.perfusate_mg_per_l),
            lung_mg_per_l={lobe: curve(course.lung_mg_per_l[:, j]) for j, lobe in enumerate(course.lobes)},
            systemic_mg_per_l=curve(course.systemic_mg_per_l),
            nodules_mg_per_l={
                f"{size:g}": curve(course.nodules_mg_per_l[:, k])
                for k, size in enumerate(course.nodule_diameters_mm.tolist())
            },
        )
