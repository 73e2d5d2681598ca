"""Paint the patient: wall, skeleton, mediastinum, abdomen, lungs, trees, fissures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clearlung.anatomy import SIDES
from clearlung.phantom import atlas
from clearlung.phantom.body import Body
from clearlung.phantom.damage import Damage
from clearlung.phantom.damage_paint import (
    paint_bullae,
    paint_consolidation,
    paint_fluid,
    paint_mass_and_wedges,
)
from clearlung.phantom.fields import Field, smooth_noise
from clearlung.phantom.fissures import Sheet
from clearlung.phantom.painting import Canvas, paint_field, paint_sheet, paint_tubes
from clearlung.phantom.septa import Septum, paint_septum
from clearlung.phantom.shapes import Tubes
from clearlung.phantom.skeleton import paint_skeleton
from clearlung.phantom.spec import (
    AIR_HU,
    FAT_HU,
    HEART_HU,
    LIVER_HU,
    LUNG_GRADIENT_HU_PER_MM,
    LUNG_HU,
    MUSCLE_HU,
    SKIN_HU,
    SPLEEN_HU,
    STOMACH_HU,
    WALL_HU,
    PhantomSpec,
)
from clearlung.phantom.trees import Trees

SKIN_MM = 1.6
DIAPHRAGM_MM = 3.0
# Assumed: what a fissure adds is that of a soft sheet of this thickness.
FISSURE_MM = 0.14
FISSURE_INSET_MM = 0.8
FISSURE_CONTRAST_HU = 700.0
# The lungs' texture has its own finer grid; alveolar tissue varies over millimeters, ventilation over
# centimeters. Amplitudes matched to four real scans (LIDC-IDRI, QIN LUNG CT).
TEXTURE_STEP_MM = 1.25
FINE_TEXTURE_HU = 62.0
SLOW_TEXTURE_HU = 14.0
SLOW_TEXTURE_MM = 30.0
# Assumed: sheets of fat of this half thickness part the muscles of the wall into wavy layers.
LAYER_MM = 13.0
LAYER_WARP = 0.28
FAT_PLANE_MM = 1.5
TABLE_MM = (152.0, 1.2)
TABLE_DEPTH_MM = 22.0
TABLE_HALF_WIDTH_MM = 150.0
TABLE_HU = 60.0


def paint_patient(
    canvas: Canvas,
    body: Body,
    sheets: Sequence[Sheet],
    trees: Trees,
    spec: PhantomSpec,
    rng: np.random.Generator,
    damage: Damage,
    septa: Sequence[Septum] = (),
) -> None:
    """Paint everything but the metastases.

    Parameters
    ----------
    canvas
        Painted in place.
    body, sheets, trees
        The patient.
    spec
        Attenuation of blood.
    rng
        Textures.
    damage
        What is wrong with the lungs.
    septa
        Sheets that are no fissure.
    """
    _paint_table(canvas)
    _paint_wall(canvas, body, rng)
    _paint_organs(canvas, body, spec, rng)
    paint_skeleton(canvas, body, rng)
    lung_hu = lung_attenuation_hu(body)
    texture = _lung_texture(body, rng)
    paint_fluid(canvas, body)
    for side in SIDES:
        paint_field(canvas, body.lungs[side], lung_hu, texture)
    paint_bullae(canvas, damage)
    for septum in septa:
        paint_septum(canvas, septum, body.lungs["right" if septum.center_mm[0] < 0 else "left"])
    for sheet in sheets:
        paint_sheet(
            canvas,
            sheet.surface,
            sheet.within,
            lung_hu + FISSURE_CONTRAST_HU,
            FISSURE_MM,
            FISSURE_INSET_MM,
            sheet.thickness,
        )
    paint_consolidation(canvas, damage)
    _paint_trees(canvas, trees, spec, lung_hu)
    paint_mass_and_wedges(canvas, body, damage)


def lung_attenuation_hu(body: Body) -> float:
    """Attenuation of the lungs' tissue: the less air is in it, the denser it is, so that its mass is kept."""
    return AIR_HU + (LUNG_HU + body.variety.lung_hu - AIR_HU) / body.inflation


def _paint_table(canvas: Canvas) -> None:
    """Draw the scanner's table: a curved shell."""
    x = np.linspace(-TABLE_HALF_WIDTH_MM, TABLE_HALF_WIDTH_MM, 241)
    depth, radius = TABLE_MM
    y = depth - TABLE_DEPTH_MM * (x / TABLE_HALF_WIDTH_MM) ** 2
    bottom = canvas.origin_mm[0] - 5
    top = canvas.origin_mm[0] + canvas.hu.shape[0] * canvas.spacing_mm[0] + 5
    low = np.column_stack([x, y, np.full(len(x), bottom)])
    high = np.column_stack([x, y, np.full(len(x), top)])
    r = np.full(len(x), radius)
    paint_tubes(canvas, Tubes(low, high, r, r), TABLE_HU, "brighter", AIR_HU)


def _paint_wall(canvas: Canvas, body: Body, rng: np.random.Generator) -> None:
    grid = body.skin
    paint_field(canvas, body.skin, SKIN_HU)
    fat = grid.with_array(6.0 * smooth_noise(grid, 8.0, rng))
    paint_field(canvas, body.skin, FAT_HU, fat, inset_mm=SKIN_MM)
    layers = (body.cage.array - 12.0) / LAYER_MM + LAYER_WARP * smooth_noise(grid, 50.0, rng)
    planes = np.abs(layers - np.rint(layers)) * LAYER_MM / FAT_PLANE_MM
    outside = np.clip((body.cage.array - 9.0) / 3.0, 0, 1)
    patchy = np.clip(0.75 + 0.5 * smooth_noise(grid, 35.0, rng), 0, 1)
    share = np.clip(1.5 - planes, 0, 1) * outside * patchy
    streaks = grid.with_array(share * (FAT_HU - MUSCLE_HU) + 5.0 * smooth_noise(grid, 6.0, rng))
    paint_field(canvas, body.muscle, MUSCLE_HU, streaks)
    paint_field(canvas, body.cage, FAT_HU, fat)


def _paint_organs(canvas: Canvas, body: Body, spec: PhantomSpec, rng: np.random.Generator) -> None:
    grid = body.skin
    cavity = grid.with_array(np.maximum(body.abdomen.array, body.cage.array))
    paint_field(canvas, cavity, MUSCLE_HU)
    bowel = 60.0 * (np.clip(smooth_noise(grid, 30.0, rng) - 0.4, 0, 0.4) / 0.4) * 2.2
    paint_field(canvas, cavity, FAT_HU, grid.with_array(bowel), inset_mm=DIAPHRAGM_MM)
    grain = grid.with_array(3.0 * smooth_noise(grid, 10.0, rng))
    paint_field(canvas, body.organs["liver"], LIVER_HU, grain)
    paint_field(canvas, body.organs["spleen"], SPLEEN_HU, grain)
    paint_field(canvas, body.organs["stomach"], MUSCLE_HU)
    paint_field(canvas, body.organs["stomach"], STOMACH_HU, grain, inset_mm=4.0)
    y = grid.axes_mm()[1]
    gas = np.maximum(body.organs["stomach"].array, y - atlas.STOMACH_GAS_FRONT_OF_MM * body.frame.scale[1])
    paint_field(canvas, grid.with_array(gas), AIR_HU, inset_mm=4.0)
    paint_field(canvas, body.organs["esophagus"], MUSCLE_HU - 15)
    paint_field(canvas, body.organs["heart"], HEART_HU + 0.5 * (spec.blood_hu - HEART_HU), grain)
    paint_field(canvas, body.organs["vessels"], spec.blood_hu)


def _lung_texture(body: Body, rng: np.random.Generator) -> Field:
    """Return what varies in the lungs, HU: gravity, ventilation and alveolar tissue."""
    low = np.array([-190.0, -112.0, -146.0])
    high = np.array([118.0, 118.0, 146.0])
    shape = np.ceil((high - low) / TEXTURE_STEP_MM).astype(int)
    z, y, x = (float(v) for v in low)
    grid = Field(np.zeros(shape, dtype=np.float32), TEXTURE_STEP_MM, (z, y, x))
    fine = FINE_TEXTURE_HU * rng.standard_normal(tuple(shape), dtype=np.float32)
    slow = SLOW_TEXTURE_HU * smooth_noise(grid, SLOW_TEXTURE_MM, rng)
    gravity = LUNG_GRADIENT_HU_PER_MM * grid.axes_mm()[1]
    return grid.with_array((fine + slow + gravity) / np.float32(body.inflation))


def _paint_trees(canvas: Canvas, trees: Trees, spec: PhantomSpec, lung_hu: float) -> None:
    paint_tubes(canvas, trees.vessels, spec.blood_hu, "brighter", lung_hu)
    paint_tubes(canvas, trees.bronchi.widened(trees.wall_mm), WALL_HU, "brighter", lung_hu)
    paint_tubes(canvas, trees.bronchi, AIR_HU, "darker", WALL_HU)
