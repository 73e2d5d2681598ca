"""Label maps of the lungs and lobes, and the metastases with theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from clearlung.anatomy import LOBE_LABELS, LOBE_SIDES, LOBES, LUNG_LABELS, Side
from clearlung.ct import Box
from clearlung.phantom.body import Body
from clearlung.phantom.fields import Field, interpolate
from clearlung.phantom.metastases import Metastases
from clearlung.phantom.painting import Canvas, paint_field, paint_tubes
from clearlung.phantom.round_shapes import DEGREES
from clearlung.phantom.shapes import Tubes
from clearlung.phantom.spec import PhantomSpec
from clearlung.phantom.trees import Trees

# Vessels and bronchi (with their walls) wider than this belong to the hilum, not to a lobe.
HILAR_RADIUS_MM = 3.5
# Each voxel at a nodule's rim is probed at points this far apart ...
PROBE_MM = 0.16
# ... but no more than this many along each axis.
MOST_PROBES = 12


# For shapes that end nowhere but at their own surface.
_NOWHERE = Field(np.zeros((2, 2, 2), dtype=np.float32), 1.0, (0.0, 0.0, 0.0))
# For the kernel, which takes integers and no dictionaries.
_RUL, _RML, _RLL, _LUL, _LLL = (LOBE_LABELS[lobe] for lobe in LOBES)


@njit(cache=True, parallel=True)
def _label_lobes(
    lobes: Any,
    right: Any,
    left: Any,
    right_oblique: Any,
    middle: Any,
    left_oblique: Any,
    zs: Any,
    ys: Any,
    xs: Any,
) -> Any:
    nz, ny, nx = lobes.shape
    for z in prange(nz):
        for y in range(ny):
            for x in range(nx):
                if interpolate(right, zs[z], ys[y], xs[x]) < 0:
                    if interpolate(right_oblique, zs[z], ys[y], xs[x]) < 0:
                        lobes[z, y, x] = _RLL
                    elif interpolate(middle, zs[z], ys[y], xs[x]) < 0:
                        lobes[z, y, x] = _RML
                    else:
                        lobes[z, y, x] = _RUL
                elif interpolate(left, zs[z], ys[y], xs[x]) < 0:
                    lobes[z, y, x] = _LLL if interpolate(left_oblique, zs[z], ys[y], xs[x]) < 0 else _LUL


def _lung_box(canvas: Canvas, body: Body) -> Box:
    """Return the voxels among which both lungs lie."""
    grid = body.skin
    inside = np.minimum(body.lungs["right"].array, body.lungs["left"].array) < 0
    ranges = []
    for axis, at in enumerate(canvas.fractional(grid)):
        occupied = np.flatnonzero(inside.any(axis=tuple(k for k in range(3) if k != axis)))
        within = np.flatnonzero((at > occupied[0] - 1) & (at < occupied[-1] + 1))
        ranges.append(slice(int(within[0]), int(within[-1]) + 1))
    z, y, x = ranges
    return z, y, x


def label_lungs(spec: PhantomSpec, body: Body, trees: Trees) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Label the lungs and the lobes; hilar vessels and large airways belong to neither.

    Returns
    -------
    lungs, lobes
        uint8, shape (z, y, x).
    """
    lobes = np.zeros(spec.shape, dtype=np.uint8)
    canvas = Canvas.blank(spec, 0.0)
    box = _lung_box(canvas, body)
    zs, ys, xs = (c[b] for c, b in zip(canvas.fractional(body.skin), box, strict=True))
    _label_lobes(
        lobes[box],
        body.lungs["right"].array,
        body.lungs["left"].array,
        body.fissures["RLL"].array,
        body.fissures["RML"].array,
        body.fissures["LLL"].array,
        zs,
        ys,
        xs,
    )
    tubes = Tubes.joined([trees.vessels, trees.bronchi.widened(trees.wall_mm)])
    paint_tubes(canvas, tubes.chosen(tubes.end_radius_mm > HILAR_RADIUS_MM), 1.0, "brighter")
    paint_field(canvas, body.organs["vessels"], 1.0)
    lobes[canvas.hu > 0.5] = 0
    side_of = np.zeros(len(LOBE_LABELS) + 1, dtype=np.uint8)
    for lobe, label in LOBE_LABELS.items():
        side_of[label] = LUNG_LABELS[LOBE_SIDES[lobe]]
    return side_of[lobes], lobes


@njit(cache=True, inline="always")
def _radius(ux: Any, uy: Any, uz: Any, axes: Any, weights: Any, degrees: Any) -> Any:
    total = 1.0
    for k in range(len(weights)):
        c = ux * axes[k, 0] + uy * axes[k, 1] + uz * axes[k, 2]
        if degrees[k] == 2:
            total += weights[k] * (1.5 * c * c - 0.5)
        elif degrees[k] == 3:
            total += weights[k] * (2.5 * c * c - 1.5) * c
        else:
            total += weights[k] * ((4.375 * c * c - 3.75) * c * c + 0.375)
    return total


@njit(cache=True)
def _coverage(
    low: Any,
    shape: Any,
    spacing: Any,
    origin: Any,
    star: Any,
    size: Any,
    axes: Any,
    weights: Any,
    degrees: Any,
    core: Any,
    probes: Any,
    lung: Any,
    lung_step: Any,
    lung_origin: Any,
    clipped: Any,
) -> Any:
    """Share of each voxel of a box inside a nodule, and inside its core."""
    whole = np.zeros((shape[0], shape[1], shape[2]), dtype=np.float32)
    inner = np.zeros((shape[0], shape[1], shape[2]), dtype=np.float32)
    unit = 1.0 / probes**3
    for z in range(shape[0]):
        for y in range(shape[1]):
            for x in range(shape[2]):
                for k in range(probes**3):
                    a, b, c = k // (probes * probes), (k // probes) % probes, k % probes
                    dz = origin[0] + spacing[0] * (low[0] + z + (a + 0.5) / probes - 0.5) - star[2]
                    dy = origin[1] + spacing[1] * (low[1] + y + (b + 0.5) / probes - 0.5) - star[1]
                    dx = origin[2] + spacing[2] * (low[2] + x + (c + 0.5) / probes - 0.5) - star[0]
                    rho = (dx * dx + dy * dy + dz * dz) ** 0.5
                    if rho > 1.6 * size:
                        continue
                    at = max(rho, 1e-9)
                    limit = size * _radius(dx / at, dy / at, dz / at, axes, weights, degrees)
                    if rho < limit:
                        if clipped and (
                            interpolate(
                                lung,
                                (dz + star[2] - lung_origin[0]) / lung_step,
                                (dy + star[1] - lung_origin[1]) / lung_step,
                                (dx + star[0] - lung_origin[2]) / lung_step,
                            )
                            >= 0
                        ):
                            continue
                        whole[z, y, x] += unit
                        if rho < core * limit:
                            inner[z, y, x] += unit
    return whole, inner


def paint_metastases(
    canvas: Canvas, metastases: Metastases, lungs: Mapping[Side, Field] | None = None
) -> NDArray[np.int16]:
    """Paint the metastases and return their label map, int16.

    Those that are clipped end where ``lungs`` do.

    A voxel belongs to the nodule that fills half of it. One too small to fill half of any voxel gets the
    voxel that it fills most.
    """
    labels = np.zeros(canvas.hu.shape, dtype=np.int16)
    spacing = canvas.spacing_mm
    probes = int(np.clip(np.ceil(spacing.max() / PROBE_MM), 2, MOST_PROBES))
    small = []
    for k in range(len(metastases)):
        low, whole, inner = _covered_box(canvas, metastases, k, probes, lungs)
        box = tuple(slice(a, a + n) for a, n in zip(low, whole.shape, strict=True))
        view = canvas.hu[box]
        soft, core_hu = np.float32(metastases.soft_hu[k]), np.float32(metastases.core_hu[k])
        view += whole * (soft - view) + inner * (core_hu - soft)
        filled = whole >= 0.5
        if filled.any():
            labels[box][filled] = k + 1
        else:
            small.append((k + 1, low, whole))
    for label, low, whole in small:
        _label_one_voxel(labels, label, low, whole)
    return labels


def _covered_box(
    canvas: Canvas,
    metastases: Metastases,
    k: int,
    probes: int,
    lungs: Mapping[Side, Field] | None,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    lung = None
    if lungs is not None and metastases.clipped is not None and metastases.clipped[k]:
        lung = lungs[LOBE_SIDES[metastases.lobe.tolist()[k]]]
    reach = 1.6 * metastases.radius_mm[k]
    star = metastases.origin_mm[k][::-1]
    shape = np.array(canvas.hu.shape)
    low = np.floor((star - reach - canvas.origin_mm) / canvas.spacing_mm).astype(np.int64)
    high = np.ceil((star + reach - canvas.origin_mm) / canvas.spacing_mm).astype(np.int64)
    low, high = np.clip(low, 0, shape - 1), np.clip(high, 0, shape - 1)
    whole, inner = _coverage(
        low,
        high - low + 1,
        canvas.spacing_mm,
        canvas.origin_mm,
        metastases.origin_mm[k],
        metastases.radius_mm[k],
        metastases.axes[k],
        metastases.weights[k],
        DEGREES,
        metastases.core[k],
        probes,
        _NOWHERE.array if lung is None else lung.array,
        _NOWHERE.step_mm if lung is None else lung.step_mm,
        np.array((_NOWHERE if lung is None else lung).origin_mm),
        lung is not None,
    )
    return low, whole, inner


def _label_one_voxel(
    labels: NDArray[np.int16], label: int, low: NDArray[np.int64], whole: NDArray[np.float32]
) -> None:
    """Give a nodule the free voxel that it fills most, or else the nearest free one to that."""
    best = np.array(np.unravel_index(int(np.argmax(whole)), whole.shape)) + low
    box = tuple(slice(max(int(b) - 3, 0), int(b) + 4) for b in best)
    free = np.argwhere(labels[box] == 0) + [s.start for s in box]
    nearest = free[np.argmin(((free - best) ** 2).sum(axis=1))]
    labels[tuple(nearest)] = label
