"""`Variety`: how one patient differs from the average, and how people do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Side
from clearlung.phantom import atlas
from clearlung.phantom.frame import Frame
from clearlung.phantom.spec import BODY_SCALE_LIMIT, BODY_SCALE_SD

# Assumed, all of what follows: standard deviations over people, chosen so that lungs hold 3 to 7 l, fissures
# tilt by some 10 degrees more or less, and chests look like those of a clinic. No survey of them was found.
SIZE_SD = (0.035, 0.05, 0.055)
# With these the body fits the field of view, and the lungs keep clear of its ends.
SIZE_LIMITS = ((0.86, 1.07), (0.84, 1.08), (0.86, 1.06))
WIDTH_SD = (0.03, 0.012)
DEPTH_SD = (0.045, 0.015)
BEND_SD_MM = (1.5, 2.5)
DOME_SD_MM = 5.0
DOME_DROP_SD = 0.14
HEART_SD = 0.09
HEART_TURN_SD = 0.16
FAT_SD = 0.35
# Of the oblique fissures: rise to the back, rise to the side, curl; of the horizontal one: fall to the front
# and to the side, dome; of each the twist, mm of height per (100 mm)^2.
OBLIQUE_RISE_SD = 0.16
OBLIQUE_SIDE_SD = 0.10
OBLIQUE_CURL_SD = 0.45
HORIZONTAL_FALL_SD = (0.13, 0.13)
HORIZONTAL_DOME_SD = 0.5
TWIST_SD = 14.0
# Ripples of the fissures, and slow undulation on top of it.
WAVE_LOG_SD = 0.35
UNDULATION_MM = 4.0
AIRWAY_LOG_SD = 0.10
JOINT_SD_MM = 2.0
LUNG_HU_SD = 10.0
PARTING_LOG_SD = 0.25
# The lobes of the average patient already scatter by this share of the published standard deviation.
LEAST_SHARE_SPREAD = 0.5


@dataclass(frozen=True)
class Surface:
    """The course of one fissure; see :mod:`clearlung.phantom.fissures`.

    Parameters
    ----------
    slope
        Rise to the back, and to the side.
    curve_per_mm
        Curl of an oblique fissure, or dome of the horizontal one.
    twist
        Change of the rise to the side along the depth, in mm of height per (100 mm)^2.
    """

    slope: tuple[float, float]
    curve_per_mm: float
    twist: float = 0.0


def _average_surfaces() -> dict[str, Surface]:
    front, side = atlas.HORIZONTAL_FALL
    surfaces = {"horizontal": Surface((front, side), atlas.HORIZONTAL_DOME_PER_MM)}
    for name in atlas.OBLIQUE_RISE:
        surfaces[name] = Surface(
            (atlas.OBLIQUE_RISE[name], atlas.OBLIQUE_SIDE_RISE[name]), atlas.OBLIQUE_CURL_PER_MM
        )
    return surfaces


@dataclass(frozen=True, eq=False)
class Variety:
    """How one patient differs from the average; without arguments, not at all.

    Parameters
    ----------
    size
        Scale along (x, y, z), on top of the small one that every patient has.
    width, depth, bend_mm
        As of :class:`clearlung.phantom.frame.Frame`.
    dome_mm, dome_drop
        How much higher the domes of the diaphragm are, right and left; how much steeper their sides.
    heart, heart_turn
        Scale of the heart; change of its axis (x, y, z).
    fat
        Scale of the fat between mediastinum and pleura.
    share_spread
        How much of the published scatter of the lobes' shares this patient shows.
    surfaces
        Course of the fissures: by side the oblique one, and "horizontal".
    ripple
        Scale of the fissures' waviness.
    undulation_mm
        Standard deviation of the slow waves on top of it.
    airway
        Scale of the airways' radii.
    joints_mm
        Shift of the partings of the central airways, by name of the airway that ends there.
    parting
        Exponent on the random numbers that part branches: below 1 evener, above 1 more uneven.
    whole_trees
        Whether what lies beyond a piece that strayed and was not drawn is left out with it.
    lung_hu
        Added to the attenuation of the lungs.
    """

    size: tuple[float, float, float] = (1.0, 1.0, 1.0)
    width: tuple[float, float] = (0.0, 0.0)
    depth: tuple[float, float] = (0.0, 0.0)
    bend_mm: tuple[float, float] = (0.0, 0.0)
    dome_mm: dict[Side, float] = field(default_factory=lambda: {"right": 0.0, "left": 0.0})
    dome_drop: float = 1.0
    heart: float = 1.0
    heart_turn: tuple[float, float, float] = (0.0, 0.0, 0.0)
    fat: float = 1.0
    share_spread: float = LEAST_SHARE_SPREAD
    surfaces: dict[str, Surface] = field(default_factory=_average_surfaces)
    ripple: float = 1.0
    undulation_mm: float = 0.0
    airway: float = 1.0
    joints_mm: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    parting: float = 1.0
    whole_trees: bool = False
    lung_hu: float = 0.0

    def frame(self, spread: NDArray[np.float64], breathing: tuple[float, float] = (1.0, 1.0)) -> Frame:
        """Return where the atlas lies in this patient.

        Parameters
        ----------
        spread
            Three standard normal numbers: the small scatter of every patient.
        breathing
            Scale of the chest's width and depth.
        """
        scale = 1 + np.clip(BODY_SCALE_SD * spread, -BODY_SCALE_LIMIT, BODY_SCALE_LIMIT)
        if self.size != (1.0, 1.0, 1.0):
            low, high = np.array(SIZE_LIMITS).T
            scale = np.clip(scale * np.array(self.size), low, high)
        scale = scale * np.array([*breathing, 1.0])
        return Frame(scale, self.width, self.depth, self.bend_mm)

    def moved(self, atlas_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Shift points (n, 3) of the atlas with the parting of the airways that they lie near."""
        moved = np.array(atlas_mm, dtype=np.float64)
        for name, shift in self.joints_mm.items():
            away = np.linalg.norm(atlas_mm - np.array(atlas.AIRWAY_JOINTS[name]), axis=1)
            moved[away < atlas.JOINT_REACH_MM] += shift
        return moved

    def airway_path(self, points: Sequence[Sequence[float]]) -> NDArray[np.float64]:
        """Return a central airway of this patient: (x, y, z, radius), in the atlas."""
        path = np.asarray(points, dtype=np.float64)
        return np.column_stack([self.moved(path[:, :3]), path[:, 3] * self.airway])


def draw_variety(amount: float, rng: np.random.Generator) -> Variety:
    """Draw one patient's differences.

    Parameters
    ----------
    amount
        0 for the average patient, 1 for the scatter of people, and anything between.
    rng
        Drawn from alike whatever ``amount`` is, so that patients of one seed resemble each other.

    Returns
    -------
    Variety
        The average one if ``amount`` is 0.
    """

    def normal(n: int, limit: float = 2.0) -> NDArray[np.float64]:
        return amount * np.clip(rng.standard_normal(n), -limit, limit)

    size = 1 + np.array(SIZE_SD) * normal(3) + 0.025 * normal(1)
    width, depth = np.array(WIDTH_SD) * normal(2), np.array(DEPTH_SD) * normal(2)
    bend, dome = np.array(BEND_SD_MM) * normal(2), DOME_SD_MM * normal(3)
    drop, heart, fat = normal(3)
    turn = HEART_TURN_SD * normal(3)
    surfaces = {
        name: _drawn_surface(name, average, normal(4)) for name, average in _average_surfaces().items()
    }
    ripple, airway, parting, density = normal(4)
    joints = {name: _triple(JOINT_SD_MM * normal(3)) for name in atlas.AIRWAY_JOINTS}
    return Variety(
        size=_triple(size),
        width=_pair(width),
        depth=_pair(depth),
        bend_mm=_pair(bend),
        dome_mm={"right": float(dome[0] + dome[1]), "left": float(dome[0] + dome[2])},
        dome_drop=float(np.exp(DOME_DROP_SD * drop)),
        heart=float(np.exp(HEART_SD * heart)),
        heart_turn=_triple(turn),
        fat=float(np.exp(FAT_SD * fat)),
        share_spread=LEAST_SHARE_SPREAD + (1 - LEAST_SHARE_SPREAD) * amount,
        surfaces=surfaces,
        ripple=float(np.exp(WAVE_LOG_SD * ripple)),
        undulation_mm=UNDULATION_MM * amount,
        airway=float(np.exp(AIRWAY_LOG_SD * airway)),
        joints_mm=joints if amount else {},
        parting=float(np.exp(PARTING_LOG_SD * parting)),
        whole_trees=amount > 0,
        lung_hu=float(LUNG_HU_SD * density),
    )


def _drawn_surface(name: str, average: Surface, normal: NDArray[np.float64]) -> Surface:
    a, b = average.slope
    if name == "horizontal":
        fall, curve = HORIZONTAL_FALL_SD, HORIZONTAL_DOME_SD
        slope = (a + fall[0] * float(normal[0]), b + fall[1] * float(normal[1]))
    else:
        curve = OBLIQUE_CURL_SD
        slope = (a * (1 + OBLIQUE_RISE_SD * float(normal[0])), b + OBLIQUE_SIDE_SD * float(normal[1]))
    return Surface(slope, average.curve_per_mm * (1 + curve * float(normal[2])), TWIST_SD * float(normal[3]))


def _pair(values: NDArray[np.float64]) -> tuple[float, float]:
    a, b = values.tolist()
    return a, b


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    a, b, c = values.tolist()
    return a, b, c
