"""Small axial pictures around nodules, kept so that the contact sheet can be drawn without the scan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Anatomy
from clearlung.ct import Scan
from clearlung.nodules.review import Item, ReviewState
from clearlung.packed import read_packed, write_packed
from clearlung.report import TILE_MM, SheetNodule, nodule_sheets

# A nodule fills at most this share of its picture; a larger one is shown at half its size, a third, …
LARGEST_SHARE = 0.6


@dataclass(frozen=True, eq=False)
class Tiles:
    """Axial pictures, one per outline that ever was.

    Parameters
    ----------
    key
        int32, shape (n, 2): number of the nodule, and of the action that drew the outline.
    corner
        int32, shape (n, 3): voxel (z, y, x) on the anatomy's box of the picture's first.
    step
        int32: voxels from one pixel to the next; 1 but for the largest nodules.
    hu
        int16, shape (n, rows, columns).
    """

    key: NDArray[np.int32]
    corner: NDArray[np.int32]
    step: NDArray[np.int32]
    hu: NDArray[np.int16]


def cut_tiles(state: ReviewState, scan: Scan, anatomy: Anatomy, known: Tiles | None = None) -> Tiles:
    """Cut a picture for every outline that has none yet.

    Parameters
    ----------
    state
        The nodules.
    scan, anatomy
        What they were found on.
    known
        The pictures so far.
    """
    spacing = anatomy.lungs.spacing_mm
    shape = tuple(2 * round(TILE_MM / 2 / s) + 1 for s in spacing[1:])
    if known is None:
        nothing = np.zeros(0, dtype=np.int32)
        known = Tiles(
            nothing.reshape(0, 2), nothing.reshape(0, 3), nothing, np.zeros((0, *shape), dtype=np.int16)
        )
    have = {(number, drawn) for number, drawn in known.key.tolist()}
    keys, corners, steps, pictures = [], [], [], []
    hu = scan.volume.array[anatomy.box]
    for item in state.items.values():
        if (item.number, item.drawn_by) in have:
            continue
        center, across_mm = _middle(item, anatomy)
        step = max(1, int(np.ceil(across_mm / (LARGEST_SHARE * TILE_MM))))
        corner = (center[0], center[1] - step * (shape[0] // 2), center[2] - step * (shape[1] // 2))
        rows, columns = (c + step * np.arange(n) for c, n in zip(corner[1:], shape, strict=True))
        picture = hu[corner[0]][
            np.ix_(np.clip(rows, 0, hu.shape[1] - 1), np.clip(columns, 0, hu.shape[2] - 1))
        ]
        keys.append((item.number, item.drawn_by))
        corners.append(corner)
        steps.append(step)
        pictures.append(picture)
    if not keys:
        return known
    return Tiles(
        np.concatenate([known.key, np.array(keys, dtype=np.int32)]),
        np.concatenate([known.corner, np.array(corners, dtype=np.int32)]),
        np.concatenate([known.step, np.array(steps, dtype=np.int32)]),
        np.concatenate([known.hu, np.array(pictures, dtype=np.int16)]),
    )


def write_tiles(tiles: Tiles, path: Path) -> None:
    """Keep pictures in a file."""
    arrays: dict[str, NDArray[Any]] = {
        "key": tiles.key,
        "corner": tiles.corner,
        "step": tiles.step,
        "hu": tiles.hu,
    }
    write_packed(path, arrays, {})


def read_tiles(path: Path) -> Tiles:
    """Read the pictures that were kept.

    Raises
    ------
    OutputError
        If the file is missing or damaged.
    """
    arrays, _ = read_packed(path)
    return Tiles(arrays["key"], arrays["corner"], arrays["step"], arrays["hu"])


def picture_pages(state: ReviewState, tiles: Tiles) -> tuple[bytes, ...]:
    """Draw the contact sheet of all nodules, also of the rejected ones; one PNG per page."""
    row_of = {(number, drawn): row for row, (number, drawn) in enumerate(tiles.key.tolist())}
    spacing = state.grid.spacing_mm
    shown = []
    for item in state.items.values():
        row = row_of.get((item.number, item.drawn_by))
        if row is None:
            continue
        final = item.final_row()
        step = int(tiles.step[row])
        shown.append(
            SheetNodule(
                number=item.number,
                hu=tiles.hu[row],
                mask=_mask(item, state, tiles, row),
                pixel_mm=(step * spacing[1], step * spacing[2]),
                lobe=str(final["lobe"]),
                diameter_mm=float(final["diameter_mm"]),
                probability=float(final["probability"]),
                review="rejected" if item.rejected else item.review,
            )
        )
    return nodule_sheets(shown)


def _middle(item: Item, anatomy: Anatomy) -> tuple[tuple[int, int, int], float]:
    """Return the middle of the slice that shows most of a nodule, and how wide it is there in mm."""
    z, y, x = np.unravel_index(item.voxels, anatomy.lungs.shape)
    counts = np.bincount(z)
    most = int(counts.argmax())
    y, x = y[z == most], x[z == most]
    spacing = anatomy.lungs.spacing_mm
    across = max((np.ptp(y) + 1) * spacing[1], (np.ptp(x) + 1) * spacing[2])
    return (most, int((y.min() + y.max()) // 2), int((x.min() + x.max()) // 2)), float(across)


def _mask(item: Item, state: ReviewState, tiles: Tiles, row: int) -> NDArray[np.bool_]:
    """Return the nodule's mask on its picture."""
    z0, y0, x0 = (int(c) for c in tiles.corner[row])
    step = int(tiles.step[row])
    z, y, x = np.unravel_index(item.voxels, state.grid.shape)
    here = z == z0
    v, u = (y[here] - y0) // step, (x[here] - x0) // step
    mask = np.zeros(tiles.hu[row].shape, dtype=np.bool_)
    within = (v >= 0) & (v < mask.shape[0]) & (u >= 0) & (u < mask.shape[1])
    mask[v[within], u[within]] = True
    return mask
