"""Digital bodies: two ellipsoid lungs in a box of tissue, with whatever is put into them."""

from dataclasses import dataclass, field

import numpy as np

from clearlung.ct import AxisOrder, Scan, Volume

TISSUE_HU, LUNG_HU, AIR_HU, FLUID_HU, METAL_HU = 40.0, -850.0, -1000.0, 8.0, 3000.0
ORIGIN_MM = (-120.0, -85.0, -100.0)  # LPS of the first voxel


@dataclass(frozen=True)
class Body:
    """Right lung at x = -55 mm, left one at +55 mm; half axes along x, y and z in mm."""

    spacing_mm: tuple[float, float, float] = (1.25, 1.0, 1.0)
    size_mm: tuple[float, float, float] = (200.0, 170.0, 240.0)
    half_axes_mm: tuple[float, float, float] = (42.0, 60.0, 80.0)
    off_middle_mm: float = 55.0
    lungs: tuple[int, ...] = (-1, 1)
    balls: list = field(default_factory=list)  # (x, y, z, diameter, HU)
    noise_hu: float = 10.0
    bridge: bool = False  # a thin septum in front instead of the mediastinum
    trachea: bool = False
    lung_hu: float = LUNG_HU
    fluid_behind_mm: float = 0.0  # greatest thickness of a crescent behind the left lung
    staples: tuple = ()  # (x, y, z) of the ends of rows of metal

    def grid(self):
        shape = [round(extent / step) for extent, step in zip(self.size_mm, self.spacing_mm, strict=True)]
        x0, y0, z0 = ORIGIN_MM
        z, y, x = np.meshgrid(
            *(np.arange(n) * s + o for n, s, o in zip(shape, self.spacing_mm, (z0, y0, x0), strict=True)),
            indexing="ij",
            sparse=True,
        )
        return z, y, x

    def lung_ml(self) -> float:
        a, b, c = self.half_axes_mm
        return 4.0 / 3.0 * np.pi * a * b * c / 1000.0

    def radius(self, side, forward_mm=0.0):
        """Distance from a lung's center over that of its surface in the same direction."""
        z, y, x = self.grid()
        a, b, c = self.half_axes_mm
        return np.sqrt(
            ((x - side * self.off_middle_mm) / a) ** 2 + ((y + forward_mm) / b) ** 2 + (z / c) ** 2
        )

    def fluid(self):
        """The crescent that a lung moved forward leaves free behind it."""
        return (self.radius(1) < 1) & (self.radius(1, self.fluid_behind_mm) > 1)

    def ball(self, x, y, z, diameter):
        gz, gy, gx = self.grid()
        return (gx - x) ** 2 + (gy - y) ** 2 + (gz - z) ** 2 < (diameter / 2) ** 2

    def scan(self) -> Scan:
        z, y, x = self.grid()
        inside = (np.abs(x) < 112) & (np.abs(y) < 78) & (np.abs(z) < 1e9)
        hu = np.where(inside, TISSUE_HU, AIR_HU).astype(np.float32)
        for side in self.lungs:
            _blend(hu, (1.0 - self.radius(side)) * min(self.half_axes_mm), self.lung_hu)
        if self.fluid_behind_mm:
            hu[self.fluid()] = FLUID_HU
        if self.bridge:
            in_front = (np.abs(x) < 25) & (y > -30) & (y < -5) & (np.abs(z) < 40)
            hu[in_front] = LUNG_HU
            hu[in_front & (np.abs(x) < 0.6)] = -650.0
        if self.trachea:
            _blend(hu, 8.0 - np.sqrt(x**2 + (y - 10.0) ** 2) + 0 * z, AIR_HU, where=z > 10.0)
        for bx, by, bz, diameter, density in self.balls:
            r = np.sqrt((x - bx) ** 2 + (y - by) ** 2 + (z - bz) ** 2)
            _blend(hu, diameter / 2.0 - r, density)
        for start, end in self.staples:
            for share in np.linspace(0, 1, 12):
                px, py, pz = np.add(start, np.subtract(end, start) * share)
                r = np.sqrt((x - px) ** 2 + (y - py) ** 2 + (z - pz) ** 2)
                _blend(hu, 1.2 - r, METAL_HU)
        hu += np.random.default_rng(5).normal(0.0, self.noise_hu, hu.shape)
        volume = Volume.at(np.clip(np.round(hu), -1024, 3071).astype(np.int16), self.spacing_mm, ORIGIN_MM)
        return Scan(volume, AxisOrder(), "phantom", "digital body", "")


def _blend(hu, depth_mm, density, where=True):
    """Paint with an edge one millimeter wide: a voxel that is half inside gets half."""
    share = np.clip(depth_mm + 0.5, 0.0, 1.0) * where
    hu += (share * (density - hu)).astype(np.float32)


def cropped(scan: Scan, z=slice(None), y=slice(None), x=slice(None)) -> Scan:
    """The part of a scan in a box of voxels."""
    part = scan.volume.crop((z, y, x))
    whole = Volume(np.ascontiguousarray(part.array), part.spacing_mm, part.origin_mm, part.direction)
    return Scan(whole, scan.native, scan.source, scan.series, scan.input_sha256)


def mirrored(scan: Scan) -> Scan:
    """The scan with left and right exchanged, on the grid of a body that is symmetric about x = 0."""
    array = np.ascontiguousarray(scan.volume.array[:, :, ::-1])
    return Scan(scan.volume.with_array(array), scan.native, scan.source, scan.series, scan.input_sha256)
