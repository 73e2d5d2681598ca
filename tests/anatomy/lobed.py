"""A digital body whose five lobes are known, and writers of label maps that are not Clearlung's own."""

from functools import cache

import numpy as np
import SimpleITK as sitk

from clearlung.anatomy import LOBE_LABELS, LOBE_SIDES, LUNG_LABELS
from clearlung.anatomy.air import find_air
from tests.anatomy.bodies import Body

BODY = Body(spacing_mm=(3.0, 2.0, 1.8))
# The other conventions' numbers of RUL, RML, RLL, LUL, LLL.
LUNGMASK = (3, 4, 5, 1, 2)
TOTAL = (12, 13, 14, 10, 11)
TOTAL_V1 = (15, 16, 17, 13, 14)
CIP = (4, 5, 6, 7, 8)


@cache
def scan():
    return BODY.scan()


@cache
def air():
    return find_air(scan())


@cache
def lobes():
    """Oblique fissures that rise to the back, and a horizontal one on the right."""
    z, y, x = BODY.grid()
    a, b, c = BODY.half_axes_mm
    truth = np.zeros(scan().volume.shape, dtype=np.uint8)
    for sign, upper, lower in ((-1, "RUL", "RLL"), (1, "LUL", "LLL")):
        inside = ((x - sign * BODY.off_middle_mm) / a) ** 2 + (y / b) ** 2 + (z / c) ** 2 < 1.0
        above = z - 0.8 * y > 0
        truth[inside & above] = LOBE_LABELS[upper]
        truth[inside & ~above] = LOBE_LABELS[lower]
        if sign < 0:
            truth[inside & above & (z < 5.0)] = LOBE_LABELS["RML"]
    return truth


@cache
def lungs():
    truth = np.zeros_like(lobes())
    for lobe, label in LOBE_LABELS.items():
        truth[lobes() == label] = LUNG_LABELS[LOBE_SIDES[lobe]]
    return truth


def numbered(numbers):
    """The lobes with another program's numbers, in the order RUL, RML, RLL, LUL, LLL."""
    return np.array([0, *numbers], dtype=np.uint8)[lobes()]


def mirrored(array):
    """Right and left exchanged: the body is symmetric."""
    return np.ascontiguousarray(array[:, :, ::-1])


def image(array, like=None):
    """A SimpleITK image on the scan's grid, made without Clearlung's geometry."""
    volume = like or scan().volume
    made = sitk.GetImageFromArray(array)
    made.SetSpacing(volume.spacing_mm[::-1])
    made.SetOrigin(volume.origin_mm)
    return made


def write(array, path):
    sitk.WriteImage(image(array), str(path), useCompression=True)
    return path
