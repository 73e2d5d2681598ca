"""The card of the network: where it comes from, how its answers become probabilities, what it was worth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import expit


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Calibration(_Part):
    """Log odds of a nodule, linear in what the network says and in what makes it more or less credible."""

    intercept: float
    logit: float = Field(gt=0, description="Weight of the network's logit.")
    log_slice: float = Field(description="Weight of the logarithm of the slice spacing in mm.")
    log_size: float = Field(description="Weight of the logarithm of the diameter in mm.")

    def probability(
        self, logit: NDArray[np.float64], diameter_mm: NDArray[np.float64], slice_spacing_mm: float
    ) -> NDArray[np.float64]:
        """Return the calibrated probability of each candidate, shape (n,)."""
        odds = self.intercept + self.logit * np.asarray(logit)
        odds = odds + self.log_slice * np.log(slice_spacing_mm) + self.log_size * np.log(diameter_mm)
        return np.asarray(expit(odds), dtype=np.float64)


class OperatingPoint(_Part):
    """How many false findings a scan has on average from a probability on, and what is found with them."""

    false_per_scan: float
    probability: float
    sensitivity: float


class Curve(_Part):
    """Losses while the network was fitted, means over the steps before each entry."""

    step: tuple[int, ...]
    judgment: tuple[float, ...]
    place: tuple[float, ...]


class NetworkCard(_Part):
    """Everything that somebody who relies on the network should know of it."""

    format: str = "clearlung-nodule-network/1"
    model_sha256: str
    purpose: str
    limits: tuple[str, ...]
    learned_from: tuple[str, ...] = Field(description="Scans and phantoms, with their seeds.")
    held_out: tuple[str, ...] = Field(description="What calibrated it and set its operating points.")
    never_seen: str
    candidates: dict[str, int] = Field(description="How many it learned from.")
    fitting: dict[str, float] = Field(description="Steps, batch, rate, seed and the like.")
    minutes: float
    versions: dict[str, str]
    curve: Curve
    calibration: Calibration
    calibration_error: float = Field(description="Expected calibration error on the held-out cases.")
    operating_points: tuple[OperatingPoint, ...]

    def probability_at(self, false_per_scan: float) -> float:
        """Return the probability from which a scan has so many false findings on average.

        Between the points of the card it is interpolated over the logarithm of the number; beyond them the
        nearest point counts.
        """
        at = np.log([point.false_per_scan for point in self.operating_points])
        values = [point.probability for point in self.operating_points]
        return float(np.interp(np.log(false_per_scan), at, values))
