"""From nodules to specimens: on the scan's own voxels, or as spheres where there is only a list."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from clearlung.anatomy import LUNG_LABELS, Anatomy, Side
from clearlung.evidence import EvidenceBook
from clearlung.nodules import NoduleTable
from clearlung.resection.specimens import SpecimenSet
from clearlung.resection.techniques import TIME_EVIDENCE, Technique, Wedge, make_techniques, minutes_for

# The distance transform measures to voxel centers, and a sphere's surface lies beyond the nearest of them:
# digital spheres of 2 to 8 mm with a rim of 5 mm get their true volume within 1 % on average with this share
# of a voxel, against -9 % without and +8 % with half a voxel.
SURFACE_BEYOND_VOXELS = 0.25


def excise(
    nodules: NoduleTable, anatomy: Anatomy | None, techniques: Sequence[str], book: EvidenceBook
) -> SpecimenSet:
    """Make one specimen for each nodule.

    The first technique that fits a nodule is used. On a scan a specimen is the set of lung voxels within
    the technique's margin of the nodule's mask (a wedge also takes what lies between it and the nearest
    pleura); a voxel within the margins of two nodules belongs to the nearer one, so volumes add up without
    counting tissue twice. Without a scan the nodule is a sphere below a flat pleura, and overlaps between
    neighbors are unknown.

    Parameters
    ----------
    nodules
        The nodules to take out; their label map lies on the anatomy's box.
    anatomy
        The lungs, or None for a radiologist's list.
    techniques
        Registered names, in order of preference.
    book
        The evidence.

    Returns
    -------
    SpecimenSet
        One specimen per nodule that a technique fits, in the nodules' order; the others with their reason.

    Raises
    ------
    ProtocolError
        If a technique is not registered.
    """
    return prepare_excision(nodules, anatomy, techniques, book).specimens


@dataclass(frozen=True, eq=False)
class Excision:
    """Specimens, and which voxels each would take: any nodule can be left out without cutting anew.

    Parameters
    ----------
    specimens
        As :func:`excise` returns them.
    voxel, owner
        int64 and int32: every claim of a specimen (by its row) on a voxel, by voxel, the nearest first; empty
        for a list without a scan.
    voxel_ml
        Volume of a voxel.
    """

    specimens: SpecimenSet
    voxel: NDArray[np.int64]
    owner: NDArray[np.int32]
    voxel_ml: float

    def without(self, lesions: Collection[int]) -> SpecimenSet:
        """Return the specimens that remain where some lesions need not be taken out.

        Parameters
        ----------
        lesions
            Their ids. What their specimens shared with others goes to those.
        """
        left_out = set(lesions)
        every = self.specimens
        kept = np.array([not left_out.issuperset(group) for group in every.lesions], dtype=np.bool_)
        rows = np.flatnonzero(kept)
        volumes = every.volume_ml
        if len(self.voxel):
            volumes = np.asarray(_counts(self.voxel, self.owner, kept) * self.voxel_ml, dtype=np.float64)
        return replace(
            every,
            id=every.id[rows],
            lesions=tuple(every.lesions[row] for row in rows),
            technique=every.technique[rows],
            side=every.side[rows],
            lobe=every.lobe[rows],
            volume_ml=volumes[rows],
            margin_mm=every.margin_mm[rows],
            minutes=every.minutes[rows],
            unresectable={k: why for k, why in every.unresectable.items() if k not in left_out},
        )


def prepare_excision(
    nodules: NoduleTable, anatomy: Anatomy | None, techniques: Sequence[str], book: EvidenceBook
) -> Excision:
    """Make one specimen for each nodule, and keep what each claims.

    Parameters
    ----------
    nodules, anatomy, techniques, book
        As for :func:`excise`.

    Raises
    ------
    ProtocolError
        If a technique is not registered.
    """
    available = make_techniques(techniques, book)
    chosen: dict[int, Technique] = {}
    unresectable: dict[int, str] = {}
    for row, (lesion, diameter, depth) in enumerate(
        zip(nodules.id.tolist(), nodules.diameter_mm.tolist(), nodules.depth_mm.tolist(), strict=True)
    ):
        refusals = [technique.refusal(diameter, depth) for technique in available]
        if None in refusals:
            chosen[row] = available[refusals.index(None)]
        else:
            unresectable[lesion] = "; ".join(filter(None, refusals))
    rows = np.fromiter(chosen, dtype=np.int64, count=len(chosen))
    voxel, owner, voxel_ml = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32), 0.0
    if anatomy is None or nodules.labels is None:
        volume_ml = np.array(
            [
                t.sphere_ml(float(nodules.diameter_mm[r]), float(nodules.depth_mm[r]))
                for r, t in chosen.items()
            ]
        )
    else:
        voxel, owner = _claims(nodules, nodules.labels.array, anatomy, chosen)
        voxel_ml = anatomy.lungs.voxel_ml
        volume_ml = _counts(voxel, owner, np.ones(len(chosen), dtype=np.bool_)) * voxel_ml
    used = {technique.name: technique for technique in chosen.values()}
    specimens = SpecimenSet(
        id=np.arange(1, len(rows) + 1, dtype=np.int32),
        lesions=tuple((int(nodules.id[row]),) for row in rows),
        technique=np.array([t.name for t in chosen.values()], dtype=np.str_),
        side=nodules.side[rows],
        lobe=nodules.lobe[rows],
        volume_ml=volume_ml.astype(np.float64),
        margin_mm=np.array([t.margin_mm for t in chosen.values()], dtype=np.float64),
        minutes=np.array([minutes_for(float(nodules.depth_mm[row]), book) for row in rows], dtype=np.float64),
        unresectable=unresectable,
        evidence=tuple(e for t in used.values() for e in t.evidence) + TIME_EVIDENCE,
    )
    return Excision(specimens, voxel, owner, voxel_ml)


def deep_beds(nodules: NoduleTable, specimens: SpecimenSet, book: EvidenceBook) -> tuple[int, int]:
    """Count the laser beds that a suture must close.

    Parameters
    ----------
    nodules, specimens
        From :func:`excise`.
    book
        The evidence: to which depth a laser bed is airtight without a suture, and is known to be with one.

    Returns
    -------
    sutured, unknown
        Beds deeper than what is airtight by itself, and of those the ones deeper than anybody has tested.
    """
    row_of = {lesion: row for row, lesion in enumerate(nodules.id.tolist())}
    laser = np.flatnonzero(specimens.technique == "laser")
    rows = np.array([row_of[specimens.lesions[i][0]] for i in laser], dtype=np.int64)
    reach_mm = nodules.depth_mm[rows] + nodules.diameter_mm[rows] / 2 + specimens.margin_mm[laser]
    sutured = reach_mm > book.value("technique.laser.airtight_depth", unit="mm")
    unknown = reach_mm > book.value("technique.laser.sutured_depth", unit="mm")
    return int(sutured.sum()), int(unknown.sum())


def _claims(
    nodules: NoduleTable, labels: NDArray[np.int32], anatomy: Anatomy, chosen: dict[int, Technique]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Voxels that each chosen specimen claims, and whose claim it is: by voxel, the nearest first."""
    lungs = anatomy.lungs.array
    boxes = ndimage.find_objects(labels)
    owners, voxels, distances = [], [], []
    for order, (row, technique) in enumerate(chosen.items()):
        lesion = int(nodules.id[row])
        lung = LUNG_LABELS[_side(nodules, row)]
        index, distance = _claim(labels, lungs, anatomy, boxes[lesion - 1], lesion, lung, technique)
        voxels.append(index)
        distances.append(distance)
        owners.append(np.full(len(index), order, dtype=np.int32))
    if not voxels:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32)
    voxel, distance, owner = np.concatenate(voxels), np.concatenate(distances), np.concatenate(owners)
    nearest_first = np.lexsort((owner, distance, voxel))
    return voxel[nearest_first], owner[nearest_first]


def _counts(voxel: NDArray[np.int64], owner: NDArray[np.int32], kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Voxels of each specimen; one that several kept ones claim counts once, for the nearest."""
    standing = kept[owner]
    voxel, owner = voxel[standing], owner[standing]
    if not len(voxel):
        return np.zeros(len(kept), dtype=np.int64)
    first = np.concatenate([[True], voxel[1:] != voxel[:-1]])
    return np.bincount(owner[first], minlength=len(kept)).astype(np.int64)


def _side(nodules: NoduleTable, row: int) -> Side:
    return "right" if nodules.side[row] == "right" else "left"


def _claim(
    labels: NDArray[np.int32],
    lungs: NDArray[np.uint8],
    anatomy: Anatomy,
    box: tuple[slice, slice, slice],
    lesion: int,
    lung: int,
    technique: Technique,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Flat indices of the lung voxels that a specimen takes, and their distances from the nodule's mask."""
    spacing = anatomy.lungs.spacing_mm
    reach = technique.margin_mm
    if isinstance(technique, Wedge):
        reach += float(anatomy.depth_mm.array[box].max())
    grow = [int(np.ceil(reach / s)) for s in spacing]
    crop = tuple(
        slice(max(0, b.start - g), min(n, b.stop + g))
        for b, g, n in zip(box, grow, labels.shape, strict=True)
    )
    mask = labels[crop] == lesion
    beyond_mm = SURFACE_BEYOND_VOXELS * float(np.cbrt(np.prod(spacing)))
    distance = ndimage.distance_transform_edt(~mask, sampling=spacing).astype(np.float32)
    taken = distance <= technique.margin_mm + beyond_mm
    if isinstance(technique, Wedge):
        taken |= _path_to_pleura(mask, anatomy.depth_mm.array[crop], spacing, technique.margin_mm)
    taken &= lungs[crop] == lung
    taken |= mask
    local = np.nonzero(taken)
    start = [c.start for c in crop]
    index = np.ravel_multi_index(tuple(a + s for a, s in zip(local, start, strict=True)), labels.shape)
    return index.astype(np.int64), distance[local]


def _path_to_pleura(
    mask: NDArray[np.bool_],
    depth_mm: NDArray[np.float32],
    spacing: tuple[float, float, float],
    margin_mm: float,
) -> NDArray[np.bool_]:
    """Voxels within the margin of the straight way from the nodule's center to the nearest pleural voxel."""
    center = np.array(ndimage.center_of_mass(mask))
    surface = np.argwhere((depth_mm > 0) & (depth_mm <= max(spacing)))
    if not len(surface):
        return np.zeros_like(mask)
    offsets = (surface - center) * spacing
    target = surface[np.argmin((offsets**2).sum(axis=1))]
    steps = max(2, int(np.ceil(np.linalg.norm((target - center) * spacing) / (0.5 * min(spacing)))))
    line = np.rint(center + np.linspace(0, 1, steps)[:, None] * (target - center)).astype(int)
    path = np.zeros_like(mask)
    path[tuple(np.clip(line, 0, np.subtract(mask.shape, 1)).T)] = True
    return np.asarray(ndimage.distance_transform_edt(~path, sampling=spacing) <= margin_mm)
