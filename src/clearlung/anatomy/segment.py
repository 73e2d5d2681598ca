"""From a scan to its anatomy: lungs, airways, vessels, hila, lobes, and the parts of the pleura."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy.air import CoarseAir, find_air
from clearlung.anatomy.airway_tree import grow_airway_tree
from clearlung.anatomy.airways import find_airways
from clearlung.anatomy.conditions import find_conditions
from clearlung.anatomy.depth import inside_distance_mm
from clearlung.anatomy.lobes import Lobes, find_lobes
from clearlung.anatomy.lungs import MARGIN_MM, lung_box, survey_lungs
from clearlung.anatomy.masses import Beside
from clearlung.anatomy.missing import MissingLobe, find_missing_lobes, present_lobes
from clearlung.anatomy.morphology import Mask, bounding_box
from clearlung.anatomy.pleura import pleural_parts
from clearlung.anatomy.sources import Adopted, AnatomySource, Parts, adopt, find_parts
from clearlung.anatomy.staples import find_staple_lines
from clearlung.anatomy.tree import BranchTree
from clearlung.anatomy.types import LOBE_OF_LABEL, LUNG_LABELS, SIDES, Anatomy, Condition, Fissure, Lobe, Side
from clearlung.anatomy.vessels import find_vessels
from clearlung.ct import Box, Scan, Volume


def segment_anatomy(scan: Scan, source: AnatomySource | None = None) -> Anatomy:
    """Segment lungs, airways, vessels, hila and lobes, and measure the depth below the pleura.

    Parameters
    ----------
    scan
        A checked scan.
    source
        Where else to take lungs, lobes, airways or vessels from; None for Clearlung's own method. What a
        source does not give is computed on what it gives.

    Returns
    -------
    Anatomy
        On the lungs' bounding box.

    Raises
    ------
    ScanRejected
        With the code ``no_lungs`` if there are none in the scan.
    AnatomyError
        If the source cannot be used on this scan.

    Notes
    -----
    Air inside the body is found on a coarse grid [1]_, trachea and bronchi are grown from the neck, right
    and left are parted at the junction of the pleurae, and each lung is closed over what is dense at its
    surface. Vessels are tubes of any width; lobes end at sheets that are seen between the bronchi and
    vessels of each, bridged where they are not seen.

    References
    ----------
    .. [1] S. Hu, E. A. Hoffman, J. M. Reinhardt, "Automatic lung segmentation for accurate quantitation
       of volumetric X-ray CT images", IEEE Trans. Med. Imaging 20(6), 2001.
    """
    air = find_air(scan)
    given = find_parts(source or AnatomySource(), scan, air=air)
    chest = _find_chest(scan, air, given)
    grid = chest.grid
    airway_tree = grow_airway_tree(grid, chest.airways)
    given_vessels = None if chest.given is None else chest.given.vessels
    vessels = find_vessels(grid, chest.lungs, chest.airways, given_vessels)
    lobes = _find_lobes(chest, airway_tree, vessels.mask)
    missing = _missing_lobes(chest, airway_tree, lobes.fissures)
    if missing:
        lobes = _find_lobes(chest, airway_tree, vessels.mask, present_lobes(missing))
    pleura = pleural_parts(chest.lungs, lobes.lobes, grid.spacing_mm, chest.middle_x)
    return Anatomy(
        box=chest.box,
        lungs=grid.with_array(chest.lungs),
        lobes=grid.with_array(lobes.lobes),
        lobe_confidence=grid.with_array(lobes.confidence),
        depth_mm=grid.with_array(chest.depth_mm),
        lobe_method=lobes.method,
        evidence=lobes.evidence,
        source="classical" if given is None else given.source,
        lobe_second=grid.with_array(lobes.second),
        airways=grid.with_array(chest.airways.view(np.uint8)),
        vessels=grid.with_array(vessels.mask),
        airway_tree=airway_tree,
        vessel_tree=_in_lobes(vessels.tree, grid, lobes.lobes),
        hila_mm=dict(vessels.hila_mm),
        pleura=grid.with_array(pleura),
        fissures=lobes.fissures,
        conditions=_of_source(chest)
        + find_conditions(
            scan,
            chest.box,
            chest.lungs,
            beside=chest.beside,
            lobes=lobes.lobes,
            fissures=lobes.fissures,
            airways=chest.airways,
            airway_tree=airway_tree,
            missing=missing,
        ),
    )


@dataclass(frozen=True, eq=False)
class _Chest:
    """Lungs and airways on the lungs' bounding box, before anything is looked for in them."""

    box: Box
    grid: Volume
    lungs: NDArray[np.uint8]
    depth_mm: NDArray[np.float32]
    airways: Mask
    beside: Beside
    middle_x: float
    given: Parts | None
    adopted: Adopted | None


def _find_chest(scan: Scan, air: CoarseAir, given: Parts | None) -> _Chest:
    """Find lungs and airways; what a source gives of them takes the place of ours."""
    volume = scan.volume
    spacing = volume.spacing_mm
    work = lung_box(air, volume.shape)
    hu = volume.array[work]
    airways = find_airways(hu, spacing, work, air)
    found = survey_lungs(hu, spacing, work, air, airways)
    lungs, depth = found.labels, found.depth_mm
    adopted = None
    if given is not None:
        here = given.crop(work)
        if here.airways is not None:
            airways = np.asarray(here.airways > 0, dtype=np.bool_)
        if here.lungs is not None or here.lobes is not None:
            adopted = adopt(here, lungs, spacing)
            lungs, depth = adopted.lungs, _depth_below(adopted.lungs, volume.crop(work))
    tight = bounding_box(lungs > 0, spacing, MARGIN_MM)
    box = _shift(tight, work)
    return _Chest(
        box=box,
        grid=volume.crop(box),
        lungs=np.ascontiguousarray(lungs[tight]),
        depth_mm=np.ascontiguousarray(depth[tight]),
        airways=np.ascontiguousarray(airways[tight]),
        beside=found.beside,
        middle_x=(air.middle_x + 0.5) * air.factor[2] - 0.5 - box[2].start,
        given=None if given is None else given.crop(box),
        adopted=None if adopted is None else _cropped(adopted, tight),
    )


def _shift(inner: Box, outer: Box) -> Box:
    z, y, x = (slice(o.start + i.start, o.start + i.stop) for i, o in zip(inner, outer, strict=True))
    return z, y, x


def _cropped(adopted: Adopted, box: Box) -> Adopted:
    if adopted.lobes is None or adopted.confidence is None or adopted.second is None:
        return adopted
    return replace(
        adopted,
        lobes=np.ascontiguousarray(adopted.lobes[box]),
        confidence=np.ascontiguousarray(adopted.confidence[box]),
        second=np.ascontiguousarray(adopted.second[box]),
    )


def _depth_below(lungs: NDArray[np.uint8], grid: Volume) -> NDArray[np.float32]:
    """Depth of the voxels of lungs that came as labels."""
    depth = np.zeros(lungs.shape, dtype=np.float32)
    for side in SIDES:
        own = lungs == LUNG_LABELS[side]
        if own.any():
            box = bounding_box(own, grid.spacing_mm, MARGIN_MM)
            share = np.where(own[box], np.float32(-1), np.float32(1))
            below = inside_distance_mm(share, grid.spacing_mm, shares=True)
            # Labels that fill the whole scan have no surface in it.
            depth[box][own[box]] = np.where(np.isfinite(below), below, 0.0)[own[box]]
    return depth


def _missing_lobes(
    chest: _Chest, airway_tree: BranchTree, fissures: tuple[Fissure, ...]
) -> tuple[MissingLobe, ...]:
    """Find the lobes that an earlier operation took."""
    grid = chest.grid
    counts = np.bincount(chest.lungs.ravel(), minlength=len(SIDES) + 1)
    lung_ml = {side: float(counts[LUNG_LABELS[side]]) * grid.voxel_ml for side in SIDES}
    staples = find_staple_lines(grid.array, chest.lungs, grid.spacing_mm)
    return find_missing_lobes(airway_tree, lung_ml, staples, fissures)


def _find_lobes(
    chest: _Chest,
    airway_tree: BranchTree,
    vessels: NDArray[np.uint8],
    present: Mapping[Side, tuple[Lobe, ...]] | None = None,
) -> Lobes:
    """Divide the lungs, or take the lobes that were given; a side without given ones is divided."""
    adopted = chest.adopted
    if adopted is None or adopted.lobes is None or adopted.confidence is None or adopted.second is None:
        return find_lobes(chest.grid, chest.lungs, airway_tree, vessels, present)
    lobes, confidence, second = adopted.lobes, adopted.confidence, adopted.second
    method, evidence = adopted.method, adopted.evidence
    fissures: tuple[Fissure, ...] = ()
    if adopted.without_lobes:
        labels = [LUNG_LABELS[side] for side in adopted.without_lobes]
        rest = np.isin(chest.lungs, labels)
        own = find_lobes(chest.grid, np.where(rest, chest.lungs, np.uint8(0)), airway_tree, vessels, present)
        lobes = np.where(rest, own.lobes, lobes)
        confidence = np.where(rest, own.confidence, confidence)
        second = np.where(rest, own.second, second)
        method = f"{method} {' and '.join(adopted.without_lobes).capitalize()} lung: {own.method}"
        evidence, fissures = (*evidence, *own.evidence), own.fissures
    return Lobes(lobes, second, confidence, fissures, method, evidence)


def _in_lobes(tree: BranchTree, grid: Volume, lobes: NDArray[np.uint8]) -> BranchTree:
    """Name the lobe of each branch: the one that most of its center line lies in."""
    if not len(tree):
        return tree
    at = np.clip(np.rint(grid.indices(tree.points_mm)).astype(np.intp), 0, np.subtract(lobes.shape, 1))
    counts = np.zeros((len(tree), len(LOBE_OF_LABEL)), dtype=np.int32)
    np.add.at(counts, (tree.branch, lobes[tuple(at.T)]), 1)
    return replace(tree, lobe=LOBE_OF_LABEL[counts.argmax(axis=1)])


def _of_source(chest: _Chest) -> tuple[Condition, ...]:
    """Say what must be known of anatomy that was made elsewhere."""
    if chest.given is None:
        return ()
    told = [Condition("source", warning) for warning in chest.given.warnings]
    if chest.adopted is not None and chest.adopted.added_ml > 0:
        told.append(
            Condition(
                "source",
                f"{chest.adopted.added_ml:.0f} ml at the surface of the lungs were added to those"
                f" {chest.given.title}: what is dense there is often left out, nodules included.",
                value=chest.adopted.added_ml,
                unit="ml",
            )
        )
    return tuple(told)
