"""`Scan`: one checked CT volume of one patient on one day."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from clearlung.ct.volume import AxisOrder, Volume

SourceKind = Literal["dicom", "nifti", "nrrd", "metaimage", "phantom"]


@dataclass(frozen=True, eq=False)
class Scan:
    """A CT volume that has passed every check.

    Parameters
    ----------
    volume
        int16 Hounsfield units in [-1024, 3071], canonical axes. Padding outside the reconstruction circle
        is -1024.
    native
        The file's own axis order, for writing label maps that lie on the file's grid.
    source
        What kind of file it came from.
    series
        Short description of the series that was read: never the patient's identity.
    input_sha256
        Hash of the input's bytes (of a DICOM folder: of its files in slice order).
    warnings
        What a reader of any result must know, e.g. that the slices are thick.
    slice_thickness_mm
        The slice thickness that the header states; None where it states none.
    resampled
        Whether the grid is not the file's own: the gantry was tilted and the slices were shifted, or a
        missing slice was filled in. Label maps are then written on this grid, in the file's axis order.
    """

    volume: Volume
    native: AxisOrder
    source: SourceKind
    series: str
    input_sha256: str
    warnings: tuple[str, ...] = field(default=())
    slice_thickness_mm: float | None = None
    resampled: bool = False

    @property
    def slice_spacing_mm(self) -> float:
        """Distance between slices: the coarsest spacing.

        Not every format says which axis its slices were stacked along, and a result must not depend on the
        axis order that a file happens to have.
        """
        return max(self.volume.spacing_mm)
