"""Where the fissures lie in most people.

The model puts each fissure on a tilted plane: its tilt is typical anatomy in the proportions of the lung,
and its place is chosen so that the lobes take the published shares of the lung's volume. It is where the
search for the real fissures begins, and what remains where nothing of them is seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy.types import LOBES, Lobe, Side
from clearlung.evidence import load_evidence

MODEL_EVIDENCE = ("anatomy.fissure_error", *(f"anatomy.lobe_share.{lobe}" for lobe in LOBES))
"""The evidence that the model's planes and their error rest on."""


@dataclass(frozen=True)
class Tilt:
    """How a plane lies in the proportions of a lung.

    Parameters
    ----------
    up, back, outward
        How much each direction counts, per extent of the lung along it. A point is above the plane where
        ``up * height - back * depth_to_the_back - outward * distance_from_the_midline`` exceeds the
        offset that gives the lobes their shares; each term runs from 0 to 1 over the lung.
    """

    up: float
    back: float
    outward: float


# The oblique fissure starts behind at the third to fifth thoracic vertebra, a quarter below the apex, and
# ends in front at the sixth costochondral junction, at the diaphragm: over the lung's depth it falls by
# most of the lung's height. It also falls outward a little. The left one is slightly steeper.
OBLIQUE: dict[Side, Tilt] = {"right": Tilt(1.0, 0.85, -0.1), "left": Tilt(1.0, 0.9, -0.1)}
# The horizontal fissure runs forward from the oblique one at the fourth costal cartilage; it is highest
# behind and medially and falls gently forward and outward.
HORIZONTAL = Tilt(1.0, 0.15, -0.1)


def model_plane(
    tilt: Tilt, side: Side, points_mm: NDArray[np.float64], share_below: float
) -> tuple[NDArray[np.float64], float]:
    """Lay a plane through a region of a lung.

    Parameters
    ----------
    tilt
        How it lies in the region's proportions.
    side
        Which lung.
    points_mm
        Shape (n, 3), of the region along the canonical array axes (z, y, x).
    share_below
        Share of the points that lie below the plane.

    Returns
    -------
    normal, offset_mm
        The plane ``normal @ point = offset_mm``; the normal has length 1 and points upwards.
    """
    outward = -1.0 if side == "right" else 1.0  # x runs to the patient's left
    extent = np.maximum(np.ptp(points_mm, axis=0), 1.0)
    normal = np.array([tilt.up, -tilt.back, -tilt.outward * outward]) / extent
    normal /= np.linalg.norm(normal)
    return normal, float(np.quantile(points_mm @ normal, share_below))


def share_of(lobe: Lobe, among: Iterable[Lobe]) -> float:
    """One lobe's mean share of the volume of several."""
    book = load_evidence()
    shares = {name: book.value(f"anatomy.lobe_share.{name}", unit="%") for name in {lobe, *among}}
    return shares[lobe] / sum(shares.values())
