"""Stored values to int16 Hounsfield units, and whether they can be Hounsfield units at all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearlung.errors import ScanRejected

AIR_HU = -1024
MAX_HU = 3071
# Lung and the air around the patient are far below, every other tissue far above.
AIR_BELOW_HU = -400
TISSUE_ABOVE_HU = -200
# A chest CT holds at least this share of each: lungs are some 15 % of a field of view.
MIN_SHARE = 0.01
# One voxel in 64 judges the values as well as all of them.
SAMPLE_STEP = 4


def to_hounsfield(
    array: NDArray[Any], where: str, *, slope: float = 1.0, intercept: float = 0.0
) -> NDArray[np.int16]:
    """Return int16 Hounsfield units clipped to [-1024, 3071].

    Parameters
    ----------
    array
        Stored values, shape (a, b, c). Writable int16 values without rescaling are changed in place, which
        saves a copy of a large volume.
    where
        What a message names.
    slope, intercept
        HU = slope * stored + intercept.

    Returns
    -------
    ndarray of int16
        Shape (a, b, c), C order.

    Raises
    ------
    ScanRejected
        ``not_finite`` or ``not_hu``.
    """
    check_finite(array, where)
    step = SAMPLE_STEP if min(array.shape) >= 8 * SAMPLE_STEP else 1
    check_hounsfield(array[::step, ::step, ::step] * np.float64(slope) + intercept, where)
    plain = slope == 1.0 and intercept == 0.0
    if plain and array.dtype == np.int16 and array.dtype.isnative and array.flags.writeable:
        return np.clip(array, AIR_HU, MAX_HU, out=array)
    out = np.empty(array.shape, dtype=np.int16)
    for source, target in zip(array, out, strict=True):
        # double precision: single would round a large stored value before the intercept is added
        values = source if plain else source * np.float64(slope) + intercept
        if values.dtype.kind == "f":
            values = np.rint(values)
        target[...] = (
            np.clip(values, AIR_HU, MAX_HU) if values.dtype.kind != "u" else np.minimum(values, MAX_HU)
        )
    return out


def check_finite(array: NDArray[Any], where: str) -> None:
    """Refuse values that are not finite.

    Raises
    ------
    ScanRejected
        ``not_finite``.
    """
    if array.dtype.kind != "f":
        return
    bad = sum(int(np.count_nonzero(~np.isfinite(plane))) for plane in array)
    if bad:
        raise ScanRejected(
            "not_finite",
            where,
            f"{bad} voxels are not finite numbers (NaN or infinite). Export the scan again as integers.",
        )


def check_hounsfield(values: NDArray[np.float64], where: str) -> None:
    """Refuse values that cannot be the Hounsfield units of a chest.

    Parameters
    ----------
    values
        A sample of the volume, in HU if the file is right.
    where
        What a message names.

    Raises
    ------
    ScanRejected
        ``not_hu``.
    """
    low, high = float(values.min()), float(values.max())
    seen = f"The values run from {low:g} to {high:g}"
    advice = "Give the CT itself, stored in Hounsfield units (air is -1000, water 0)."
    if low >= 0:
        raise ScanRejected(
            "not_hu",
            where,
            f"{seen}, and none is negative: this is a label map, another modality, or a CT whose rescale "
            f"intercept was not applied. {advice}",
        )
    if np.mean(values < AIR_BELOW_HU) < MIN_SHARE:
        raise ScanRejected("not_hu", where, f"{seen}, and hardly any is that of air or lung. {advice}")
    if np.mean(values > TISSUE_ABOVE_HU) < MIN_SHARE:
        raise ScanRejected("not_hu", where, f"{seen}, and hardly any is that of tissue. {advice}")
    if np.mean(values > MAX_HU) > MIN_SHARE:
        share = 100.0 * float(np.mean(values > MAX_HU))
        raise ScanRejected("not_hu", where, f"{seen}, and {share:.0f} % are above {MAX_HU}. {advice}")
