"""The patient but for what is in the lungs: wall, mediastinum, abdomen, lungs, lobes as signed distances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from clearlung.anatomy import LOBE_SIDES, LOBES, SIDES, Lobe, Side
from clearlung.evidence import load_evidence
from clearlung.phantom import atlas
from clearlung.phantom.fields import (
    Field,
    FloatArray,
    distance_like,
    smooth_intersection,
    smooth_noise,
    smooth_union,
)
from clearlung.phantom.shapes import Tubes, column_field, ellipsoid_field, smooth_path, tubes_field
from clearlung.phantom.spec import (
    BODY_SCALE_LIMIT,
    BODY_SCALE_SD,
    FIELD_BOTTOM_MM,
    FIELD_OF_VIEW_MM,
)

STEP_MM = 2.0
# Front to back, the largest body and the air about it.
BODY_DEPTH_MM = 290.0
# Fat between the mediastinum's organs and the pleura.
MEDIASTINAL_FAT_MM = 2.5
PLEURAL_GAP_MM = 1.5
# Assumed: how uneven the cage and the mediastinum are, standard deviation.
UNEVEN_MM = 1.2
# Assumed: how wavy the fissures are, standard deviation.
FISSURE_WAVE_MM = 3.5


@dataclass(frozen=True, eq=False)
class Body:
    """Signed distances (negative inside), all on one coarse grid.

    Parameters
    ----------
    scale
        Stretch of this patient along (x, y, z).
    skin, muscle, cage
        The wall's layers: outside of the skin, outside of the muscles, inside of the ribs.
    abdomen
        What lies beneath the diaphragm.
    organs
        By name: heart, vessels, esophagus, liver, spleen, stomach.
    lungs
        By side.
    fissures
        By lobe: signed distance to the fissures that bound it, negative inside.
    """

    scale: NDArray[np.float64]
    skin: Field
    muscle: Field
    cage: Field
    abdomen: Field
    organs: dict[str, Field]
    lungs: dict[Side, Field]
    fissures: dict[Lobe, Field]

    def lobe(self, lobe: Lobe) -> Field:
        """Signed distance of one lobe: its lung within its fissures."""
        lung = self.lungs[LOBE_SIDES[lobe]]
        return lung.with_array(np.maximum(lung.array, self.fissures[lobe].array))


def make_body(rng: np.random.Generator) -> Body:
    """Build one patient, a little different for each stream of random numbers.

    Returns
    -------
    Body
        Signed distances in mm on a grid of :data:`STEP_MM`.
    """
    spread = BODY_SCALE_SD * rng.standard_normal(3)
    scale = 1 + np.clip(spread, -BODY_SCALE_LIMIT, BODY_SCALE_LIMIT)
    grid = _empty_grid()
    skin = column_field(grid, atlas.BODY_MM, atlas.BODY_EXPONENT, scale)
    cage = column_field(grid, atlas.CAGE_MM, atlas.CAGE_EXPONENT, scale, atlas.CAGE_EGG)
    cage = grid.with_array(cage.array + UNEVEN_MM * smooth_noise(grid, 40.0, rng))
    fat_mm = 13.0 + 4.5 * smooth_noise(grid, 60.0, rng)
    muscle = grid.with_array(np.minimum(np.maximum(skin.array + np.maximum(fat_mm, 3.0), -24), 60))
    diaphragm = _diaphragm(grid, scale)
    organs = _organs(scale, cage, diaphragm, smooth_noise(grid, 32.0, rng))
    mean, sd = _published_share("right_lung_share")
    right_share = mean + 0.5 * sd * float(rng.standard_normal())
    mediastinum = _mediastinum(grid, scale, organs) + 1.5 * UNEVEN_MM * smooth_noise(grid, 24.0, rng)
    lungs = _lungs(scale, cage, diaphragm, mediastinum, right_share)
    fissures = _fissures(lungs, scale, rng)
    return Body(scale, skin, muscle, cage, diaphragm, organs, lungs, fissures)


def _empty_grid() -> Field:
    extent = np.array([FIELD_OF_VIEW_MM[0], BODY_DEPTH_MM, FIELD_OF_VIEW_MM[2]]) + 2 * STEP_MM
    start = (FIELD_BOTTOM_MM - STEP_MM, -extent[1] / 2, -extent[2] / 2)
    shape = tuple(int(np.ceil(e / STEP_MM)) + 1 for e in extent)
    return Field(np.zeros(shape, dtype=np.float32), STEP_MM, start)


def _diaphragm(grid: Field, scale: NDArray[np.float64]) -> Field:
    """Signed distance to the diaphragm, negative beneath it."""
    z, y, x = grid.axes_mm()
    z, y, x = z / scale[2], y / scale[1], x / scale[0]
    heights = []
    for dome, sign in ((atlas.RIGHT_DOME, -1.0), (atlas.LEFT_DOME, 1.0)):
        outward = (x - dome.x) * sign
        p = atlas.DOME_EXPONENT
        drop = _drop(outward, *dome.side, p) + _drop(-outward, *dome.middle, p)
        drop = drop + _drop(y - dome.y, *atlas.DOME_BACK, p) + _drop(dome.y - y, *atlas.DOME_FRONT, p)
        heights.append(dome.top - drop)
    top = -smooth_union(-heights[0], -heights[1], 20.0)
    return distance_like(grid.with_array(np.broadcast_to(z - top, grid.array.shape)))


def _drop(away: FloatArray, radius: float, drop_mm: float, exponent: float) -> FloatArray:
    return np.asarray(drop_mm * (np.maximum(away, 0) / radius) ** exponent, dtype=np.float32)


def _organs(scale: NDArray[np.float64], cage: Field, diaphragm: Field, wave: FloatArray) -> dict[str, Field]:
    """Organs of the mediastinum and the abdomen, the soft ones uneven."""
    grid = cage

    def ellipsoid(
        center: tuple[float, ...], radii: tuple[float, ...], axis: tuple[float, ...] | None = None
    ) -> Field:
        return ellipsoid_field(grid, np.asarray(center) * scale, np.asarray(radii) * scale, axis)

    heart = smooth_union(
        ellipsoid(*atlas.HEART, atlas.HEART_AXIS).array, ellipsoid(*atlas.LEFT_ATRIUM).array, 8.0
    )
    tubes = {name: Tubes.along(smooth_path(points)).scaled(scale) for name, points in atlas.TUBES_MM.items()}
    vessels = tubes_field(grid, Tubes.joined([t for n, t in tubes.items() if n not in atlas.SOFT_TUBES]))
    esophagus = tubes_field(grid, Tubes.joined([tubes[name] for name in atlas.SOFT_TUBES]))
    below = np.maximum(diaphragm.array + 2.5, cage.array + 3.0)
    right, left = (ellipsoid(*part).array for part in atlas.LIVER_PARTS)
    liver = smooth_union(right, left, 15.0)
    stomach = np.maximum(ellipsoid(*atlas.STOMACH).array + 4.5 * wave, below)
    spleen = np.maximum(ellipsoid(*atlas.SPLEEN).array + 2.0 * wave, below)
    return {
        "heart": grid.with_array(np.maximum(heart + 1.5 * wave, -diaphragm.array + 2.0)),
        "vessels": vessels,
        "esophagus": esophagus,
        "liver": grid.with_array(np.maximum(liver + 2.5 * wave, below)),
        "spleen": grid.with_array(spleen),
        "stomach": grid.with_array(np.maximum(stomach, -spleen + 2.0)),
    }


def _mediastinum(grid: Field, scale: NDArray[np.float64], organs: dict[str, Field]) -> FloatArray:
    """Everything between the lungs, with its fat, as one shape."""
    z, y, x = grid.axes_mm()
    z, y, x = z / scale[2], y / scale[1], x / scale[0]
    trachea = tubes_field(
        grid,
        Tubes.joined(
            Tubes.along(p) for p in (atlas.TRACHEA_MM, atlas.RIGHT_MAIN_MM, atlas.LEFT_MAIN_MM)
        ).scaled(scale),
    )
    union = smooth_union(organs["heart"].array, organs["vessels"].array, 10.0)
    union = smooth_union(union, np.minimum(organs["esophagus"].array, trachea.array), 8.0)
    spine_y = np.interp(z.ravel(), *atlas.SPINE_MM.T)[:, None, None].astype(np.float32)
    rx, ry = atlas.VERTEBRA_RADII_MM
    body = (np.hypot(x / (rx + 2.0), (y - spine_y) / (ry + 2.0)) - 1) * ry
    behind = np.maximum(np.abs(x) - 19.0 - 0.012 * np.maximum(y - spine_y, 0) ** 2, spine_y - y)
    union = smooth_union(union, np.asarray(smooth_union(body, behind, 12.0)), 12.0)
    # The membranes before and behind the vessels: thin where the lungs nearly meet.
    inlet = 16.0 * np.clip((z - 40) / 50, 0, 1)
    half = 1.2 + inlet + 9.0 * np.exp(-(((y - 8) / 34) ** 2)) + 11 * np.exp(-(((y + 40) / 24) ** 2))
    membrane = np.abs(x - 2.0) - half
    for center, radii in atlas.FAT_PADS:
        pad = ellipsoid_field(grid, np.asarray(center) * scale, np.asarray(radii) * scale).array
        union = smooth_union(union, pad, 12.0)
    return smooth_union(union, np.asarray(membrane + 0 * z, dtype=np.float32), 8.0) - MEDIASTINAL_FAT_MM


def _lungs(
    scale: NDArray[np.float64], cage: Field, diaphragm: Field, mediastinum: FloatArray, right_share: float
) -> dict[Side, Field]:
    """Return what the cage leaves of room, parted in the published shares."""
    grid = cage
    space = smooth_intersection(cage.array + PLEURAL_GAP_MM, -diaphragm.array + 1.5, 4.0)
    space = smooth_intersection(space, -mediastinum, 4.0)
    x = grid.axes_mm()[2]
    lungs: dict[Side, Field] = {}
    for side, sign in zip(SIDES, (-1.0, 1.0), strict=True):
        center = np.asarray(atlas.APEX_CENTER_MM) * (sign, 1, 1) * scale
        apex = ellipsoid_field(grid, center, np.asarray(atlas.APEX_RADII_MM) * scale).array
        z = grid.axes_mm()[0]
        apex = np.where(z > center[2], apex, np.minimum(apex, -8.0))
        lung = smooth_intersection(space, np.asarray(apex, dtype=np.float32), 8.0)
        lung = np.maximum(lung, 2.0 - sign * x)
        lungs[side] = distance_like(grid.with_array(_largest_part(lung)))
    return _with_share(lungs, right_share)


def _largest_part(distance: FloatArray) -> FloatArray:
    """Fill every part of a shape but its largest, such as a pocket of lung cut off before the heart."""
    parts = sitk.GetArrayFromImage(
        sitk.RelabelComponent(
            sitk.ConnectedComponent(sitk.GetImageFromArray((distance < 0).astype(np.uint8)))
        )
    )
    return np.where(parts > 1, np.float32(STEP_MM / 2), distance)


def _with_share(lungs: dict[Side, Field], right_share: float) -> dict[Side, Field]:
    """Take a thin layer off one lung so that the right one has its share of both."""
    voxels = {side: np.count_nonzero(field.array < 0) for side, field in lungs.items()}
    wanted: dict[Side, float] = {
        "right": voxels["left"] * right_share / (1 - right_share),
        "left": voxels["right"] * (1 - right_share) / right_share,
    }
    for side in SIDES:
        if wanted[side] < voxels[side]:
            field = lungs[side]
            inside = field.array[field.array < 0]
            layer = np.quantile(inside, wanted[side] / voxels[side])
            return {**lungs, side: field.with_array(field.array - np.float32(layer))}
    return lungs


def _fissures(
    lungs: dict[Side, Field], scale: NDArray[np.float64], rng: np.random.Generator
) -> dict[Lobe, Field]:
    """Place the fissures so that each lobe has its share of its lung."""
    share = {}
    for lobe in LOBES:
        mean, sd = _published_share(f"lobe_share.{lobe}")
        share[lobe] = max(mean + 0.5 * sd * float(rng.standard_normal()), 0.2 * mean)
    grid = lungs["right"]
    wave = FISSURE_WAVE_MM * smooth_noise(grid, 50.0, rng)
    right_all = share["RUL"] + share["RML"] + share["RLL"]
    right_oblique = _placed(_oblique(grid, scale, "right") + wave, lungs["right"], share["RLL"] / right_all)
    upper = grid.with_array(np.maximum(lungs["right"].array, -right_oblique.array))
    middle = share["RML"] / (share["RML"] + share["RUL"])
    horizontal = _placed(_horizontal(grid, scale) - wave, upper, middle)
    left_share = share["LLL"] / (share["LLL"] + share["LUL"])
    left_oblique = _placed(_oblique(grid, scale, "left") + wave, lungs["left"], left_share)
    return {
        "RUL": grid.with_array(np.maximum(-right_oblique.array, -horizontal.array)),
        "RML": grid.with_array(np.maximum(-right_oblique.array, horizontal.array)),
        "RLL": right_oblique,
        "LUL": left_oblique.with_array(-left_oblique.array),
        "LLL": left_oblique,
    }


def _published_share(name: str) -> tuple[float, float]:
    """Mean and standard deviation of a part's share of the lungs; the evidence gives one SD each side."""
    entry = load_evidence()[f"anatomy.{name}"]
    low, high = entry.low or entry.value, entry.high or entry.value
    # Rounded to what was published, so that no last bit depends on the arithmetic.
    return round(entry.value / 100, 4), round((high - low) / 200, 4)


def _placed(height: FloatArray, within: Field, share: float) -> Field:
    """Shift a surface so that a share of a region lies beneath it; negative beneath."""
    offset = np.quantile(height[within.array < 0], share)
    return distance_like(within.with_array(height - np.float32(offset)))


def _oblique(grid: Field, scale: NDArray[np.float64], side: Side) -> FloatArray:
    """Height over the oblique fissure: it rises to the back, steeper at first."""
    z, y, x = grid.axes_mm()
    z, y, x = z / scale[2], y / scale[1], np.abs(x / scale[0])
    rise = atlas.OBLIQUE_RISE[side] * y - atlas.OBLIQUE_CURL_PER_MM * (y - 20) ** 2 * 0.5
    surface = rise + atlas.OBLIQUE_SIDE_RISE[side] * (x - 70)
    return np.asarray(z - surface, dtype=np.float32)


def _horizontal(grid: Field, scale: NDArray[np.float64]) -> FloatArray:
    """Height over the horizontal fissure: it falls gently to the front and the side."""
    z, y, x = grid.axes_mm()
    z, y, x = z / scale[2], y / scale[1], np.abs(x / scale[0])
    fall_front, fall_side = atlas.HORIZONTAL_FALL
    dome = atlas.HORIZONTAL_DOME_PER_MM * ((x - 75) ** 2 + (y + 40) ** 2)
    surface = fall_front * (y + 40) - fall_side * (x - 75) - dome
    return np.asarray(z - surface, dtype=np.float32)
