"""The nodules that are implanted: sizes, uneven shapes and what they are made of."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from clearlung.phantom.implant_spec import (
    KINDS,
    LEAST_CAVITATED_MM,
    LEAST_PART_SOLID_MM,
    LEAST_SPICULATED_MM,
    ImplantSpec,
    Range,
)
from clearlung.phantom.round_shapes import DEGREES, fibonacci_sphere, relative_radius

# The finer the shape, the less of the roughness it gets.
_AMPLITUDES = np.array([1.2, 0.9, 0.6, 0.7, 0.5, 0.45, 0.45])
# Assumed, of larger tumors: lobes and spicules are this wide (concentration of the bump on the sphere) and
# this high over the radius.
_LOBES, _LOBE_WIDTH, _LOBE_HEIGHT = (1, 4), (4.0, 12.0), (0.12, 0.45)
_SPICULES, _SPICULE_WIDTH, _SPICULE_HEIGHT = (4, 18), (40.0, 200.0), (0.15, 0.75)
CAVITY_HU = -950.0
DIRECTIONS = fibonacci_sphere()


@dataclass(frozen=True, eq=False)
class Nodule:
    """One nodule to draw.

    Parameters
    ----------
    diameter_mm
        Of the sphere of equal volume.
    radius_mm
        Mean size; the radius in direction u is this times 1 + the sum of the waves
        (:func:`clearlung.phantom.round_shapes.relative_radius`) and of the bumps
        ``height * exp(width * (u . bump - 1))``.
    axes, weights
        Of the waves: float64, shapes (7, 3) and (7,).
    bumps
        Float64, shape (k, 5): direction, width and height.
    kind
        One of :data:`clearlung.phantom.implant_spec.KINDS`.
    solid_hu, core_hu
        Attenuation of the tissue, and of the core: calcium, air or tissue.
    core
        The core's radius over the nodule's; 0: none.
    fill
        Share of what is not core that is tissue: below 1 for a halo.
    edge_mm
        SD of the border's own softness.
    """

    diameter_mm: float
    radius_mm: float
    axes: NDArray[np.float64]
    weights: NDArray[np.float64]
    bumps: NDArray[np.float64]
    kind: str
    solid_hu: float
    core_hu: float
    core: float
    fill: float
    edge_mm: float

    def surface_mm(self) -> NDArray[np.float64]:
        """Return points of the surface about the origin (x, y, z), shape (n, 3)."""
        return self.radii_mm(DIRECTIONS)[:, None] * DIRECTIONS

    def radii_mm(self, directions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Radius in each direction (n, 3) of unit length."""
        relative = relative_radius(self.axes, self.weights, directions)
        for bump in self.bumps:
            relative += bump[4] * np.exp(bump[3] * (directions @ bump[:3] - 1.0))
        return np.asarray(self.radius_mm * relative)

    @property
    def reach_mm(self) -> float:
        """No part of the nodule is further from its origin than this."""
        peaks = [self.radii_mm(self.bumps[:, :3]).max()] if len(self.bumps) else []
        return float(max([self.radii_mm(DIRECTIONS).max(), *peaks])) * 1.02

    def scaled(self, factor: float) -> Nodule:
        """Return the same shape larger or smaller."""
        return replace(self, diameter_mm=self.diameter_mm * factor, radius_mm=self.radius_mm * factor)


def draw_nodules(spec: ImplantSpec, rng: np.random.Generator) -> list[Nodule]:
    """Draw sizes, shapes and kinds, the largest first."""
    return [_draw_nodule(float(d), spec, rng) for d in _diameters_mm(spec, rng)]


def _diameters_mm(spec: ImplantSpec, rng: np.random.Generator) -> NDArray[np.float64]:
    low, high = spec.diameter_mm
    if spec.distribution == "log-uniform":
        drawn = np.exp(rng.uniform(np.log(low), np.log(high), spec.nodules))
    else:
        drawn = np.empty(0)
        while len(drawn) < spec.nodules:
            more = spec.diameter_median_mm * np.exp(
                spec.diameter_log_sd * rng.standard_normal(spec.nodules + 9)
            )
            drawn = np.concatenate([drawn, more[(more >= low) & (more <= high)]])[: spec.nodules]
    return np.sort(drawn)[::-1]


def _draw_nodule(diameter: float, spec: ImplantSpec, rng: np.random.Generator) -> Nodule:
    axes = _unit(rng.standard_normal((len(DEGREES), 3)))
    roughness = rng.uniform(*spec.roughness)
    weights = roughness * _AMPLITUDES * rng.standard_normal(len(DEGREES)).clip(-1.8, 1.8)
    spiculated = rng.random() < spec.spiculated and diameter >= LEAST_SPICULATED_MM
    bumps = _draw_bumps(rng) if spiculated else np.zeros((0, 5))
    kind = str(rng.choice(KINDS, p=[spec.solid, spec.calcified, spec.cavitated, spec.part_solid]))
    least = {"cavitated": LEAST_CAVITATED_MM, "part-solid": LEAST_PART_SOLID_MM}
    if diameter < least.get(kind, 0.0):
        kind = "solid"
    solid = rng.uniform(*spec.solid_hu)
    ranges: dict[str, Range] = {
        "solid": (0.0, 0.0),
        "calcified": spec.calcified_core,
        "cavitated": spec.cavity_core,
        "part-solid": spec.solid_core,
    }
    core_hu = {"calcified": float(rng.uniform(*spec.core_hu)), "cavitated": CAVITY_HU}
    drawn = Nodule(
        diameter_mm=diameter,
        radius_mm=1.0,
        axes=axes,
        weights=weights,
        bumps=bumps,
        kind=kind,
        solid_hu=solid,
        core_hu=core_hu.get(kind, solid),
        core=rng.uniform(*ranges[kind]),
        fill=rng.uniform(*spec.halo_fill) if kind == "part-solid" else 1.0,
        edge_mm=min(rng.uniform(*spec.edge_mm), diameter / 8.0),
    )
    mean_cube = float(np.mean(drawn.radii_mm(_MANY_DIRECTIONS) ** 3))
    return replace(drawn, radius_mm=0.5 * diameter / np.cbrt(mean_cube))


# Enough that the volume of a shape with spicules is exact to less than 1 %.
_MANY_DIRECTIONS = fibonacci_sphere(6000)


def _draw_bumps(rng: np.random.Generator) -> NDArray[np.float64]:
    rows = []
    for number, width, height in (
        (_LOBES, _LOBE_WIDTH, _LOBE_HEIGHT),
        (_SPICULES, _SPICULE_WIDTH, _SPICULE_HEIGHT),
    ):
        n = int(rng.integers(number[0], number[1] + 1))
        rows.append(
            np.column_stack(
                [
                    _unit(rng.standard_normal((n, 3))),
                    np.exp(rng.uniform(np.log(width[0]), np.log(width[1]), n)),
                    rng.uniform(*height, n),
                ]
            )
        )
    return np.concatenate(rows)


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))


@njit(cache=True, nogil=True)
def _relative(ux, uy, uz, axes, weights, degrees, bumps):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    total = 1.0
    for k in range(len(weights)):
        c = ux * axes[k, 0] + uy * axes[k, 1] + uz * axes[k, 2]
        if degrees[k] == 2:
            total += weights[k] * (1.5 * c * c - 0.5)
        elif degrees[k] == 3:
            total += weights[k] * (2.5 * c * c - 1.5) * c
        else:
            total += weights[k] * ((4.375 * c * c - 3.75) * c * c + 0.375)
    for k in range(len(bumps)):
        c = bumps[k, 3] * (ux * bumps[k, 0] + uy * bumps[k, 1] + uz * bumps[k, 2] - 1.0)
        if c > -9.0:
            total += bumps[k, 4] * np.exp(c)
    return total


@njit(cache=True, nogil=True)
def cover(  # type: ignore[no-untyped-def]  # noqa: ANN201
    whole,  # noqa: ANN001
    inner,  # noqa: ANN001
    first_mm,  # noqa: ANN001
    step_mm,  # noqa: ANN001
    axes,  # noqa: ANN001
    weights,  # noqa: ANN001
    degrees,  # noqa: ANN001
    bumps,  # noqa: ANN001
    radius_mm,  # noqa: ANN001
    core,  # noqa: ANN001
    least,  # noqa: ANN001
    most,  # noqa: ANN001
):
    """Write how much of each cell a nodule and its core fill.

    A cell's share is linear in the distance of its middle from the surface, over the width that the cell has
    along the radius.

    Parameters
    ----------
    whole, inner
        float32, shape (z, y, x): written in place.
    first_mm, step_mm
        Middle of the first cell from the nodule's origin, and the cells' size, along z, y and x; the axes
        of the grid are those of the shape.
    least, most
        The shape's radii lie between these shares of ``radius_mm``.
    """
    nz, ny, nx = whole.shape
    for z in range(nz):
        dz = first_mm[0] + z * step_mm[0]
        for y in range(ny):
            dy = first_mm[1] + y * step_mm[1]
            for x in range(nx):
                dx = first_mm[2] + x * step_mm[2]
                rho = np.sqrt(dx * dx + dy * dy + dz * dz)
                at = max(rho, 1e-6)
                ux, uy, uz = dx / at, dy / at, dz / at
                width = abs(ux) * step_mm[2] + abs(uy) * step_mm[1] + abs(uz) * step_mm[0]
                if rho < 1e-6:
                    width = step_mm[2]
                if rho > most * radius_mm + width:
                    continue
                sure = rho < least * radius_mm - width
                if sure and (core == 0.0 or rho > most * core * radius_mm + width):
                    whole[z, y, x] = 1.0
                    continue
                limit = radius_mm * _relative(ux, uy, uz, axes, weights, degrees, bumps)
                whole[z, y, x] = min(max(0.5 + (limit - rho) / width, 0.0), 1.0)
                if core > 0.0:
                    inner[z, y, x] = min(max(0.5 + (core * limit - rho) / width, 0.0), 1.0)
