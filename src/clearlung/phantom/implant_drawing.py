"""Draw nodules into a scan and tell the truth about them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates

from clearlung.anatomy import LOBE_LABELS, LOBE_SIDES, LOBES, Anatomy, Lobe
from clearlung.ct import Box, Scan, Volume
from clearlung.nodules import NoduleTable, sphere_diameter_mm
from clearlung.phantom.appearance import Blur
from clearlung.phantom.implant_cells import TRUNCATE, along_axes, averaging, between
from clearlung.phantom.implant_places import Placed
from clearlung.phantom.implant_shapes import DIRECTIONS, cover
from clearlung.phantom.round_shapes import DEGREES

# Nodules are drawn on cells this small, and this many times smaller than they are.
CELL_MM, CELLS_PER_DIAMETER = (0.15, 0.45), 16.0
# Voxels of which less is nodule are left alone: this is below one HU.
LEAST_SHARE = 1e-3
# Deeper than this share of lung, a voxel holds lung alone, and what is in it is replaced.
ALL_LUNG = 0.95
# In voxels with some wall, what exceeds the lung's own density by more than this is wall.
LUNG_SPREAD_HU = 60.0
USUAL_LUNG_HU = -860.0
THREADS = 2


@dataclass(frozen=True, eq=False)
class Implanted:
    """A scan with nodules put in, and the truth about them.

    Parameters
    ----------
    scan
        On the grid of the original; voxels without a nodule are the same bit for bit.
    truth
        The implants, numbered by side, lobe, and from head to feet. Volume and diameter are those of the
        drawn shape within the lung, the center is its centroid, the depth is that of the center; attenuations
        are read from the scan inside the label.
    labels
        int16 on the scan's grid: the voxels that a nodule fills by half at least, or the one that it fills
        most. Each nodule has one or more.
    place, kind
        One of :data:`PLACES` and one of :data:`KINDS` for each.
    touching
        bool: whether it touches another implant.
    """

    scan: Scan
    truth: NoduleTable
    labels: Volume
    place: NDArray[np.str_]
    kind: NDArray[np.str_]
    touching: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Drawn:
    """One nodule on its box of voxels: blurred shares, and the truth.

    ``whole`` counts a halo as full, ``share`` by its fill; ``hu_share`` is attenuation times share, and
    ``filled`` the share without blur.
    """

    box: Box
    whole: NDArray[np.float32]
    share: NDArray[np.float32]
    hu_share: NDArray[np.float32]
    center_mm: NDArray[np.float64]
    volume_mm3: float
    core_share: float
    filled: NDArray[np.float32]


class Drawing:
    """Draws nodules into a scan."""

    def __init__(self, scan: Scan, anatomy: Anatomy, blur: Blur) -> None:
        self.scan, self.anatomy = scan, anatomy
        self.spacing = np.asarray(scan.volume.spacing_mm)
        self.sigma = np.array(blur.sigma_mm)
        self.start = np.array([s.indices(n)[0] for s, n in zip(anatomy.box, scan.volume.shape, strict=True)])
        shape = scan.volume.shape
        # Fresh zeros cost nothing where nothing is drawn.
        self.share = np.zeros(shape, dtype=np.float32)
        self.hu_share = np.zeros(shape, dtype=np.float32)
        self.labels = np.zeros(shape, dtype=np.int16)
        self.hu = scan.volume.array.copy()

    def finished(self, placed: list[Placed], tile: NDArray[np.float32]) -> Implanted:
        """Draw all, and tabulate them."""
        with ThreadPoolExecutor(THREADS) as pool:
            drawn = list(pool.map(self._draw, placed))
        for one in drawn:
            self.share[one.box] += one.share
            self.hu_share[one.box] += one.hu_share
        order = self._order(drawn, placed)
        drawn, placed = [drawn[k] for k in order], [placed[k] for k in order]
        self._label(drawn)
        for one in drawn:
            self._blend(one, tile)
        scan = replace(self.scan, volume=self.scan.volume.with_array(self.hu))
        return Implanted(
            scan=scan,
            truth=self._table(drawn, placed),
            labels=scan.volume.with_array(self.labels),
            place=np.array([p.place for p in placed], dtype=np.str_),
            kind=np.array([p.nodule.kind for p in placed], dtype=np.str_),
            touching=np.array([p.touching for p in placed], dtype=np.bool_),
        )

    def _draw(self, one: Placed) -> Drawn:
        """Draw one nodule on fine cells, and blur it."""
        nodule = one.nodule
        sigma = np.hypot(self.sigma, nodule.edge_mm)
        cell = np.clip(nodule.diameter_mm / CELLS_PER_DIAMETER, *CELL_MM)
        parts = np.maximum(1, np.ceil(self.spacing / cell)).astype(int)
        middle = one.middle_mm[::-1]
        reach = nodule.reach_mm + TRUNCATE * sigma + self.spacing
        shape = np.array(self.hu.shape)
        low = np.maximum(np.floor((middle - reach) / self.spacing).astype(int), 0)
        high = np.minimum(np.ceil((middle + reach) / self.spacing).astype(int) + 1, shape)
        step = self.spacing / parts
        first = (low - 0.5) * self.spacing + 0.5 * step - middle
        whole = np.zeros((high - low) * parts, dtype=np.float32)
        inner = np.zeros_like(whole) if nodule.core else whole[:1, :1, :1].copy()
        radii = nodule.radii_mm(DIRECTIONS)
        cover(
            whole,
            inner,
            first,
            step,
            nodule.axes,
            nodule.weights,
            DEGREES,
            nodule.bumps,
            nodule.radius_mm,
            nodule.core,
            0.9 * float(radii.min()) / nodule.radius_mm,
            nodule.reach_mm / nodule.radius_mm,
        )
        if one.place in ("pleura", "diaphragm"):
            lung = self._lung_share(low, high, parts, float(step.mean()), one)
            whole *= lung
            if nodule.core:
                inner *= lung
        volume = float(whole.sum(dtype=np.float64))
        center = self._centroid(whole, volume, low, step, parts)
        extent = (high - low).tolist()
        plain = [averaging(n, p, 0.0) for n, p in zip(extent, parts, strict=True)]
        blurring = [averaging(n, p, d) for n, p, d in zip(extent, parts, sigma / step, strict=True)]
        filled = along_axes(whole, plain)
        core_share = float(inner.sum(dtype=np.float64)) / max(volume, 1e-9) if nodule.core else 0.0
        box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        blurred = along_axes(whole, blurring)
        core = along_axes(inner, blurring) if nodule.core else np.float32(0.0)
        rim = np.float32(nodule.fill) * (blurred - core)
        hu_share = np.float32(nodule.solid_hu) * rim + np.float32(nodule.core_hu) * core
        z, y, x = box
        mm3 = volume * float(step.prod())
        return Drawn((z, y, x), blurred, rim + core, hu_share, center, mm3, core_share, filled)

    def _centroid(
        self,
        whole: NDArray[np.float32],
        total: float,
        low: NDArray[np.intp],
        step: NDArray[np.float64],
        parts: NDArray[np.intp],
    ) -> NDArray[np.float64]:
        """Centroid of the drawn cells as a fractional index (z, y, x)."""
        center = np.empty(3)
        for axis in range(3):
            profile = whole.sum(axis=tuple(k for k in range(3) if k != axis), dtype=np.float64)
            at = (np.arange(len(profile)) + 0.5) / parts[axis] - 0.5
            center[axis] = low[axis] + float((profile * at).sum()) / max(total, 1e-9)
        return center

    def _lung_share(
        self,
        low: NDArray[np.intp],
        high: NDArray[np.intp],
        parts: NDArray[np.intp],
        step_mm: float,
        one: Placed,
    ) -> NDArray[np.float32]:
        """Share of each cell inside the nodule's lung: linear in the distance from its surface."""
        distance = self._signed_depth(low, high, one)
        fine = along_axes(distance, [between(n, p) for n, p in zip(distance.shape, parts, strict=True)])
        return np.asarray(np.clip(0.5 + fine / step_mm, 0.0, 1.0), dtype=np.float32)

    def _signed_depth(
        self, low: NDArray[np.intp], high: NDArray[np.intp], one: Placed
    ) -> NDArray[np.float32]:
        """Depth below the lung's surface of the voxels of a box, negative outside."""
        extent = np.array(self.anatomy.lungs.shape)
        index = [np.arange(a, b) - s for a, b, s in zip(low, high, self.start, strict=True)]
        held = np.ix_(*(np.clip(i, 0, n - 1) for i, n in zip(index, extent, strict=True)))
        lungs, depth = self.anatomy.lungs.array[held], self.anatomy.depth_mm.array[held]
        at = np.clip(np.rint(one.middle_mm[::-1] / self.spacing).astype(int) - self.start, 0, extent - 1)
        own = lungs == self.anatomy.lungs.array[tuple(at)]
        if own.all():
            return depth
        outside = distance_transform_edt(~own, sampling=tuple(self.spacing))
        return np.where(own, depth, 0.5 * self.spacing.min() - outside).astype(np.float32)

    def _order(self, drawn: list[Drawn], placed: list[Placed]) -> list[int]:
        if not drawn:
            return []
        center = np.array([d.center_mm for d in drawn])
        self.lobe_of = self._lobes(center)
        rank = np.array([LOBE_LABELS[lobe] for lobe in self.lobe_of])
        points = self.scan.volume.points_mm(center)
        order = np.lexsort((points[:, 0], -points[:, 2], rank))
        self.lobe_of = [self.lobe_of[k] for k in order]
        return [int(k) for k in order]

    def _lobes(self, center: NDArray[np.float64]) -> list[Lobe]:
        """Lobe at each center, or the nearest one."""
        lobes = self.anatomy.lobes.array
        names: list[Lobe] = []
        for at in np.rint(center - self.start).astype(int):
            at = np.clip(at, 0, np.array(lobes.shape) - 1)
            label = int(lobes[tuple(at)])
            reach = 1
            while not label:
                corner = np.maximum(at - reach, 0)
                around = tuple(slice(int(a), int(b)) for a, b in zip(corner, at + reach + 1, strict=True))
                part = lobes[around]
                label = int(np.bincount(part.ravel(), minlength=6)[1:].argmax()) + 1 if part.any() else 0
                reach += 1
            names.append(LOBES[label - 1])
        return names

    def _label(self, drawn: list[Drawn]) -> None:
        """Give numbers to the voxels that are filled by half; the first of two that claim one has it."""
        for number, one in enumerate(drawn, start=1):
            view = self.labels[one.box]
            view[(one.filled >= 0.5) & (view == 0)] = number
        for number, one in enumerate(drawn, start=1):
            view = self.labels[one.box]
            if not (view == number).any():
                free = np.where(view == 0, one.filled, np.float32(-1.0))
                view[np.unravel_index(int(free.argmax()), free.shape)] = number

    def _blend(self, one: Drawn, tile: NDArray[np.float32]) -> None:
        """Replace lung by nodule in the voxels of one box that are not done yet."""
        share: NDArray[np.float32] = self.share[one.box]
        at = np.nonzero(share >= LEAST_SHARE)
        if not at[0].size:
            return
        box_start = np.array([s.start for s in one.box])
        index = tuple(a + s for a, s in zip(at, box_start, strict=True))
        density = self.hu_share[one.box][at] / share[at]
        w = np.minimum(share[at], np.float32(1.0))
        share[at] = 0.0
        old = self.scan.volume.array[index].astype(np.float32)
        lung = self._lung_hu(one)
        deep = self._deep(index)
        # Near the surface a voxel holds wall too, which stays: only what is as light as lung is replaced.
        back = np.where(deep, old, np.minimum(old, np.float32(lung + LUNG_SPREAD_HU)))
        new = old + w * (density - back)
        new = np.where(deep, new, np.minimum(new, np.maximum(old, density)))
        taken = np.where(back == old, w, 0.0)
        noise = tile[tuple(i % n for i, n in zip(index, tile.shape, strict=True))]
        new += np.sqrt(taken * (2.0 - taken)) * noise
        self.hu[index] = np.clip(np.rint(new), -1024, 3071).astype(np.int16)

    def _lung_hu(self, one: Drawn) -> float:
        """Density of the lung about a nodule."""
        view = self.scan.volume.array[one.box]
        around = view[(one.whole < 0.02) & (view < -600)]
        return float(np.median(around)) if around.size > 20 else USUAL_LUNG_HU

    def _deep(self, index: tuple[NDArray[np.intp], ...]) -> NDArray[np.bool_]:
        """Whether voxels of the scan lie so deep in the lung that the blurred wall does not reach them."""
        at = [i - s for i, s in zip(index, self.start, strict=True)]
        shape = self.anatomy.depth_mm.shape
        inside = np.logical_and.reduce([(a >= 0) & (a < n) for a, n in zip(at, shape, strict=True)])
        depth = np.zeros(len(index[0]))
        depth[inside] = self.anatomy.depth_mm.array[tuple(a[inside] for a in at)]
        reach = 1.7 * float(self.sigma.max()) + 0.3 * float(self.spacing.max())
        return np.asarray(depth > reach)

    def _table(self, drawn: list[Drawn], placed: list[Placed]) -> NoduleTable:
        n = len(drawn)
        center = np.array([d.center_mm for d in drawn]).reshape(-1, 3)
        lobes = np.array(self.lobe_of if n else [], dtype="<U3")
        volume = np.array([d.volume_mm3 for d in drawn])
        x, y, z = self.scan.volume.points_mm(center).T
        depth = map_coordinates(
            self.anatomy.depth_mm.array, (center - self.start).T, order=1, mode="nearest", output=np.float64
        )
        mean, peak = self._read(n)
        core = np.array([d.core_share for d in drawn])
        kind = np.array([p.nodule.kind for p in placed], dtype="<U12")
        return NoduleTable(
            id=np.arange(1, n + 1, dtype=np.int32),
            x_mm=x,
            y_mm=y,
            z_mm=z,
            side=np.array([LOBE_SIDES[lobe] for lobe in lobes.tolist()], dtype="<U5"),
            lobe=lobes,
            lobe_confidence=np.ones(n),
            diameter_mm=sphere_diameter_mm(volume),
            volume_mm3=volume,
            depth_mm=np.maximum(depth, 0.0),
            probability=np.ones(n),
            mean_hu=mean,
            max_hu=peak,
            calcified=kind == "calcified",
            vdt_days=np.full(n, np.nan),
            calcified_share=np.where(kind == "calcified", core, 0.0),
            cavity_share=np.where(kind == "cavitated", core, 0.0),
            texture=np.where(kind == "part-solid", "part-solid", "solid"),
        )

    def _read(self, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and peak HU inside each label."""
        at = np.flatnonzero(self.labels)
        owner, values = self.labels.ravel()[at], self.hu.ravel()[at].astype(np.float64)
        count = np.maximum(np.bincount(owner, minlength=n + 1)[1:], 1)
        peak = np.full(n + 1, -np.inf)
        np.maximum.at(peak, owner, values)
        return np.bincount(owner, weights=values, minlength=n + 1)[1:] / count, peak[1:]
