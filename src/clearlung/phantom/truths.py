"""What is known of a phantom beyond its label maps: trees as branches, hila, the fissures that are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBE_SIDES, LOBES, SIDES, BranchTree, Fissure, Lobe, Side
from clearlung.ct import Box, Volume
from clearlung.evidence import load_evidence
from clearlung.phantom.body import Body
from clearlung.phantom.damage import Damage
from clearlung.phantom.fields import Field
from clearlung.phantom.fissures import Sheet
from clearlung.phantom.nodes import Nodes
from clearlung.phantom.painting import Canvas, paint_field, paint_tubes
from clearlung.phantom.pleura import Pleura
from clearlung.phantom.shapes import Tubes
from clearlung.phantom.trees import Trees

STEM_NAMES: dict[Lobe, str] = {
    "RUL": "right upper lobar",
    "RML": "middle lobar",
    "RLL": "right lower lobar",
    "LUL": "left upper lobar",
    "LLL": "left lower lobar",
}
"""What the airway tree calls each lobe's bronchus."""

# A tube is drawn in a box of the scan; a voxel more on each side holds its edge.
BOX_MARGIN = 2


@dataclass(frozen=True, eq=False)
class Patient:
    """What a phantom keeps of the patient that it was made from.

    Parameters
    ----------
    lungs
        Signed distance of each lung that is there, negative inside.
    airway_nodes, vessel_nodes
        The trees.
    airway_tubes, vessel_tubes
        The same as they were drawn.
    fissures_seen
        How much of each fissure is there.
    inflation
        Volume of the lungs over that at full inspiration.
    damage
        What is wrong with the lungs.
    """

    lungs: Mapping[Side, Field]
    airway_nodes: Nodes
    vessel_nodes: Nodes
    airway_tubes: Tubes
    vessel_tubes: Tubes
    fissures_seen: tuple[Fissure, ...]
    inflation: float
    damage: Damage

    @classmethod
    def of(cls, body: Body, sheets: Iterable[Sheet], trees: Trees, damage: Damage) -> Patient:
        """Keep of a body what the truth needs."""
        seen = tuple(Fissure(s.name, s.lobes, s.complete_share) for s in sheets)
        return cls(
            {side: lung for side, lung in body.lungs.items() if (lung.array < 0).any()},
            trees.airway_nodes,
            trees.vessel_nodes,
            trees.bronchi,
            trees.vessels,
            seen,
            body.inflation,
            damage,
        )

    def depth_mm(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Depth of LPS points (n, 3) below the pleural surface of their lung; NaN outside the lungs."""
        points = np.asarray(points_mm, dtype=np.float64).reshape(-1, 3)
        depth = np.full(len(points), np.nan)
        for lung in self.lungs.values():
            inside = lung.at(points) < 0
            if inside.any():
                depth[inside] = Pleura(lung).depth_mm(points[inside])
        return depth

    def hila_mm(self) -> dict[Side, tuple[float, float, float]]:
        """Mean of the points where the bronchi, arteries and veins of the lobes enter each lung, LPS."""
        entries: dict[Side, list[NDArray[np.float64]]] = {side: [] for side in self.lungs}
        for nodes, kinds in ((self.airway_nodes, ("",)), (self.vessel_nodes, ("artery", "vein"))):
            for lobe in LOBES:
                side = LOBE_SIDES[lobe]
                for kind in kinds if side in self.lungs else ():
                    own = (
                        (nodes.lobe == lobe)
                        & (nodes.name == kind)
                        & (self.lungs[side].at(nodes.place_mm) < 0)
                    )
                    if own.any():
                        entries[side].append(nodes.place_mm[np.argmax(own)])
        found: dict[Side, tuple[float, float, float]] = {}
        for side, places in entries.items():
            if places:
                x, y, z = np.mean(places, axis=0).tolist()
                found[side] = (x, y, z)
        return found


def airway_branches(nodes: Nodes) -> tuple[BranchTree, NDArray[np.bool_]]:
    """List the airways, and tell which are the segmental bronchi.

    Returns
    -------
    tree, segmental
        The branches; bool per branch. In each lobe the branch that supplies most is parted again and again
        until there are as many as the lobe has segments; each is then a segmental bronchus.
    """
    tree, supplied = nodes.branches()
    book = load_evidence()
    name = tree.name.copy()
    segmental = np.zeros(len(tree), dtype=bool)
    for lobe in LOBES:
        own = np.flatnonzero(tree.lobe == lobe)
        if not own.size:
            continue
        name[own[0]] = STEM_NAMES[lobe]
        wanted = round(book.value(f"segment.count.{lobe}", unit="segment"))
        segmental[_parted(tree.parent, supplied, int(own[0]), wanted)] = True
    columns = {column: getattr(tree, column) for column in tree.__dataclass_fields__}
    return BranchTree(**{**columns, "name": name}), segmental


def _parted(parent: NDArray[np.int32], supplied: NDArray[np.float64], stem: int, wanted: int) -> list[int]:
    """Part a tree at the branch that supplies most, until there are as many as wanted."""
    front = [stem]
    whole: list[int] = []
    while front and len(front) + len(whole) < wanted:
        largest = max(front, key=lambda k: (k == stem, supplied[k]))
        front.remove(largest)
        children = np.flatnonzero(parent == largest).tolist()
        if len(children) > 1:
            front += children
        else:
            whole.append(largest)
    return front + whole


def tube_mask(tubes: Tubes, scan: Volume) -> NDArray[np.uint8]:
    """Mark the voxels of a scan that are more than half inside tubes: uint8, shape (z, y, x)."""
    mask = np.zeros(scan.shape, dtype=np.uint8)
    spacing, origin = np.array(scan.spacing_mm), np.array(scan.origin_mm[::-1])
    if not len(tubes):
        return mask
    box = _box_of(tubes, mask.shape, spacing, origin)
    corner = origin + spacing * np.array([part.start for part in box])
    canvas = Canvas(np.zeros(mask[box].shape, dtype=np.float32), spacing, corner)
    paint_tubes(canvas, tubes, 1.0, "brighter")
    mask[box] = canvas.hu > 0.5
    return mask


def _box_of(
    tubes: Tubes, shape: tuple[int, ...], spacing: NDArray[np.float64], origin: NDArray[np.float64]
) -> Box:
    widest = np.maximum(tubes.start_radius_mm, tubes.end_radius_mm)[:, None]
    low = np.minimum(tubes.start_mm, tubes.end_mm) - widest
    high = np.maximum(tubes.start_mm, tubes.end_mm) + widest
    first = np.floor((low.min(axis=0)[::-1] - origin) / spacing).astype(int) - BOX_MARGIN
    last = np.ceil((high.max(axis=0)[::-1] - origin) / spacing).astype(int) + BOX_MARGIN
    z, y, x = (
        slice(max(0, min(int(a), n - 1)), max(1, min(int(b), n)))
        for a, b, n in zip(first, last, shape, strict=True)
    )
    return z, y, x


def lung_mask(patient: Patient, scan: Volume) -> NDArray[np.bool_]:
    """Mark the voxels whose centers lie in a lung, hilar vessels and airways included."""
    spacing, origin = np.array(scan.spacing_mm), np.array(scan.origin_mm[::-1])
    inside = np.zeros(scan.shape, dtype=np.float32)
    canvas = Canvas(inside, spacing, origin)
    for side in SIDES:
        if side in patient.lungs:
            paint_field(canvas, patient.lungs[side], 1.0)
    return inside > 0.5
