"""Where nodules are implanted: free places of the wanted kind in a scan's lungs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from clearlung.anatomy import PLEURAL_LABELS, Anatomy
from clearlung.ct import Scan
from clearlung.errors import FieldError
from clearlung.phantom.implant_shapes import Nodule
from clearlung.phantom.implant_spec import ImplantSpec
from clearlung.phantom.spec import TOUCH_MM, TOUCHABLE_VESSEL_RADIUS_MM

_BATCH, _TRIES = 48, 80
# What a nodule would replace may hold this share of dense voxels: thin vessels, but no mass.
DENSE_HU, MOST_DENSE = -500.0, 0.08
# Tubes wider than this, and than this share of the nodule's radius, are not grown into.
OBSTACLE_RADIUS_MM, OBSTACLE_SHARE = 1.6, 0.22
MOST_OVERLAP_MM = 0.6
# Where a nodule sits broad on the pleura, its middle lies this share of its radius nearer, and this share of
# it is left at least.
BROAD_SHIFT, LEAST_LEFT = (0.15, 0.55), 0.42
# A nodule at a fissure has no more than this share of its surface beyond it.
MOST_ACROSS = 0.35
# Two nodules that touch share this much of their borders.
CONTACT_MM = 0.3


@dataclass(frozen=True, eq=False)
class Placed:
    """A nodule with its place.

    Parameters
    ----------
    nodule
        Its shape; grown where a part of it was cut off at the lung's surface.
    middle_mm
        Its origin on the grid (x, y, z): index times spacing, of the scan's whole grid.
    place
        One of :data:`clearlung.phantom.implant_spec.PLACES`.
    touching
        Whether it touches another one.
    """

    nodule: Nodule
    middle_mm: NDArray[np.float64]
    place: str
    touching: bool


class Placer:
    """Finds one place after the other.

    Parameters
    ----------
    scan, anatomy
        Where to place.
    spec
        Distances to keep.
    avoid_mm, avoid_diameter_mm
        Nodules that are there already: LPS centers (n, 3), and diameters.
    rng
        Which of the places.
    """

    def __init__(
        self,
        scan: Scan,
        anatomy: Anatomy,
        spec: ImplantSpec,
        avoid_mm: NDArray[np.float64],
        avoid_diameter_mm: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> None:
        self.spec, self.rng = spec, rng
        self.spacing = np.asarray(scan.volume.spacing_mm)
        self.start = np.array([s.indices(n)[0] for s, n in zip(anatomy.box, scan.volume.shape, strict=True)])
        self.hu = scan.volume.array[anatomy.box]
        self.lungs, self.lobes, self.depth = (
            volume.array for volume in (anatomy.lungs, anatomy.lobes, anatomy.depth_mm)
        )
        self.anatomy = anatomy
        self.vessels, self.vessel_radii = self._tubes(anatomy, scan, TOUCHABLE_VESSEL_RADIUS_MM)
        self.vessel_tree = cKDTree(self.vessels) if len(self.vessels) else None
        self.airways, self.airway_radii = self._tubes(anatomy, scan, OBSTACLE_RADIUS_MM, airways=True)
        self.airway_tree = cKDTree(self.airways) if len(self.airways) else None
        self.inside = np.flatnonzero((self.lobes > 0) & (self.depth > 0))
        if spec.nodules and not len(self.inside):
            raise FieldError("anatomy", "no lobe was found on this scan: nothing can be implanted")
        self.seeds: dict[str, NDArray[np.intp]] = {}
        middle = scan.volume.indices(avoid_mm) * self.spacing
        self.placed_mm = np.ascontiguousarray(middle[:, ::-1]).reshape(-1, 3)
        self.reach_mm = 0.5 * np.asarray(avoid_diameter_mm, dtype=np.float64)
        self.found: list[Placed] = []
        probe = rng.standard_normal((160, 3))
        probe /= np.linalg.norm(probe, axis=1, keepdims=True)
        self.probes, self.probe_radius = probe, np.cbrt(rng.random(160))

    def _tubes(
        self, anatomy: Anatomy, scan: Scan, least_mm: float, airways: bool = False
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        tree = anatomy.airway_tree if airways else anatomy.vessel_tree
        wide = tree.radius_mm >= least_mm
        at = scan.volume.indices(tree.points_mm[wide]) * self.spacing
        return np.ascontiguousarray(at[:, ::-1]), tree.radius_mm[wide].astype(np.float64)

    def place(self, nodule: Nodule, place: str, partner: Placed | None = None) -> Placed:
        """Find a place of a kind, beside another nodule where one is given, and keep it.

        Raises
        ------
        FieldError
            If there is none: it says what to reduce.
        """
        draw = {
            "free": self._anywhere,
            "vessel": self._at_vessel,
            "fissure": self._at_fissure,
            "pleura": self._at_pleura,
            "diaphragm": self._at_pleura,
        }[place]
        broad = place in ("pleura", "diaphragm") and self.rng.random() < self.spec.broad
        surface = nodule.surface_mm()
        for _ in range(_TRIES):
            candidates = self._beside(nodule, partner) if partner else draw(nodule, place, broad)
            for middle in candidates[self._apart(candidates, nodule.reach_mm, partner)]:
                kept = self._checked(nodule, surface, middle, place, partner)
                if kept is not None:
                    self.found.append(kept)
                    self.placed_mm = np.vstack([self.placed_mm, kept.middle_mm])
                    self.reach_mm = np.append(self.reach_mm, kept.nodule.reach_mm)
                    return kept
        raise FieldError(
            "nodules",
            f"no room for one of {nodule.diameter_mm:.1f} mm ({place}) after {len(self.found)} others:"
            f" reduce nodules, diameter_mm or the share at this place",
        )

    def _apart(self, middles: NDArray[np.float64], reach: float, partner: Placed | None) -> NDArray[np.intp]:
        """Rows of the places that are far enough from all nodules (but the partner)."""
        if not len(self.placed_mm) or not len(middles):
            return np.arange(len(middles))
        gap = np.linalg.norm(middles[:, None] - self.placed_mm[None], axis=2) - self.reach_mm - reach
        if partner is not None:
            own = (self.placed_mm == partner.middle_mm).all(axis=1)
            gap[:, own] = np.inf
        return np.flatnonzero((gap >= self.spec.gap_mm).all(axis=1))

    def _checked(
        self,
        nodule: Nodule,
        surface: NDArray[np.float64],
        middle: NDArray[np.float64],
        place: str,
        partner: Placed | None,
    ) -> Placed | None:
        pleural = place in ("pleura", "diaphragm")
        side = self._label(self.lungs, middle[None])[0]
        inner = middle + self.probes * (self.probe_radius * nodule.radii_mm(self.probes))[:, None]
        own = self._label(self.lungs, inner) == side
        if pleural and side:
            left = float(own.mean())
            if left < LEAST_LEFT:
                return None
            nodule = nodule.scaled(left ** (-1 / 3)) if left < 0.99 else nodule
            surface = nodule.surface_mm()
            inner = middle + self.probes * (self.probe_radius * nodule.radii_mm(self.probes))[:, None]
            own = self._label(self.lungs, inner) == side
        elif not side or not own.all():
            return None
        edge = middle + surface
        if not self._edge_fits(edge, middle, side, place, partner is not None):
            return None
        if np.mean(self._value(self.hu, inner[own]) > DENSE_HU) > MOST_DENSE + 0.1 * pleural:
            return None
        if not self._clear_of_tubes(nodule, middle, place):
            return None
        return Placed(nodule, middle, place, partner is not None)

    def _edge_fits(
        self, edge: NDArray[np.float64], middle: NDArray[np.float64], side: int, place: str, beside: bool
    ) -> bool:
        """Whether a nodule's surface is where its kind of place wants it."""
        lobe = self._label(self.lobes, edge)
        across = np.mean((lobe > 0) & (lobe != self._label(self.lobes, middle[None])[0]))
        if place in ("pleura", "diaphragm"):
            return bool(across < 0.1)
        depth = self._value(self.depth, edge)
        least = 0.3 if place in ("vessel", "fissure") or beside else 1.0
        if depth.min() < least or (self._label(self.lungs, edge) != side).any():
            return False
        return bool(0 < across <= MOST_ACROSS) if place == "fissure" else bool(across == 0)

    def _clear_of_tubes(self, nodule: Nodule, middle: NDArray[np.float64], place: str) -> bool:
        """Whether no wide tube runs into a nodule, and a vessel touches it if and only if it shall."""
        widest = max(OBSTACLE_RADIUS_MM, OBSTACLE_SHARE * nodule.radius_mm)
        nearest = np.inf
        for tree, points, radii in (
            (self.vessel_tree, self.vessels, self.vessel_radii),
            (self.airway_tree, self.airways, self.airway_radii),
        ):
            if tree is None:
                continue
            near = tree.query_ball_point(middle, nodule.reach_mm + 8.0)
            if not near:
                continue
            offset = points[near] - middle
            distance = np.linalg.norm(offset, axis=1)
            gap = distance - radii[near] - nodule.radii_mm(offset / np.maximum(distance, 1e-9)[:, None])
            wide = radii[near] > widest
            if (gap[wide] < -MOST_OVERLAP_MM).any():
                return False
            if tree is self.vessel_tree:
                nearest = float(gap.min())
        if place == "vessel":
            return nearest <= TOUCH_MM
        # In large lungs every larger nodule meets some vessel.
        return place != "free" or nearest > TOUCH_MM or nodule.radius_mm > 5.0

    # --- where to look ---------------------------------------------------------------------------------

    def _points_of(self, flat: NDArray[np.intp]) -> NDArray[np.float64]:
        """Grid points (x, y, z) in mm, anywhere in the given voxels of the box."""
        index = np.column_stack(np.unravel_index(flat, self.lungs.shape)) + self.start
        return np.asarray(((index + self.rng.uniform(-0.5, 0.5, index.shape)) * self.spacing)[:, ::-1])

    def _anywhere(self, nodule: Nodule, place: str, broad: bool) -> NDArray[np.float64]:
        return self._points_of(self.rng.choice(self.inside, _BATCH))

    def _at_vessel(self, nodule: Nodule, place: str, broad: bool) -> NDArray[np.float64]:
        if not len(self.vessels):
            raise FieldError("vessel", "this anatomy has no vessels of 1 mm radius: set the share to 0")
        at = self.rng.integers(len(self.vessels), size=_BATCH)
        away = self._directions(_BATCH)
        reach = nodule.radii_mm(-away) + self.vessel_radii[at] + self.rng.uniform(-0.4, TOUCH_MM, _BATCH)
        return np.asarray(self.vessels[at] + away * reach[:, None])

    def _at_fissure(self, nodule: Nodule, place: str, broad: bool) -> NDArray[np.float64]:
        if place not in self.seeds:
            self.seeds[place] = _fissure_voxels(self.lobes, self.lungs)
        if not len(self.seeds[place]):
            raise FieldError("fissure", "this anatomy has no two lobes that meet: set the share to 0")
        points = self._points_of(self.rng.choice(self.seeds[place], _BATCH))
        away = self._directions(_BATCH)
        return points + away * (nodule.radii_mm(-away) * self.rng.uniform(0.75, 1.0, _BATCH))[:, None]

    def _at_pleura(self, nodule: Nodule, place: str, broad: bool) -> NDArray[np.float64]:
        if place not in self.seeds:
            self.seeds[place] = _pleural_voxels(self.anatomy, place)
        if not len(self.seeds[place]):
            raise FieldError(place, f"this anatomy names no such part of the pleura ({place}): set it to 0")
        points = self._points_of(self.rng.choice(self.seeds[place], _BATCH))
        inward = np.zeros_like(points)
        for axis in range(3):
            step = np.zeros(3)
            step[axis] = 2.5
            inward[:, axis] = self._value(self.depth, points + step) - self._value(self.depth, points - step)
        length = np.linalg.norm(inward, axis=1)
        points, inward = points[length > 0.5], inward[length > 0.5] / length[length > 0.5, None]
        reach = nodule.radii_mm(-inward)
        shift = self.rng.uniform(*BROAD_SHIFT, len(points)) if broad else np.full(len(points), 0.02)
        depth = self._value(self.depth, points)
        return np.asarray(points + inward * (reach * (1.0 - shift) - depth)[:, None])

    def _beside(self, nodule: Nodule, partner: Placed) -> NDArray[np.float64]:
        away = self._directions(_BATCH)
        apart = partner.nodule.radii_mm(away) + nodule.radii_mm(-away) - CONTACT_MM
        return np.asarray(partner.middle_mm + away * apart[:, None])

    def _directions(self, n: int) -> NDArray[np.float64]:
        drawn = self.rng.standard_normal((n, 3))
        return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))

    # --- what is there ---------------------------------------------------------------------------------

    def box_index(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fractional index (z, y, x) on the anatomy's box of grid points (x, y, z) in mm."""
        return np.asarray(points_mm[:, ::-1] / self.spacing - self.start)

    def _label(self, labels: NDArray[np.uint8], points: NDArray[np.float64]) -> NDArray[np.uint8]:
        at = np.rint(self.box_index(points)).astype(np.int64)
        inside = ((at >= 0) & (at < labels.shape)).all(axis=1)
        found = np.zeros(len(at), dtype=np.uint8)
        found[inside] = labels[tuple(at[inside].T)]
        return found

    def _value(self, values: NDArray[np.generic], points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(
            map_coordinates(values, self.box_index(points).T, order=1, mode="nearest", output=np.float64)
        )


def _fissure_voxels(lobes: NDArray[np.uint8], lungs: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Flat indices of the voxels whose next one along some axis lies in another lobe of the same lung."""
    border = np.zeros(lobes.shape, dtype=np.bool_)
    for axis in range(3):
        one, other = (
            tuple(slice(*((a, b) if k == axis else (None, None))) for k in range(3))
            for a, b in ((None, -1), (1, None))
        )
        border[one] |= (
            (lobes[one] != lobes[other])
            & (lobes[one] > 0)
            & (lobes[other] > 0)
            & (lungs[one] == lungs[other])
        )
    return np.flatnonzero(border)


def _pleural_voxels(anatomy: Anatomy, place: str) -> NDArray[np.intp]:
    """Flat indices of the voxels at the lung's surface: on the diaphragm, or elsewhere."""
    if anatomy.pleura is None:
        thin = float(min(anatomy.lungs.spacing_mm))
        surface = (anatomy.lungs.array > 0) & (anatomy.depth_mm.array <= thin)
        return np.flatnonzero(surface) if place == "pleura" else np.zeros(0, dtype=np.intp)
    part = anatomy.pleura.array
    if place == "diaphragm":
        return np.flatnonzero(part == PLEURAL_LABELS["diaphragmatic"])
    return np.flatnonzero((part == PLEURAL_LABELS["costal"]) | (part == PLEURAL_LABELS["mediastinal"]))
