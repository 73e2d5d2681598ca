"""Where the lungs are: the air inside the body, on a coarse grid.

Two millimeters are enough to tell lungs from bowel gas, the air around the patient and the foam of the
table, and make the search cost the same whatever the scan's resolution is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy.bowel import gas_below_diaphragm
from clearlung.anatomy.morphology import COARSE_MM, Mask, Spacing, components, dilate, shrink
from clearlung.ct import Scan
from clearlung.errors import ScanRejected
from clearlung.evidence import load_evidence

# Halfway between inflated lung (about -850 HU) and soft tissue (about 40 HU).
AIR_BELOW_HU = -400
# Bowel gas and the lumen of the airways are close to -1000; even emphysema has tissue in it.
GAS_BELOW_MEAN_HU = -965.0
# Lung that a face of the scan cuts off is told by this from the air around the patient.
CUT_LUNG_MEAN_HU = (-940.0, -500.0)
# A lung is wrapped in soft tissue and bone; the foam of a table in a thin shell and air again.
WRAPPING_ABOVE_MEAN_HU = -350.0
WRAPPING_MM = 8.0
# A smaller piece of air is no lung, unless it is a large part of what was found.
SMALLEST_PIECE_ML = 30.0
SMALLEST_SHARE = 0.02


@dataclass(frozen=True, eq=False)
class CoarseAir:
    """The air of the lungs and airways on a coarse grid.

    Parameters
    ----------
    hu
        int16 block means, shape (z, y, x).
    lungs
        Lungs with the airways that join them.
    bowel
        Gas beneath the diaphragm, which is not in ``lungs``.
    factor
        Voxels of the scan in one coarse voxel along z, y and x.
    spacing_mm
        Along z, y and x.
    middle_x
        Coarse index of the body's middle.
    """

    hu: NDArray[np.int16]
    lungs: Mask
    bowel: Mask
    factor: tuple[int, int, int]
    spacing_mm: Spacing
    middle_x: float


def find_air(scan: Scan) -> CoarseAir:
    """Find the air of the lungs.

    Parameters
    ----------
    scan
        A checked scan.

    Returns
    -------
    CoarseAir
        On a grid of :data:`COARSE_MM` or the scan's own, where that is coarser.

    Raises
    ------
    ScanRejected
        With the code ``no_lungs`` if nothing in the scan can be a lung.
    """
    volume = scan.volume
    hu, (sz, sy, sx), factor = shrink(volume.array, volume.spacing_mm, COARSE_MM)
    labels, count = components(hu < AIR_BELOW_HU, (sz, sy, sx), SMALLEST_PIECE_ML)
    lungs = np.isin(labels, _lung_pieces(labels, count, hu, (sz, sy, sx)))
    bowel = gas_below_diaphragm(lungs, hu, (sz, sy, sx))
    lungs &= ~bowel
    lungs_ml = float(np.count_nonzero(lungs)) * sz * sy * sx / 1000.0
    book = load_evidence()
    low, high = (book.value(f"anatomy.air_{bound}", unit="ml") for bound in ("least", "most"))
    if not low <= lungs_ml <= high:
        raise ScanRejected(
            "no_lungs",
            f"{lungs_ml:.0f} ml of enclosed air",
            f"No lungs were found: {low:.0f} to {high:.0f} ml of air enclosed by the body are expected. "
            "Give a CT of the whole thorax in Hounsfield units.",
        )
    return CoarseAir(hu, lungs, bowel, factor, (sz, sy, sx), _middle_of_body(hu))


def _lung_pieces(labels: NDArray[np.int32], count: int, hu: NDArray[np.int16], spacing: Spacing) -> list[int]:
    """Return the components that are lungs: enclosed, wrapped in tissue, and not only gas."""
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sums = np.bincount(labels.ravel(), weights=hu.ravel(), minlength=count + 1)
    means = sums / np.maximum(sizes, 1)
    faces = (labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1])
    at_faces = set(np.unique(np.concatenate([face.ravel() for face in faces])).tolist())
    at_corners = set(np.unique(labels[:, [0, 0, -1, -1], [0, -1, 0, -1]]).tolist())
    low, high = CUT_LUNG_MEAN_HU
    enclosed = [
        k for k in range(1, count + 1) if k not in at_faces or (k not in at_corners and low < means[k] < high)
    ]
    if not enclosed:
        return []
    largest = max(sizes[label] for label in enclosed)
    found = []
    for label in enclosed:  # a handful: small pieces were left out by their volume
        piece = labels == label
        if sizes[label] < SMALLEST_SHARE * largest or means[label] < GAS_BELOW_MEAN_HU:
            continue
        wrapping = dilate(piece, spacing, WRAPPING_MM) & ~piece
        if hu[wrapping].mean() > WRAPPING_ABOVE_MEAN_HU:
            found.append(label)
    return found


def _middle_of_body(hu: NDArray[np.int16]) -> float:
    """Coarse x index of the middle of the tissue."""
    weights = (hu > AIR_BELOW_HU).sum(axis=(0, 1)).astype(np.float64)
    return float(np.average(np.arange(weights.size), weights=weights))
