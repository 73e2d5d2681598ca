"""`Volume`: the one geometry type.

An array (z, y, x) and where it lies in the patient. Every geometric question goes through one affine that
is checked once. Inside Clearlung every volume is *canonical*: array axis x runs most nearly to the
patient's left, y to the back and z to the head, so that code may rely on what an axis means. Files come in
any of the 48 axis orders; :meth:`Volume.canonical` brings them in and :class:`AxisOrder` takes results
back to the file's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, permutations
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import ArrayLike, NDArray

Box = tuple[slice, slice, slice]
"""A box of voxels: slices along z, y and x."""

# Headers carry six significant digits at times (single-precision NIfTI quaternions); a shear is far larger.
ORTHONORMAL_TOLERANCE = 1e-3
# Two grids are the same when no corner of the volume is further apart than this.
SAME_GRID_TOLERANCE_MM = 0.01


@dataclass(frozen=True)
class AxisOrder:
    """How a file's array axes map to the canonical ones.

    Parameters
    ----------
    permutation
        For each canonical axis (z, y, x), the file's axis that it is.
    flipped
        For each canonical axis, whether the file's axis runs the other way.

    Examples
    --------
    >>> order = AxisOrder((0, 1, 2), (True, False, False))
    >>> order.to_native(np.array([[[1]], [[2]]])).ravel()
    array([2, 1])
    """

    permutation: tuple[int, int, int] = (0, 1, 2)
    flipped: tuple[bool, bool, bool] = (False, False, False)

    @property
    def is_identity(self) -> bool:
        """Whether the file's axes are the canonical ones."""
        return self == AxisOrder()

    @property
    def _flips(self) -> tuple[int, ...]:
        return tuple(axis for axis in range(3) if self.flipped[axis])

    def to_canonical(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the file's array with canonical axes; C order, copied only if something moves."""
        turned = np.transpose(array, self.permutation)
        return np.ascontiguousarray(np.flip(turned, self._flips))

    def to_native(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return a canonical array with the file's axes: the inverse of :meth:`to_canonical`."""
        unflipped = np.flip(array, self._flips)
        return np.ascontiguousarray(np.transpose(unflipped, np.argsort(self.permutation)))


@dataclass(frozen=True, eq=False)
class Volume:
    """A volume of voxels and where it lies in the patient.

    Parameters
    ----------
    array
        Shape (z, y, x), C order.
    spacing_mm
        Distance between voxel centers along z, y and x.
    origin_mm
        LPS coordinates (x, y, z) of the center of voxel [0, 0, 0].
    direction
        Shape (3, 3). Column *a* is the LPS unit vector along array axis *a* (z, y, x).

    Raises
    ------
    ValueError
        If the array is not 3-D and in C order, or the geometry is not finite, positive, orthonormal and
        right-handed (the axes taken in the order x, y, z).

    Examples
    --------
    >>> volume = Volume.at(np.zeros((4, 5, 6)), spacing_mm=(2.0, 1.0, 1.0), origin_mm=(-10.0, 0.0, 50.0))
    >>> volume.points_mm([[1, 2, 3]])
    array([[-7.,  2., 52.]])
    >>> volume.indices([[-7.0, 2.0, 52.0]])
    array([[1., 2., 3.]])
    """

    array: NDArray[Any]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    direction: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.array.ndim != 3 or 0 in self.array.shape:
            raise ValueError(
                f"a volume needs three non-empty axes, and the array has shape {self.array.shape}"
            )
        if any(fast > slow for slow, fast in pairwise(self.array.strides)) or min(self.array.strides) < 0:
            raise ValueError(f"the array is not in C order: its strides are {self.array.strides}")
        geometry = np.concatenate([self.spacing_mm, self.origin_mm, np.ravel(self.direction)])
        if not np.isfinite(geometry).all():
            raise ValueError(f"the geometry is not finite: {geometry}")
        if min(self.spacing_mm) <= 0:
            raise ValueError(f"spacing must be positive, and is {self.spacing_mm} mm")
        if np.abs(self.direction.T @ self.direction - np.eye(3)).max() > ORTHONORMAL_TOLERANCE:
            raise ValueError(f"the axes are not orthonormal: {self.direction.tolist()}")
        if np.linalg.det(self.direction[:, ::-1]) < 0:
            raise ValueError("the axes x, y, z are left-handed; use Volume.canonical")

    @classmethod
    def at(
        cls,
        array: NDArray[Any],
        spacing_mm: Sequence[float] = (1.0, 1.0, 1.0),
        origin_mm: Sequence[float] = (0.0, 0.0, 0.0),
    ) -> Volume:
        """Return a volume whose axes are exactly the patient's."""
        z, y, x = map(float, spacing_mm)
        ox, oy, oz = map(float, origin_mm)
        return cls(np.ascontiguousarray(array), (z, y, x), (ox, oy, oz), np.eye(3)[:, ::-1].copy())

    @classmethod
    def canonical(cls, array: NDArray[Any], affine: NDArray[np.float64]) -> tuple[Volume, AxisOrder]:
        """Bring an array with any axis order into the canonical one.

        Parameters
        ----------
        array
            Shape (a, b, c), any axis order.
        affine
            Shape (4, 4): maps (a, b, c, 1) to LPS mm.

        Returns
        -------
        volume, order
            The canonical volume, and how to take results back to the file's axes.

        Raises
        ------
        ValueError
            If the affine is not finite or its axes are not orthogonal.
        """
        affine = np.asarray(affine, dtype=np.float64)
        spacing = np.linalg.norm(affine[:3, :3], axis=0)
        if not np.isfinite(affine).all() or spacing.min() <= 0:
            raise ValueError(f"the affine is not finite and invertible: {affine.tolist()}")
        axes = affine[:3, :3] / spacing
        order = closest_axis_order(axes)
        signs = np.where(order.flipped, -1.0, 1.0)
        last = np.array(
            [array.shape[a] - 1 if f else 0 for a, f in zip(order.permutation, order.flipped, strict=True)]
        )
        start = np.zeros(3)
        start[list(order.permutation)] = last
        origin = affine[:3, :3] @ start + affine[:3, 3]
        volume = cls(
            order.to_canonical(array),
            _triple(spacing[list(order.permutation)]),
            _triple(origin),
            axes[:, list(order.permutation)] * signs,
        )
        return volume, order

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along z, y and x."""
        return self.array.shape

    @cached_property
    def affine(self) -> NDArray[np.float64]:
        """Shape (4, 4): maps a voxel index (z, y, x, 1) to LPS mm (x, y, z, 1)."""
        affine = np.eye(4)
        affine[:3, :3] = self.direction * np.asarray(self.spacing_mm)
        affine[:3, 3] = self.origin_mm
        return affine

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in ml."""
        return float(np.prod(self.spacing_mm)) / 1000.0

    def points_mm(self, indices: ArrayLike) -> NDArray[np.float64]:
        """LPS points (n, 3) of voxel indices (n, 3) in (z, y, x); indices may be fractions."""
        return (
            np.asarray(indices, dtype=np.float64).reshape(-1, 3) @ self.affine[:3, :3].T + self.affine[:3, 3]
        )

    def indices(self, points_mm: ArrayLike) -> NDArray[np.float64]:
        """Fractional voxel indices (n, 3) in (z, y, x) of LPS points (n, 3)."""
        offsets = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3) - self.affine[:3, 3]
        return offsets @ np.linalg.inv(self.affine[:3, :3]).T

    def with_array(self, array: NDArray[Any]) -> Volume:
        """Return another array on the same grid.

        Raises
        ------
        ValueError
            If the shapes differ.
        """
        if array.shape != self.array.shape:
            raise ValueError(f"an array of shape {array.shape} is not on a grid of {self.array.shape}")
        return Volume(array, self.spacing_mm, self.origin_mm, self.direction)

    def crop(self, box: Box) -> Volume:
        """Return the part in a box: a view of the array, its origin moved."""
        start = [s.indices(n)[0] for s, n in zip(box, self.shape, strict=True)]
        return Volume(self.array[box], self.spacing_mm, _triple(self.points_mm([start])[0]), self.direction)

    def on_same_grid(self, other: Volume) -> bool:
        """Whether every voxel of both volumes lies at the same place."""
        if self.shape != other.shape:
            return False
        corners = np.array([[0, 0, 0], np.subtract(self.shape, 1)])
        return bool(np.abs(self.points_mm(corners) - other.points_mm(corners)).max() < SAME_GRID_TOLERANCE_MM)

    def to_sitk(self, order: AxisOrder | None = None) -> sitk.Image:
        """Return a SimpleITK image, in the axis order of a file if one is given."""
        order = order or AxisOrder()
        image = sitk.GetImageFromArray(order.to_native(self.array))
        signs = np.where(order.flipped, -1.0, 1.0)
        native = np.argsort(order.permutation)
        axes = (self.direction * signs)[:, native]
        far = np.where(order.flipped, np.subtract(self.shape, 1), 0)
        image.SetOrigin(tuple(self.points_mm([far])[0]))
        image.SetSpacing(tuple(np.asarray(self.spacing_mm)[native][::-1]))
        image.SetDirection(tuple(np.ravel(axes[:, ::-1])))
        return image

    @classmethod
    def from_sitk(cls, image: sitk.Image) -> tuple[Volume, AxisOrder]:
        """Return the canonical volume of a 3-D SimpleITK image, and its own axis order."""
        affine = np.eye(4)
        axes = np.reshape(image.GetDirection(), (3, 3)) * np.asarray(image.GetSpacing())
        affine[:3, :3] = axes[:, ::-1]
        affine[:3, 3] = image.GetOrigin()
        return cls.canonical(sitk.GetArrayFromImage(image), affine)


def closest_axis_order(axes: NDArray[np.float64]) -> AxisOrder:
    """Assign each canonical axis (z, y, x) the file axis that is most nearly parallel to it."""
    cosines = axes[::-1]  # rows: LPS z, y, x; columns: the file's axes
    z, y, x = max(permutations(range(3)), key=lambda p: sum(abs(cosines[row, p[row]]) for row in range(3)))
    return AxisOrder((z, y, x), (bool(cosines[0, z] < 0), bool(cosines[1, y] < 0), bool(cosines[2, x] < 0)))


def _triple(values: ArrayLike) -> tuple[float, float, float]:
    x, y, z = np.asarray(values, dtype=np.float64)
    return float(x), float(y), float(z)
