"""How sure a margin is, the outline's error being what it is, and what it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from clearlung.evidence import EvidenceBook
from clearlung.nodules import NoduleTable, repeat_interval, sphere_diameter_mm
from clearlung.resection.candidates import LesionMargin

MARGIN_EVIDENCE = (
    "margin.satellite.log_mean",
    "margin.satellite.log_sd",
    "measurement.repeat.volume",
    "measurement.repeat.volume_small",
)
# Two-sided 95 % of a normal distribution, as published limits of agreement are.
_Z95 = 1.959964
# A surface lies anywhere within the voxel at which it is drawn.
_UNIFORM_SD = 1.0 / np.sqrt(12.0)
# Exact for the smooth curves integrated here to five digits.
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)


def outline_error_mm(nodules: NoduleTable, voxel_mm: float) -> NDArray[np.float64]:
    """Return the standard deviation of where each lesion's surface lies.

    Parameters
    ----------
    nodules
        Their volumes with the interval of a repeated scan; where a table has none, the published limits of
        agreement give it.
    voxel_mm
        Size of a voxel; 0 without a scan.

    Notes
    -----
    A volume's interval of 95 % is the interval of the radius of its sphere; a cut and an outline each lie
    somewhere in a voxel, which adds in squares.
    """
    low, high = repeat_interval(nodules.volume_mm3)
    low = np.where(np.isfinite(nodules.volume_low_mm3), nodules.volume_low_mm3, low)
    high = np.where(np.isfinite(nodules.volume_high_mm3), nodules.volume_high_mm3, high)
    spread = (sphere_diameter_mm(high) - sphere_diameter_mm(np.maximum(low, 0.0))) / 2
    return np.asarray(np.hypot(spread / (2 * _Z95), _UNIFORM_SD * voxel_mm), dtype=np.float64)


@dataclass(frozen=True)
class Satellites:
    """How far from a metastasis its satellite cells lie: the lognormal curve through Welter's quantiles."""

    log_mean: float
    log_sd: float

    @classmethod
    def of(cls, book: EvidenceBook) -> Satellites:
        """Read the curve from the evidence."""
        mean, sd = MARGIN_EVIDENCE[:2]
        return cls(book.value(mean, unit="1"), book.value(sd, unit="1"))

    def within(self, distance_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Share of satellites within a distance.

        Examples
        --------
        >>> curve = Satellites(0.134, 0.666)
        >>> curve.within(np.array([0.0, 3.43])).round(2).tolist()
        [0.0, 0.95]
        """
        distance = np.asarray(distance_mm, dtype=np.float64)
        log = np.log(np.maximum(distance, 1e-12))
        return np.where(distance > 0, ndtr((log - self.log_mean) / self.log_sd), 0.0)


def describe_margins(
    lesions: Sequence[int],
    planned_mm: NDArray[np.float64],
    margin_mm: NDArray[np.float64],
    error_mm: NDArray[np.float64],
    satellites: Satellites,
) -> tuple[LesionMargin, ...]:
    """Return the margin of each lesion with its interval and chances.

    Parameters
    ----------
    lesions
        Ids.
    planned_mm, margin_mm, error_mm
        What the technique asks for, the distance found, and its standard deviation, one each.
    satellites
        The curve of their distances.
    """
    clear = ndtr(margin_mm / error_mm)
    distances = margin_mm[:, None] + error_mm[:, None] * _NODES
    held = satellites.within(distances) @ _WEIGHTS / _WEIGHTS.sum()
    return tuple(
        LesionMargin(
            lesion=int(lesion),
            planned_mm=float(planned_mm[k]),
            margin_mm=float(margin_mm[k]),
            low_mm=float(margin_mm[k] - _Z95 * error_mm[k]),
            high_mm=float(margin_mm[k] + _Z95 * error_mm[k]),
            clear=float(clear[k]),
            satellites=float(held[k]),
        )
        for k, lesion in enumerate(lesions)
    )
