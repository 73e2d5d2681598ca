"""The crop of a scan around one nodule, its voxels parted into finer ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Finer voxels are about so many to the diameter, within limits: finer ones cost and tell nothing more.
STEPS_PER_DIAMETER = 8.0
STEP_MM = (0.4, 1.0)
LARGEST_CROP = 2_000_000


@dataclass(frozen=True, eq=False)
class Crop:
    """A part of a scan around a place.

    Parameters
    ----------
    low
        Index (z, y, x) of its first voxel.
    hu
        float32, its voxels.
    parts
        How many finer voxels each is parted into, along each axis.
    inside
        bool on the finer voxels: the lungs.
    step_mm
        Size of a finer voxel.
    center
        Fractional index of the place among the finer voxels.
    """

    low: NDArray[np.int64]
    hu: FloatArray
    parts: tuple[int, int, int]
    inside: Mask
    step_mm: NDArray[np.float64]
    center: NDArray[np.float64]

    @property
    def voxel_mm3(self) -> float:
        """Volume of a finer voxel."""
        return float(np.prod(self.step_mm))

    def index_of(self, place: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fractional voxel index on the whole array of a fractional index among the finer voxels."""
        return np.asarray(self.low - 0.5 + (place + 0.5) / np.array(self.parts))

    def place_of(self, index: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fractional index among the finer voxels of a voxel index on the whole array."""
        return np.asarray((index - self.low + 0.5) * np.array(self.parts) - 0.5)

    def squared_mm2(self, place: NDArray[np.float64]) -> FloatArray:
        """Squared distance of every finer voxel from a fractional index among them."""
        z, y, x = (
            (((np.arange(n) - c) * s) ** 2).astype(np.float32)
            for n, c, s in zip(self.inside.shape, place, self.step_mm, strict=True)
        )
        return np.asarray(z[:, None, None] + y[None, :, None] + x[None, None, :])


def crop_around(
    hu: NDArray[np.int16],
    lungs: NDArray[np.uint8],
    spacing_mm: NDArray[np.float64],
    index: NDArray[np.float64],
    diameter_mm: float,
    reach_mm: float,
) -> Crop:
    """Cut out the surroundings of a place.

    Parameters
    ----------
    hu, lungs
        int16 and uint8, shape (z, y, x).
    spacing_mm
        Along z, y and x.
    index
        Fractional voxel index (z, y, x) of the place.
    diameter_mm
        Of the nodule: the finer voxels are sized to it.
    reach_mm
        How far the crop reaches from the place.
    """
    shape = np.array(hu.shape)
    low = np.clip(np.floor(index - reach_mm / spacing_mm), 0, shape - 1).astype(np.int64)
    high = np.clip(np.ceil(index + reach_mm / spacing_mm) + 1, low + 1, shape).astype(np.int64)
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    target = float(np.clip(diameter_mm / STEPS_PER_DIAMETER, *STEP_MM))
    finest = np.maximum(1, np.round(spacing_mm / target)).astype(np.int64)
    while np.prod((high - low) * finest) > LARGEST_CROP and finest.max() > 1:
        finest[np.argmax(finest)] -= 1
    parts = (int(finest[0]), int(finest[1]), int(finest[2]))
    inside = np.ascontiguousarray(repeated(lungs[box] > 0, parts))
    center = (index - low + 0.5) * finest - 0.5
    return Crop(low, hu[box].astype(np.float32), parts, inside, spacing_mm / finest, center)


def repeated(array: NDArray[Any], parts: tuple[int, int, int]) -> NDArray[Any]:
    """Part every voxel into finer ones of the same value."""
    for axis, n in enumerate(parts):
        if n > 1:
            array = np.repeat(array, n, axis=axis)
    return array


def pooled(array: NDArray[Any], parts: tuple[int, int, int]) -> FloatArray:
    """Mean over the finer voxels of each voxel."""
    z, y, x = (n // p for n, p in zip(array.shape, parts, strict=True))
    shares = array.reshape(z, parts[0], y, parts[1], x, parts[2])
    return np.asarray(shares.mean(axis=(1, 3, 5), dtype=np.float32))
