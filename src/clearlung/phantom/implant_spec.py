"""What nodules to implant into a scan, and where each default comes from."""

from __future__ import annotations

from dataclasses import dataclass, fields

from clearlung.errors import FieldError
from clearlung.phantom.spec import (
    CALCIFIED_FRACTION,
    CALCIFIED_HU,
    DIAMETER_LOG_SD,
    DIAMETER_MEDIAN_MM,
)

PLACES = ("free", "pleura", "vessel", "fissure", "diaphragm")
"""Where a nodule can be implanted."""

KINDS = ("solid", "calcified", "cavitated", "part-solid")
"""What an implanted nodule can be made of."""

# Smaller nodules of these kinds would not show what they are: their core is no wider than the blur.
LEAST_CAVITATED_MM = 6.0
LEAST_PART_SOLID_MM = 5.0
LEAST_SPICULATED_MM = 8.0

Range = tuple[float, float]


@dataclass(frozen=True)
class ImplantSpec:
    """Which nodules to put into a scan.

    Every default is assumed; the reason is given with it.

    Parameters
    ----------
    nodules
        How many, 0 to 32,000.
    seed
        Everything random follows from it.
    diameter_mm
        Least and greatest diameter of the sphere of equal volume. From what a thin slice just shows to the
        largest that the phantom has.
    distribution
        "log-uniform" (default: as many from 2 to 4 mm as from 8 to 16, so that every size is learned and
        tested) or "lognormal" (the phantom's: mostly small ones).
    diameter_median_mm, diameter_log_sd
        Of the lognormal distribution; the phantom's values.
    pleura, vessel, fissure, diaphragm
        Shares of the nodules at the lung's surface (not the diaphragm), at a vessel of 1 mm radius or more,
        at the border of two lobes, and on the diaphragm; the rest is free. More at hard places than patients
        have, for these are what detectors miss.
    broad
        Share of those at pleura and diaphragm that sit on it broadly; the others just touch it. As in the
        phantom.
    calcified, cavitated, part_solid
        Shares of the nodules with a calcified core (that of the phantom), with air inside (about 4 % of
        metastases, more in sarcoma under treatment), and with a ground-glass halo around a solid core (as
        hemorrhagic metastases have). Too small ones are solid instead.
    touching
        Share of the nodules that touch another one, in groups of two or three. Of 170 nodules some do.
    solid_hu
        Attenuation of solid tissue: from slightly fatty or wet to enhanced by contrast medium.
    core_hu
        Attenuation of calcified cores; the phantom's.
    halo_fill
        Share of a halo that is solid: a ground-glass opacity of about -700 to -400 HU.
    calcified_core, cavity_core, solid_core
        Radius of the core of each kind over the nodule's.
    roughness
        Relative SD of the radius over the surface.
    spiculated
        Share of the nodules of 8 mm and more with lobes and spicules.
    edge_mm
        SD of the softness of the nodule's own border, beyond the scanner's blur; never more than an eighth of
        the diameter. Tumors that infiltrate have soft borders, metastases sharp ones.
    gap_mm
        Lung between two nodules that do not touch.

    Raises
    ------
    FieldError
        If a value is out of its range.

    Examples
    --------
    >>> ImplantSpec(nodules=10, pleura=0.5, vessel=0.2).free
    0.15
    """

    nodules: int = 50
    seed: int = 0
    diameter_mm: Range = (2.0, 28.0)
    distribution: str = "log-uniform"
    diameter_median_mm: float = DIAMETER_MEDIAN_MM
    diameter_log_sd: float = DIAMETER_LOG_SD
    pleura: float = 0.2
    vessel: float = 0.2
    fissure: float = 0.08
    diaphragm: float = 0.07
    broad: float = 0.5
    calcified: float = CALCIFIED_FRACTION / 2
    cavitated: float = 0.05
    part_solid: float = 0.05
    touching: float = 0.08
    solid_hu: Range = (0.0, 90.0)
    core_hu: Range = CALCIFIED_HU
    halo_fill: Range = (0.2, 0.5)
    calcified_core: Range = (0.45, 0.95)
    cavity_core: Range = (0.35, 0.75)
    solid_core: Range = (0.35, 0.7)
    roughness: Range = (0.03, 0.14)
    spiculated: float = 0.35
    edge_mm: Range = (0.0, 0.6)
    gap_mm: float = 1.5

    def __post_init__(self) -> None:
        if not 0 <= self.nodules <= 32_000:
            raise FieldError("nodules", f"must be 0 to 32,000, and is {self.nodules}")
        if self.distribution not in ("log-uniform", "lognormal"):
            raise FieldError("distribution", f"must be log-uniform or lognormal, not {self.distribution!r}")
        for name in ("pleura", "vessel", "fissure", "diaphragm", "broad", "touching", "spiculated"):
            self._check(name, 0.0, 1.0)
        for name in ("calcified", "cavitated", "part_solid"):
            self._check(name, 0.0, 1.0)
        if self.free < 0:
            raise FieldError("pleura", "pleura, vessel, fissure and diaphragm together must not exceed 1")
        if self.solid < 0:
            raise FieldError("calcified", "calcified, cavitated and part_solid together must not exceed 1")
        limits = {
            "diameter_mm": (0.5, 60.0),
            "solid_hu": (-400.0, 400.0),
            "core_hu": (100.0, 3000.0),
            "edge_mm": (0.0, 5.0),
            "roughness": (0.0, 0.2),
        }
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple):
                low, high = limits.get(field.name, (0.0, 1.0))
                if len(value) != 2 or not low <= value[0] <= value[1] <= high:
                    raise FieldError(field.name, f"must rise within {low:g} to {high:g}, and is {value}")
        low, high = self.diameter_mm
        if self.distribution == "lognormal" and not low <= self.diameter_median_mm <= high:
            raise FieldError("diameter_median_mm", f"must lie in {low:g} to {high:g} mm")
        self._check("diameter_log_sd", 0.0, 2.0)
        self._check("gap_mm", 0.0, 50.0)

    def _check(self, name: str, low: float, high: float) -> None:
        if not low <= getattr(self, name) <= high:
            raise FieldError(name, f"must be {low:g} to {high:g}, and is {getattr(self, name)}")

    @property
    def free(self) -> float:
        """Share of the nodules that touch nothing."""
        return round(1.0 - self.pleura - self.vessel - self.fissure - self.diaphragm, 9)

    @property
    def solid(self) -> float:
        """Share of the nodules that are solid throughout."""
        return round(1.0 - self.calcified - self.cavitated - self.part_solid, 9)
