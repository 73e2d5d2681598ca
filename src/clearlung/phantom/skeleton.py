"""Ribs, sternum, clavicles, scapulae and the vertebral column."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from clearlung.phantom import atlas
from clearlung.phantom.body import Body
from clearlung.phantom.fields import Field, distance_like, smooth_noise
from clearlung.phantom.painting import Canvas, paint_field, paint_tubes
from clearlung.phantom.shapes import Tubes
from clearlung.phantom.spec import CARTILAGE_HU, CORD_HU, CORTICAL_HU, DISC_HU, MARROW_HU

CORTEX_MM = 1.2
# Where the vertebral column lies: half width, front, back.
SPINE_BOX_MM = (40.0, 0.0, 135.0)
PROCESSES_BACK_MM = 122.0


def paint_skeleton(canvas: Canvas, body: Body, rng: np.random.Generator) -> None:
    """Draw all bones and the cartilages of the ribs."""
    _paint_spine(canvas, body, rng)
    paint_tubes(canvas, body.wall.tubes(_cartilages()), CARTILAGE_HU)
    bones = body.wall.tubes(Tubes.joined([_ribs(), _sternum(), _clavicles(), _scapulae()]))
    paint_tubes(canvas, bones, CORTICAL_HU)
    marrow = bones.chosen(bones.end_radius_mm > CORTEX_MM + 1.0).widened(-CORTEX_MM)
    paint_tubes(canvas, marrow, MARROW_HU)


def _cage_point(
    angle_deg: NDArray[np.float64] | float, z_mm: NDArray[np.float64] | float, outside_mm: float
) -> NDArray[np.float64]:
    """Points on the left of the cage: 90 degrees is the back, 0 the side, -90 the front."""
    angle, z = np.broadcast_arrays(np.radians(angle_deg), z_mm)
    heights = np.clip(z, atlas.CAGE_MM[0, 0], atlas.CAGE_MM[-1, 0])
    shape = PchipInterpolator(atlas.CAGE_MM[:, 0], atlas.CAGE_MM[:, 1:])(heights)
    width, front, back = np.moveaxis(shape, -1, 0)
    power = 2 / atlas.CAGE_EXPONENT
    v = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** power
    x = (width * (1 + atlas.CAGE_EGG * v) + outside_mm) * np.abs(np.cos(angle)) ** power
    y = (front + back) / 2 + ((back - front) / 2 + outside_mm) * v
    return np.stack([x, y, z], axis=-1)


def _rib_course(rib: int, angle_deg: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heights of one rib: it falls from the back to the front, most of it at the side."""
    top = atlas.RIB_TOP_MM - atlas.RIB_STEP_MM * rib
    drop = np.interp(rib, [0, 1, 3, 6, 9, 11], [34, 52, 74, 92, 84, 50])
    t = (84.0 - angle_deg) / 150.0
    return np.asarray(top - drop * (0.25 * t + 0.75 * t**1.4))


def _mirrored(paths: list[NDArray[np.float64]]) -> Tubes:
    mirror = np.array([-1.0, 1.0, 1.0, 1.0])
    return Tubes.joined([Tubes.along(p * side) for p in paths for side in (np.ones(4), mirror)])


def _rib_path(rib: int) -> NDArray[np.float64]:
    last = np.interp(rib, [0, 1, 4, 8, 9, 10, 11], [-62, -60, -52, -44, -30, 22, 48])
    angle = np.linspace(80.0, last, 36)
    return _cage_point(angle, _rib_course(rib, angle), atlas.RIB_OUTSIDE_MM)


def _with_radius(points: NDArray[np.float64], radius_mm: float) -> NDArray[np.float64]:
    return np.column_stack([points, np.full(len(points), radius_mm)])


def _ribs() -> Tubes:
    """Two tubes, one above the other, make a rib's oval section; a third is its neck."""
    paths = []
    for rib in range(atlas.RIB_PAIRS):
        path = _rib_path(rib)
        spine_y = np.interp(path[0, 2] + 4, *atlas.SPINE_MM.T)
        head = np.array([[19.0, spine_y + 4.0, path[0, 2] + 4.0], [27.0, spine_y + 18, path[0, 2] + 2.0]])
        paths.append(_with_radius(np.vstack([head, path[:1]]), atlas.RIB_RADIUS_MM))
        for lift in (-atlas.RIB_FLATNESS_MM / 2, atlas.RIB_FLATNESS_MM / 2):
            paths.append(_with_radius(path + np.array([0.0, 0.0, lift]), atlas.RIB_RADIUS_MM))
    return _mirrored(paths)


def _sternum_front(z_mm: float) -> float:
    return float(np.interp(z_mm, atlas.CAGE_MM[:, 0], atlas.CAGE_MM[:, 2])) - 8.0


def _cartilages() -> Tubes:
    paths = []
    for rib in range(10):
        end = _rib_path(rib)[-1]
        z = max(52.0 - 19.0 * min(rib, 6), end[2] + (0 if rib < 3 else 14))
        z = min(z, 54.0)
        joint = np.array([16.0, _sternum_front(z), z])
        middle = (end + joint) / 2 + (0.0, -5.0, -6.0)
        paths.append(_with_radius(np.stack([end, middle, joint]), 4.6))
    return _mirrored(paths)


def _sternum() -> Tubes:
    heights = np.linspace(58.0, -78.0, 18)
    paths = []
    for k in range(11):
        half = np.interp(heights, [-78, -60, 10, 22, 58], [5, 13, 13, 20, 24])
        x = half * (k - 5) / 5
        y = [_sternum_front(z) for z in heights]
        paths.append(_with_radius(np.column_stack([x, y, heights]), 5.2))
    return Tubes.joined([Tubes.along(p) for p in paths])


def _clavicles() -> Tubes:
    path = np.array([(20.0, -66.0, 60.0), (50.0, -62.0, 76.0), (85.0, -42.0, 96.0), (120.0, -22.0, 122.0)])
    return _mirrored([_with_radius(path, 5.8)])


def _scapulae() -> Tubes:
    """Thin triangular plates behind the ribs, of horizontal strips, with thicker borders and a ridge."""
    paths, inner, outer = [], [], []
    for z in np.arange(-48.0, 84.0, 2.6):
        t = (z + 48.0) / 132.0
        ends = (34.0 - 16.0 * t, 38.0 + 26.0 * t)
        strip = _cage_point(np.linspace(*ends, 14), np.full(14, z), 17.0 + 4.0 * t)
        paths.append(_with_radius(strip, 1.5))
        outer.append(strip[0])
        inner.append(strip[-1])
    paths.append(_with_radius(np.array(outer), 4.6))
    paths.append(_with_radius(np.array(inner), 2.8))
    ridge = _cage_point(np.linspace(58.0, 8.0, 12), np.linspace(40.0, 84.0, 12), 26.0)
    paths.append(_with_radius(ridge, 4.2))
    return _mirrored(paths)


def _spine_axes(body: Body) -> tuple[Field, NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    half, front, back = SPINE_BOX_MM
    processes = body.wall.points(
        np.array([(x, PROCESSES_BACK_MM, z) for x in (-32.0, 32.0) for z in atlas.SPINE_MM[:, 0]])
    )
    half = max(half, float(np.abs(processes[:, 0]).max()) + 4.0)
    back = max(back, float(processes[:, 1].max()) + 6.0)
    grid = body.skin.crop((-1e3, front, -half), (1e3, back, half))
    z, y, x = body.wall.axes(grid)
    center = np.interp(z.ravel(), *atlas.SPINE_MM.T)[:, None, None].astype(np.float32)
    return grid, z, np.asarray(y - center, dtype=np.float32), x


def _paint_spine(canvas: Canvas, body: Body, rng: np.random.Generator) -> None:
    """Vertebral bodies with rim and discs, arches, spinous and transverse processes, canal."""
    grid, z, y, x = _spine_axes(body)
    rx, ry = atlas.VERTEBRA_RADII_MM
    phase = np.mod(z - atlas.RIB_TOP_MM - 4.0 + atlas.VERTEBRA_HEIGHT_MM / 2, atlas.VERTEBRA_HEIGHT_MM)
    level = np.abs(phase - atlas.VERTEBRA_HEIGHT_MM / 2)  # 0 at the middle of a vertebra
    waist = 1.5 * (1 - (2 * level / atlas.VERTEBRA_HEIGHT_MM) ** 2)
    body_rim = (np.hypot(x / (rx - waist), y / (ry - waist)) - 1) * ry
    gap = level - (atlas.VERTEBRA_HEIGHT_MM - atlas.DISC_HEIGHT_MM) / 2
    trabeculae = grid.with_array(25.0 * smooth_noise(grid, 6.0, rng))
    column = distance_like(grid.with_array(body_rim + 0 * gap))
    vertebra = grid.with_array(np.maximum(column.array, gap))
    behind = np.hypot(x, y - atlas.CANAL_BEHIND_MM)
    arch = np.maximum(np.abs(behind - atlas.CANAL_RADIUS_MM - 2.5) - 2.6, level - 8.0)
    spinous = np.maximum(np.abs(x) - 2.6, np.abs(y - 40.0) - 11.0)
    spinous = np.maximum(spinous, np.abs(phase - 5.0) - 5.0)
    transverse = np.maximum(np.hypot(y - 22.0 - 0.15 * np.abs(x), level - 2.0) - 4.6, np.abs(x) - 29.0)
    transverse = np.maximum(transverse, atlas.CANAL_RADIUS_MM + 2 - np.abs(x))
    processes = grid.with_array(np.minimum(np.minimum(arch, spinous), transverse))
    paint_field(canvas, column, DISC_HU)
    for bone, marrow_hu in ((vertebra, MARROW_HU), (processes, MARROW_HU + 150)):
        paint_field(canvas, bone, CORTICAL_HU * 0.7)
        paint_field(canvas, bone, marrow_hu, trabeculae, inset_mm=CORTEX_MM)
    canal = grid.with_array(behind - atlas.CANAL_RADIUS_MM + 0 * z)
    paint_field(canvas, canal, CORD_HU - 20)
    paint_field(canvas, canal, CORD_HU + 10, inset_mm=4.0)
