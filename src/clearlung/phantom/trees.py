"""The bronchi, arteries and veins of the lobes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBE_SIDES, LOBES, Lobe
from clearlung.phantom import atlas
from clearlung.phantom.body import Body
from clearlung.phantom.branching import grow
from clearlung.phantom.fields import Field
from clearlung.phantom.fissures import Sheet
from clearlung.phantom.nodes import Nodes
from clearlung.phantom.operations import STUMP_MM, STUMP_SHARE
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
STUMP_RADIUS_MM = 3.6
MARGIN_MM = 1.5
# A branch that leaves its lobe by more than this is not drawn.
STRAY_MM = 1.0
# Assumed: beside a fissure no twig ends for a distance between these; on CT the fissures run in a zone
# without vessels.
AVASCULAR_MM = (1.5, 9.0)
# Where trees are kept whole, one that supplies more than this share of its lobe is drawn all the same.
STRAY_SUPPLIES = 0.02


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
    airway_nodes, vessel_nodes
        The same with what each piece springs from. The few that do not hang together with the rest because
        a piece between strayed and was not drawn are left out.
    """

    arteries: Tubes
    veins: Tubes
    bronchi: Tubes
    wall_mm: NDArray[np.float64]
    airway_nodes: Nodes
    vessel_nodes: Nodes

    def with_vessels(self, nodes: Nodes) -> Trees:
        """Add the vessels that were put to the end of the present ones."""
        new = np.flatnonzero(nodes.parent >= 0) >= len(self.vessel_nodes)
        veins = Tubes.joined([self.veins, nodes.tubes().chosen(new)])
        return replace(self, veins=veins, vessel_nodes=nodes)

    @property
    def vessels(self) -> Tubes:
        """Arteries and veins."""
        return Tubes.joined([self.arteries, self.veins])


def make_trees(body: Body, rng: np.random.Generator, avascular: Sequence[Sheet] = ()) -> Trees:
    """Grow the trees of every lobe.

    Parameters
    ----------
    body
        The patient whose lobes they fill.
    rng
        Where the ends lie and how each branch parts.
    avascular
        Fissures beside which few twigs end.

    Returns
    -------
    Trees
        Tubes in LPS mm, and the same as nodes.
    """
    central, stems = _central_airways(body)
    airways: list[Nodes] = [central]
    vessels: list[Nodes] = []
    arteries: list[Tubes] = []
    veins: list[Tubes] = []
    bronchi = [_central_tubes(body)]
    there = [lobe for lobe in LOBES if lobe not in body.operation.missing]
    for lobe in there:
        field = body.lobe(lobe)
        near = [sheet for sheet in avascular if lobe in sheet.lobes]
        artery, bronchus = _bronchovascular(body, field, lobe, rng, near)
        vein = _veins(body, field, lobe, rng, near)
        for nodes, tubes, trees in (
            (artery, arteries, vessels),
            (bronchus, bronchi, airways),
            (vein, veins, vessels),
        ):
            drawn = _drawn(nodes, field, body.variety.whole_trees)
            whole = nodes.kept(drawn)
            trees.append(whole)
            tubes.append(whole.tubes() if body.variety.whole_trees else nodes.tubes().chosen(drawn[1:]))
    lumina = Tubes.joined(bronchi)
    wall = WALL_TO_LUMEN * lumina.start_radius_mm + WALL_LEAST_MM
    wall[: len(bronchi[0])] = atlas.AIRWAY_WALL_MM
    return Trees(
        Tubes.joined(arteries),
        Tubes.joined(veins),
        lumina,
        wall,
        Nodes.joined(airways, [-1, *(stems[lobe] for lobe in there)]),
        Nodes.joined(vessels, [-1] * len(vessels)),
    )


# Name, course, the airway that each springs from, and the lobe of what is a lobe's own.
_CENTRAL: tuple[tuple[str, list[tuple[float, float, float, float]], str, Lobe | Literal[""]], ...] = (
    ("trachea", atlas.TRACHEA_MM, "", ""),
    ("right main", atlas.RIGHT_MAIN_MM, "trachea", ""),
    ("intermediate", atlas.INTERMEDIATE_MM, "right main", ""),
    ("left main", atlas.LEFT_MAIN_MM, "trachea", ""),
    ("left upper", atlas.LEFT_UPPER_MM, "left main", "LUL"),
)
_STEMS: dict[Lobe, str] = {
    "RUL": "right main",
    "RML": "intermediate",
    "RLL": "intermediate",
    "LUL": "left upper",
    "LLL": "left main",
}


def _central_courses(body: Body) -> list[tuple[str, NDArray[np.float64], str, Lobe | Literal[""]]]:
    """Name, course in the atlas, origin and lobe of the central airways that are there, stumps included."""
    operation = body.operation
    courses: list[tuple[str, NDArray[np.float64], str, Lobe | Literal[""]]] = []
    for name, course, before, lobe in _CENTRAL:
        if name in operation.gone:
            continue
        path = smooth_path(body.variety.airway_path(course))
        if name in operation.cut:
            path = path[: max(2, round(STUMP_SHARE * len(path)))]
        courses.append((name, path, before, lobe))
    if not operation.pneumonectomy:
        for gone in operation.missing:
            courses.append(("stump", _stump(body, gone), _STEMS[gone], ""))
    return courses


def _stump(body: Body, lobe: Lobe) -> NDArray[np.float64]:
    """Return what is left of a lobe's bronchus: (x, y, z, radius), in the atlas."""
    start = body.variety.moved(np.array([atlas.BRONCHUS_START_MM[lobe]]))[0]
    way = np.array([1.0 if LOBE_SIDES[lobe] == "left" else -1.0, 0.3, 0.5 if lobe == "RUL" else -0.6])
    end = start + STUMP_MM * way / np.linalg.norm(way)
    return np.array([[*start, STUMP_RADIUS_MM], [*end, STUMP_RADIUS_MM]])


def _central_tubes(body: Body) -> Tubes:
    return body.frame.tubes(Tubes.joined([Tubes.along(path) for _, path, _, _ in _central_courses(body)]))


def _central_airways(body: Body) -> tuple[Nodes, dict[Lobe, int]]:
    """Trachea to lobar bronchi as nodes, and the node that each lobe's tree springs from."""
    parts, stems = [], []
    ends = {"": -1}
    total = 0
    for name, path, before, lobe in _central_courses(body):
        places = np.column_stack([body.frame.points(path[:, :3]), path[:, 3]])
        parts.append(Nodes.along(places, name, lobe))
        stems.append(ends[before])
        total += len(path)
        ends[name] = total - 1
    starts = {lobe: ends[name] for lobe, name in _STEMS.items() if name in ends}
    return Nodes.joined(parts, stems), starts


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
    body: Body,
    field: Field,
    start_mm: tuple[float, float, float],
    per_ml: float,
    rng: np.random.Generator,
    sheets: Sequence[Sheet],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Grow one tree into a lobe; return place, parent and radius of its nodes, and the ends beyond each."""
    # A lung with less air in it has the same vessels, closer together.
    ends = _ends(field, per_ml / body.inflation, rng)
    if sheets:
        ends = _off_fissures(ends, sheets, rng)
    uniform = rng.random((4 * len(ends), 2))
    if body.variety.parting != 1.0:
        uniform **= body.variety.parting
    start = _place(body, start_mm)
    place, parent, supplied = grow(
        ends, start, field.array, field.step_mm, np.asarray(field.origin_mm), uniform, MARGIN_MM
    )
    return place, parent, END_RADIUS_MM * supplied**RADIUS_EXPONENT, supplied.astype(np.float64)


def _off_fissures(
    ends: NDArray[np.float64], sheets: Sequence[Sheet], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Leave out ends that are near to a fissure, where it is there."""
    zone = rng.uniform(*AVASCULAR_MM, size=len(ends))
    keep = np.ones(len(ends), dtype=bool)
    for sheet in sheets:
        near = np.abs(sheet.surface.at(ends)) < zone
        if sheet.thickness is not None:
            near &= sheet.thickness.at(ends) > 0.1
        keep &= ~near
    return ends[keep]


def _place(body: Body, atlas_mm: tuple[float, float, float]) -> NDArray[np.float64]:
    """Place a point where a tree begins."""
    return np.asarray(body.frame.points(body.variety.moved(np.array([atlas_mm])))[0])


def _nodes(
    place: NDArray[np.float64],
    parent: NDArray[np.int64],
    radius: NDArray[np.float64],
    supplied: NDArray[np.float64],
    lobe: Lobe,
    name: str = "",
) -> Nodes:
    """Make each node the end of a tube from its parent, as thick there as the branch itself."""
    first = np.minimum(radius[np.maximum(parent, 0)], 1.15 * radius)
    n = len(place)
    names = np.full(n, name, dtype="<U24")
    return Nodes(place, parent, first, radius, supplied, np.full(n, lobe, dtype="<U3"), names)


def _bronchovascular(
    body: Body, field: Field, lobe: Lobe, rng: np.random.Generator, sheets: Sequence[Sheet]
) -> tuple[Nodes, Nodes]:
    """Grow the bronchial tree, its arteries beside it; return arteries and bronchi."""
    place, parent, artery_radius, supplied = _grown(
        body, field, atlas.BRONCHUS_START_MM[lobe], ARTERY_ENDS_PER_ML, rng, sheets
    )
    lumen = LUMEN_TO_ARTERY * body.variety.airway * artery_radius
    lumen = np.where(lumen < LEAST_LUMEN_MM, 0.0, lumen)
    direction = place - place[np.maximum(parent, 0)]
    direction[0] = direction[1]
    aside = np.cross(direction, (0.25, 0.35, -0.9 if LOBE_SIDES[lobe] == "right" else 0.9))
    aside /= np.maximum(np.linalg.norm(aside, axis=1, keepdims=True), 1e-9)
    gap = artery_radius + lumen * (1 + WALL_TO_LUMEN) + WALL_LEAST_MM
    beside = place + aside * np.where(lumen > 0, gap, 0.0)[:, None]
    outside = field.at(beside) > -MARGIN_MM
    beside[outside] = place[outside]
    beside[0] = _place(body, atlas.ARTERY_START_MM[lobe])
    arteries = _nodes(beside, parent, artery_radius, supplied, lobe, "artery")
    return arteries, _nodes(place, parent, lumen, supplied, lobe)


def _drawn(nodes: Nodes, field: Field, whole_trees: bool) -> NDArray[np.bool_]:
    """Tell which pieces are drawn: not what strays from the lobe, but for the stem that leads to it."""
    before = np.maximum(nodes.parent, 0)
    middle = (nodes.place_mm[before] + nodes.place_mm) / 2
    strays = np.maximum(field.at(middle), field.at(nodes.place_mm)) > STRAY_MM
    strays[:2] = False
    if whole_trees:
        strays &= nodes.supplied <= STRAY_SUPPLIES * nodes.supplied[0]
    return ~strays & (nodes.radius_mm > 0)


def _veins(body: Body, field: Field, lobe: Lobe, rng: np.random.Generator, sheets: Sequence[Sheet]) -> Nodes:
    return _nodes(
        *_grown(body, field, atlas.VEIN_START_MM[lobe], VEIN_ENDS_PER_ML, rng, sheets), lobe, "vein"
    )
