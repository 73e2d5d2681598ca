"""Thin sheets that are no fissure: septa, accessory fissures, scars, and bands of collapsed lung."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import SIDES
from clearlung.phantom.body import Body
from clearlung.phantom.fields import Field
from clearlung.phantom.painting import Canvas, paint_sheet

# All assumed: how many there are in both lungs, their radii, thickness and attenuation. In 40 % of people
# there is an accessory fissure (volumetric CT, n = 150, Eur J Radiol 2010;75:e1).
SEPTA = (4, 10)
SEPTUM_RADIUS_MM = (7.0, 20.0)
SEPTUM_MM = (0.06, 0.16)
ACCESSORY_SHARE = 0.4
ACCESSORY_RADIUS_MM = (25.0, 45.0)
ACCESSORY_MM = 0.13
BANDS = (0, 3)
BAND_RADIUS_MM = (8.0, 18.0)
BAND_MM = (0.6, 1.6)
SHEET_HU = -170.0
# A sheet curves by no more than this, as the reciprocal of its radius of curvature.
CURVATURE_PER_MM = 0.006
STEP_MM = 2.0
INSET_MM = 0.8


@dataclass(frozen=True)
class Septum:
    """A round piece of a gently curved sheet.

    Parameters
    ----------
    center_mm, normal
        LPS.
    radius_mm, thickness_mm
        Its size.
    curvature_per_mm
        Along two axes of the sheet.
    """

    center_mm: tuple[float, float, float]
    normal: tuple[float, float, float]
    radius_mm: float
    thickness_mm: float
    curvature_per_mm: tuple[float, float] = (0.0, 0.0)


def draw_septa(body: Body, rng: np.random.Generator) -> list[Septum]:
    """Scatter sheets over both lungs; bands of collapsed lung lie low and at the back."""
    drawn = []
    sizes = [(SEPTUM_RADIUS_MM, SEPTUM_MM, False)] * int(rng.integers(*SEPTA))
    if rng.random() < ACCESSORY_SHARE:
        sizes.append((ACCESSORY_RADIUS_MM, (ACCESSORY_MM, ACCESSORY_MM), False))
    sizes += [(BAND_RADIUS_MM, BAND_MM, True)] * int(rng.integers(*BANDS))
    for radius, thickness, low in sizes:
        side = SIDES[int(rng.integers(2))]
        points = np.argwhere(body.lungs[side].array < -4.0)
        if not len(points):
            continue
        place = points[rng.integers(len(points), size=20)]
        # The lowest at the back of some, or any one.
        zyx = place[np.argmin(place[:, 0] - place[:, 1])] if low else place[0]
        z, y, x = (zyx * body.skin.step_mm + np.asarray(body.skin.origin_mm)).tolist()
        a, b, c = rng.standard_normal(3).tolist()
        normal = (0.4 * a, 0.4 * b, 1.0) if low else (a, b, c)
        u, v = rng.uniform(-CURVATURE_PER_MM, CURVATURE_PER_MM, size=2).tolist()
        drawn.append(Septum((x, y, z), normal, rng.uniform(*radius), rng.uniform(*thickness), (u, v)))
    return drawn


def paint_septum(canvas: Canvas, septum: Septum, lung: Field) -> None:
    """Draw a sheet within a lung."""
    reach = septum.radius_mm + 2 * STEP_MM
    x, y, z = septum.center_mm
    near = lung.crop((z - reach, y - reach, x - reach), (z + reach, y + reach, x + reach))
    zs, ys, xs = near.axes_mm()
    away = np.stack(np.broadcast_arrays(xs - x, ys - y, zs - z), axis=-1).astype(np.float64)
    normal, u, v = _axes(septum.normal)
    a, b = away @ u, away @ v
    bend = 0.5 * (septum.curvature_per_mm[0] * a**2 + septum.curvature_per_mm[1] * b**2)
    surface = near.with_array((away @ normal - bend).astype(np.float32))
    disc = np.linalg.norm(away, axis=-1) - septum.radius_mm
    within = near.with_array(np.maximum(near.array, disc.astype(np.float32)))
    part = canvas.near(septum.center_mm, reach - STEP_MM)
    paint_sheet(part, surface, within, SHEET_HU, septum.thickness_mm, INSET_MM)


def _axes(
    normal: tuple[float, float, float],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return a unit normal and two directions square to it."""
    n = np.array(normal) / np.linalg.norm(normal)
    helper = np.zeros(3)
    helper[np.argmin(np.abs(n))] = 1.0
    u = np.cross(n, helper)
    u /= np.linalg.norm(u)
    return n, u, np.cross(n, u)
