"""Where everything lies in the average patient.

Coordinates are LPS mm with the carina's height at z = 0: x to the left, y to the back, z to the head. They
were drawn by hand after the lungs of an adult at full inspiration (about 5 l) and describe nobody.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Inner surface of the thoracic cage by height: z, half width, front and back.
CAGE_MM = np.array(
    [
        (-210.0, 125, -78, 82),
        (-175.0, 131, -86, 90),
        (-140.0, 134, -92, 98),
        (-100.0, 135, -95, 103),
        (-50.0, 132, -93, 106),
        (0.0, 127, -83, 102),
        (25.0, 123, -72, 97),
        (50.0, 116, -56, 91),
        (70.0, 107, -40, 84),
        (85.0, 98, -25, 77),
        (105.0, 84, -7, 65),
        (125.0, 70, 8, 52),
    ]
)
CAGE_EXPONENT = 2.35

# Broader at the back than at the front, by this share.
CAGE_EGG = 0.09

# Each lung's apex fits under half an ellipsoid: center and radii (x, y, z); the left one.
APEX_CENTER_MM = (59.0, 22.0, 36.0)
APEX_RADII_MM = (62.0, 92.0, 70.0)

# Outline of the body by height: z, half width, front, back.
BODY_MM = np.array(
    [
        (-210.0, 160, -112, 118),
        (-150.0, 165, -120, 125),
        (-80.0, 166, -122, 131),
        (0.0, 165, -112, 131),
        (60.0, 164, -92, 124),
        (100.0, 158, -66, 112),
        (125.0, 150, -50, 104),
    ]
)
BODY_EXPONENT = 2.6


@dataclass(frozen=True)
class Dome:
    """A dome of the diaphragm: its center and top, and (radius, drop there) to the side and the middle."""

    x: float
    y: float
    top: float
    side: tuple[float, float]
    middle: tuple[float, float]


RIGHT_DOME = Dome(-68.0, -14.0, -94.0, side=(70.0, 78.0), middle=(62.0, 16.0))
LEFT_DOME = Dome(70.0, -8.0, -108.0, side=(68.0, 66.0), middle=(60.0, 10.0))
DOME_FRONT = (82.0, 34.0)
DOME_BACK = (112.0, 74.0)
DOME_EXPONENT = 2.4

# Vertebral column: z, y of the vertebral bodies' center.
SPINE_MM = np.array(
    [(-210.0, 46), (-150.0, 56), (-90.0, 66), (-30.0, 69), (20.0, 66), (60.0, 56), (95.0, 42), (130.0, 26)]
)
VERTEBRA_RADII_MM = (18.0, 15.0)
VERTEBRA_HEIGHT_MM = 25.0
DISC_HEIGHT_MM = 4.5
CANAL_RADIUS_MM = 9.0
CANAL_BEHIND_MM = 22.0

HEART = ((25.0, -44.0, -68.0), (68.0, 41.0, 44.0))
# The long axis points to the left, the front and the feet.
HEART_AXIS = (0.70, -0.42, -0.58)
LEFT_ATRIUM = ((4.0, 8.0, -42.0), (34.0, 22.0, 25.0))
# Fat at the angles between the heart and the diaphragm, and before the great vessels.
FAT_PADS = (
    ((52.0, -74.0, -98.0), (30.0, 18.0, 16.0)),
    ((-26.0, -72.0, -94.0), (22.0, 16.0, 15.0)),
    ((20.0, -82.0, -72.0), (34.0, 13.0, 34.0)),
)
LIVER_PARTS = (
    ((-66.0, -4.0, -168.0), (86.0, 96.0, 82.0)),
    ((12.0, -52.0, -150.0), (62.0, 42.0, 44.0)),
)
SPLEEN = ((94.0, 52.0, -166.0), (34.0, 44.0, 52.0))
STOMACH = ((58.0, -10.0, -160.0), (46.0, 50.0, 46.0))
# Gas gathers at the front of the stomach of a patient on the back.
STOMACH_GAS_FRONT_OF_MM = -28.0

TUBES_MM: dict[str, list[tuple[float, float, float, float]]] = {
    "aorta": [
        (-2, -32, -42, 16),
        (-16, -34, -12, 16.5),
        (-18, -26, 14, 16),
        (-8, -10, 34, 15),
        (10, 14, 38, 14),
        (22, 38, 24, 13),
        (25, 52, 0, 12.5),
        (24, 56, -40, 12.5),
        (18, 50, -100, 12),
        (8, 34, -160, 11.5),
        (3, 22, -215, 11),
    ],
    "head_arteries": [(-10, -10, 42, 7), (-18, -8, 80, 6), (-24, -2, 130, 5)],
    "left_carotid": [(4, 4, 46, 4.5), (12, 2, 85, 4), (16, 4, 130, 4)],
    "left_subclavian": [(14, 18, 44, 5), (24, 20, 80, 4.5), (40, 10, 120, 4.5)],
    "superior_cava": [(-27, -22, -46, 11), (-30, -18, -5, 10), (-27, -20, 45, 9.5), (-32, -16, 90, 8)],
    "left_brachiocephalic": [(-26, -22, 44, 7), (2, -32, 58, 6.5), (30, -22, 84, 6)],
    "inferior_cava": [(-24, -8, -80, 13), (-24, 2, -130, 13), (-20, 10, -215, 12)],
    "pulmonary_trunk": [(12, -58, -42, 14), (18, -48, -18, 14.5), (22, -32, -2, 14)],
    "right_pulmonary_artery": [
        (20, -28, -3, 12),
        (-6, -8, -12, 11.5),
        (-34, -2, -18, 10),
        (-46, 4, -24, 8.5),
    ],
    "left_pulmonary_artery": [(22, -28, -1, 12.5), (36, -2, 7, 11.5), (49, 22, 1, 10), (55, 33, -14, 8.0)],
    "esophagus": [(2, 22, 125, 7), (5, 36, 60, 7), (4, 40, 0, 7.5), (8, 40, -60, 7.5), (16, 22, -115, 8)],
    "azygos": [(-8, 46, -180, 3), (-10, 50, -40, 3.5), (-14, 46, 6, 4), (-24, 20, 16, 4), (-29, -8, 12, 4)],
}
"""Vessels and the esophagus: center lines (x, y, z) with radii."""

SOFT_TUBES = ("esophagus",)

TRACHEA_MM: list[tuple[float, float, float, float]] = [
    (0, -4, 130, 9.0),
    (1, 6, 70, 9.0),
    (2, 15, 20, 9.0),
    (0, 18, 2, 9.5),
]
RIGHT_MAIN_MM: list[tuple[float, float, float, float]] = [(0, 18, 2, 8.0), (-24, 17, -20, 7.0)]
INTERMEDIATE_MM: list[tuple[float, float, float, float]] = [(-24, 17, -20, 6.0), (-37, 19, -42, 5.5)]
LEFT_MAIN_MM: list[tuple[float, float, float, float]] = [
    (0, 18, 2, 7.0),
    (28, 22, -16, 6.2),
    (46, 24, -32, 6.0),
]
LEFT_UPPER_MM: list[tuple[float, float, float, float]] = [(44, 23, -30, 5.0), (56, 10, -27, 4.8)]
AIRWAY_WALL_MM = 1.6
# Where each of them ends, and others begin.
AIRWAY_JOINTS: dict[str, tuple[float, float, float]] = {
    "trachea": (0.0, 18.0, 2.0),
    "right main": (-24.0, 17.0, -20.0),
    "intermediate": (-37.0, 19.0, -42.0),
    "left main": (46.0, 24.0, -32.0),
    "left upper": (56.0, 10.0, -27.0),
}
# What lies this near to a parting moves with it, where it differs between patients.
JOINT_REACH_MM = 8.0
# Where the bronchi and vessels of each lung spread: what is missing of a fissure lies towards it.
HILUM_MM = {"right": (-36.0, 10.0, -28.0), "left": (48.0, 18.0, -20.0)}

# Where the lobes' bronchi begin, and where their veins end at the left atrium.
BRONCHUS_START_MM = {
    "RUL": (-24.0, 17.0, -18.0),
    "RML": (-37.0, 17.0, -42.0),
    "RLL": (-37.0, 21.0, -44.0),
    "LUL": (56.0, 10.0, -27.0),
    "LLL": (46.0, 24.0, -32.0),
}
ARTERY_START_MM = {
    "RUL": (-40.0, 0.0, -16.0),
    "RML": (-46.0, 4.0, -26.0),
    "RLL": (-46.0, 8.0, -28.0),
    "LUL": (49.0, 20.0, 3.0),
    "LLL": (55.0, 33.0, -14.0),
}
VEIN_START_MM = {
    "RUL": (-26.0, 2.0, -34.0),
    "RML": (-26.0, 0.0, -38.0),
    "RLL": (-26.0, 14.0, -54.0),
    "LUL": (34.0, 4.0, -32.0),
    "LLL": (34.0, 14.0, -50.0),
}

# Oblique fissures: the height on the axis y = 0, the rise to the back, the sag of the surface to the side
# and how far the back curls up. Right then left; the height is found from the lower lobe's volume.
OBLIQUE_RISE = {"right": 1.02, "left": 1.14}
OBLIQUE_SIDE_RISE = {"right": 0.16, "left": 0.12}
OBLIQUE_CURL_PER_MM = 0.0022
# Horizontal fissure: falls to the front and the side, domed.
HORIZONTAL_FALL = (0.16, 0.18)
HORIZONTAL_DOME_PER_MM = 0.0016

RIB_PAIRS = 12
# Height of the ribs' heads, their drop to the side and to the front end, and the angle that the bone reaches.
RIB_TOP_MM = 92.0
RIB_STEP_MM = 24.5
RIB_RADIUS_MM = 3.4
RIB_FLATNESS_MM = 3.2
RIB_OUTSIDE_MM = 5.5
