"""Detections drawn by hand: balls on a small grid, with the rows that measuring them would give."""

import numpy as np

from clearlung.anatomy import Anatomy
from clearlung.ct import AxisOrder, Scan, Volume
from clearlung.nodules import COLUMNS, NoduleTable, sphere_diameter_mm

SHAPE = (40, 60, 120)
SPACING = (1.5, 1.0, 1.0)
ORIGIN = (-60.0, -30.0, -30.0)


def grid():
    return Volume.at(np.zeros(SHAPE, dtype=np.int32), SPACING, ORIGIN)


def points():
    z, y, x = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    return grid().points_mm(np.stack([z, y, x], axis=-1).reshape(-1, 3)).reshape(*SHAPE, 3)


_POINTS = points()


def ball(center, diameter):
    return ((_POINTS - np.asarray(center)) ** 2).sum(axis=-1) <= (diameter / 2) ** 2


def detection(balls, probability=0.8):
    """A table of balls (x, y, z, diameter), numbered from 1 in this order."""
    labels = np.zeros(SHAPE, dtype=np.int32)
    for number, (*center, diameter) in enumerate(balls, start=1):
        labels[ball(center, diameter)] = number
    return table_of_labels(labels, probability)


def table_of_labels(labels, probability=0.8):
    numbers = np.unique(labels[labels > 0]).astype(np.int32)
    centers = np.array([_POINTS[labels == n].mean(axis=0) for n in numbers]).reshape(-1, 3)
    count = np.array([(labels == n).sum() for n in numbers], dtype=float)
    volume = count * np.prod(SPACING)
    side = np.where(centers[:, 0] < 0, "right", "left")
    n = len(numbers)
    return NoduleTable(
        id=numbers,
        x_mm=centers[:, 0],
        y_mm=centers[:, 1],
        z_mm=centers[:, 2],
        side=side.astype("<U5"),
        lobe=np.where(side == "right", "RUL", "LUL").astype("<U3"),
        lobe_confidence=np.full(n, 0.9),
        diameter_mm=sphere_diameter_mm(volume),
        volume_mm3=volume,
        depth_mm=np.full(n, 12.0),
        probability=np.full(n, probability),
        mean_hu=np.full(n, 20.0),
        max_hu=np.full(n, 60.0),
        calcified=np.zeros(n, dtype=bool),
        vdt_days=np.full(n, np.nan),
        labels=grid().with_array(labels.astype(np.int32)),
    )


def bits(table):
    """Everything in a table, comparable to the bit."""
    columns = [getattr(table, name) for name in COLUMNS]
    said = [tuple(c.tolist()) if c.dtype.kind == "U" else c.tobytes() for c in columns]
    return said, table.labels.array.tobytes()


def chest():
    """A scan of lung with a dense ball, and an anatomy whose halves of the grid are the lungs."""
    hu = np.full(SHAPE, -850, dtype=np.int16)
    for center, diameter in (((-30, 0, 0), 10), ((-18, 0, 0), 8), ((30, 5, 0), 8), ((30, -15, 0), 7)):
        hu[ball(center, diameter)] = 30
    lungs = np.zeros(SHAPE, dtype=np.uint8)
    lungs[2:-2, 2:-2, 2:58], lungs[2:-2, 2:-2, 62:-2] = 1, 2
    on = grid().with_array
    lobes = np.select([lungs == 1, lungs == 2], [1, 4], 0).astype(np.uint8)
    anatomy = Anatomy(
        box=(slice(0, SHAPE[0]), slice(0, SHAPE[1]), slice(0, SHAPE[2])),
        lungs=on(lungs),
        lobes=on(lobes),
        lobe_confidence=on((lungs > 0).astype(np.float32)),
        depth_mm=on(np.where(lungs > 0, 10.0, 0.0).astype(np.float32)),
        lobe_method="halves",
    )
    return Scan(on(hu), AxisOrder(), "phantom", "drawn", "f" * 64), anatomy
