"""The grid that a model sees: parallel to the scan's, with its own spacing and directions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Anatomy
from clearlung.ct import Scan
from clearlung.nodules.detectors.contract import ModelInput

# The directions in which the canonical axes z, y and x grow.
CANONICAL = ("S", "P", "L")


@dataclass(frozen=True, eq=False)
class Lattice:
    """A grid parallel to the scan's: voxel k along an axis lies at ``start + step * k``.

    Parameters
    ----------
    start
        float64, shape (3,): index (z, y, x) on the anatomy's box of the grid's first voxel.
    step
        float64, shape (3,): voxels of the box for each of the grid, negative where it runs the other way.
    shape
        Number of voxels along z, y and x.
    """

    start: NDArray[np.float64]
    step: NDArray[np.float64]
    shape: tuple[int, int, int]

    def indices(self, voxels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return indices on the anatomy's box of voxels (n, 3) of this grid, both (z, y, x)."""
        return np.asarray(self.start + self.step * voxels, dtype=np.float64)

    def part(self, first: tuple[int, int, int], shape: tuple[int, int, int]) -> Lattice:
        """Return the part that begins at a voxel; it may reach further than the whole."""
        return Lattice(self.indices(np.asarray(first, dtype=np.float64)), self.step, shape)


def steps(given: ModelInput, spacing_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return voxels of the scan per voxel of the model along z, y, x; negative where its axis is turned."""
    wanted = spacing_mm
    if given.spacing_mm != "native":
        wanted = (given.spacing_mm.z, given.spacing_mm.y, given.spacing_mm.x)
    along = np.array([1.0 if d == c else -1.0 for d, c in zip(given.axes[::-1], CANONICAL, strict=True)])
    return np.asarray(along * np.asarray(wanted) / np.asarray(spacing_mm), dtype=np.float64)


def lungs_lattice(given: ModelInput, anatomy: Anatomy) -> Lattice:
    """Return the grid that covers the lungs with the spacing and directions that a model wants."""
    step = steps(given, anatomy.lungs.spacing_mm)
    inside = anatomy.lungs.array > 0
    first, last = np.zeros(3), np.subtract(inside.shape, 1).astype(np.float64)
    for axis in range(3):
        filled = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
        if len(filled):
            first[axis], last[axis] = filled[0], filled[-1]
    start = np.where(step > 0, first, last)
    z, y, x = (int(n) for n in np.ceil((last - first) / np.abs(step)) + 1)
    return Lattice(start, step, (z, y, x))


def around(center: NDArray[np.float64], step: NDArray[np.float64], shape: tuple[int, int, int]) -> Lattice:
    """Return the grid of a patch whose middle is an index on the anatomy's box."""
    return Lattice(center - step * (np.asarray(shape) - 1) / 2.0, step, shape)


def windows(
    shape: tuple[int, int, int], patch: tuple[int, int, int], share: float
) -> Iterator[tuple[tuple[int, int, int], NDArray[np.float64]]]:
    """Yield the first voxel of each sliding window, and the bounds of what it alone answers for.

    Parameters
    ----------
    shape, patch
        Voxels of the grid and of a window along z, y, x.
    share
        The least overlap of neighbors.

    Yields
    ------
    first
        Voxel (z, y, x) of the window's corner; below 0 where a window is larger than the grid.
    bounds
        float64, shape (3, 2): along each axis, from (included) and to (excluded) where in the grid the
        window is the one whose middle is nearest. These parts cover the grid once.
    """
    axes = [_starts(n, p, share) for n, p in zip(shape, patch, strict=True)]
    for z, z_bounds in axes[0]:
        for y, y_bounds in axes[1]:
            for x, x_bounds in axes[2]:
                yield (z, y, x), np.array([z_bounds, y_bounds, x_bounds])


def _starts(count: int, patch: int, share: float) -> list[tuple[int, tuple[float, float]]]:
    if patch >= count:
        return [(-((patch - count) // 2), (-math.inf, math.inf))]
    stride = max(1, int(patch * (1.0 - share)))
    pieces = math.ceil((count - patch) / stride) + 1
    first = np.rint(np.linspace(0, count - patch, pieces)).astype(int)
    middles = first + (patch - 1) / 2.0
    between = [-math.inf, *(0.5 * (middles[:-1] + middles[1:])), math.inf]
    return [(int(s), (float(a), float(b))) for s, a, b in zip(first, between[:-1], between[1:], strict=True)]


def sample(scan: Scan, anatomy: Anatomy, lattice: Lattice, given: ModelInput) -> NDArray[np.float32]:
    """Return what a model is shown of a grid: float32, shape (1, ...) in its own layout.

    Density is interpolated linearly and windowed; beyond the scan it is the window's lower end. The lungs are
    taken from the nearest voxel.
    """
    low, high = given.window_hu
    places = [
        s + d * np.arange(n) for s, d, n in zip(lattice.start, lattice.step, lattice.shape, strict=True)
    ]
    stack = []
    for channel in given.channels:
        if channel == "lungs":
            stack.append(_nearest(anatomy.lungs.array, places))
            continue
        offset = [s.indices(n)[0] for s, n in zip(anatomy.box, scan.volume.shape, strict=True)]
        hu = _linear(scan.volume.array, [p + o for p, o in zip(places, offset, strict=True)], low)
        a, b = given.scaled_to
        stack.append((np.clip(hu, low, high) - low) * np.float32((b - a) / (high - low)) + np.float32(a))
    order = given.layout[1:]
    tensor = np.moveaxis(
        np.stack(stack).astype(np.float32, copy=False), range(4), [order.index(c) for c in "CZYX"]
    )
    return np.ascontiguousarray(tensor[None])


def _linear(array: NDArray[np.int16], places: list[NDArray[np.float64]], fill: float) -> NDArray[np.float32]:
    """Interpolate along one axis after the other; ``fill`` beyond the array."""
    # The part that is needed, before it becomes four times as large.
    spans = [
        (max(0, math.floor(p.min())), min(n, math.floor(p.max()) + 2))
        for p, n in zip(places, array.shape, strict=True)
    ]
    if any(b <= a for a, b in spans):
        return np.full([len(p) for p in places], fill, dtype=np.float32)
    z, y, x = (slice(a, b) for a, b in spans)
    values: NDArray[np.float32] = array[z, y, x].astype(np.float32)
    for axis, (place, (a, _)) in enumerate(zip(places, spans, strict=True)):
        inside = (place >= 0) & (place <= array.shape[axis] - 1)
        at = np.clip(place - a, 0, values.shape[axis] - 1)
        below = np.minimum(at.astype(np.intp), max(values.shape[axis] - 2, 0))
        above = np.minimum(below + 1, values.shape[axis] - 1)
        weight = (at - below).astype(np.float32).reshape([-1 if k == axis else 1 for k in range(3)])
        values = np.take(values, below, axis) * (1 - weight) + np.take(values, above, axis) * weight
        values[tuple(~inside if k == axis else slice(None) for k in range(3))] = fill
    return values


def _nearest(labels: NDArray[np.uint8], places: list[NDArray[np.float64]]) -> NDArray[np.float32]:
    """1 where the nearest voxel is inside a lung, else 0."""
    out = np.zeros([len(p) for p in places], dtype=np.float32)
    near = [np.rint(p).astype(np.intp) for p in places]
    inside = [(p >= 0) & (p < n) for p, n in zip(near, labels.shape, strict=True)]
    out[np.ix_(*inside)] = labels[np.ix_(*(p[i] for p, i in zip(near, inside, strict=True)))] > 0
    return out
