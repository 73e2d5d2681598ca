"""`Frame`: how the atlas' coordinates lie in one patient."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from clearlung.phantom.fields import Field, distance_like
from clearlung.phantom.shapes import Tubes

# Widths change with height as a polynomial in units of this.
HEIGHT_MM = 100.0
# The spine bends about this height of the atlas.
BEND_AT_MM = -40.0
# With these the body fits the field of view.
CHANGE_LIMITS = (-0.14, 0.07)

Coordinates = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Frame:
    """A stretch along the axes, a width and a depth that change with height, and a bend to the side.

    Parameters
    ----------
    scale
        float64, along (x, y, z).
    width, depth
        Linear and quadratic change of the scale along x and y per :data:`HEIGHT_MM` of atlas height: a
        chest like a barrel, a bell or a funnel.
    bend_mm
        Shift along x and y at :data:`HEIGHT_MM` above and below :data:`BEND_AT_MM`: scoliosis, kyphosis.
    shift_mm
        Shift of everything to the left.
    """

    scale: NDArray[np.float64] = field(default_factory=lambda: np.ones(3))
    width: tuple[float, float] = (0.0, 0.0)
    depth: tuple[float, float] = (0.0, 0.0)
    bend_mm: tuple[float, float] = (0.0, 0.0)
    shift_mm: float = 0.0

    def _at(self, height: Coordinates) -> tuple[Coordinates, Coordinates, Coordinates, Coordinates]:
        """Scale along x and y, shift along x and y, at heights of the atlas."""
        t = np.clip(height / HEIGHT_MM, -1.9, 1.3)
        bend = ((height - BEND_AT_MM) / HEIGHT_MM) ** 2
        return (
            self.scale[0] * (1 + np.clip(self.width[0] * t + self.width[1] * t**2, *CHANGE_LIMITS)),
            self.scale[1] * (1 + np.clip(self.depth[0] * t + self.depth[1] * t**2, *CHANGE_LIMITS)),
            self.bend_mm[0] * bend + self.shift_mm,
            self.bend_mm[1] * bend,
        )

    def axes(self, grid: Field) -> tuple[Coordinates, Coordinates, Coordinates]:
        """Return the atlas' coordinates z, y and x of a grid, shaped to broadcast over it."""
        z, y, x = grid.axes_mm()
        height = z / self.scale[2]
        wide, deep, aside, behind = self._at(height)
        return height, (y - behind) / deep, (x - aside) / wide

    def middle(self, grid: Field) -> Coordinates:
        """Return x of the patient's middle at each height of a grid, shaped to broadcast over it."""
        height = grid.axes_mm()[0] / self.scale[2]
        return np.asarray(self._at(height)[2], dtype=np.float32)

    def points(self, atlas_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Place points (n, 3) of the atlas, (x, y, z), in the patient."""
        x, y, z = np.asarray(atlas_mm, dtype=np.float64).reshape(-1, 3).T
        wide, deep, aside, behind = self._at(z)
        return np.stack([x * wide + aside, y * deep + behind, z * self.scale[2]], axis=1)

    def point(self, atlas_mm: tuple[float, ...], up_mm: float = 0.0) -> NDArray[np.float64]:
        """Place one point of the atlas in the patient, and lift it there; shape (3,)."""
        point: NDArray[np.float64] = self.points(np.array(atlas_mm, dtype=np.float64))[0]
        point[2] += up_mm
        return point

    def radii(self, atlas_mm: tuple[float, ...], at_mm: tuple[float, ...]) -> NDArray[np.float64]:
        """Stretch radii along (x, y, z) as the patient is stretched at a point of the atlas."""
        wide, deep, _, _ = self._at(np.array(at_mm[2]))
        stretch = np.array([float(wide), float(deep), float(self.scale[2])])
        return np.asarray(np.array(atlas_mm) * stretch, dtype=np.float64)

    def tubes(self, tubes: Tubes) -> Tubes:
        """Place tubes; their radii stay."""
        return Tubes(
            self.points(tubes.start_mm),
            self.points(tubes.end_mm),
            tubes.start_radius_mm,
            tubes.end_radius_mm,
        )


def column_field(
    grid: Field, table_mm: NDArray[np.float64], exponent: float, frame: Frame, egg: float = 0.0
) -> Field:
    """Signed distance of a column with superelliptic slices.

    Parameters
    ----------
    table_mm
        Rows of height, half width, front and back, ascending in height.
    exponent
        2 is an ellipse; larger ones are squarer.
    frame
        Where the patient's atlas lies.
    egg
        How much broader the back is than the middle.
    """
    z, y, x = frame.axes(grid)
    table = PchipInterpolator(table_mm[:, 0], table_mm[:, 1:])(z.ravel())
    width, front, back = table.T[:, :, None, None]
    v = (y - (front + back) / 2) / ((back - front) / 2)
    u = np.abs(x / width / (1 + egg * np.clip(v, -1.3, 1.3)))
    rim = (u**exponent + np.abs(v) ** exponent) ** (1 / exponent) - 1
    return distance_like(grid.with_array(rim * 100))
