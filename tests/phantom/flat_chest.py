"""A chest so simple that everything about it is known: two even ellipsoids of lung in even tissue."""

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.special import ndtr

from clearlung.anatomy import Anatomy, BranchTree
from clearlung.ct import AxisOrder, Scan, Volume

LUNG_HU, TISSUE_HU = -860.0, 40.0
FWHM = 2.3548


def chest(
    spacing=(2.0, 1.0, 1.0),
    extent=(120.0, 110.0, 190.0),
    blur_mm=(0.0, 0.0),
    noise_hu=0.0,
    seed=0,
    flip=False,
):
    """Return a scan of two ellipsoids, blurred (FWHM in plane, axial) and with noise, and its anatomy."""
    spacing = np.array(spacing)
    shape = tuple(int(n) for n in np.round(np.array(extent) / spacing))
    grid = [(np.arange(n) + 0.5) * s for n, s in zip(shape, spacing, strict=True)]
    z, y, x = np.meshgrid(*grid, indexing="ij", sparse=True)
    sigma2 = (np.array([blur_mm[1], blur_mm[0], blur_mm[0]]) / FWHM) ** 2 + spacing**2 / 12.0
    share = np.zeros(shape)
    lungs = np.zeros(shape, dtype=np.uint8)
    semi = np.array([0.42 * extent[0], 0.4 * extent[1], 0.21 * extent[2]])
    for label, middle in ((1, 0.27 * extent[2]), (2, 0.73 * extent[2])):
        part = [
            (a - c) / r
            for a, c, r in zip((z, y, x), (extent[0] / 2, extent[1] / 2, middle), semi, strict=True)
        ]
        level = np.sqrt(sum(p * p for p in part))
        slope = [p / np.maximum(level, 1e-9) / r for p, r in zip(part, semi, strict=True)]
        steep = np.sqrt(sum(g * g for g in slope))
        width = np.sqrt(sum(g * g * s for g, s in zip(slope, sigma2, strict=True))) / steep
        share = np.maximum(share, ndtr((1.0 - level) / steep / width))
        lungs[level < 1.0] = label
    hu = TISSUE_HU + share * (LUNG_HU - TISSUE_HU)
    if noise_hu:
        rng = np.random.default_rng(seed)
        white = gaussian_filter(rng.standard_normal(shape), (0.0, 0.7, 0.7))
        hu += noise_hu * white / white.std()
    array = np.round(hu).astype(np.int16)
    if flip:
        array, lungs = (np.ascontiguousarray(a[:, :, ::-1]) for a in (array, lungs))
        lungs[lungs > 0] = 3 - lungs[lungs > 0]
    volume = Volume.at(array, spacing, (-50.0, 20.0, 300.0))
    return Scan(volume, AxisOrder(), "nifti", "flat chest", "0" * 64), anatomy_of(volume, lungs)


def anatomy_of(volume, lungs):
    """Lobes parted by a level plane, a straight vessel in each lung, the diaphragm on the lowest quarter."""
    height = lungs.shape[0]
    lobes = np.zeros_like(lungs)
    upper = np.arange(height)[:, None, None] >= height // 2
    for label, above, below in ((1, 1, 3), (2, 4, 5)):
        lobes[(lungs == label) & upper] = above
        lobes[(lungs == label) & ~upper] = below
    depth = distance_transform_edt(lungs > 0, sampling=volume.spacing_mm) - 0.5 * min(volume.spacing_mm)
    depth = np.maximum(depth, 0.0).astype(np.float32)
    pleura = np.where((lungs > 0) & (depth <= max(volume.spacing_mm)), 1, 0).astype(np.uint8)
    pleura[: height // 4][pleura[: height // 4] > 0] = 2
    points, branch = [], []
    for k, label in enumerate((1, 2)):
        middle = np.argwhere(lungs == label).mean(axis=0)
        run = np.linspace(0.3 * height, 0.7 * height, 40)
        points.append(
            volume.points_mm(np.column_stack([run, np.full(40, middle[1]), np.full(40, middle[2])]))
        )
        branch.append(np.full(40, k, dtype=np.int32))
    tree = BranchTree(
        parent=np.full(2, -1, dtype=np.int32),
        generation=np.zeros(2, dtype=np.int16),
        lobe=np.array(["RUL", "LUL"]),
        name=np.array(["", ""]),
        diameter_mm=np.full(2, 3.0, dtype=np.float32),
        length_mm=np.full(2, 40.0, dtype=np.float32),
        points_mm=np.concatenate(points),
        radius_mm=np.full(80, 1.5, dtype=np.float32),
        branch=np.concatenate(branch),
    )
    box = tuple(slice(0, n) for n in lungs.shape)
    put = volume.with_array
    return Anatomy(
        box=box,
        lungs=put(lungs),
        lobes=put(lobes),
        lobe_confidence=put((lungs > 0).astype(np.float32)),
        depth_mm=put(depth),
        lobe_method="drawn",
        pleura=put(pleura),
        vessel_tree=tree,
    )
