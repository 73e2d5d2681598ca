"""Metastases: their sizes, shapes and places."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from clearlung.anatomy import LOBE_LABELS, LOBE_SIDES, LOBES, Lobe
from clearlung.phantom.body import Body
from clearlung.phantom.fields import Field
from clearlung.phantom.pleura import Pleura
from clearlung.phantom.round_shapes import DEGREES, fibonacci_sphere, mean_cube, relative_radius
from clearlung.phantom.shapes import Tubes
from clearlung.phantom.spec import (
    CALCIFIED_HU,
    CENTRAL_DENSITY,
    DIAMETER_RANGE_MM,
    GAP_MM,
    LOWER_LOBE_PREFERENCE,
    NODULE_HU,
    PERIPHERAL_DEPTH_MM,
    ROUGHNESS,
    TOUCH_MM,
    TOUCHABLE_VESSEL_RADIUS_MM,
    PhantomSpec,
)
from clearlung.phantom.trees import Trees

# The finer the shape, the less of the roughness it gets.
_AMPLITUDES = ROUGHNESS * np.array([1.2, 0.9, 0.6, 0.7, 0.5, 0.45, 0.45])
# Tubes wider than this are not grown into.
_OBSTACLE_RADIUS_MM = 1.6
_TRIES = 60
_BATCH = 64
# Assumed: this share of the pleural nodules sits broad on the pleura. The shape reaches beyond it by so much
# of its size, and no less than this share of its volume is left.
BROAD_SHARE = 0.5
BROAD_OVERLAP = (0.15, 0.55)
LEAST_LEFT = 0.4
BROAD_PROBES = 20


@dataclass(frozen=True, eq=False)
class Metastases:
    """Where the metastases lie and what they are, numbered as in the truth.

    Parameters
    ----------
    center_mm
        float64, shape (n, 3): centroid, LPS.
    diameter_mm
        float64: of the sphere of equal volume.
    origin_mm
        float64, shape (n, 3): the point that the radius is measured from.
    radius_mm
        float64: mean size; the radius in direction u is ``radius_mm * (1 + sum_k weight_k P_k(u . axis_k))``
        with P_k the Legendre polynomial of degree :data:`DEGREES`.
    axes, weights
        float64, shapes (n, 7, 3) and (n, 7).
    lobe
        One of :data:`clearlung.anatomy.LOBES`.
    depth_mm
        float64: distance of the centroid from the pleural surface.
    soft_hu, core_hu, core
        float64: attenuation outside and inside the core, and the core's share of the radius (0: none).
    touches_pleura, touches_vessel
        bool.
    clipped
        bool: whether the shape ends at the pleura, broad against it, and center and diameter are those of
        what lies inside. None: no shape does.
    """

    center_mm: NDArray[np.float64]
    diameter_mm: NDArray[np.float64]
    origin_mm: NDArray[np.float64]
    radius_mm: NDArray[np.float64]
    axes: NDArray[np.float64]
    weights: NDArray[np.float64]
    lobe: NDArray[np.str_]
    depth_mm: NDArray[np.float64]
    soft_hu: NDArray[np.float64]
    core_hu: NDArray[np.float64]
    core: NDArray[np.float64]
    touches_pleura: NDArray[np.bool_]
    touches_vessel: NDArray[np.bool_]
    clipped: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.diameter_mm)

    @property
    def calcified(self) -> NDArray[np.bool_]:
        """Whether there is a calcified core."""
        return self.core > 0


def draw_diameters_mm(spec: PhantomSpec, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the diameters, largest first: lognormal within :data:`DIAMETER_RANGE_MM`."""
    low, high = DIAMETER_RANGE_MM
    drawn = np.empty(0)
    while len(drawn) < spec.nodules:
        more = spec.diameter_median_mm * np.exp(spec.diameter_log_sd * rng.standard_normal(spec.nodules))
        drawn = np.concatenate([drawn, more[(more > low) & (more < high)]])
    return np.sort(drawn[: spec.nodules])[::-1].copy()


def make_metastases(spec: PhantomSpec, body: Body, trees: Trees, rng: np.random.Generator) -> Metastases:
    """Draw and place all metastases, the largest first.

    Parameters
    ----------
    spec
        How many, how large, and which share at the pleura, at a vessel and calcified.
    body, trees
        The lungs to place them in, and what is in the way.
    rng
        Sizes, shapes, places and attenuations.

    Returns
    -------
    Metastases
        In LPS mm and HU, numbered by side, lobe, and from head to feet.

    Raises
    ------
    ValueError
        If there is no room for one of them.
    """
    diameters = draw_diameters_mm(spec, rng)
    lobes = _draw_lobes(body, spec.nodules, rng)
    placer = _Placer(body, trees, rng, BROAD_SHARE if spec.realistic else 0.0)
    kinds = rng.choice(
        ["pleura", "vessel", "free"],
        size=spec.nodules,
        p=[spec.pleura_fraction, spec.vessel_fraction, 1 - spec.pleura_fraction - spec.vessel_fraction],
    )
    for diameter, lobe, kind in zip(diameters, lobes, kinds, strict=True):
        placer.place(float(diameter), lobe, str(kind))
    return placer.finished(diameters, np.array(lobes, dtype=np.str_), _attenuation(spec, diameters, rng))


def lobe_chances(body: Body) -> NDArray[np.float64]:
    """Return the chance of a metastasis to lie in each lobe: by volume, the lower lobes a little more."""
    volumes = np.array([np.count_nonzero(body.lobe(lobe).array < 0) for lobe in LOBES], dtype=float)
    volumes *= [LOWER_LOBE_PREFERENCE if lobe.endswith("LL") else 1.0 for lobe in LOBES]
    return np.asarray(volumes / volumes.sum())


def _draw_lobes(body: Body, n: int, rng: np.random.Generator) -> list[Lobe]:
    return [LOBES[k] for k in rng.choice(len(LOBES), size=n, p=lobe_chances(body))]


def _attenuation(
    spec: PhantomSpec, diameters: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Rows of soft HU, core HU and the core's share of the radius."""
    n = len(diameters)
    soft = rng.uniform(*NODULE_HU, size=n)
    core_hu = rng.uniform(*CALCIFIED_HU, size=n)
    core = np.where(rng.random(n) < spec.calcified_fraction, rng.uniform(0.45, 0.95, size=n), 0.0)
    return np.stack([soft, core_hu, core])


class _Placer:
    """Finds a free place for one metastasis after the other."""

    def __init__(self, body: Body, trees: Trees, rng: np.random.Generator, broad_share: float) -> None:
        self.rng = rng
        self.broad_share = broad_share
        self.solid = body.solid
        self.directions = fibonacci_sphere()
        self.lungs = body.lungs
        self.lobes = {lobe: body.lobe(lobe) for lobe in LOBES}
        self.inside = {lobe: _grid_points(field) for lobe, field in self.lobes.items()}
        self.pleura = {side: Pleura(field) for side, field in body.lungs.items()}
        vessels = trees.vessels
        self.vessels, self.vessel_radii = vessels.chosen(
            vessels.end_radius_mm >= TOUCHABLE_VESSEL_RADIUS_MM
        ).sampled()
        self.vessel_tree = cKDTree(self.vessels)
        wide = Tubes.joined([vessels, trees.bronchi.widened(trees.wall_mm)])
        points, self.obstacle_radii = wide.chosen(wide.end_radius_mm > _OBSTACLE_RADIUS_MM).sampled(1.0)
        self.obstacles = cKDTree(points)
        self.rows: list[dict[str, NDArray[np.float64]]] = []
        self.placed = np.empty((0, 3))
        self.reach = np.empty(0)

    def place(self, diameter: float, lobe: Lobe, kind: str) -> None:
        """Find a place and keep it."""
        shape = self._shape(diameter)
        broad = kind == "pleura" and self.broad_share > 0 and self.rng.random() < self.broad_share
        for attempt in range(_TRIES):
            draw = {"pleura": self._at_pleura, "vessel": self._at_vessel, "free": self._anywhere}[
                kind if attempt < _TRIES // 2 else "free"
            ]
            for center in draw(lobe, shape):
                if broad and attempt < _TRIES // 2:
                    if self._kept_broad(center, lobe, shape):
                        return
                elif self._fits(center, lobe, shape):
                    self._keep(center, shape)
                    return
        raise ValueError(
            f"no room for a nodule of {diameter:.1f} mm in the {lobe} after {len(self.rows)} others;"
            " ask for fewer or smaller ones"
        )

    def _shape(self, diameter: float) -> dict[str, NDArray[np.float64]]:
        """Draw a shape of exactly the wanted volume; ``offset`` leads from its centroid to its origin."""
        axes = self.rng.standard_normal((len(DEGREES), 3))
        axes /= np.linalg.norm(axes, axis=1, keepdims=True)
        weights = _AMPLITUDES * self.rng.standard_normal(len(DEGREES)).clip(-1.8, 1.8)
        relative = relative_radius(axes, weights, self.directions)
        size = diameter / 2 / np.mean(relative**3) ** (1 / 3)
        centroid = size * 0.75 * (relative[:, None] ** 4 * self.directions).mean(0) / np.mean(relative**3)
        surface = size * relative[:, None] * self.directions - centroid
        return {
            "axes": axes,
            "weights": weights,
            "radius": np.array(size),
            "offset": -centroid,
            "surface": surface,
            "reach": np.linalg.norm(surface, axis=1).max(),
        }

    def _anywhere(self, lobe: Lobe, shape: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Points of the lobe, denser towards the pleura."""
        points = self.inside[lobe][self.rng.integers(len(self.inside[lobe]), size=_BATCH)]
        points = points + self.rng.uniform(-1, 1, size=points.shape)
        depth = -self.lungs[LOBE_SIDES[lobe]].at(points)
        density = CENTRAL_DENSITY + (1 - CENTRAL_DENSITY) * np.exp(-depth / PERIPHERAL_DEPTH_MM)
        return np.asarray(points[self.rng.random(_BATCH) < density])

    def _at_pleura(self, lobe: Lobe, shape: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Points from which the shape just reaches the pleura."""
        lung = self.lungs[LOBE_SIDES[lobe]]
        surface = self.pleura[LOBE_SIDES[lobe]].points_mm
        points = surface[self.rng.integers(len(surface), size=4 * _BATCH)]
        inward = -lung.gradient_at(points)
        inward /= np.maximum(np.linalg.norm(inward, axis=1, keepdims=True), 1e-6)
        points = points + inward * shape["reach"]
        points = points[self.lobes[lobe].at(points) < 0][:8]
        moved = []
        for center in points:
            for _ in range(6):
                depth = -lung.at(center + shape["surface"]).max()
                normal = -lung.gradient_at(center)[0]
                center = center - (depth - TOUCH_MM / 2) * normal / max(np.linalg.norm(normal), 1e-6)
            moved.append(center)
        return np.array(moved).reshape(-1, 3)

    def _kept_broad(
        self, center: NDArray[np.float64], lobe: Lobe, shape: dict[str, NDArray[np.float64]]
    ) -> bool:
        """Push a shape that touches the pleura into it, larger by what that cuts off; tell whether it fit."""
        lung = self.lungs[LOBE_SIDES[lobe]]
        outward = lung.gradient_at(center)[0]
        outward /= max(float(np.linalg.norm(outward)), 1e-6)
        center = center + self.rng.uniform(*BROAD_OVERLAP) * float(shape["reach"]) * outward
        left, _ = self._inside(center, lung, shape)
        if left < LEAST_LEFT:
            return False
        grown = {**shape, "broad": np.array(1.0)}
        for name in ("radius", "offset", "surface", "reach"):
            grown[name] = shape[name] * left ** (-1 / 3)
        left, middle = self._inside(center, lung, grown)
        grown["left"] = np.array(left)
        surface = center + grown["surface"]
        within = surface[lung.at(surface) < 0]
        if left < LEAST_LEFT or not self._free(center, grown) or not (self.lobes[lobe].at(within) < 0).all():
            return False
        self._keep(center, {**grown, "middle": middle})
        return True

    def _inside(
        self, center: NDArray[np.float64], lung: Field, shape: dict[str, NDArray[np.float64]]
    ) -> tuple[float, NDArray[np.float64]]:
        """Share of a shape that lies in the lung, and the centroid of that."""
        steps = (np.arange(BROAD_PROBES) + 0.5) / BROAD_PROBES * 2 - 1
        offset = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
        offset = offset * float(shape["reach"]) * 1.1 - shape["offset"]
        distance = np.linalg.norm(offset, axis=1)
        direction = offset / np.maximum(distance, 1e-9)[:, None]
        limit = shape["radius"] * relative_radius(shape["axes"], shape["weights"], direction)
        points = center + shape["offset"] + offset[distance < limit]
        own = lung.at(points) < 0
        if not own.any():
            return 0.0, center
        return float(own.mean()), points[own].mean(axis=0)

    def _at_vessel(self, lobe: Lobe, shape: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
        """Points beside a vessel of the lobe."""
        chosen = self.rng.integers(len(self.vessels), size=4 * _BATCH)
        side = self.rng.standard_normal((4 * _BATCH, 3))
        side /= np.linalg.norm(side, axis=1, keepdims=True)
        reach = shape["radius"] + self.vessel_radii[chosen]
        points = self.vessels[chosen] + side * reach[:, None]
        return np.asarray(points[self.lobes[lobe].at(points) < 0])

    def _fits(self, center: NDArray[np.float64], lobe: Lobe, shape: dict[str, NDArray[np.float64]]) -> bool:
        if not self._free(center, shape):
            return False
        return bool(self.lobes[lobe].at(center + shape["surface"]).max() < 0)

    def _free(self, center: NDArray[np.float64], shape: dict[str, NDArray[np.float64]]) -> bool:
        """Whether no other nodule, wide vessel or solid lung is in the way."""
        if len(self.placed):
            apart = np.linalg.norm(self.placed - center, axis=1) - self.reach - shape["reach"]
            if apart.min() < GAP_MM:
                return False
        distance, index = self.obstacles.query(center, k=12)
        if (distance - self.obstacle_radii[index]).min() < shape["reach"] * 0.9:
            return False
        return self.solid is None or bool(self.solid.at(center)[0] > shape["reach"] + GAP_MM)

    def _keep(self, center: NDArray[np.float64], shape: dict[str, NDArray[np.float64]]) -> None:
        self.rows.append({**shape, "center": center})
        self.placed = np.vstack([self.placed, center])
        self.reach = np.append(self.reach, shape["reach"])

    def _touches_vessel(self, row: dict[str, NDArray[np.float64]]) -> bool:
        near = self.vessel_tree.query_ball_point(row["center"], float(row["reach"]) + 9.0)
        if not near:
            return False
        offset = self.vessels[near] - row["center"] - row["offset"]
        distance = np.linalg.norm(offset, axis=1)
        direction = offset / np.maximum(distance, 1e-9)[:, None]
        radius = row["radius"] * relative_radius(row["axes"], row["weights"], direction)
        return bool((distance - radius - self.vessel_radii[near]).min() <= TOUCH_MM)

    def finished(
        self, diameters: NDArray[np.float64], lobes: NDArray[np.str_], attenuation: NDArray[np.float64]
    ) -> Metastases:
        """Return the metastases in the order of their numbers: side, lobe, head to feet."""
        rank = np.array([LOBE_LABELS[lobe] for lobe in lobes.tolist()], dtype=int)
        # A shape that ends at the pleura is where what is left of it is.
        middle = np.array([r.get("middle", r["center"]) for r in self.rows]).reshape(-1, 3)
        order = np.lexsort((-middle[:, 2], rank))
        rows = [self.rows[k] for k in order]
        center = middle[order]
        star = np.array([r["center"] + r["offset"] for r in rows]).reshape(-1, 3)
        clipped = np.array(["broad" in r for r in rows], dtype=bool)
        left = np.array([float(r.get("left", 1.0)) for r in rows])
        size = np.array([float(r["radius"]) for r in rows])
        diameter = diameters[order]
        if clipped.any():
            whole = (
                size
                * np.array([mean_cube(r["axes"], r["weights"], self.directions) ** (1 / 3) for r in rows])
                * 2
            )
            diameter = np.where(clipped, whole * left ** (1 / 3), diameter)
        sides = [LOBE_SIDES[lobe] for lobe in lobes[order].tolist()]
        depth = np.zeros(len(center))
        for side, pleura in self.pleura.items():
            own = np.array(sides, dtype=np.str_) == side
            depth[own] = pleura.depth_mm(center[own])
        pleural = [
            -self.lungs[side].at(r["center"] + r["surface"]).max() <= TOUCH_MM
            for side, r in zip(sides, rows, strict=True)
        ]
        soft, core_hu, core = attenuation[:, order]
        return Metastases(
            center_mm=center,
            diameter_mm=diameter,
            origin_mm=star,
            radius_mm=np.array([r["radius"] for r in rows], dtype=np.float64),
            axes=np.array([r["axes"] for r in rows]).reshape(-1, len(DEGREES), 3),
            weights=np.array([r["weights"] for r in rows]).reshape(-1, len(DEGREES)),
            lobe=lobes[order],
            depth_mm=depth,
            soft_hu=soft,
            core_hu=core_hu,
            core=core,
            touches_pleura=np.array(pleural, dtype=bool),
            touches_vessel=np.array([self._touches_vessel(r) for r in rows], dtype=bool),
            clipped=clipped,
        )


def _grid_points(field: Field) -> NDArray[np.float64]:
    """Grid points inside a field, LPS."""
    zyx = np.argwhere(field.array < 0) * field.step_mm + np.asarray(field.origin_mm)
    return np.ascontiguousarray(zyx[:, ::-1], dtype=np.float64)
