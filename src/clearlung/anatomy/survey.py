"""What conditions of the lungs are found from: the scan and its anatomy, and what is asked of them often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy.masses import Beside
from clearlung.anatomy.missing import MissingLobe, find_missing_lobes
from clearlung.anatomy.morphology import COARSE_MM, Mask, Spacing, components, open_, shrink
from clearlung.anatomy.staples import StapleLine, find_staple_lines
from clearlung.anatomy.tree import BranchTree
from clearlung.anatomy.types import LOBE_LABELS, LOBES, LUNG_LABELS, SIDES, Fissure, Lobe, Side
from clearlung.ct import Box

# The scan's faces along z, y and x, low end first.
FACES = (
    ("towards the feet", "towards the head"),
    ("in front", "at the back"),
    ("on the right", "on the left"),
)
# Less lung than this on a face of the scan is the rim of its outline, not a lung cut off.
CUT_CM2 = 2.0
# A staple line at the pleura belongs to the lobe this near to it.
NEAR_LOBE_MM = 8.0


@dataclass(frozen=True)
class Cut:
    """Where the scan stops short of a lung.

    Parameters
    ----------
    where
        In words.
    area_cm2
        Of the lung at the scan's edge.
    share
        The same over the largest section of the lung parallel to it.
    """

    where: str
    area_cm2: float
    share: float


@dataclass(frozen=True, eq=False)
class Survey:
    """What the conditions are found from.

    Parameters
    ----------
    hu, lungs
        int16 and uint8 (0 outside, 1 right, 2 left) on the lungs' box, shape (z, y, x).
    spacing_mm
        Along z, y and x.
    box, scan_shape
        Where the box lies in the scan.
    coarse_hu, coarse_lungs
        The same on a grid of about 2 mm.
    coarse_mm
        The grid's spacing.
    beside
        What lies beside the lungs' air; None where that was not looked for.
    lobes, fissures
        uint8 label map on the box, and how the fissures were found; None and empty where not sought.
    airways
        Lumina on the box; None where not sought.
    airway_tree
        With the lobe of each branch; None where not sought.
    known_missing
        Lobes that are known not to be there; None where that was not looked for.
    """

    hu: NDArray[np.int16]
    lungs: NDArray[np.uint8]
    spacing_mm: Spacing
    box: Box
    scan_shape: tuple[int, int, int]
    coarse_hu: NDArray[np.int16]
    coarse_lungs: Mapping[Side, Mask]
    coarse_mm: Spacing
    beside: Beside | None = None
    lobes: NDArray[np.uint8] | None = None
    fissures: tuple[Fissure, ...] = ()
    airways: Mask | None = None
    airway_tree: BranchTree | None = None
    known_missing: tuple[MissingLobe, ...] | None = None

    @cached_property
    def lung_ml(self) -> Mapping[Side, float]:
        """Volume of each lung."""
        counts = np.bincount(self.lungs.ravel(), minlength=3)
        voxel_ml = float(np.prod(self.spacing_mm)) / 1000.0
        return {side: float(counts[LUNG_LABELS[side]]) * voxel_ml for side in SIDES}

    @cached_property
    def staple_lines(self) -> tuple[StapleLine, ...]:
        """Rows of metal in the lungs and at their surface."""
        return find_staple_lines(self.hu, self.lungs, self.spacing_mm)

    @cached_property
    def missing_lobes(self) -> tuple[MissingLobe, ...]:
        """Lobes that an earlier operation took."""
        if self.known_missing is not None:
            return self.known_missing
        return find_missing_lobes(self.airway_tree, self.lung_ml, self.staple_lines, self.fissures)

    @cached_property
    def cuts(self) -> Mapping[Side, tuple[Cut, ...]]:
        """Where the scan cuts each lung off."""
        return {
            side: tuple(cut for cut in self._cut_by_faces(side) if cut.area_cm2 >= CUT_CM2) for side in SIDES
        }

    def _cut_by_faces(self, side: Side) -> list[Cut]:
        own = self.lungs == LUNG_LABELS[side]
        cuts = []
        for axis, names in enumerate(FACES):
            others = tuple(a for a in range(3) if a != axis)
            sections = np.count_nonzero(own, axis=others)
            at_edge = (self.box[axis].start == 0, self.box[axis].stop == self.scan_shape[axis])
            voxel_cm2 = float(np.prod(self.spacing_mm)) / self.spacing_mm[axis] / 100.0
            for face, edge, name in zip((0, -1), at_edge, names, strict=True):
                if edge and sections[face]:
                    share = float(sections[face]) / float(sections.max())
                    cuts.append(Cut(name, float(sections[face]) * voxel_cm2, share))
        return cuts

    def thick_pieces_ml(self, mask: Mask, radius_mm: float) -> list[float]:
        """Volumes of the pieces of a coarse mask that a ball of a radius fits into, largest first."""
        voxel_ml = float(np.prod(self.coarse_mm)) / 1000.0
        labels, count = components(open_(mask, self.coarse_mm, radius_mm), self.coarse_mm)
        sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        return [float(size) * voxel_ml for size in sizes]

    def on_coarse(self, mask: Mask) -> Mask:
        """Return the blocks that hold any of a mask on the box."""
        share, _, _ = shrink((np.asarray(mask) > 0).astype(np.float32), self.spacing_mm, COARSE_MM)
        return np.asarray(share > 0.0, dtype=np.bool_)

    def lobes_at(self, points: Sequence[tuple[float, float, float]]) -> tuple[Lobe, ...]:
        """Return the lobes that are nearest to points on the box, each once."""
        if self.lobes is None or not points:
            return ()
        reach = [int(np.ceil(NEAR_LOBE_MM / s)) for s in self.spacing_mm]
        found = set()
        for point in points:
            low = [max(0, round(p) - r) for p, r in zip(point, reach, strict=True)]
            box = tuple(slice(a, a + 2 * r + 1) for a, r in zip(low, reach, strict=True))
            counts = np.bincount(self.lobes[box].ravel(), minlength=len(LOBES) + 1)
            if counts[1:].any():
                found.add(int(counts[1:].argmax()) + 1)
        return tuple(lobe for lobe in LOBES if LOBE_LABELS[lobe] in found)
