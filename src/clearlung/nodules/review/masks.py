"""Masks of single nodules as they are stored in the record: a box of bits, placed in the patient."""

from __future__ import annotations

import base64
import math
import zlib
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from clearlung.ct import Volume

# A stored mask is a nodule's, or at most a lung's: a larger box is damage, and must not take the memory.
MAX_VOXELS = 1 << 28


class Mask(BaseModel):
    """One nodule's voxels.

    It is placed by the LPS point of its first voxel, so that it can be put back on any label map of the same
    scan, whatever box that is cropped to.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_mm: tuple[float, float, float] = Field(description="LPS center of the box's first voxel.")
    shape: tuple[int, int, int] = Field(description="Of the box, along z, y and x.")
    bits: str = Field(description="One bit per voxel in C order, packed, deflated, base64.")

    @field_validator("shape")
    @classmethod
    def _of_a_nodule(cls, shape: tuple[int, int, int], info: ValidationInfo) -> tuple[int, int, int]:
        if min(shape) < 1 or math.prod(shape) > MAX_VOXELS:
            raise ValueError(f"a box of {shape} voxels is not a nodule's")
        return shape

    @classmethod
    def pack(cls, voxels: NDArray[np.int64], grid: Volume) -> Self:
        """Return the mask of flat voxel indices on a grid.

        Parameters
        ----------
        voxels
            Flat indices (C order) on the grid; at least one.
        grid
            Any volume on the scan's grid, cropped or not; its values do not matter.
        """
        index = np.stack(np.unravel_index(voxels, grid.shape))
        low, high = index.min(axis=1), index.max(axis=1) + 1
        box = np.zeros(high - low, dtype=np.bool_)
        box[tuple(index - low[:, None])] = True
        x, y, z = (float(c) for c in grid.points_mm([low])[0])
        packed = base64.b64encode(zlib.compress(np.packbits(box).tobytes(), 9)).decode()
        nz, ny, nx = (int(n) for n in box.shape)
        return cls(start_mm=(x, y, z), shape=(nz, ny, nx), bits=packed)

    def unpack(self, grid: Volume) -> NDArray[np.int64]:
        """Return the mask's flat voxel indices on a grid, ascending; what lies beyond the grid is left out.

        Raises
        ------
        ValueError
            If the bits do not fill the box: the record was changed.
        """
        count = math.prod(self.shape)
        unpacker = zlib.decompressobj()
        try:
            raw = unpacker.decompress(base64.b64decode(self.bits), -(-count // 8) + 1)
        except (zlib.error, ValueError) as error:
            raise ValueError(f"a stored mask is damaged: {error}") from error
        if len(raw) != -(-count // 8):
            raise ValueError(f"a stored mask has {len(raw)} bytes and its box needs {-(-count // 8)}")
        box = np.unpackbits(np.frombuffer(raw, dtype=np.uint8), count=count).reshape(self.shape)
        start = np.rint(grid.indices([self.start_mm])[0]).astype(np.int64)
        index = np.argwhere(box) + start
        within = ((index >= 0) & (index < np.asarray(grid.shape))).all(axis=1)
        flat: NDArray[np.int64] = np.ravel_multi_index(tuple(index[within].T), grid.shape).astype(np.int64)
        return flat
