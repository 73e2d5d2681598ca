"""`Phantom`: a synthetic patient's scan with the truth about it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBE_SIDES, BranchTree, Fissure, Side
from clearlung.ct import Scan, Volume
from clearlung.nodules import NoduleTable, sphere_volume_mm3
from clearlung.phantom.damage import Damage
from clearlung.phantom.metastases import Metastases
from clearlung.phantom.spec import PhantomSpec
from clearlung.phantom.truths import Patient, airway_branches, lung_mask, tube_mask


@dataclass(frozen=True, eq=False)
class Phantom:
    """A synthetic patient.

    Parameters
    ----------
    spec
        What was asked for.
    scan
        The scan, its source ``"phantom"``.
    lungs, lobes
        uint8 label maps on the scan's grid (:data:`clearlung.anatomy.LUNG_LABELS`, ``LOBE_LABELS``). Hilar
        vessels and large airways are outside.
    nodules
        int16 label map on the scan's grid: the nodules' ids. Each nodule has at least one voxel.
    truth
        Every nodule. Diameter and volume are those of the drawn shape, not of its voxels; the depth is that
        of the centroid; attenuations are read from the scan inside the label.
    touches_pleura, touches_vessel
        bool, one per nodule: whether its surface comes within 0.5 mm of the pleural surface, or of a vessel
        of 1 mm radius or more.
    patient
        What the trees, the depth and the hila are told from.
    """

    spec: PhantomSpec
    scan: Scan
    lungs: Volume
    lobes: Volume
    nodules: Volume
    truth: NoduleTable
    touches_pleura: NDArray[np.bool_]
    touches_vessel: NDArray[np.bool_]
    patient: Patient

    @cached_property
    def _airways(self) -> tuple[BranchTree, NDArray[np.bool_]]:
        return airway_branches(self.patient.airway_nodes)

    @property
    def airway_tree(self) -> BranchTree:
        """The lumina from the trachea outwards, to 0.45 mm of radius.

        Central ones have names: trachea, right main, intermediate, left main and the lobar bronchi
        (:data:`clearlung.phantom.truths.STEM_NAMES`).
        """
        return self._airways[0]

    @property
    def segmental(self) -> NDArray[np.bool_]:
        """Which branches of the airway tree are segmental: bool, as many in each lobe as it has segments."""
        return self._airways[1]

    @cached_property
    def airways(self) -> Volume:
        """Lumina of trachea and bronchi: uint8 on the scan's grid, 1 in voxels more than half inside."""
        return self.scan.volume.with_array(tube_mask(self.patient.airway_tubes, self.scan.volume))

    @cached_property
    def vessel_tree(self) -> BranchTree:
        """Arteries and veins from each lobe's hilum outwards; a branch's name is "artery" or "vein"."""
        return self.patient.vessel_nodes.branches()[0]

    @cached_property
    def vessels(self) -> Volume:
        """Arteries and veins in the lungs: uint8 on the scan's grid, 1 in voxels more than half inside."""
        mask = tube_mask(self.patient.vessel_tubes, self.scan.volume)
        mask &= lung_mask(self.patient, self.scan.volume)
        return self.scan.volume.with_array(mask)

    @cached_property
    def hila_mm(self) -> dict[Side, tuple[float, float, float]]:
        """LPS point of each lung's hilum: where the bronchi and vessels of its lobes enter it, on average."""
        return self.patient.hila_mm()

    @property
    def fissures_seen(self) -> tuple[Fissure, ...]:
        """Each fissure with the share of its surface that was drawn."""
        return self.patient.fissures_seen

    @property
    def damage(self) -> Damage:
        """What is wrong with the lungs: an operation, fluid, emphysema, consolidation, a mass, wedges."""
        return self.patient.damage

    def depth_mm(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Depth of any points below the pleural surface of their lung.

        Parameters
        ----------
        points_mm
            Shape (n, 3), LPS.

        Returns
        -------
        array
            float64, exact to a few hundredths of a millimeter; NaN outside the lungs. Fissures do not
            count, and hilar vessels and airways within the lung's outline are inside.
        """
        return self.patient.depth_mm(points_mm)


def truth_table(metastases: Metastases, hu: NDArray[np.int16], labels: NDArray[np.int16]) -> NoduleTable:
    """Tabulate the metastases, with their attenuation in the scan.

    Parameters
    ----------
    metastases
        As drawn.
    hu, labels
        int16, shape (z, y, x): the scan, and the metastases' numbers on its grid.

    Returns
    -------
    NoduleTable
        One row per metastasis, without a label map.
    """
    n = len(metastases)
    inside = np.flatnonzero(labels)
    owner, values = labels.ravel()[inside], hu.ravel()[inside].astype(np.float64)
    counts = np.bincount(owner, minlength=n + 1)[1:]
    sums = np.bincount(owner, weights=values, minlength=n + 1)[1:]
    highest = np.full(n + 1, -np.inf)
    np.maximum.at(highest, owner, values)
    return NoduleTable(
        id=np.arange(1, n + 1, dtype=np.int32),
        x_mm=metastases.center_mm[:, 0].copy(),
        y_mm=metastases.center_mm[:, 1].copy(),
        z_mm=metastases.center_mm[:, 2].copy(),
        side=np.array([LOBE_SIDES[lobe] for lobe in metastases.lobe.tolist()], dtype=np.str_),
        lobe=metastases.lobe,
        lobe_confidence=np.ones(n),
        diameter_mm=metastases.diameter_mm,
        volume_mm3=sphere_volume_mm3(metastases.diameter_mm),
        depth_mm=metastases.depth_mm,
        probability=np.ones(n),
        mean_hu=sums / np.maximum(counts, 1),
        max_hu=highest[1:],
        calcified=metastases.calcified,
        vdt_days=np.full(n, np.nan),
    )
