"""Paint what is damaged in the lungs."""

from __future__ import annotations

import numpy as np

from clearlung.phantom.body import Body
from clearlung.phantom.damage import Damage, Wedge
from clearlung.phantom.painting import Canvas, paint_field, paint_tubes
from clearlung.phantom.septa import Septum, paint_septum
from clearlung.phantom.shapes import Tubes

# Attenuation as textbooks have it, rounded; bullae hold nothing but air and a few walls.
FLUID_HU = 12.0
BULLA_HU = -988.0
CONSOLIDATED_HU = 38.0
MASS_HU = 42.0
# Titanium; wires in pairs, drawn as one.
STAPLE_HU = 30000.0
CONSOLIDATION_EDGE_MM = 5.0
# Two double rows of staples, a scar between them and the pleura.
STAPLE_ROWS_MM = (5.0, 6.0, 8.0, 9.0)
STAPLE_STEP_MM = 3.6
STAPLE_MM = 2.8
STAPLE_RADIUS_MM = 0.2
ROW_HALF_MM = 16.0
SCAR_MM = 1.6


def paint_fluid(canvas: Canvas, body: Body) -> None:
    """Fill what holds fluid; the lungs are painted over it."""
    for room in body.fluid.values():
        paint_field(canvas, room, FLUID_HU)


def paint_bullae(canvas: Canvas, damage: Damage) -> None:
    """Empty the bullae, before vessels and fissures are drawn through them."""
    if damage.bullae is not None:
        paint_field(canvas, damage.bullae, BULLA_HU)


def paint_consolidation(canvas: Canvas, damage: Damage) -> None:
    """Fill a part of a lobe, before the bronchi are drawn: they stay open in it."""
    if damage.consolidation is not None:
        paint_field(canvas, damage.consolidation, CONSOLIDATED_HU, soft_mm=CONSOLIDATION_EDGE_MM)


def paint_mass_and_wedges(canvas: Canvas, body: Body, damage: Damage) -> None:
    """Draw what lies over everything else: the mass, scars and staples."""
    if damage.mass is not None:
        paint_field(canvas, damage.mass, MASS_HU)
    for wedge in damage.wedges:
        lung = body.lungs["right" if wedge.place_mm[0] < 0 else "left"]
        x, y, z = wedge.place_mm.tolist()
        a, b, c = np.cross(wedge.inward, wedge.along).tolist()
        paint_septum(canvas, Septum((x, y, z), (a, b, c), ROW_HALF_MM, SCAR_MM), lung)
        paint_tubes(canvas, staples(wedge), STAPLE_HU, "brighter", -900.0)


def staples(wedge: Wedge) -> Tubes:
    """Return the staples of a wedge: short pieces of wire in rows."""
    starts, ends = [], []
    for number, depth in enumerate(STAPLE_ROWS_MM):
        for at in np.arange(-ROW_HALF_MM, ROW_HALF_MM, STAPLE_STEP_MM) + (number % 2) * STAPLE_STEP_MM / 2:
            start = wedge.place_mm + wedge.inward * depth + wedge.along * at
            starts.append(start)
            ends.append(start + wedge.along * STAPLE_MM)
    radius = np.full(len(starts), STAPLE_RADIUS_MM)
    return Tubes(np.array(starts), np.array(ends), radius, radius)
