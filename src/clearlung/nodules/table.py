"""`NoduleTable`: every nodule of one scan, one array per column."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
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


_NOT_MEASURED = np.empty(0, dtype=np.float64)
_NOT_NAMED = np.empty(0, dtype=np.str_)


def _not_measured() -> NDArray[np.float64]:
    return _NOT_MEASURED


def _not_named() -> NDArray[np.str_]:
    return _NOT_NAMED


TEXTURES = ("solid", "part-solid", "ground-glass")
"""What a nodule is made of, where it is known."""

REVIEWS = ("accepted", "added", "edited")
"""What a reader can have done to a nodule that is in the table."""

_NAMES = {
    "side": SIDES,
    "lobe": LOBES,
    "second_lobe": ("", *LOBES),
    "texture": ("", *TEXTURES),
    "review": ("", *REVIEWS),
}


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
    volume_low_mm3, volume_high_mm3
        float64: the interval in which the volume of a repeated scan would lie (95 %).
    longest_axial_mm, short_axial_mm
        float64: longest diameter in any axial slice, and the longest one perpendicular to it there (RECIST
        1.1; the mean of both is Fleischner's diameter).
    longest_mm, perpendicular_mm
        float64: longest diameter in any direction, and the longest one perpendicular to it.
    mass_mg
        float64: volume times density, water being 1 mg/mm³ at 0 HU.
    calcified_share, cavity_share
        float64 in [0, 1]: shares of the volume.
    sphericity
        float64 in (0, 1]: surface of the sphere of equal volume over the nodule's own.
    pleura_contact, vessel_contact
        float64 in [0, 1]: shares of the surface that touch the pleura, and a vessel.
    second_lobe
        The lobe across the nearest fissure, "" where there is none.
    hilum_mm, vessel_mm, bronchus_mm
        float64: distance of the center from the hilum of its side, and from the nearest center lines.
    texture
        "solid", "part-solid", "ground-glass" or "" where unknown.
    malignant_chance
        float64 in [0, 1]: NaN where no published evidence allows to state one.
    review
        What a reader did: "accepted", "added", "edited", or "" for nothing yet.
    warnings
        What a reader of the whole table must know, in words.

    Raises
    ------
    ValueError
        If the columns differ in length, an id is doubled, or a side, lobe, texture or review has a name
        that is none.
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
    volume_low_mm3: NDArray[np.float64] = field(default_factory=_not_measured)
    volume_high_mm3: NDArray[np.float64] = field(default_factory=_not_measured)
    longest_axial_mm: NDArray[np.float64] = field(default_factory=_not_measured)
    short_axial_mm: NDArray[np.float64] = field(default_factory=_not_measured)
    longest_mm: NDArray[np.float64] = field(default_factory=_not_measured)
    perpendicular_mm: NDArray[np.float64] = field(default_factory=_not_measured)
    mass_mg: NDArray[np.float64] = field(default_factory=_not_measured)
    calcified_share: NDArray[np.float64] = field(default_factory=_not_measured)
    cavity_share: NDArray[np.float64] = field(default_factory=_not_measured)
    sphericity: NDArray[np.float64] = field(default_factory=_not_measured)
    pleura_contact: NDArray[np.float64] = field(default_factory=_not_measured)
    vessel_contact: NDArray[np.float64] = field(default_factory=_not_measured)
    second_lobe: NDArray[np.str_] = field(default_factory=_not_named)
    hilum_mm: NDArray[np.float64] = field(default_factory=_not_measured)
    vessel_mm: NDArray[np.float64] = field(default_factory=_not_measured)
    bronchus_mm: NDArray[np.float64] = field(default_factory=_not_measured)
    texture: NDArray[np.str_] = field(default_factory=_not_named)
    malignant_chance: NDArray[np.float64] = field(default_factory=_not_measured)
    review: NDArray[np.str_] = field(default_factory=_not_named)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in COLUMNS:
            # A shared empty array stands for a column that was left out.
            for blank, filler in ((_NOT_MEASURED, np.nan), (_NOT_NAMED, "")):
                if getattr(self, name) is blank:
                    object.__setattr__(self, name, np.full(len(self.id), filler))
        lengths = {name: len(getattr(self, name)) for name in COLUMNS}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns differ in length: {lengths}")
        if len(np.unique(self.id)) != len(self) or (len(self) and self.id.min() < 1):
            raise ValueError("nodule ids must be positive and differ from one another")
        for column, allowed in _NAMES.items():
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

    @property
    def fleischner_mm(self) -> NDArray[np.float64]:
        """Fleischner's diameter: the mean of the longest axial one and the one perpendicular to it."""
        return 0.5 * (self.longest_axial_mm + self.short_axial_mm)

    @property
    def measurable(self) -> NDArray[np.bool_]:
        """Whether each nodule is long enough in an axial slice to be a target lesion by RECIST 1.1."""
        least = load_evidence().value("measurement.recist.measurable", unit="mm")
        return np.asarray(self.longest_axial_mm >= least)

    def take(self, rows: NDArray[np.intp]) -> NoduleTable:
        """Return some of the nodules, with their numbers; the others leave the label map too."""
        columns = {name: getattr(self, name)[rows] for name in COLUMNS}
        labels = self.labels
        if labels is not None:
            kept = np.isin(labels.array, columns["id"])
            labels = labels.with_array(np.where(kept, labels.array, np.int32(0)))
        return replace(self, **columns, labels=labels)

    def renumbered(self) -> NoduleTable:
        """Return the same nodules numbered 1 to n in their order, in the label map too."""
        number = np.zeros(int(self.id.max(initial=0)) + 1, dtype=np.int32)
        number[self.id] = np.arange(1, len(self) + 1)
        labels = None if self.labels is None else self.labels.with_array(number[self.labels.array])
        return replace(self, id=np.arange(1, len(self) + 1, dtype=np.int32), labels=labels)

    def rows(self) -> Iterable[dict[str, Any]]:
        """Yield one plain dictionary per nodule."""
        columns = {name: getattr(self, name).tolist() for name in COLUMNS}
        for values in zip(*columns.values(), strict=True):
            yield dict(zip(columns, values, strict=True))

    def with_columns(self, **columns: Any) -> NoduleTable:
        """Return the table with some columns replaced."""
        return replace(self, **columns)


COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(NoduleTable) if f.name not in ("labels", "warnings"))
"""The columns in the order in which they are written."""
