"""From a scan and its anatomy to the table of its nodules."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Anatomy
from clearlung.ct import Scan
from clearlung.nodules.candidates import Candidates
from clearlung.nodules.measure import measure_nodules
from clearlung.nodules.network import Pyramid, built_in_card, built_in_network, judge, rate
from clearlung.nodules.options import NoduleOptions
from clearlung.nodules.segment import segment_nodules
from clearlung.nodules.table import NoduleTable

# A nodule of the smallest wanted size may measure this much less.
SIZE_TOLERANCE = 0.9


@dataclass(frozen=True, eq=False)
class Detections:
    """Places that are nodules with some probability, before they are outlined.

    Parameters
    ----------
    points_mm
        LPS, shape (n, 3).
    diameter_mm, probability
        Shape (n,). The likeliest comes first.
    labels
        int32 on the anatomy's box, if the detector outlined them itself: row i is labeled i + 1.
    warnings
        What a reader of the result must know about them.
    """

    points_mm: NDArray[np.float64]
    diameter_mm: NDArray[np.float64]
    probability: NDArray[np.float64]
    labels: NDArray[np.int32] | None = None
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.diameter_mm)

    def likely(self, least: float) -> Detections:
        """Return those of at least a probability; they are the first ones."""
        many = int((self.probability >= least).sum())
        labels = None if self.labels is None else np.where(self.labels > many, 0, self.labels)
        return replace(
            self,
            points_mm=self.points_mm[:many],
            diameter_mm=self.diameter_mm[:many],
            probability=self.probability[:many],
            labels=labels,
        )


def find_nodules(scan: Scan, anatomy: Anatomy, options: NoduleOptions | None = None) -> NoduleTable:
    """Find, outline and measure the nodules of a scan.

    Parameters
    ----------
    scan, anatomy
        The scan, and its anatomy from :func:`clearlung.anatomy.segment_anatomy`.
    options
        By default those of :class:`NoduleOptions`.

    Returns
    -------
    NoduleTable
        Ordered by side, lobe and height, with the label map. Empty if nothing was found. ``vdt_days`` is
        NaN: one scan does not show growth.

    Raises
    ------
    FieldError
        If no detector has the name.

    Notes
    -----
    A detector proposes places; the network judges those that the detector does not judge itself; each that
    is left is outlined on a small cube of its own and measured. The cost grows with the number of
    candidates, not with that number times the scan.
    """
    options = options or NoduleOptions()
    return outline_detections(scan, anatomy, detect_nodules(scan, anatomy, options), options)


def outline_detections(
    scan: Scan, anatomy: Anatomy, found: Detections, options: NoduleOptions | None = None
) -> NoduleTable:
    """Outline and measure what was detected.

    Parameters
    ----------
    scan, anatomy, options
        As for :func:`find_nodules`.
    found
        From :func:`detect_nodules`.

    Returns
    -------
    NoduleTable
        As of :func:`find_nodules`. What turns out smaller than what is wanted is left out, unless the
        detector outlined it itself.
    """
    options = options or NoduleOptions()
    if found.labels is None:
        segmented = segment_nodules(scan, anatomy, found.points_mm, found.diameter_mm)
        labels = segmented.labels
        kept: NDArray[np.int64] = np.flatnonzero(segmented.volume_mm3 > 0)
        volume: NDArray[np.float64] | None = segmented.volume_mm3[kept]
    else:
        labels, volume = found.labels, None
        kept = np.asarray(np.unique(labels[labels > 0]) - 1, dtype=np.int64)
    table = measure_nodules(
        scan,
        anatomy,
        labels,
        probability=found.probability[kept],
        volume_mm3=volume,
        renumber=True,
        options=options,
    )
    if found.labels is None:
        table = _large_enough(table, options)
    return replace(table, warnings=found.warnings)


def detect_nodules(scan: Scan, anatomy: Anatomy, options: NoduleOptions | None = None) -> Detections:
    """Find the places of nodules, without outlining them.

    Parameters
    ----------
    scan, anatomy, options
        As for :func:`find_nodules`.

    Returns
    -------
    Detections
        Those at or above the operating point. What a detector judges or outlines by itself is kept whole,
        unless ``least_probability`` is given.
    """
    options = options or NoduleOptions()
    candidates = options.resolved()(scan, anatomy, options.smallest_mm)
    if candidates.probability is not None:
        return _as_given(anatomy, candidates, candidates.probability, options)
    spacing = np.asarray(anatomy.lungs.spacing_mm)
    hu = np.ascontiguousarray(scan.volume.array[anatomy.box])
    pyramid = Pyramid.of(hu, anatomy.lungs.array, spacing)
    slices = float(spacing.max())
    centers, diameter = candidates.indices, candidates.diameter_mm
    if candidates.labels is not None:
        logit = rate(built_in_network(), pyramid, centers, diameter)
        probability = built_in_card().calibration.probability(logit, diameter, slices)
        return _as_given(anatomy, candidates, probability, options)
    judged = judge(built_in_network(), pyramid, centers, diameter)
    probability = built_in_card().calibration.probability(judged.logit, judged.diameter_mm, slices)
    order = np.argsort(-probability, kind="stable")
    rows = order[probability[order] >= options.threshold]
    points = anatomy.lungs.points_mm(judged.centers[rows])
    return Detections(points, judged.diameter_mm[rows], probability[rows], warnings=candidates.warnings)


def _as_given(
    anatomy: Anatomy, candidates: Candidates, probability: NDArray[np.float64], options: NoduleOptions
) -> Detections:
    """Keep places or outlines that a detector stands for, where it says they are."""
    order = np.argsort(-probability, kind="stable")
    rows = order[probability[order] >= (options.least_probability or 0.0)]
    labels = candidates.labels
    if labels is not None:
        number = np.zeros(len(candidates) + 1, dtype=np.int32)
        number[rows + 1] = np.arange(1, len(rows) + 1)
        labels = number[labels]
    points = anatomy.lungs.points_mm(candidates.indices[rows])
    return Detections(points, candidates.diameter_mm[rows], probability[rows], labels, candidates.warnings)


def _large_enough(table: NoduleTable, options: NoduleOptions) -> NoduleTable:
    """Leave out what turned out smaller than what is wanted, and number the rest anew."""
    large = table.diameter_mm >= SIZE_TOLERANCE * options.smallest_mm
    if large.all():
        return table
    return table.take(np.flatnonzero(large)).renumbered()
