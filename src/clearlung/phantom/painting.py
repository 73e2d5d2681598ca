"""Paint smooth shapes into voxels, each voxel weighted by how much of it they fill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

from clearlung.phantom.fields import Field, FloatArray
from clearlung.phantom.shapes import Tubes
from clearlung.phantom.spec import PhantomSpec

Rule = Literal["over", "brighter", "darker"]
_RULES: dict[Rule, int] = {"over": 0, "brighter": 1, "darker": -1}


@dataclass(frozen=True, eq=False)
class Canvas:
    """The scan's voxels while they are painted.

    Parameters
    ----------
    hu
        float32, shape (z, y, x); changed in place.
    spacing_mm, origin_mm
        Along z, y and x.
    """

    hu: FloatArray
    spacing_mm: NDArray[np.float64]
    origin_mm: NDArray[np.float64]

    @classmethod
    def blank(cls, spec: PhantomSpec, value_hu: float) -> Canvas:
        """Return a canvas filled with one value."""
        hu = np.full(spec.shape, value_hu, dtype=np.float32)
        return cls(hu, np.array(spec.spacing_mm), np.array(spec.origin_mm[::-1]))

    @property
    def voxel_mm(self) -> float:
        """Width of a voxel: of the cube of the same volume."""
        return float(np.prod(self.spacing_mm) ** (1 / 3))

    def near(self, center_mm: tuple[float, float, float], reach_mm: float) -> Canvas:
        """Return a view of the voxels about an LPS point (x, y, z); what is painted there is painted here."""
        center = np.array(center_mm[::-1])
        low = np.ceil((center - reach_mm - self.origin_mm) / self.spacing_mm).astype(int)
        high = np.floor((center + reach_mm - self.origin_mm) / self.spacing_mm).astype(int) + 1
        low, high = (np.clip(edge, 0, self.hu.shape) for edge in (low, high))
        view = self.hu[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))]
        return Canvas(view, self.spacing_mm, self.origin_mm + low * self.spacing_mm)

    def fractional(self, field: Field) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Where the voxels lie on a field's grid: indices along z, y and x, held to the grid's borders."""
        z, y, x = (
            np.clip((o + s * np.arange(n) - f) / field.step_mm, 0, m - 1.001).astype(np.float32)
            for o, s, n, f, m in zip(
                self.origin_mm,
                self.spacing_mm,
                self.hu.shape,
                field.origin_mm,
                field.array.shape,
                strict=True,
            )
        )
        return z, y, x


@njit(cache=True, inline="always")
def _row(array: Any, z: Any, y: Any, out: Any) -> Any:
    """Interpolate a row of a coarse grid at a fractional (z, y); beyond the grid, its border."""
    nz, ny, nx = array.shape
    z = min(max(z, 0.0), nz - 1.001)
    y = min(max(y, 0.0), ny - 1.001)
    iz, iy = int(z), int(y)
    fz, fy = np.float32(z - iz), np.float32(y - iy)
    one = np.float32(1.0)
    w00, w01, w10, w11 = (one - fz) * (one - fy), (one - fz) * fy, fz * (one - fy), fz * fy
    lowest = np.float32(1e9)
    for x in range(nx):
        out[x] = (
            w00 * array[iz, iy, x]
            + w01 * array[iz, iy + 1, x]
            + w10 * array[iz + 1, iy, x]
            + w11 * array[iz + 1, iy + 1, x]
        )
        lowest = min(lowest, out[x])
    return lowest


@njit(cache=True, parallel=True)
def _paint_field(
    hu: Any,
    field: Any,
    zs: Any,
    ys: Any,
    xs: Any,
    edge: Any,
    shift: Any,
    value: Any,
    texture: Any,
    tz: Any,
    ty: Any,
    tx: Any,
    amount: Any,
) -> Any:
    nz, ny, nx = hu.shape
    half = np.float32(0.5)
    for z in prange(nz):
        distance = np.empty(field.shape[2], dtype=np.float32)
        shade = np.empty(texture.shape[2], dtype=np.float32)
        for y in range(ny):
            if _row(field, zs[z], ys[y], distance) + shift > half * edge:
                continue
            if amount != 0:
                _row(texture, tz[z], ty[y], shade)
            for x in range(nx):
                ix = int(xs[x])
                fx = xs[x] - ix
                d = distance[ix] + (distance[ix + 1] - distance[ix]) * fx + shift
                if d > half * edge:
                    continue
                alpha = min(half - d / edge, np.float32(1.0))
                target = value
                if amount != 0:
                    jx = int(tx[x])
                    target += amount * (shade[jx] + (shade[jx + 1] - shade[jx]) * (tx[x] - jx))
                hu[z, y, x] += alpha * (target - hu[z, y, x])


def paint_field(
    canvas: Canvas,
    field: Field,
    value_hu: float,
    texture: Field | None = None,
    inset_mm: float = 0.0,
    soft_mm: float = 0.0,
) -> None:
    """Fill what a signed distance encloses.

    Parameters
    ----------
    value_hu
        Attenuation; a texture's values are added to it.
    inset_mm
        How far inside the surface to stay.
    soft_mm
        Width of the edge beyond the partial volume of a voxel.
    """
    coarse = field if texture is None else texture
    _paint_field(
        canvas.hu,
        field.array,
        *canvas.fractional(field),
        np.float32(canvas.voxel_mm + soft_mm),
        np.float32(inset_mm),
        np.float32(value_hu),
        coarse.array,
        *canvas.fractional(coarse),
        np.float32(0.0 if texture is None else 1.0),
    )


@njit(cache=True, parallel=True)
def _paint_sheet(
    hu: Any,
    sheet: Any,
    within: Any,
    share: Any,
    zs: Any,
    ys: Any,
    xs: Any,
    edge: Any,
    thickness: Any,
    value: Any,
    inset: Any,
    uneven: Any,
) -> Any:
    nz, ny, nx = hu.shape
    for z in prange(nz):
        distance = np.empty(sheet.shape[2], dtype=np.float32)
        depth = np.empty(sheet.shape[2], dtype=np.float32)
        shares = np.empty(sheet.shape[2], dtype=np.float32)
        for y in range(ny):
            if _row(within, zs[z], ys[y], depth) > -inset:
                continue
            _row(sheet, zs[z], ys[y], distance)
            if uneven:
                _row(share, zs[z], ys[y], shares)
            for x in range(nx):
                ix = int(xs[x])
                fx = xs[x] - ix
                d = abs(distance[ix] + (distance[ix + 1] - distance[ix]) * fx)
                if d > edge or depth[ix] + (depth[ix + 1] - depth[ix]) * fx > -inset:
                    continue
                # A sheet thinner than a voxel fills a triangle of the distance to it.
                alpha = min(thickness / edge, 1.0) * (1 - d / edge)
                if uneven:
                    alpha = min(alpha * (shares[ix] + (shares[ix + 1] - shares[ix]) * fx), 1.0)
                hu[z, y, x] += alpha * (value - hu[z, y, x])


def paint_sheet(
    canvas: Canvas,
    sheet: Field,
    within: Field,
    value_hu: float,
    thickness_mm: float,
    inset_mm: float,
    thickness: Field | None = None,
) -> None:
    """Draw a thin sheet where a signed distance is 0, inside another by at least ``inset_mm``.

    Parameters
    ----------
    thickness
        How thick the sheet is at each place over ``thickness_mm``; without it, 1 everywhere.
    """
    _paint_sheet(
        canvas.hu,
        sheet.array,
        within.array,
        (thickness or sheet).array,
        *canvas.fractional(sheet),
        np.float32(canvas.voxel_mm),
        np.float32(thickness_mm),
        np.float32(value_hu),
        np.float32(inset_mm),
        thickness is not None,
    )


@njit(cache=True, inline="always")
def soft_disc(radius: Any, voxel: Any) -> Any:
    """Find the soft-edged disc one voxel wide at the edge that has a tube's true cross-section.

    Returns
    -------
    radius, weight
        The fill at a distance d from the center line is ``weight * clip(0.5 + (radius - d) / voxel, 0, 1)``.
    """
    square = radius * radius
    if square >= voxel * voxel / 3.0:
        return (square - voxel * voxel / 12.0) ** 0.5, 1.0
    reach = radius + 0.5 * voxel
    return radius, 3.0 * voxel * square / (reach * reach * reach)


@njit(cache=True, parallel=True)
def _paint_tubes(
    hu: Any,
    spacing: Any,
    origin: Any,
    start: Any,
    end: Any,
    r0: Any,
    r1: Any,
    voxel: Any,
    value: Any,
    background: Any,
    rule: Any,
) -> Any:
    nz, ny, nx = hu.shape
    for z in prange(nz):
        pz = origin[0] + spacing[0] * z
        for i in range(len(start)):
            widest = max(r0[i], r1[i]) + 0.5 * voxel
            if pz < min(start[i, 2], end[i, 2]) - widest or pz > max(start[i, 2], end[i, 2]) + widest:
                continue
            dx, dy, dz = end[i, 0] - start[i, 0], end[i, 1] - start[i, 1], end[i, 2] - start[i, 2]
            length2 = max(dx * dx + dy * dy + dz * dz, 1e-9)
            y0 = max(0, int((min(start[i, 1], end[i, 1]) - widest - origin[1]) / spacing[1]))
            y1 = min(ny - 1, int((max(start[i, 1], end[i, 1]) + widest - origin[1]) / spacing[1]) + 1)
            x0 = max(0, int((min(start[i, 0], end[i, 0]) - widest - origin[2]) / spacing[2]))
            x1 = min(nx - 1, int((max(start[i, 0], end[i, 0]) + widest - origin[2]) / spacing[2]) + 1)
            qz = pz - start[i, 2]
            for y in range(y0, y1 + 1):
                qy = origin[1] + spacing[1] * y - start[i, 1]
                for x in range(x0, x1 + 1):
                    qx = origin[2] + spacing[2] * x - start[i, 0]
                    t = min(max((qx * dx + qy * dy + qz * dz) / length2, 0.0), 1.0)
                    a, b, c = qx - t * dx, qy - t * dy, qz - t * dz
                    radius = r0[i] * (1 - t) + r1[i] * t
                    distance = (a * a + b * b + c * c) ** 0.5
                    if distance > radius + 0.5 * voxel or radius <= 0.0:
                        continue
                    soft, weight = soft_disc(radius, voxel)
                    alpha = weight * min(max(0.5 + (soft - distance) / voxel, 0.0), 1.0)
                    if rule == 0:
                        hu[z, y, x] += alpha * (value - hu[z, y, x])
                    else:
                        mixed = background + alpha * (value - background)
                        if (mixed - hu[z, y, x]) * rule > 0:
                            hu[z, y, x] = mixed


def paint_tubes(
    canvas: Canvas, tubes: Tubes, value_hu: float, rule: Rule = "over", background_hu: float = 0.0
) -> None:
    """Draw tubes.

    Parameters
    ----------
    rule
        ``over`` mixes into what is there. ``brighter`` and ``darker`` mix with ``background_hu`` and keep the
        brighter or darker of that and what is there, so that pieces that meet do not add up.
    """
    _paint_tubes(
        canvas.hu,
        canvas.spacing_mm,
        canvas.origin_mm,
        tubes.start_mm,
        tubes.end_mm,
        tubes.start_radius_mm,
        tubes.end_radius_mm,
        canvas.voxel_mm,
        value_hu,
        background_hu,
        _RULES[rule],
    )
