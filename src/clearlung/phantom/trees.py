"""The bronchi, arteries and veins of the lobes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBE_SIDES, LOBES, Lobe
from clearlung.phantom import atlas
from clearlung.phantom.body import Body
from clearlung.phantom.branching import grow
from clearlung.phantom.fields import Field
from clearlung.phantom.shapes import Tubes, smooth_path

# Ends of the arterial and venous trees per ml of lung: together one end for about 0.6 ml, the finest vessels
# that a thin slice shows.
ARTERY_ENDS_PER_ML = 0.9
VEIN_ENDS_PER_ML = 0.8
# Huang 1996 (human pulmonary arteries): 3.36 branches per order, diameters 1.56 apart, so that
# r ~ n^(1/2.7) with n the ends supplied.
RADIUS_EXPONENT = 1 / 2.7
END_RADIUS_MM = 0.44
# Assumed: a bronchus' lumen is 0.72 of its artery, its wall 0.18 of the lumen's radius and 0.2 mm.
LUMEN_TO_ARTERY = 0.72
WALL_TO_LUMEN = 0.18
WALL_LEAST_MM = 0.2
# A lumen below this radius is not seen on CT.
LEAST_LUMEN_MM = 0.45
MARGIN_MM = 1.5
# A branch that leaves its lobe by more than this is not drawn.
STRAY_MM = 1.0


@dataclass(frozen=True, eq=False)
class Trees:
    """Tubes of all lobes and the mediastinum.

    Parameters
    ----------
    arteries, veins
        Inside the lungs.
    bronchi
        Lumina, from the trachea outwards.
    wall_mm
        float64, per bronchus: thickness of its wall.
    """

    arteries: Tubes
    veins: Tubes
    bronchi: Tubes
    wall_mm: NDArray[np.float64]

    @property
    def vessels(self) -> Tubes:
        """Arteries and veins."""
        return Tubes.joined([self.arteries, self.veins])


def make_trees(body: Body, rng: np.random.Generator) -> Trees:
    """Grow the trees of every lobe.

    Parameters
    ----------
    body
        The patient whose lobes they fill.
    rng
        Where the ends lie and how each branch parts.

    Returns
    -------
    Trees
        Tubes in LPS mm.
    """
    arteries, veins, bronchi = [], [], [_central_airways(body.scale)]
    for lobe in LOBES:
        field = body.lobe(lobe)
        artery, bronchus = _bronchovascular(field, lobe, body.scale, rng)
        arteries.append(artery)
        bronchi.append(bronchus)
        veins.append(_veins(field, lobe, body.scale, rng))
    lumina = Tubes.joined(bronchi)
    wall = WALL_TO_LUMEN * lumina.start_radius_mm + WALL_LEAST_MM
    central = len(bronchi[0])
    wall[:central] = atlas.AIRWAY_WALL_MM
    return Trees(Tubes.joined(arteries), Tubes.joined(veins), lumina, wall)


def _central_airways(scale: NDArray[np.float64]) -> Tubes:
    paths = (
        atlas.TRACHEA_MM,
        atlas.RIGHT_MAIN_MM,
        atlas.INTERMEDIATE_MM,
        atlas.LEFT_MAIN_MM,
        atlas.LEFT_UPPER_MM,
    )
    return Tubes.joined([Tubes.along(smooth_path(path)) for path in paths]).scaled(scale)


def _ends(field: Field, per_ml: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Scatter points over a lobe, evenly: one in each cell of a jittered grid."""
    cell_mm = (1000.0 / per_ml) ** (1 / 3)
    extent = np.array(field.array.shape) * field.step_mm
    counts = np.ceil(extent / cell_mm).astype(int)
    cells = np.stack(np.meshgrid(*(np.arange(n) for n in counts), indexing="ij"), axis=-1).reshape(-1, 3)
    zyx = (cells + rng.random(cells.shape)) * cell_mm + np.asarray(field.origin_mm)
    points = np.ascontiguousarray(zyx[:, ::-1])
    return points[field.at(points) < -MARGIN_MM - 0.5]


def _grown(
    field: Field, start: NDArray[np.float64], per_ml: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Grow one tree into a lobe; return place, parent and radius of its nodes."""
    ends = _ends(field, per_ml, rng)
    uniform = rng.random((4 * len(ends), 2))
    place, parent, supplied = grow(
        ends, start, field.array, field.step_mm, np.asarray(field.origin_mm), uniform, MARGIN_MM
    )
    return place, parent, END_RADIUS_MM * supplied**RADIUS_EXPONENT


def _tubes(place: NDArray[np.float64], parent: NDArray[np.int64], radius: NDArray[np.float64]) -> Tubes:
    """Make each node the end of a tube from its parent, as thick there as the branch itself."""
    child = np.arange(1, len(place))
    before = parent[child]
    first = np.minimum(radius[before], 1.15 * radius[child])
    return Tubes(place[before], place[child], first, radius[child])


def _bronchovascular(
    field: Field, lobe: Lobe, scale: NDArray[np.float64], rng: np.random.Generator
) -> tuple[Tubes, Tubes]:
    """Grow the bronchial tree, its arteries beside it."""
    start = np.asarray(atlas.BRONCHUS_START_MM[lobe]) * scale
    place, parent, artery_radius = _grown(field, start, ARTERY_ENDS_PER_ML, rng)
    lumen = LUMEN_TO_ARTERY * artery_radius
    lumen = np.where(lumen < LEAST_LUMEN_MM, 0.0, lumen)
    direction = place - place[np.maximum(parent, 0)]
    direction[0] = direction[1]
    aside = np.cross(direction, (0.25, 0.35, -0.9 if LOBE_SIDES[lobe] == "right" else 0.9))
    aside /= np.maximum(np.linalg.norm(aside, axis=1, keepdims=True), 1e-9)
    gap = artery_radius + lumen * (1 + WALL_TO_LUMEN) + WALL_LEAST_MM
    beside = place + aside * np.where(lumen > 0, gap, 0.0)[:, None]
    outside = field.at(beside) > -MARGIN_MM
    beside[outside] = place[outside]
    beside[0] = np.asarray(atlas.ARTERY_START_MM[lobe]) * scale
    bronchi = _within(_tubes(place, parent, lumen), field)
    arteries = _within(_tubes(beside, parent, artery_radius), field)
    return arteries, bronchi.chosen(bronchi.end_radius_mm > 0)


def _within(tubes: Tubes, field: Field) -> Tubes:
    """Drop what strays from the lobe, but for the stem that leads to it."""
    middle = (tubes.start_mm + tubes.end_mm) / 2
    strays = np.maximum(field.at(middle), field.at(tubes.end_mm)) > STRAY_MM
    strays[0] = False
    return tubes.chosen(~strays)


def _veins(field: Field, lobe: Lobe, scale: NDArray[np.float64], rng: np.random.Generator) -> Tubes:
    start = np.asarray(atlas.VEIN_START_MM[lobe]) * scale
    return _within(_tubes(*_grown(field, start, VEIN_ENDS_PER_ML, rng)), field)
