"""What a model returns, turned into places, sizes and probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import center_of_mass, label, maximum_filter
from scipy.special import expit, softmax

from clearlung.errors import DetectorError
from clearlung.nodules.detectors.boxes import centers_and_sizes
from clearlung.nodules.detectors.contract import CONTRACT, Boxes, Heatmap, Probability
from clearlung.nodules.detectors.places import LARGEST_MM, MAX_PLACES, SMALLEST_MM

# What rounding to half precision adds to a probability.
ROUNDING = 1e-3

Outputs = Mapping[str, NDArray[np.float32]]
Scored = Heatmap | Boxes | Probability


@dataclass(frozen=True, eq=False)
class Found:
    """Findings, columnar.

    Parameters
    ----------
    voxels
        float64, shape (n, 3): (z, y, x), of whatever grid.
    size_mm
        float64, shape (n, 3): along x, y and z.
    score
        float64, shape (n,): 0 to 1.
    """

    voxels: NDArray[np.float64]
    size_mm: NDArray[np.float64]
    score: NDArray[np.float64]

    @classmethod
    def nothing(cls) -> Found:
        """Return no findings."""
        return cls(np.empty((0, 3)), np.empty((0, 3)), np.empty(0))

    @classmethod
    def joined(cls, parts: Sequence[Found]) -> Found:
        """Return all findings of several parts."""
        return cls(
            np.concatenate([p.voxels for p in parts]),
            np.concatenate([p.size_mm for p in parts]),
            np.concatenate([p.score for p in parts]),
        )

    @property
    def diameter_mm(self) -> NDArray[np.float64]:
        """Diameter of the ball as large as each box's inner ellipsoid; shape (n,)."""
        return np.asarray(np.cbrt(np.prod(self.size_mm, axis=1)), dtype=np.float64)

    def take(self, rows: NDArray[np.intp]) -> Found:
        """Return some rows in a given order."""
        return Found(self.voxels[rows], self.size_mm[rows], self.score[rows])


def probabilities(output: Scored, raw: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Return the probability of being a nodule; the axis of channels or classes is gone.

    Raises
    ------
    DetectorError
        If the channel is not there, or the values are no probabilities.
    """
    if output.index >= raw.shape[axis]:
        raise DetectorError(
            f"{CONTRACT}, output.index",
            f"it asks for channel {output.index}, and the model returns {raw.shape[axis]}, counted from 0.",
        )
    if output.activation == "softmax":
        raw = softmax(raw, axis=axis)
    one: NDArray[np.float32] = np.take(raw, output.index, axis)
    if output.activation == "sigmoid":
        one = expit(one)
    if one.size and (one.min() < -ROUNDING or one.max() > 1 + ROUNDING):
        raise DetectorError(
            f"{CONTRACT}, output.activation",
            f"the model's values run from {one.min():.3g} to {one.max():.3g}: no probabilities. Set it to "
            "sigmoid or softmax.",
        )
    return np.clip(one, 0.0, 1.0)


def patch_probabilities(output: Probability, raw: NDArray[np.float32], count: int) -> NDArray[np.float64]:
    """Return the probability of each patch of a batch; shape (count,)."""
    raw = raw.reshape(len(raw), -1) if raw.ndim and len(raw) == count else raw
    if raw.shape[:1] != (count,):
        raise DetectorError(
            "the model",
            f"it returns an output of shape {raw.shape} for {count} patches. Export it with one each.",
        )
    return probabilities(output, raw, 1).astype(np.float64)


def peaks_of(
    output: Heatmap,
    given: Outputs,
    name: str,
    layout: str,
    shape: tuple[int, int, int],
    step_mm: NDArray[np.float64],
) -> Found:
    """Return the peaks of a heatmap, in voxels of the input.

    Parameters
    ----------
    output, given, name
        The contract's output, what the model returned, and which of that is the heatmap.
    layout
        The input's; the output has the same.
    shape
        The input's, along z, y and x.
    step_mm
        Spacing of the input along z, y and x, shape (3,).

    Raises
    ------
    DetectorError
        If the output has another shape than the contract says.
    """
    heat = probabilities(output, _volume(given[name], name, layout, shape, output.stride), 0)
    high = (heat >= output.threshold) & (heat > 0)
    if not high.any():
        return Found.nothing()
    high &= heat == maximum_filter(heat, size=3, mode="constant")
    # Equal neighbors are one peak: a heatmap may be flat on top.
    numbered, count = label(high, structure=np.ones((3, 3, 3)))
    if count > MAX_PLACES:
        raise DetectorError(f"{CONTRACT}, output.threshold", f"the heatmap has {count} peaks. Raise it.")
    numbers = np.arange(1, count + 1)
    middles = np.asarray(center_of_mass(high, numbered, numbers), dtype=np.float64).reshape(-1, 3)
    nearest = np.rint(middles).astype(np.intp)
    first = np.unique(numbered[high], return_index=True)[1]
    score = heat[high][first].astype(np.float64)
    if output.diameter is None:
        size = _half_widths(heat, nearest, score) * output.stride * step_mm
    else:
        sizes = _volume(given[output.diameter], output.diameter, layout, shape, output.stride)[0]
        size = np.repeat(sizes[tuple(nearest.T)].astype(np.float64)[:, None], 3, axis=1)
    size = np.clip(size, SMALLEST_MM, LARGEST_MM)
    return Found(middles * output.stride + 0.5 * (output.stride - 1), size[:, ::-1], score)


def _volume(
    raw: NDArray[np.float32], name: str, layout: str, shape: tuple[int, int, int], stride: int
) -> NDArray[np.float32]:
    """Return an output as (channel, z, y, x)."""
    if raw.ndim == 4:
        raw = np.expand_dims(raw, layout.index("C"))
    ordered = np.moveaxis(raw, [layout.index(c) for c in "NCZYX"], range(5)) if raw.ndim == 5 else raw
    sizes = [(n // stride, -(-n // stride)) for n in shape]
    fits = raw.ndim == 5 and len(ordered) == 1
    if not fits or any(n not in s for n, s in zip(ordered.shape[2:], sizes, strict=True)):
        wanted = " x ".join(str(s[1]) for s in sizes)
        raise DetectorError(
            f"{CONTRACT}, output",
            f"the model returns {name!r} with the shape {raw.shape}; in the layout {layout} with the stride "
            f"{stride}, z, y and x are to be {wanted}. Correct input.layout or output.stride.",
        )
    return np.asarray(ordered[0])


def _half_widths(
    heat: NDArray[np.float32], peaks: NDArray[np.intp], score: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Width of each peak at half its height along z, y and x, in voxels; shape (n, 3)."""
    widths = np.ones((len(peaks), 3))
    for axis in range(3):
        lines = np.moveaxis(heat, axis, -1)
        others = tuple(peaks[:, k] for k in range(3) if k != axis)
        below = lines[others] < 0.5 * score[:, None]
        along = np.arange(below.shape[1])
        at = peaks[:, axis, None]
        after = np.where(below & (along > at), along, below.shape[1]).min(axis=1)
        before = np.where(below & (along < at), along, -1).max(axis=1)
        widths[:, axis] = after - before - 1
    return widths


def boxes_of(output: Boxes, given: Outputs, step_mm: NDArray[np.float64]) -> Found:
    """Return a window's boxes, in its voxels.

    Parameters
    ----------
    output, given
        The contract's output, and what the model returned.
    step_mm
        Spacing of the window along z, y and x, shape (3,).

    Raises
    ------
    DetectorError
        If the outputs are no boxes with a score each.
    """
    boxes, scores = given[output.boxes], given[output.scores]
    boxes = boxes[0] if boxes.ndim == 3 and len(boxes) == 1 else boxes
    if boxes.ndim != 2 or boxes.shape[1] != 6:
        raise DetectorError(
            f"{CONTRACT}, output.boxes", f"the model returns the shape {boxes.shape}; (n, 6) is read."
        )
    if scores.ndim > 1 and len(scores) == 1 and len(boxes) != 1:
        scores = scores[0]
    scores = scores.reshape(len(boxes), -1) if scores.size and len(scores) == len(boxes) else scores
    if not len(boxes):
        return Found.nothing()
    if scores.shape[:1] != (len(boxes),):
        raise DetectorError(
            f"{CONTRACT}, output.scores",
            f"the model returns {len(boxes)} boxes and scores of the shape {scores.shape}; one each is read.",
        )
    score = probabilities(output, scores, 1).astype(np.float64)
    keep = score >= output.threshold
    centers, sizes = centers_and_sizes(boxes[keep].astype(np.float64), output.mode)
    spacing = step_mm[::-1]
    if output.unit == "mm":
        centers = centers / spacing
    else:
        sizes = sizes * spacing
    if output.zero == "voxel_edge":
        centers = centers - 0.5
    good = ((sizes >= SMALLEST_MM) & (sizes <= LARGEST_MM)).all(axis=1)
    return Found(centers[good][:, ::-1], sizes[good], score[keep][good])
