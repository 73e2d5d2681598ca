"""A small body with balls that no mirroring maps onto each other, and its lungs as an anatomy."""

from functools import cache

import numpy as np

from clearlung.anatomy import Anatomy
from clearlung.ct import Volume
from tests.anatomy.bodies import Body

# x, y, z, diameter, HU: a flip along any axis takes each to where there is none.
BALLS = [
    (-60.0, 20.0, 30.0, 8.0, 40.0),
    (-45.0, -25.0, -20.0, 10.0, 40.0),
    (52.0, 12.0, 12.0, 12.0, 40.0),
]
PLACES = np.array([ball[:3] for ball in BALLS])
DIAMETERS = np.array([ball[3] for ball in BALLS])
BODY = Body(spacing_mm=(2.0, 1.6, 1.5), balls=BALLS, noise_hu=0.0)


@cache
def scan():
    return BODY.scan()


@cache
def anatomy():
    """The true lungs on their box; what a detector does not look at is left as it comes."""
    whole = np.zeros(scan().volume.shape, dtype=np.uint8)
    whole[BODY.radius(-1) < 1] = 1
    whole[BODY.radius(1) < 1] = 2
    box = tuple(
        slice(max(0, where.min() - 2), where.max() + 3) for where in map(np.unique, np.nonzero(whole))
    )
    lungs = scan().volume.with_array(whole).crop(box)
    lungs = Volume(np.ascontiguousarray(lungs.array), lungs.spacing_mm, lungs.origin_mm, lungs.direction)
    zeros = lungs.with_array(np.zeros(lungs.shape, dtype=np.float32))
    return Anatomy(box, lungs, lungs, zeros, zeros, "the truth")


def points(candidates):
    """LPS mm of candidates."""
    return anatomy().lungs.points_mm(candidates.indices)


def assert_finds_the_balls(candidates, within_mm=1.5, factor=1.6):
    """Each ball once, and nothing else."""
    assert len(candidates) == len(BALLS)
    distance = np.linalg.norm(points(candidates)[:, None] - PLACES, axis=2)
    nearest = distance.argmin(axis=0)
    assert sorted(nearest) == list(range(len(BALLS)))
    assert distance.min(axis=0).max() < within_mm
    ratio = candidates.diameter_mm[nearest] / DIAMETERS
    assert ratio.max() < factor
    assert ratio.min() > 1 / factor
