"""Predicted postoperative FEV1 and DLCO by counting segments, by CT volume and by CT density.

These are the methods that guidelines name, each as an interval with the published error. They count tissue
alone: what perfusion takes, and that the rest of the lung makes up for part of a lobe, is in the course of
:mod:`clearlung.resection.function`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBE_LABELS, LOBE_SIDES, LOBES, SIDES, Anatomy, Lobe
from clearlung.ct import Volume
from clearlung.evidence import EvidenceBook
from clearlung.resection.function import FunctionModel, Measure

PredictionMethod = Literal["course", "segments", "volume", "density"]
"""How a postoperative value is predicted: by this program's course, by segments of nineteen, or on CT."""

# A lung of which less is in lobes than this has no lobes: they were not found.
_LOBES_KNOWN = 0.5

SEGMENT_EVIDENCE = (*(f"segment.count.{lobe}" for lobe in LOBES), "segment.total")
"""Ids of the entries that say how many segments each lobe has."""

DENSITY_EVIDENCE = ("function.ppo.density_low", "function.ppo.density_high")
"""Ids of the entries that say which lung is functional by its density."""


@dataclass(frozen=True)
class Predicted:
    """A predicted postoperative value with its interval, percent of predicted.

    ``error_assumed`` tells whether the width of the interval is assumed for this measure and method.
    """

    measure: Measure
    method: PredictionMethod
    percent: float
    low_percent: float
    high_percent: float
    error_assumed: bool


@dataclass(frozen=True, eq=False)
class Removal:
    """What a plan takes of each lobe, in the order of :data:`clearlung.anatomy.LOBES`.

    Parameters
    ----------
    lobe_ml, removed_ml
        Volume of each lobe before the plan, and what is taken of it, ml.
    functional_ml, removed_functional_ml
        The same for lung that is functional by its density; None without a scan.
    gone_segments
        Segments of each lobe that earlier resections have taken.
    """

    lobe_ml: NDArray[np.float64]
    removed_ml: NDArray[np.float64]
    functional_ml: NDArray[np.float64] | None = None
    removed_functional_ml: NDArray[np.float64] | None = None
    gone_segments: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        for name in ("lobe_ml", "removed_ml", "functional_ml", "removed_functional_ml", "gone_segments"):
            values = getattr(self, name)
            if values is not None and (np.shape(values) != (len(LOBES),) or not (values >= 0).all()):
                raise ValueError(f"{name} is not {len(LOBES)} numbers from 0: {values}")


def segment_counts(book: EvidenceBook) -> NDArray[np.float64]:
    """Return the number of segments of each lobe, nineteen in all."""
    return np.array([book.value(key, unit="segment") for key in SEGMENT_EVIDENCE[:-1]])


def removed_segments(removal: Removal, book: EvidenceBook) -> NDArray[np.float64]:
    """Return the segments that a plan takes of each lobe, as fractions: its share of the lobe's volume.

    A whole lobe takes all segments that are left in it.
    """
    left = np.maximum(segment_counts(book) - _gone(removal), 0.0)
    share = np.divide(
        removal.removed_ml, removal.lobe_ml, out=np.zeros(len(LOBES)), where=removal.lobe_ml > 0
    )
    return left * np.minimum(share, 1.0)


def by_segments(value: float, removed: float, gone: float, book: EvidenceBook) -> float:
    """Return a value after segments are removed: ``value × (1 − removed / (19 − gone))``.

    Parameters
    ----------
    value
        Before, in any unit.
    removed
        Segments to be removed.
    gone
        Segments that earlier resections have taken: the value was measured without them.
    book
        The evidence.

    Raises
    ------
    ValueError
        If more is removed than is left.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> round(by_segments(2.5, removed=5, gone=0, book=load_evidence()), 3)
    1.842
    """
    left = book.value(SEGMENT_EVIDENCE[-1], unit="segment") - gone
    if not 0 <= removed <= left + 1e-9 or left <= 0:
        raise ValueError(f"{removed:g} segments cannot be removed where {left:g} are left")
    return value * (1.0 - removed / left)


def by_share(value: float, remaining: float) -> float:
    """Return a value after resection by the share of function that remains, as perfusion scans give it.

    Raises
    ------
    ValueError
        If the share is not within 0 to 1.

    Examples
    --------
    >>> round(by_share(1.6, 0.6), 2)
    0.96
    """
    if not 0 <= remaining <= 1:
        raise ValueError(f"the remaining share is {remaining:g}, not within 0 to 1")
    return value * remaining


def predict_postoperative(
    model: FunctionModel, removal: Removal, book: EvidenceBook
) -> tuple[Predicted, ...]:
    """Return the predicted value by every method that the removal's data allow.

    Parameters
    ----------
    model
        The measure, its value before and the error of its prediction.
    removal
        What is taken.
    book
        The evidence.

    Raises
    ------
    ValueError
        If more segments are removed than are left.
    """
    before = model.baseline_percent
    gone, taken = float(_gone(removal).sum()), float(removed_segments(removal, book).sum())
    # Without lung to remove from, nothing is removed.
    values: list[tuple[PredictionMethod, float]] = [
        ("segments", by_segments(before, taken, gone, book) if taken else before),
        ("volume", by_share(before, _remaining(removal.removed_ml, removal.lobe_ml))),
    ]
    if removal.functional_ml is not None and removal.removed_functional_ml is not None:
        share = _remaining(removal.removed_functional_ml, removal.functional_ml)
        values.append(("density", by_share(before, share)))
    margin = model.margin_percent if removal.removed_ml.any() else 0.0
    return tuple(
        Predicted(
            measure=model.measure,
            method=method,
            percent=value,
            low_percent=value - margin,
            high_percent=value + margin,
            # The published error is that of FEV1 by CT volumetry.
            error_assumed=model.measure != "fev1" or method == "segments",
        )
        for method, value in values
    )


def functional_ml(hu: NDArray[np.int16], lobes: Volume, book: EvidenceBook) -> NDArray[np.float64]:
    """Return the volume of each lobe that is functional by its density, ml.

    Parameters
    ----------
    hu
        The scan on the lobes' grid, HU, shape (z, y, x).
    lobes
        Label map (:data:`clearlung.anatomy.LOBE_LABELS`), shape (z, y, x).
    book
        The evidence.

    Raises
    ------
    ValueError
        If the two have different shapes.
    """
    if hu.shape != lobes.array.shape:
        raise ValueError(f"a scan of {hu.shape} voxels does not lie on lobes of {lobes.array.shape}")
    low, high = (book.value(key, unit="HU") for key in DENSITY_EVIDENCE)
    inside = (hu >= low) & (hu <= high)
    counts = np.bincount(lobes.array[inside].ravel(), minlength=len(LOBES) + 1)
    return np.array([counts[LOBE_LABELS[lobe]] * lobes.voxel_ml for lobe in LOBES], dtype=np.float64)


def lobe_volumes(lung_ml: float, book: EvidenceBook) -> NDArray[np.float64]:
    """Return the volume of each lobe where only that of both lungs is known, by the published shares, ml."""
    shares = np.array([book.value(f"anatomy.lobe_share.{lobe}", unit="%") for lobe in LOBES])
    return np.asarray(lung_ml * shares / shares.sum(), dtype=np.float64)


def lobes_on_scan(anatomy: Anatomy, book: EvidenceBook) -> tuple[NDArray[np.float64], bool]:
    """Return the volume of each lobe on a scan, and whether the lobes of all lungs are known.

    A lung whose lobes were not found is shared out by the published shares.
    """
    shares, lobe_ml, known = lobe_volumes(1.0, book), np.zeros(len(LOBES)), True
    for side in SIDES:
        own = np.array([LOBE_SIDES[lobe] == side for lobe in LOBES])
        found = np.array([anatomy.lobe_ml(lobe) for lobe in LOBES]) * own
        whole = anatomy.lung_ml(side)
        if found.sum() < _LOBES_KNOWN * whole:
            found, known = whole * shares * own / shares[own].sum(), False
        lobe_ml += found
    return lobe_ml, known


def per_lobe(lobes: Sequence[Lobe | None], amounts: Sequence[float]) -> NDArray[np.float64]:
    """Return amounts added up by lobe; what has no lobe is left out."""
    totals = np.zeros(len(LOBES))
    for lobe, amount in zip(lobes, amounts, strict=True):
        if lobe is not None:
            totals[LOBES.index(lobe)] += amount
    return totals


def _gone(removal: Removal) -> NDArray[np.float64]:
    return np.zeros(len(LOBES)) if removal.gone_segments is None else removal.gone_segments


def _remaining(removed_ml: NDArray[np.float64], whole_ml: NDArray[np.float64]) -> float:
    whole = float(whole_ml.sum())
    return 1.0 if whole <= 0 else max(0.0, 1.0 - float(removed_ml.sum()) / whole)
