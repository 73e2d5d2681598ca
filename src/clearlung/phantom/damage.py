"""Damaged lungs: fluid, emphysema, consolidation, a mass, the scars and staples of wedges.

Simple shapes, made to test whether such states are noticed; all sizes and places are assumed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import SIDES, Lobe, Side
from clearlung.phantom.body import Body
from clearlung.phantom.fields import Field, distance_like, smooth_intersection, smooth_noise
from clearlung.phantom.pleura import Pleura
from clearlung.phantom.shapes import ellipsoid_field
from clearlung.phantom.spec import PhantomSpec

# Fluid stands higher at the ribs than in the middle: mm to the front per mm to the side.
MENISCUS = 0.25
FLUID_EDGE_MM = 6.0
# Emphysema: bullae of about this size, more of them at the top, by standard deviations per 100 mm.
BULLA_MM = 16.0
UPPER_PREFERENCE = 0.9
BULLA_RIM_MM = 3.0
# Share of its lobe that a consolidation fills.
CONSOLIDATED_SHARE = 0.45
# A mass reaches this far into the wall that it sits on, by its radius, and is uneven by this share.
MASS_IN_WALL = 0.35
MASS_UNEVEN = 0.08
# A mass at the wall sits on the ribs, one at the mediastinum near its middle: distance from the midline.
MEDIASTINAL_MM = 45.0
COSTAL_MM = 75.0


@dataclass(frozen=True, eq=False)
class Wedge:
    """What a wedge leaves: a scar at the pleura with rows of staples along it.

    Parameters
    ----------
    place_mm
        LPS point of the pleura.
    inward, along
        Unit vectors from there: into the lung, and along the rows.
    """

    place_mm: NDArray[np.float64]
    inward: NDArray[np.float64]
    along: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Damage:
    """What is wrong with the lungs, as it was made.

    Parameters
    ----------
    operation, missing
        The earlier operation, and the lobes that it took.
    effusion_ml
        Fluid on each side.
    emphysema_share
        Share of the lungs' volume in bullae.
    consolidated, consolidated_ml
        The lobe with a consolidation, "" for none, and its volume.
    mass_mm, mass_ml
        LPS center of the mass, None without one, and what of it lies in the lung.
    wedges
        Scars with staples.
    bullae, consolidation, mass
        Signed distances, negative inside.
    """

    operation: str = "none"
    missing: tuple[Lobe, ...] = ()
    effusion_ml: dict[Side, float] = field(default_factory=lambda: {"right": 0.0, "left": 0.0})
    emphysema_share: float = 0.0
    consolidated: str = ""
    consolidated_ml: float = 0.0
    mass_mm: tuple[float, float, float] | None = None
    mass_ml: float = 0.0
    wedges: tuple[Wedge, ...] = ()
    bullae: Field | None = None
    consolidation: Field | None = None
    mass: Field | None = None


def damage_body(body: Body, spec: PhantomSpec, rng: np.random.Generator) -> tuple[Body, Damage]:
    """Damage the lungs as a specification asks.

    Returns
    -------
    body, damage
        The body with less lung where there is fluid; what was done to it.
    """
    damage = Damage(spec.operation, body.operation.missing)
    for side, wanted_ml in zip(SIDES, spec.effusion_ml, strict=True):
        if wanted_ml > 0 and (body.lungs[side].array < 0).any():
            body, filled_ml = _with_fluid(body, side, wanted_ml)
            damage = replace(damage, effusion_ml={**damage.effusion_ml, side: filled_ml})
    solid: list[Field] = []
    if spec.emphysema > 0:
        bullae, share = _bullae(body, spec.emphysema, rng)
        damage = replace(damage, bullae=bullae, emphysema_share=share)
    if spec.consolidation:
        part, part_ml = _consolidation(body, spec.consolidation, rng)
        damage = replace(damage, consolidated=spec.consolidation, consolidated_ml=part_ml, consolidation=part)
        solid.append(part)
    if spec.mass_mm > 0:
        mass, center, mass_ml = _mass(body, spec, rng)
        damage = replace(damage, mass=mass, mass_mm=center, mass_ml=mass_ml)
        solid.append(mass)
    if spec.operation == "wedges":
        damage = replace(damage, wedges=_wedges(body, spec.wedges, rng))
    if solid:
        union = np.minimum.reduce([part.array for part in solid])
        body = replace(body, solid=body.skin.with_array(union))
    return body, damage


def _ml(body: Body, inside: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(inside)) * body.skin.step_mm**3 / 1000.0


def _with_fluid(body: Body, side: Side, wanted_ml: float) -> tuple[Body, float]:
    """Let fluid layer at the back of one side; the lung floats before it."""
    lung = body.lungs[side]
    _, y, x = lung.axes_mm()
    height = np.broadcast_to(y + MENISCUS * (np.abs(x) - 80.0), lung.array.shape)
    inside = lung.array < 0
    share = min(wanted_ml / _ml(body, inside), 0.95)
    level = np.float32(np.quantile(height[inside], 1.0 - share))
    below = distance_like(lung.with_array((height - level).astype(np.float32)))
    left = lung.with_array(smooth_intersection(lung.array, below.array, FLUID_EDGE_MM))
    lungs = {**body.lungs, side: left}
    return replace(body, lungs=lungs, fluid={**body.fluid, side: lung}), _ml(body, inside & (left.array >= 0))


def _bullae(body: Body, share: float, rng: np.random.Generator) -> tuple[Field, float]:
    """Air in clusters, more of it at the top, that fills a share of the lungs."""
    grid = body.skin
    lungs = np.minimum(body.lungs["right"].array, body.lungs["left"].array)
    noise = smooth_noise(grid, BULLA_MM, rng) + UPPER_PREFERENCE * grid.axes_mm()[0] / 100.0
    core = lungs < -BULLA_RIM_MM
    inside = lungs < 0
    wanted = min(share * np.count_nonzero(inside) / np.count_nonzero(core), 1.0)
    limit = np.float32(np.quantile(noise[core], 1.0 - wanted))
    clusters = distance_like(grid.with_array(limit - noise))
    bullae = np.maximum(clusters.array, lungs + BULLA_RIM_MM)
    return grid.with_array(bullae), float((bullae[inside] < 0).mean())


def _consolidation(body: Body, lobe: Lobe, rng: np.random.Generator) -> tuple[Field, float]:
    """Fill the part of a lobe that is nearest to a point of its pleura."""
    room = body.lobe(lobe)
    inside = np.argwhere(room.array < 0)
    if not len(inside):
        raise ValueError(f"there is no {lobe} to consolidate; name another lobe or operation")
    zyx = inside[rng.integers(len(inside), size=40)] * room.step_mm + np.asarray(room.origin_mm)
    z, y, x = zyx[np.argmax(np.abs(zyx[:, 2]) + zyx[:, 1])]
    zs, ys, xs = room.axes_mm()
    away = np.sqrt((zs - z) ** 2 + (ys - y) ** 2 + (xs - x) ** 2) + 4.0 * smooth_noise(room, 20.0, rng)
    limit = np.quantile(away[room.array < 0], CONSOLIDATED_SHARE)
    part = np.maximum(room.array, (away - limit).astype(np.float32))
    return room.with_array(part), _ml(body, part < 0)


def _mass(
    body: Body, spec: PhantomSpec, rng: np.random.Generator
) -> tuple[Field, tuple[float, float, float], float]:
    """One mass that sits broad on the chest wall or the mediastinum."""
    sides = [side for side in SIDES if (body.lungs[side].array < 0).any()]
    lung = body.lungs[sides[int(rng.integers(len(sides)))]]
    points = Pleura(lung).points_mm
    aside = np.abs(points[:, 0])
    fits = aside < MEDIASTINAL_MM if spec.mass_at == "mediastinum" else aside > COSTAL_MM
    fits &= (points[:, 2] > -80) & (points[:, 2] < 60)
    place = points[fits][rng.integers(np.count_nonzero(fits))]
    inward = -lung.gradient_at(place)[0]
    inward /= max(float(np.linalg.norm(inward)), 1e-6)
    radius = spec.mass_mm / 2
    center = place + inward * radius * (1 - MASS_IN_WALL)
    ball = ellipsoid_field(lung, center, (radius, 0.95 * radius, 1.05 * radius)).array
    uneven = ball + MASS_UNEVEN * radius * smooth_noise(lung, max(0.6 * radius, 6.0), rng)
    mass = lung.with_array(np.maximum(uneven, lung.array))
    x, y, z = center.tolist()
    return mass, (x, y, z), _ml(body, mass.array < 0)


def _wedges(body: Body, count: int, rng: np.random.Generator) -> tuple[Wedge, ...]:
    """Scars on the costal pleura, away from each other."""
    found: list[Wedge] = []
    pleura = {side: Pleura(body.lungs[side]).points_mm for side in SIDES}
    for k in range(count):
        side = SIDES[k % 2]
        points = pleura[side]
        points = points[(np.abs(points[:, 0]) > COSTAL_MM) & (points[:, 2] > -90)]
        for place in points[rng.integers(len(points), size=30)]:
            if all(np.linalg.norm(place - other.place_mm) > 40.0 for other in found):
                inward = -body.lungs[side].gradient_at(place)[0]
                inward /= max(float(np.linalg.norm(inward)), 1e-6)
                along = np.cross(inward, rng.standard_normal(3))
                found.append(Wedge(place, inward, along / np.linalg.norm(along)))
                break
    return tuple(found)
