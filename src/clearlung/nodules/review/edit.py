"""The reader's actions, made from the state that they are done on. Nothing here changes anything.

Each function returns an action; :meth:`clearlung.nodules.review.Review.done` puts it into the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBES, Anatomy
from clearlung.ct import Scan, Volume
from clearlung.errors import ReviewError
from clearlung.nodules.measure import measure_nodules
from clearlung.nodules.review import shapes
from clearlung.nodules.review.actions import (
    Accept,
    Add,
    Merge,
    Redraw,
    Reject,
    Relabel,
    Snapshot,
    Split,
    Texture,
)
from clearlung.nodules.review.state import ReviewState, Voxels, make_snapshot
from clearlung.nodules.segment import segment_nodules
from clearlung.nodules.table import TEXTURES, sphere_diameter_mm

Point = tuple[float, float, float]

# Sizes at which a nodule is looked for where the reader does not say one: neighbors differ by 1.6.
DIAMETERS_MM = (4.0, 6.5, 10.0, 16.0, 26.0, 40.0)
SMALLEST_MM, LARGEST_MM = 1.0, 200.0
# Ground glass is denser on average; what is not is lung and noise.
LEAST_HU = -750.0
# Merging is for parts of one nodule; numbers of nodules that lie this far apart are a slip.
WIDEST_GAP_MM = 10.0
# An outline of which more than this share is another nodule's, or outside the lungs, is not a new one.
SHARE_ELSEWHERE = 0.5


def accept(state: ReviewState, numbers: Sequence[int]) -> Accept:
    """Take findings for nodules, as they are outlined; a rejected one comes back.

    Parameters
    ----------
    state
        What the review has led to so far.
    numbers
        The nodules.

    Raises
    ------
    ReviewError
        If there is no such nodule, or one is named twice.
    """
    return Accept(nodules=_snapshots(state, numbers, 1))


def reject(state: ReviewState, numbers: Sequence[int]) -> Reject:
    """Take findings for something else. They stay rejected when detection runs again.

    Parameters
    ----------
    state, numbers
        As for :func:`accept`.

    Raises
    ------
    ReviewError
        If there is no such nodule, one is rejected already, or one is named twice.
    """
    for number in numbers:
        if state.item(number).rejected:
            raise ReviewError(f"nodule {number}", "is rejected already")
    return Reject(nodules=_snapshots(state, numbers, 1))


def relabel(
    state: ReviewState, number: int, *, lobe: str | None = None, texture: str | None = None
) -> Relabel:
    """Say the lobe or the kind of a nodule; its side follows from the lobe.

    Parameters
    ----------
    state, number
        The nodule.
    lobe
        One of :data:`clearlung.anatomy.LOBES`, or None to leave it.
    texture
        One of :data:`clearlung.nodules.TEXTURES`, or None to leave it.

    Raises
    ------
    ReviewError
        If there is no such nodule, lobe or texture, or nothing is said.
    """
    state.item(number, rejected=False)
    if lobe is None and texture is None:
        raise ReviewError("relabel", "say what it is: a lobe or a texture")
    if lobe is not None and lobe not in LOBES:
        raise ReviewError("lobe", f"takes {', '.join(LOBES)}, not {lobe!r}")
    if texture is not None and texture not in TEXTURES:
        raise ReviewError("texture", f"takes {', '.join(TEXTURES)}, not {texture!r}")
    return Relabel(
        nodule=state.snapshot(number),
        lobe=lobe,
        texture=cast("Texture | None", texture),
    )


def add(
    state: ReviewState,
    scan: Scan,
    anatomy: Anatomy,
    point_mm: Point,
    *,
    diameter_mm: float | None = None,
    drawn_by: int,
) -> Add:
    """Outline a nodule at a place where none was found.

    Parameters
    ----------
    state
        What the review has led to so far.
    scan, anatomy
        What the nodules were found on.
    point_mm
        LPS, in the lungs and in no nodule.
    diameter_mm
        About its size. Where nothing can be outlined, a ball of this size is drawn.
    drawn_by
        Number that the action will have in the record.

    Raises
    ------
    ReviewError
        If the point lies outside the lungs or in a nodule, also a rejected one, or nothing can be outlined.
    """
    _check_grid(state, anatomy)
    where = f"point {point_mm[0]:g},{point_mm[1]:g},{point_mm[2]:g}"
    voxel = _voxel_in_lungs(anatomy, point_mm, where)
    owner = state.owner(voxel)
    if owner is not None:
        remedy = f"accept {owner.number} instead" if owner.rejected else "redraw or split that one"
        kind = "the rejected nodule" if owner.rejected else "nodule"
        raise ReviewError(where, f"lies in {kind} {owner.number}: {remedy}")
    voxels, volume_mm3 = _outline(scan, anatomy, point_mm, voxel, diameter_mm)
    if not len(voxels):
        if diameter_mm is None:
            raise ReviewError(where, "nothing dense can be outlined there: say its size with a diameter")
        voxels = shapes.ball(anatomy.lungs, point_mm, diameter_mm)
    free = _free_part(state, anatomy, voxels, where)
    if len(free) < len(voxels):
        volume_mm3 = None
    (made,) = _drawn(state, scan, anatomy, {state.highest + 1: free}, drawn_by, volume_mm3)
    return Add(asked_mm=point_mm, nodule=made)


def merge(
    state: ReviewState, scan: Scan, anatomy: Anatomy, numbers: Sequence[int], *, drawn_by: int
) -> Merge:
    """Make one nodule of several; it has the lowest of their numbers.

    Parameters
    ----------
    state, scan, anatomy, drawn_by
        As for :func:`add`.
    numbers
        Two nodules or more. The furrow between those that touch is filled in.

    Raises
    ------
    ReviewError
        If there is no such nodule, they lie in different lungs, or far from each other.
    """
    _check_grid(state, anatomy)
    items = [state.item(number, rejected=False) for number in numbers]
    met = _snapshots(state, numbers, 2)
    words = "nodules " + ", ".join(str(n) for n in numbers)
    if len({item.final_row()["side"] for item in items}) > 1:
        raise ReviewError(words, "lie in different lungs and cannot be one")
    masks = [item.voxels for item in items]
    gap = shapes.gap_mm(masks, anatomy.lungs)
    if gap > WIDEST_GAP_MM:
        raise ReviewError(
            words, f"lie {gap:.0f} mm apart, and parts of one nodule at most {WIDEST_GAP_MM:g} mm"
        )
    allowed = (anatomy.lungs.array > 0) & (state.occupied(but=numbers) == 0)
    whole = shapes.closed_union(masks, anatomy.lungs, allowed)
    (made,) = _drawn(state, scan, anatomy, {min(numbers): whole}, drawn_by)
    return Merge(nodules=met, whole=made)


def split(
    state: ReviewState,
    scan: Scan,
    anatomy: Anatomy,
    number: int,
    points_mm: Sequence[Point] = (),
    *,
    drawn_by: int,
) -> Split:
    """Make several nodules of one; the largest part keeps the number.

    Parameters
    ----------
    state, scan, anatomy, drawn_by
        As for :func:`add`.
    number
        The nodule.
    points_mm
        LPS, one in each part, at least two; none lets its necks part it.

    Raises
    ------
    ReviewError
        If there is no such nodule, a point lies beside it, a part would be empty, or it has no neck.
    """
    _check_grid(state, anatomy)
    item = state.item(number, rejected=False)
    field = f"nodule {number}"
    if points_mm:
        seeds = _seeds_in(item.voxels, anatomy, points_mm, field)
    else:
        seeds = shapes.lumps(item.voxels, anatomy.lungs)
        if len(seeds) < 2:
            raise ReviewError(field, "has no neck at which it could be split: give a point in each part")
    parts = shapes.cut(item.voxels, anatomy.lungs, seeds)
    if min(map(len, parts)) == 0:
        raise ReviewError(field, "one of its parts would be empty: give points further apart")
    parts.sort(key=lambda part: (-len(part), int(part[0])))
    numbers = [number, *range(state.highest + 1, state.highest + len(parts))]
    made = _drawn(state, scan, anatomy, dict(zip(numbers, parts, strict=True)), drawn_by)
    return Split(nodule=state.snapshot(number), parts=made)


def redraw(
    state: ReviewState,
    scan: Scan,
    anatomy: Anatomy,
    number: int,
    *,
    mask: Volume | None = None,
    point_mm: Point | None = None,
    diameter_mm: float | None = None,
    drawn_by: int,
) -> Redraw:
    """Give a nodule another outline.

    Parameters
    ----------
    state, scan, anatomy, drawn_by
        As for :func:`add`.
    number
        The nodule.
    mask
        A label map on the scan's grid: where it holds the nodule's number that is the outline, else all that
        is not 0.
    point_mm, diameter_mm
        Without a mask: both draw a ball; a diameter alone outlines again at the same place, at that size.

    Raises
    ------
    ReviewError
        If there is no such nodule, the mask lies on another grid or is empty, or most of the outline would
        be another nodule's or outside the lungs.
    """
    _check_grid(state, anatomy)
    item = state.item(number, rejected=False)
    field = f"nodule {number}"
    volume_mm3: float | None = None
    if mask is not None:
        voxels = _from_map(mask, scan, anatomy, number)
    elif diameter_mm is None:
        raise ReviewError(field, "say its new outline: a mask, or a diameter, or a point and a diameter")
    elif point_mm is not None:
        _check_diameter(diameter_mm)
        _voxel_in_lungs(anatomy, point_mm, field)
        voxels = shapes.ball(anatomy.lungs, point_mm, diameter_mm)
    else:
        row = item.row
        center = (float(row["x_mm"]), float(row["y_mm"]), float(row["z_mm"]))
        voxel = _voxel_in_lungs(anatomy, center, field)
        voxels, volume_mm3 = _outline(scan, anatomy, center, voxel, diameter_mm)
        if not len(voxels):
            raise ReviewError(field, f"nothing of about {diameter_mm:g} mm can be outlined there")
    free = _free_part(state, anatomy, voxels, field, but=number)
    if len(free) < len(voxels):
        volume_mm3 = None
    (made,) = _drawn(state, scan, anatomy, {number: free}, drawn_by, volume_mm3)
    return Redraw(nodule=state.snapshot(number), drawn=made)


def _snapshots(state: ReviewState, numbers: Sequence[int], least: int) -> tuple[Snapshot, ...]:
    if len(numbers) < least:
        raise ReviewError("nodules", f"name at least {least}")
    doubled = sorted({n for n in numbers if list(numbers).count(n) > 1})
    if doubled:
        raise ReviewError(f"nodule {doubled[0]}", "is named twice")
    return tuple(state.snapshot(number) for number in numbers)


def _check_grid(state: ReviewState, anatomy: Anatomy) -> None:
    if not state.grid.on_same_grid(anatomy.lungs):
        raise ReviewError("anatomy", "lies on another grid than the nodules: it is of another scan")


def _check_diameter(diameter_mm: float) -> None:
    if not SMALLEST_MM <= diameter_mm <= LARGEST_MM:
        raise ReviewError(
            "diameter", f"takes {SMALLEST_MM:g} to {LARGEST_MM:g} mm, and is {diameter_mm:g} mm"
        )


def _voxel_in_lungs(anatomy: Anatomy, point_mm: Point, field: str) -> int:
    """Return the flat index of the voxel at a point."""
    index = np.rint(anatomy.lungs.indices([point_mm])[0])
    shape = anatomy.lungs.shape
    if not np.isfinite(index).all() or (index < 0).any() or (index >= shape).any():
        raise ReviewError(field, "lies outside the lungs: points are LPS millimeters")
    z, y, x = (int(i) for i in index)
    if anatomy.lungs.array[z, y, x] == 0:
        raise ReviewError(field, "lies outside the lungs: points are LPS millimeters")
    return int(np.ravel_multi_index((z, y, x), shape))


def _outline(
    scan: Scan, anatomy: Anatomy, point_mm: Point, voxel: int, diameter_mm: float | None
) -> tuple[Voxels, float | None]:
    """Outline what is at a point, or within a voxel or two of it, with its volume; empty if nothing is."""
    if diameter_mm is not None:
        _check_diameter(diameter_mm)
    best: tuple[Voxels, float | None] = np.zeros(0, dtype=np.int64), None
    misfit = np.inf
    lungs = anatomy.lungs
    here = np.array(np.unravel_index(voxel, lungs.shape))
    hu = np.ascontiguousarray(scan.volume.array[anatomy.box])
    for size in DIAMETERS_MM if diameter_mm is None else (diameter_mm,):
        found = segment_nodules(scan, anatomy, np.array([point_mm]), np.array([size]))
        voxels = np.flatnonzero(found.labels).astype(np.int64)
        if not len(voxels):
            continue
        apart = np.stack(np.unravel_index(voxels, lungs.shape), axis=1) - here
        if np.abs(apart).max(axis=1).min() > shapes.BESIDE_VOXELS:
            continue
        if hu.ravel()[voxels].mean() < LEAST_HU:
            continue
        volume_mm3 = float(found.volume_mm3[0])
        off = abs(np.log(sphere_diameter_mm(volume_mm3) / size))
        if off < misfit:
            best, misfit = (voxels, volume_mm3), off
    return best


def _free_part(
    state: ReviewState, anatomy: Anatomy, voxels: Voxels, field: str, but: int | None = None
) -> Voxels:
    """Leave to other nodules what is theirs, and cut off what is outside the lungs."""
    others = state.occupied(but=() if but is None else (but,)).ravel()[voxels]
    inside = anatomy.lungs.array.ravel()[voxels] > 0
    if not len(voxels) or inside.mean() <= SHARE_ELSEWHERE:
        raise ReviewError(field, "most of the outline would lie outside the lungs")
    taken = others > 0
    if taken.mean() > SHARE_ELSEWHERE:
        most = int(np.bincount(others[taken]).argmax())
        raise ReviewError(field, f"most of the outline is nodule {most}'s: merge them, or redraw that one")
    return voxels[inside & ~taken]


def _seeds_in(
    voxels: Voxels, anatomy: Anatomy, points_mm: Sequence[Point], field: str
) -> NDArray[np.float64]:
    """Return the voxel of the mask that each point means."""
    if len(points_mm) < 2:
        raise ReviewError(field, "needs a point in each of two parts or more")
    index = np.stack(np.unravel_index(voxels, anatomy.lungs.shape), axis=1).astype(np.float64)
    seeds = []
    for point in points_mm:
        apart = np.abs(index - anatomy.lungs.indices([point])[0]).max(axis=1)
        if not apart.min() <= shapes.BESIDE_VOXELS:
            raise ReviewError(field, f"does not hold the point {point[0]:g},{point[1]:g},{point[2]:g}")
        seeds.append(index[int(apart.argmin())])
    if len(np.unique(seeds, axis=0)) < len(seeds):
        raise ReviewError(field, "two of the points are the same voxel")
    return np.array(seeds)


def _from_map(mask: Volume, scan: Scan, anatomy: Anatomy, number: int) -> Voxels:
    """Return the voxels of a mask on the scan's grid."""
    if not mask.on_same_grid(scan.volume):
        raise ReviewError(
            "mask", "does not lie on the scan's own grid: resample it there, labels by the nearest voxel"
        )
    inside = mask.array == number
    if not inside.any():
        inside = mask.array != 0
    whole = int(np.count_nonzero(inside))
    if not whole:
        raise ReviewError("mask", "is empty")
    voxels = np.flatnonzero(inside[anatomy.box]).astype(np.int64)
    if len(voxels) <= SHARE_ELSEWHERE * whole:
        raise ReviewError("mask", "lies outside the lungs")
    return voxels


def _drawn(
    state: ReviewState,
    scan: Scan,
    anatomy: Anatomy,
    masks: dict[int, Voxels],
    drawn_by: int,
    volume_mm3: float | None = None,
) -> tuple[Snapshot, ...]:
    """Measure new outlines and return them as the action stores them, in the order given."""
    labels = np.zeros(anatomy.lungs.shape, dtype=np.int32)
    for number, voxels in masks.items():
        labels.ravel()[voxels] = number
    volumes = None if volume_mm3 is None else np.array([volume_mm3])
    table = measure_nodules(scan, anatomy, labels, volume_mm3=volumes)
    rows = {row["id"]: row for row in table.rows()}
    return tuple(
        make_snapshot(number, drawn_by, rows[number] | {"review": ""}, voxels, state.grid)
        for number, voxels in masks.items()
    )
