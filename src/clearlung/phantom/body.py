"""The patient but for what is in the lungs: wall, mediastinum, abdomen, lungs, lobes as signed distances."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import SimpleITK as sitk

from clearlung.anatomy import LOBE_SIDES, SIDES, Lobe, Side
from clearlung.phantom import atlas
from clearlung.phantom.fields import (
    FAR_MM,
    Field,
    FloatArray,
    distance_like,
    smooth_intersection,
    smooth_noise,
    smooth_union,
)
from clearlung.phantom.fissures import place_fissures, published_share
from clearlung.phantom.frame import Coordinates, Frame, column_field
from clearlung.phantom.operations import Operation
from clearlung.phantom.shapes import Tubes, ellipsoid_field, smooth_path, tubes_field
from clearlung.phantom.spec import FIELD_BOTTOM_MM, FIELD_OF_VIEW_MM
from clearlung.phantom.variety import Variety

STEP_MM = 2.0
# Front to back, the largest body and the air about it.
BODY_DEPTH_MM = 290.0
# Fat between the mediastinum's organs and the pleura.
MEDIASTINAL_FAT_MM = 2.5
PLEURAL_GAP_MM = 1.5
# Assumed: how uneven the cage and the mediastinum are, standard deviation.
UNEVEN_MM = 1.2
# Assumed: the chest's width and depth go with these powers of the air in it; the diaphragm does the rest.
BREATH_WIDTH, BREATH_DEPTH = 0.08, 0.14
# Assumed: the heart rides on the diaphragm, and goes this share of its way.
HEART_RIDES = 0.6
# The lungs' lower face is not all diaphragm; fitted on varied bodies to leave the wanted volume within 1 %.
LIFT_EXPONENT = 1.17
# Beyond this the field of view ends, and the skin with it.
SKIN_LIMIT_MM = 142.0


@dataclass(frozen=True, eq=False)
class Body:
    """Signed distances (negative inside), all on one coarse grid.

    Parameters
    ----------
    frame
        Where the atlas lies in this patient.
    wall
        The same for the chest wall, which does not shift after an operation.
    variety
        How the patient differs from the average.
    inflation
        Volume of the lungs over that at full inspiration.
    skin, muscle, cage
        The wall's layers: outside of the skin, outside of the muscles, inside of the ribs.
    abdomen
        What lies beneath the diaphragm.
    organs
        By name: heart, vessels, esophagus, liver, spleen, stomach.
    lungs
        By side.
    fissures
        By lobe: signed distance to the fissures that bound it, negative inside; positive everywhere for one
        that is missing.
    operation
        What an earlier operation took.
    fluid
        By side: what holds fluid where it is not lung, negative inside.
    solid
        Lung without air, and masses: negative inside. None if there are none.
    """

    frame: Frame
    wall: Frame
    variety: Variety
    operation: Operation
    inflation: float
    skin: Field
    muscle: Field
    cage: Field
    abdomen: Field
    organs: dict[str, Field]
    lungs: dict[Side, Field]
    fissures: dict[Lobe, Field]
    fluid: dict[Side, Field]
    solid: Field | None = None

    def lobe(self, lobe: Lobe) -> Field:
        """Signed distance of one lobe: its lung within its fissures."""
        lung = self.lungs[LOBE_SIDES[lobe]]
        return lung.with_array(np.maximum(lung.array, self.fissures[lobe].array))


@dataclass(frozen=True, eq=False)
class _Noises:
    """What is uneven in a patient, drawn once, however deep the breath is."""

    cage: FloatArray
    fat: FloatArray
    organs: FloatArray
    mediastinum: FloatArray
    right_share: float


@dataclass(frozen=True, eq=False)
class _Chest:
    """The body at one depth of breath."""

    frame: Frame
    wall: Frame
    skin: Field
    muscle: Field
    cage: Field
    diaphragm: Field
    organs: dict[str, Field]
    lungs: dict[Side, Field]

    @property
    def lung_points(self) -> int:
        """Grid points in the lungs."""
        return sum(int(np.count_nonzero(lung.array < 0)) for lung in self.lungs.values())


def make_body(
    rng: np.random.Generator,
    variety: Variety | None = None,
    breath: float = 1.0,
    operation: Operation | None = None,
) -> Body:
    """Build one patient, a little different for each stream of random numbers.

    Parameters
    ----------
    rng
        The small scatter of every patient.
    variety
        How the patient differs from the average; without it, only by that.
    breath
        Volume of the lungs over that at full inspiration.
    operation
        What an earlier operation took.

    Returns
    -------
    Body
        Signed distances in mm on a grid of :data:`STEP_MM`.
    """
    variety = variety or Variety()
    operation = operation or Operation()
    spread = rng.standard_normal(3)
    grid = _empty_grid()
    cage = UNEVEN_MM * smooth_noise(grid, 40.0, rng)
    fat = 13.0 + 4.5 * smooth_noise(grid, 60.0, rng)
    organs = smooth_noise(grid, 32.0, rng)
    mean, sd = published_share("right_lung_share")
    right_share = mean + variety.share_spread * sd * float(rng.standard_normal())
    noises = _Noises(cage, fat, organs, 1.5 * UNEVEN_MM * smooth_noise(grid, 24.0, rng), right_share)
    full = _chest(grid, variety.frame(spread), variety, operation, noises)
    chest, inflation = full, 1.0
    if breath < 1.0:
        breathing = (breath**BREATH_WIDTH, breath**BREATH_DEPTH)
        share = breath / (breathing[0] * breathing[1])
        lift_mm = _lift_mm(full, share**LIFT_EXPONENT)
        chest = _chest(grid, variety.frame(spread, breathing), variety, operation, noises, lift_mm)
        inflation = chest.lung_points / full.lung_points
    lungs = chest.lungs
    fluid: dict[Side, Field] = {}
    fissures = place_fissures(lungs, chest.frame, variety, rng, operation.missing)
    nothing = grid.with_array(np.full(grid.array.shape, FAR_MM, dtype=np.float32))
    if operation.side and operation.pneumonectomy:
        fluid = {operation.side: lungs[operation.side]}
        lungs = {**lungs, operation.side: nothing}
    fissures = {**fissures, **dict.fromkeys(operation.missing, nothing)}
    return Body(
        chest.frame,
        chest.wall,
        variety,
        operation,
        inflation,
        chest.skin,
        chest.muscle,
        chest.cage,
        chest.diaphragm,
        chest.organs,
        lungs,
        fissures,
        fluid,
    )


def _lift_mm(full: _Chest, share: float) -> float:
    """How far the diaphragm rises to leave a share of the lungs' volume."""
    above = full.diaphragm.array
    inside = np.minimum(full.lungs["right"].array, full.lungs["left"].array) < 0
    step = full.skin.step_mm
    # The height over the diaphragm, counted along the body: its slope makes distances shorter.
    columns = inside & (above >= 0)
    height = np.cumsum(columns, axis=0) * step
    return float(np.quantile(height[inside], 1.0 - share))


def _chest(
    grid: Field,
    wall: Frame,
    variety: Variety,
    operation: Operation,
    noises: _Noises,
    lift_mm: float = 0.0,
) -> _Chest:
    """Build the body with the diaphragm ``lift_mm`` above its place at full inspiration."""
    frame = replace(wall, shift_mm=operation.shift_mm) if operation.shift_mm else wall
    skin = column_field(grid, atlas.BODY_MM, atlas.BODY_EXPONENT, wall)
    skin = grid.with_array(np.maximum(skin.array, np.abs(grid.axes_mm()[1]) - SKIN_LIMIT_MM))
    cage = column_field(grid, atlas.CAGE_MM, atlas.CAGE_EXPONENT, wall, atlas.CAGE_EGG)
    cage = grid.with_array(cage.array + noises.cage)
    muscle = grid.with_array(np.minimum(np.maximum(skin.array + np.maximum(noises.fat, 3.0), -24), 60))
    diaphragm = _diaphragm(grid, frame, variety, operation, lift_mm)
    organs = _organs(frame, variety, cage, diaphragm, noises.organs, lift_mm)
    mediastinum = _mediastinum(grid, frame, variety, organs, lift_mm) + noises.mediastinum
    # After an operation the lungs take what room there is.
    right_share = None if operation.missing else noises.right_share
    lungs = _lungs(frame, cage, diaphragm, mediastinum, right_share)
    return _Chest(frame, wall, skin, muscle, cage, diaphragm, organs, lungs)


def _empty_grid() -> Field:
    extent = np.array([FIELD_OF_VIEW_MM[0], BODY_DEPTH_MM, FIELD_OF_VIEW_MM[2]]) + 2 * STEP_MM
    start = (FIELD_BOTTOM_MM - STEP_MM, -extent[1] / 2, -extent[2] / 2)
    shape = tuple(int(np.ceil(e / STEP_MM)) + 1 for e in extent)
    return Field(np.zeros(shape, dtype=np.float32), STEP_MM, start)


def _diaphragm(grid: Field, frame: Frame, variety: Variety, operation: Operation, lift_mm: float) -> Field:
    """Signed distance to the diaphragm, negative beneath it."""
    z, y, x = frame.axes(grid)
    heights: list[Coordinates] = []
    for side, dome, sign in zip(SIDES, (atlas.RIGHT_DOME, atlas.LEFT_DOME), (-1.0, 1.0), strict=True):
        outward = (x - dome.x) * sign
        p = atlas.DOME_EXPONENT
        drop = _drop(outward, *dome.side, p) + _drop(-outward, *dome.middle, p)
        drop = drop + _drop(y - dome.y, *atlas.DOME_BACK, p) + _drop(dome.y - y, *atlas.DOME_FRONT, p)
        top = dome.top + variety.dome_mm[side] + lift_mm / frame.scale[2]
        if side == operation.side:
            top += operation.dome_mm
        heights.append(top - variety.dome_drop * drop)
    top = -smooth_union(-heights[0], -heights[1], 20.0)
    return distance_like(grid.with_array(np.broadcast_to(z - top, grid.array.shape)))


def _drop(away: Coordinates, radius: float, drop_mm: float, exponent: float) -> FloatArray:
    return np.asarray(drop_mm * (np.maximum(away, 0) / radius) ** exponent, dtype=np.float32)


def _organs(
    frame: Frame, variety: Variety, cage: Field, diaphragm: Field, wave: FloatArray, lift_mm: float
) -> dict[str, Field]:
    """Organs of the mediastinum and the abdomen, the soft ones uneven."""
    grid = cage

    def ellipsoid(
        center: tuple[float, ...],
        radii: tuple[float, ...],
        axis: tuple[float, ...] | None = None,
        up_mm: float = 0.0,
    ) -> Field:
        return ellipsoid_field(grid, frame.point(center, up_mm), frame.radii(radii, center), axis)

    place, radii = atlas.HEART
    axis = tuple(a + b for a, b in zip(atlas.HEART_AXIS, variety.heart_turn, strict=True))
    size = tuple(variety.heart * r for r in radii)
    heart = smooth_union(
        ellipsoid(place, size, axis, HEART_RIDES * lift_mm).array, ellipsoid(*atlas.LEFT_ATRIUM).array, 8.0
    )
    tubes = {name: frame.tubes(Tubes.along(smooth_path(points))) for name, points in atlas.TUBES_MM.items()}
    vessels = tubes_field(grid, Tubes.joined([t for n, t in tubes.items() if n not in atlas.SOFT_TUBES]))
    esophagus = tubes_field(grid, Tubes.joined([tubes[name] for name in atlas.SOFT_TUBES]))
    below = np.maximum(diaphragm.array + 2.5, cage.array + 3.0)
    right, left = (ellipsoid(*part, None, lift_mm).array for part in atlas.LIVER_PARTS)
    liver = smooth_union(right, left, 15.0)
    stomach = np.maximum(ellipsoid(*atlas.STOMACH, None, lift_mm).array + 4.5 * wave, below)
    spleen = np.maximum(ellipsoid(*atlas.SPLEEN, None, lift_mm).array + 2.0 * wave, below)
    return {
        "heart": grid.with_array(np.maximum(heart + 1.5 * wave, -diaphragm.array + 2.0)),
        "vessels": vessels,
        "esophagus": esophagus,
        "liver": grid.with_array(np.maximum(liver + 2.5 * wave, below)),
        "spleen": grid.with_array(spleen),
        "stomach": grid.with_array(np.maximum(stomach, -spleen + 2.0)),
    }


def _mediastinum(
    grid: Field, frame: Frame, variety: Variety, organs: dict[str, Field], lift_mm: float
) -> FloatArray:
    """Everything between the lungs, with its fat, as one shape."""
    z, y, x = frame.axes(grid)
    airways = (atlas.TRACHEA_MM, atlas.RIGHT_MAIN_MM, atlas.LEFT_MAIN_MM)
    trachea = tubes_field(
        grid, frame.tubes(Tubes.joined(Tubes.along(variety.airway_path(p)) for p in airways))
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
        place = frame.point(center, HEART_RIDES * lift_mm)
        pad = ellipsoid_field(grid, place, frame.radii(radii, center)).array
        union = smooth_union(union, pad, 12.0)
    thick = np.float32(MEDIASTINAL_FAT_MM * variety.fat)
    return smooth_union(union, np.asarray(membrane + 0 * z, dtype=np.float32), 8.0) - thick


def _lungs(
    frame: Frame, cage: Field, diaphragm: Field, mediastinum: FloatArray, right_share: float | None
) -> dict[Side, Field]:
    """Return what the cage leaves of room, parted in the published shares."""
    grid = cage
    space = smooth_intersection(cage.array + PLEURAL_GAP_MM, -diaphragm.array + 1.5, 4.0)
    space = smooth_intersection(space, -mediastinum, 4.0)
    x = grid.axes_mm()[2] - frame.middle(grid)
    z = grid.axes_mm()[0]
    lungs: dict[Side, Field] = {}
    for side, sign in zip(SIDES, (-1.0, 1.0), strict=True):
        atlas_center = (sign * atlas.APEX_CENTER_MM[0], *atlas.APEX_CENTER_MM[1:])
        center = frame.point(atlas_center)
        apex = ellipsoid_field(grid, center, frame.radii(atlas.APEX_RADII_MM, atlas_center)).array
        apex = np.where(z > center[2], apex, np.minimum(apex, -8.0))
        lung = smooth_intersection(space, np.asarray(apex, dtype=np.float32), 8.0)
        lung = np.maximum(lung, 2.0 - sign * x)
        lungs[side] = distance_like(grid.with_array(_largest_part(lung)))
    return lungs if right_share is None else _with_share(lungs, right_share)


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
