"""A block of lung with a flat pleura, and spheres in it: shapes whose volumes and distances are known."""

from functools import cache

import numpy as np
from scipy import ndimage

from clearlung.anatomy import Anatomy, BranchTree
from clearlung.ct import Volume
from clearlung.nodules import NoduleTable, sphere_volume_mm3

SHAPE = (90, 90, 90)
LUNG_FROM = 10  # the lung is the block from here on along x; its pleura is the plane x = 9.5


def sphere(center, radius, shape=SHAPE, step=(1.0, 1.0, 1.0)):
    z, y, x = (np.arange(n) * s for n, s in zip(shape, step, strict=True))
    return (
        (z[:, None, None] - center[0]) ** 2
        + (y[None, :, None] - center[1]) ** 2
        + (x[None, None, :] - center[2]) ** 2
    ) <= radius**2


@cache
def _block(shape, step):
    lungs = np.zeros(shape, dtype=np.uint8)
    lungs[2:-2, 2:-2, round(LUNG_FROM / step[2]) : -2] = 1
    depth = ndimage.distance_transform_edt(lungs, sampling=step).astype(np.float32)
    for array in (lungs, depth):
        array.flags.writeable = False
    return lungs, depth


def block_lung(shape=SHAPE, step=(1.0, 1.0, 1.0), lobes=None, **more):
    """Return a right lung that fills a block, all of one lobe unless a label map of lobes is given."""
    lungs, depth = _block(shape, step)
    grid = Volume.at(lungs, spacing_mm=step)
    return Anatomy(
        box=tuple(slice(0, n) for n in shape),
        lungs=grid,
        lobes=grid.with_array(lungs * np.uint8(3) if lobes is None else lobes * lungs),
        lobe_confidence=grid.with_array(lungs.astype(np.float32)),
        depth_mm=grid.with_array(depth),
        lobe_method="a block",
        **more,
    )


def tube(start, end, diameter, count=200):
    """Return a straight vessel or bronchus between two points (z, y, x) of a grid of 1 mm."""
    points = np.linspace(start, end, count)[:, ::-1]
    return BranchTree(
        parent=np.array([-1], dtype=np.int32),
        generation=np.zeros(1, dtype=np.int16),
        lobe=np.array(["RLL"]),
        name=np.array([""]),
        diameter_mm=np.array([diameter], dtype=np.float32),
        length_mm=np.array([np.linalg.norm(np.subtract(start, end))], dtype=np.float32),
        points_mm=points.astype(np.float64),
        radius_mm=np.full(count, diameter / 2, dtype=np.float32),
        branch=np.zeros(count, dtype=np.int32),
    )


def table(anatomy, centers, radius):
    """Return spheres in that lung: centers (z, y, x) in mm, one radius or one each."""
    radii = np.broadcast_to(np.asarray(radius, dtype=float), len(centers))
    step = np.array(anatomy.lungs.spacing_mm)
    labels = np.zeros(anatomy.lungs.shape, dtype=np.int32)
    for number, (center, r) in enumerate(zip(centers, radii, strict=True), start=1):
        labels[sphere(center, r, labels.shape, step)] = number
    n = len(centers)
    z, y, x = np.array(centers, dtype=float).T
    index = [tuple(np.rint(c / step).astype(int)) for c in np.array(centers, dtype=float)]
    lobe = np.array(["RUL", "RML", "RLL"])[[int(anatomy.lobes.array[i]) - 1 for i in index]]
    return NoduleTable(
        id=np.arange(1, n + 1, dtype=np.int32),
        x_mm=x,
        y_mm=y,
        z_mm=z,
        side=np.array(["right"] * n),
        lobe=lobe,
        lobe_confidence=np.ones(n),
        diameter_mm=2.0 * radii,
        volume_mm3=sphere_volume_mm3(2.0 * radii),
        depth_mm=np.array([anatomy.depth_mm.array[i] for i in index], dtype=float),
        probability=np.ones(n),
        mean_hu=np.zeros(n),
        max_hu=np.zeros(n),
        calcified=np.zeros(n, dtype=bool),
        vdt_days=np.full(n, np.nan),
        labels=anatomy.lungs.with_array(labels),
    )
