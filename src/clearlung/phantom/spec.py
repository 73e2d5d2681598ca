"""What the synthetic patient is to be like, and where each default comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from clearlung.anatomy import LOBES, Lobe
from clearlung.phantom.operations import OPERATIONS, OperationName

# --- the patient -------------------------------------------------------------------------------------------
# The field of view is the same for every shape: 512 x 0.7 mm in plane, 400 x 0.8 mm along the body.
FIELD_OF_VIEW_MM = (320.0, 358.4, 358.4)
# z of the lowest slice's lower face, with the carina at 0: both lungs fit with more than 10 mm to spare.
FIELD_BOTTOM_MM = -198.0

# Assumed: patients differ in each direction by 2 % (standard deviation), at most 4 %.
BODY_SCALE_SD = 0.02
BODY_SCALE_LIMIT = 0.04

# --- the metastases ----------------------------------------------------------------------------------------
# Assumed, informed by two sources. LIDC-IDRI (2,651 nodules, only those of 3 mm or more listed): median
# 7.8 mm, SD of the logarithm 0.50. Lee 1984 (117 patients with nodular metastases): 1 to 3 cm in 37 % of the
# patients. Many-metastasis disease has mostly small ones: 3 of 4 lie between 2 and 8 mm here.
DIAMETER_MEDIAN_MM = 4.5
DIAMETER_LOG_SD = 0.6
DIAMETER_RANGE_MM = (1.2, 28.0)

# Osteosarcoma: 47 % of the patients with metastases have calcified ones (75 of 127, CT series), 61 % of the
# lesions were calcified in an operated series (Ciccarese, 283 lesions). Assumed between them and none.
CALCIFIED_FRACTION = 0.35
# Assumed; autopsy nodules below 5 mm: 12 % bronchovascular (n = 43). Metastases are mostly peripheral.
VESSEL_FRACTION = 0.12
PLEURA_FRACTION = 0.22
# Assumed: the density of metastases falls with this depth below the pleura ...
PERIPHERAL_DEPTH_MM = 30.0
# ... down to this share of its value at the pleura.
CENTRAL_DENSITY = 0.35
# Assumed: lower lobes get a little more than their volume's share (perfusion); no preference in 71 % of
# patients (osteosarcoma CT series).
LOWER_LOBE_PREFERENCE = 1.1
# Assumed: relative SD of the radius over the surface, and the share of it in the coarsest shape (an ovoid).
ROUGHNESS = 0.08
# Assumed: free space between two metastases.
GAP_MM = 1.5
# A surface nearer than this to a nodule's touches it: less than any voxel resolves.
TOUCH_MM = 0.5
# Vessels below this radius touch nearly every nodule and mean nothing to a surgeon.
TOUCHABLE_VESSEL_RADIUS_MM = 1.0

# --- attenuation, HU ---------------------------------------------------------------------------------------
# Textbook values for 120 kV, rounded; the lungs' were matched to four real scans (LIDC-IDRI, QIN LUNG CT):
# histogram peaks -840 to -890, 0.3 to 0.5 HU per mm from front to back.
AIR_HU = -1000.0
LUNG_HU = -877.0
LUNG_GRADIENT_HU_PER_MM = 0.40
FAT_HU = -105.0
MUSCLE_HU = 55.0
SKIN_HU = 15.0
LIVER_HU = 58.0
SPLEEN_HU = 50.0
STOMACH_HU = 25.0
HEART_HU = 42.0
CARTILAGE_HU = 105.0
CORTICAL_HU = 850.0
MARROW_HU = 170.0
DISC_HU = 80.0
CORD_HU = 30.0
WALL_HU = 10.0
NODULE_HU = (15.0, 60.0)
CALCIFIED_HU = (250.0, 1100.0)

PADDING_HU = -1024

# Less air than this is left only by force, and no one is scanned so.
LEAST_BREATH = 0.6
# More than this leaves no lung that any scan shows.
MOST_EMPHYSEMA = 0.6
MOST_MASS_MM = 120.0
# More scars than this find no room apart from each other.
MOST_WEDGES = 12


@dataclass(frozen=True)
class PhantomSpec:
    """What to make.

    Parameters
    ----------
    nodules
        Number of metastases, 0 to 32,000.
    seed
        Everything random follows from it; the same specification gives the same bits.
    shape
        Voxels along z, y and x. The field of view stays the same: a smaller shape has larger voxels. The
        patient does not depend on it, only the scan does.
    noise_hu
        Standard deviation of the noise at the center of an average slice.
    blood_hu
        Attenuation of blood: about 45 without contrast medium, 150 to 300 with.
    psf_in_plane_mm, psf_axial_mm
        Full width at half maximum of the scanner's blur (a standard kernel, thin slices).
    diameter_median_mm, diameter_log_sd
        The lognormal distribution of the diameters.
    calcified_fraction, pleura_fraction, vessel_fraction
        Shares of the nodules that are calcified, are placed at the pleura, or at a vessel. More than these
        may touch by chance; the truth tells.
    variety
        How much patients differ in size, chest, diaphragm, heart, lobes, fissures and branches: 0 is the
        average patient, 1 the scatter of people (:mod:`clearlung.phantom.variety`).
    breath
        Volume of the lungs over that at full inspiration, 0.6 to 1. With less air the diaphragm stands
        higher and the lungs are denser: their tissue stays the same.
    fissure_completeness
        Share of the surface of the right oblique, the right horizontal and the left oblique fissure that is
        there, 0 to 1. What is missing lies towards the hilum, and a few vessels cross it.
    realistic
        Whether there is also what misleads a segmentation: fissures thicker here and fainter there in a zone
        without vessels, thin sheets that are no fissure, and nodules that sit broad on the pleura. Of the
        shapes of the last, diameter, volume and center are those of what lies in the lung.
    operation
        An earlier operation: "left pneumonectomy", "right pneumonectomy", "right upper lobectomy", "left
        lower lobectomy", "wedges", or "none". The rest of the lung fills the room; after a pneumonectomy
        fluid does.
    wedges
        How many scars with rows of staples the operation "wedges" left, right and left in turn.
    effusion_ml
        Fluid at the back of the right and the left side.
    emphysema
        Share of the lungs in bullae, 0 to 0.6, more of them at the top.
    consolidation
        The lobe of which a part is filled with tissue, its bronchi open; "" for none.
    mass_mm, mass_at
        Diameter of one mass, 0 for none, and what it sits on: "wall" or "mediastinum".

    Raises
    ------
    ValueError
        If a value is out of its range.

    Examples
    --------
    >>> PhantomSpec(nodules=5, shape=(100, 128, 128)).spacing_mm
    (3.2, 2.8, 2.8)
    """

    nodules: int = 170
    seed: int = 1
    shape: tuple[int, int, int] = (400, 512, 512)
    noise_hu: float = 18.0
    blood_hu: float = 45.0
    psf_in_plane_mm: float = 1.25
    psf_axial_mm: float = 1.1
    diameter_median_mm: float = DIAMETER_MEDIAN_MM
    diameter_log_sd: float = DIAMETER_LOG_SD
    calcified_fraction: float = CALCIFIED_FRACTION
    pleura_fraction: float = PLEURA_FRACTION
    vessel_fraction: float = VESSEL_FRACTION
    variety: float = 0.0
    breath: float = 1.0
    fissure_completeness: tuple[float, float, float] = (1.0, 1.0, 1.0)
    realistic: bool = False
    operation: OperationName = "none"
    wedges: int = 6
    effusion_ml: tuple[float, float] = (0.0, 0.0)
    emphysema: float = 0.0
    consolidation: Lobe | Literal[""] = ""
    mass_mm: float = 0.0
    mass_at: Literal["wall", "mediastinum"] = "wall"

    def __post_init__(self) -> None:
        if not 0 <= self.nodules <= 32_000:
            raise ValueError(f"nodules must be 0 to 32,000, not {self.nodules}")
        if len(self.shape) != 3 or min(self.shape) < 32:
            raise ValueError(f"shape needs three axes of at least 32 voxels, not {self.shape}")
        for name in ("noise_hu", "psf_in_plane_mm", "psf_axial_mm", "diameter_log_sd"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, and is {getattr(self, name)}")
        low, high = DIAMETER_RANGE_MM
        if not low < self.diameter_median_mm < high:
            raise ValueError(f"diameter_median_mm must lie in {low} to {high}, not {self.diameter_median_mm}")
        for name in ("calcified_fraction", "pleura_fraction", "vessel_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be 0 to 1, not {getattr(self, name)}")
        if not 0 <= self.variety <= 1:
            raise ValueError(f"variety must be 0 to 1, not {self.variety}")
        if not LEAST_BREATH <= self.breath <= 1:
            raise ValueError(f"breath must be {LEAST_BREATH} to 1, not {self.breath}")
        if len(self.fissure_completeness) != 3 or not all(0 <= s <= 1 for s in self.fissure_completeness):
            raise ValueError(
                f"fissure_completeness needs three shares of 0 to 1, not {self.fissure_completeness}"
            )
        self._check_damage()
        if self.pleura_fraction + self.vessel_fraction > 1:
            raise ValueError("pleura_fraction and vessel_fraction together must not exceed 1")

    def _check_damage(self) -> None:
        if self.operation not in OPERATIONS:
            raise ValueError(f"operation must be one of {', '.join(OPERATIONS)}, not {self.operation!r}")
        if self.consolidation and self.consolidation not in LOBES:
            raise ValueError(f"consolidation must be one of {', '.join(LOBES)}, not {self.consolidation!r}")
        if self.consolidation in OPERATIONS[self.operation].missing:
            raise ValueError(f"the {self.operation} took the {self.consolidation}: consolidate another lobe")
        if self.mass_at not in ("wall", "mediastinum"):
            raise ValueError(f"mass_at must be wall or mediastinum, not {self.mass_at!r}")
        if not 0 <= self.wedges <= MOST_WEDGES:
            raise ValueError(f"wedges must be 0 to {MOST_WEDGES}, not {self.wedges}")
        if len(self.effusion_ml) != 2 or min(self.effusion_ml) < 0:
            raise ValueError(f"effusion_ml needs two volumes, right and left, not {self.effusion_ml}")
        for name, most in (("emphysema", MOST_EMPHYSEMA), ("mass_mm", MOST_MASS_MM)):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be 0 to {most}, not {getattr(self, name)}")

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxel centers along z, y and x."""
        z, y, x = (round(extent / n, 9) for extent, n in zip(FIELD_OF_VIEW_MM, self.shape, strict=True))
        return z, y, x

    @property
    def origin_mm(self) -> tuple[float, float, float]:
        """LPS (x, y, z) of the first voxel's center; the carina is near (0, 18, 0)."""
        z, y, x = self.spacing_mm
        _, height, width = FIELD_OF_VIEW_MM
        return (x - width) / 2, (y - height) / 2, FIELD_BOTTOM_MM + z / 2
