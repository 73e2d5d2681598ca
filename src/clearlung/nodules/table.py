"""`NoduleTable`: every nodule of one scan, one array per column."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBES, SIDES
from clearlung.ct import Volume
from clearlung.evidence import load_evidence


def sphere_volume_mm3(diameter_mm: Any) -> Any:
    """Volume of spheres.

    Parameters
    ----------
    diameter_mm
        A number or an array of any shape.

    Returns
    -------
    float or ndarray
        float64, mm³, of the same shape.

    Examples
    --------
    >>> round(float(sphere_volume_mm3(10.0)), 1)
    523.6
    """
    return np.pi / 6.0 * np.asarray(diameter_mm, dtype=np.float64) ** 3


def sphere_diameter_mm(volume_mm3: Any) -> Any:
    """Diameter of the spheres of given volumes.

    Parameters
    ----------
    volume_mm3
        A number or an array of any shape.

    Returns
    -------
    float or ndarray
        float64, mm, of the same shape.

    Examples
    --------
    >>> round(float(sphere_diameter_mm(523.6)), 2)
    10.0
    """
    return np.cbrt(6.0 / np.pi * np.asarray(volume_mm3, dtype=np.float64))


@dataclass(frozen=True, eq=False)
class NoduleTable:
    """Nodules of one scan, columnar: every column has one entry per nodule.

    Nodules found on a scan are numbered 1 to n, ordered by side (right first), lobe, then head to feet; a
    radiologist's list keeps its own numbers. The number is also the label in the label map.

    Parameters
    ----------
    id
        int32: positive, each one once.
    x_mm, y_mm, z_mm
        float64: centroid, LPS; NaN where a list without places was given.
    side, lobe
        Strings: "right" or "left"; one of :data:`clearlung.anatomy.LOBES`.
    lobe_confidence
        float64 in [0, 1]; 1 where a radiologist named the lobe.
    diameter_mm
        float64: diameter of the sphere of equal volume.
    volume_mm3
        float64.
    depth_mm
        float64: distance of the nodule's center from the pleural surface. 0 lies on it.
    probability
        float64 in [0, 1]: how likely this is a nodule and not a vessel or a scar; 1 for a radiologist's list.
    mean_hu, max_hu
        float64: attenuation inside the mask; NaN without a scan.
    calcified
        bool.
    vdt_days
        float64: volume doubling time; NaN where unknown.
    labels
        Label map on the anatomy's box (int32, 0 outside), or None for a list without a scan.

    Raises
    ------
    ValueError
        If the columns differ in length, an id is doubled, or a side or lobe has another name.
    """

    id: NDArray[np.int32]
    x_mm: NDArray[np.float64]
    y_mm: NDArray[np.float64]
    z_mm: NDArray[np.float64]
    side: NDArray[np.str_]
    lobe: NDArray[np.str_]
    lobe_confidence: NDArray[np.float64]
    diameter_mm: NDArray[np.float64]
    volume_mm3: NDArray[np.float64]
    depth_mm: NDArray[np.float64]
    probability: NDArray[np.float64]
    mean_hu: NDArray[np.float64]
    max_hu: NDArray[np.float64]
    calcified: NDArray[np.bool_]
    vdt_days: NDArray[np.float64]
    labels: Volume | None = None

    def __post_init__(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in COLUMNS}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns differ in length: {lengths}")
        if len(np.unique(self.id)) != len(self) or (len(self) and self.id.min() < 1):
            raise ValueError("nodule ids must be positive and differ from one another")
        for column, allowed in (("side", SIDES), ("lobe", LOBES)):
            strange = set(getattr(self, column).tolist()) - set(allowed)
            if strange:
                raise ValueError(f"{column} must be one of {', '.join(allowed)}, not {sorted(strange)}")

    def __len__(self) -> int:
        return len(self.id)

    @property
    def points_mm(self) -> NDArray[np.float64]:
        """LPS centroids (x, y, z), shape (n, 3); rows of NaN where no places were given."""
        return np.column_stack([self.x_mm, self.y_mm, self.z_mm])

    @property
    def lobe_unsure(self) -> NDArray[np.bool_]:
        """Whether each nodule's lobe is too uncertain to be stated without a warning."""
        return np.asarray(self.lobe_confidence < load_evidence().value("anatomy.lobe_sure", unit="1"))

    def rows(self) -> Iterable[dict[str, Any]]:
        """Yield one plain dictionary per nodule."""
        columns = {name: getattr(self, name).tolist() for name in COLUMNS}
        for values in zip(*columns.values(), strict=True):
            yield dict(zip(columns, values, strict=True))

    def with_columns(self, **columns: Any) -> NoduleTable:
        """Return the table with some columns replaced."""
        return replace(self, **columns)


COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(NoduleTable) if f.name != "labels")
"""The columns in the order in which they are written."""
