"""Palpation: the chance that the hand finds a metastasis in an opened lung."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from clearlung.evidence import EvidenceBook
from clearlung.perfusion.occult.prior import Spread, spread_of

FloatArray = NDArray[np.float64]

PALPATION_EVIDENCE = tuple(f"occult.felt.{k}" for k in ("half", "width", "most", "usual_depth", "deeper"))
"""Ids of the entries that palpation rests on; all are assumed."""


@dataclass(frozen=True)
class Palpation:
    """What the hand finds: logistic in the logarithm of the diameter.

    Parameters
    ----------
    half_mm
        Diameter of which one in two is found; it differs from surgeon to surgeon and is not known.
    width, most
        Scale of the curve in ln(diameter), and the share of large ones that is found.
    usual_depth_mm, deeper_mm
        ``half_mm`` holds for the usual depth; at the pleura it is less, and twice that so much deeper.
    """

    half_mm: Spread
    width: float
    most: float
    usual_depth_mm: float
    deeper_mm: float

    @classmethod
    def of(cls, book: EvidenceBook) -> Palpation:
        """Read it from the evidence."""
        return cls(
            half_mm=spread_of(book, "occult.felt.half", "mm"),
            width=book.value("occult.felt.width", unit="1"),
            most=book.value("occult.felt.most", unit="%") / 100,
            usual_depth_mm=book.value("occult.felt.usual_depth", unit="mm"),
            deeper_mm=book.value("occult.felt.deeper", unit="mm"),
        )

    def chance(self, diameter_mm: FloatArray, half_mm: FloatArray | float) -> FloatArray:
        """Return the chance of each diameter, for hands that find one in two of ``half_mm``."""
        steps = (np.log(diameter_mm) - np.log(half_mm)) / self.width
        return np.asarray(self.most * expit(steps))


def felt(
    diameter_mm: ArrayLike, book: EvidenceBook, *, depth_mm: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Return the chance that the hand finds a metastasis in a thoracotomy.

    Parameters
    ----------
    diameter_mm
        Diameters on the day of the operation, any shape, above 0.
    book
        The evidence; all of this is assumed.
    depth_mm
        Distance of the centers from the pleura, of the same shape; None where it is not known, which counts
        as the usual depth.

    Returns
    -------
    float64
        Of the shape of the diameters.

    Raises
    ------
    ValueError
        If a diameter is not above 0, or a depth is below 0.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> felt([1.0, 2.5, 5.0], load_evidence()).round(2).tolist()
    [0.01, 0.4, 0.94]
    """
    diameter = np.asarray(diameter_mm, dtype=np.float64)
    palpation = Palpation.of(book)
    usual = palpation.usual_depth_mm
    depth = np.full_like(diameter, usual) if depth_mm is None else np.asarray(depth_mm, dtype=np.float64)
    if (diameter <= 0).any() or (depth < 0).any():
        raise ValueError("diameters must be above 0 and depths not below: take out what has no size or place")
    half = palpation.half_mm.value * (1 + (depth - usual) / (palpation.deeper_mm + usual))
    return palpation.chance(diameter, half)
