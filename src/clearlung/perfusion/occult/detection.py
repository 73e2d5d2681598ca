"""`DetectionCurve`: the chance that a CT shows a metastasis, by its diameter, and how well that is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from clearlung.errors import ProtocolError
from clearlung.evidence import EvidenceBook
from clearlung.perfusion.occult.prior import Spread, spread_of

FloatArray = NDArray[np.float64]

THIN_MM, THICK_MM = 0.8, 2.5
"""The slice spacings that the program's detector was measured on."""

PARAMETERS = 3
"""How many parameters a curve has: diameter of one in two, width, share of large ones that is shown."""


@dataclass(frozen=True)
class DetectionCurve:
    """Chance that a CT shows a metastasis of a diameter: logistic in the logarithm of the diameter.

    The curve is itself uncertain; an estimate is made over its spread and not with its middle.

    Parameters
    ----------
    name
        Who looks at the scan.
    half_mm, width, most
        Diameter of which one in two is shown, scale of the logistic curve in ln(diameter), and the share of
        large ones that is shown: lognormal, lognormal, and normal in the log odds.
    words
        What it rests on, in a sentence.
    evidence
        Ids of the entries.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> thin = detection_curve("reader", load_evidence(), slice_mm=1.0)
    >>> thick = detection_curve("reader", load_evidence(), slice_mm=5.0)
    >>> bool(thin.chance(4.0) > thick.chance(4.0))
    True
    """

    name: str
    half_mm: Spread
    width: Spread
    most: Spread
    words: str
    evidence: tuple[str, ...]

    def chance(self, diameter_mm: ArrayLike) -> FloatArray:
        """Return the chance that each diameter is shown, by the middle of the curve."""
        middle = np.zeros((1, PARAMETERS))
        diameter = np.atleast_1d(np.asarray(diameter_mm, dtype=np.float64))
        shape = np.shape(diameter_mm)
        return np.asarray(self.chances(middle, np.log(diameter.ravel()))[0].reshape(shape))

    def chances(self, standard: FloatArray, log_diameter: FloatArray) -> FloatArray:
        """Return the chances by many curves.

        Parameters
        ----------
        standard
            Shape (draws, 3): standard normal coordinates of the three parameters.
        log_diameter
            Shape (k,): ln of the diameter in mm.

        Returns
        -------
        float64
            Shape (draws, k).
        """
        half, width, most = self._at(standard)
        steps = (log_diameter - np.log(half)[:, None]) / width[:, None]
        return np.asarray(most[:, None] * expit(steps))

    def drawn(self, standard: FloatArray) -> dict[str, FloatArray]:
        """Return the parameters at their coordinates, shape (draws, 3), by the entry that each is from.

        The diameter of one in two is that on this scan's slices; the share of large ones is in percent.
        """
        half, width, most = self._at(standard)
        return dict(zip((self.evidence[0], *self.evidence[-2:]), (half, width, 100 * most), strict=True))

    def _at(self, standard: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        most = expit(logit(self.most.value) + self.most.logit_sd * standard[:, 2])
        return self.half_mm.at(standard[:, 0]), self.width.at(standard[:, 1]), np.asarray(most)


def _reader(book: EvidenceBook, slice_mm: float) -> DetectionCurve:
    half = spread_of(book, "occult.reader.half", "mm")
    per_mm = book.value("occult.reader.per_slice", unit="%") / 100
    return DetectionCurve(
        name="reader",
        half_mm=half.times(1 + per_mm * max(slice_mm - 1.0, 0.0)),
        width=spread_of(book, "occult.reader.width", "1"),
        most=spread_of(book, "occult.reader.most", "%", scale=0.01),
        words=f"Radiologists on slices of {slice_mm:g} mm; no curve by size was published.",
        evidence=(
            "occult.reader.half",
            "occult.reader.per_slice",
            "occult.reader.width",
            "occult.reader.most",
        ),
    )


def _detector(book: EvidenceBook, slice_mm: float) -> DetectionCurve:
    thin, thick = (spread_of(book, f"occult.detector.half_{name}", "mm") for name in ("thin", "thick"))
    # Straight between the two measured slice spacings and beyond them; thinner slices show no more.
    share = max((slice_mm - THIN_MM) / (THICK_MM - THIN_MM), 0.0)
    half = thin.times((thick.value / thin.value - 1) * share + 1)
    return DetectionCurve(
        name="detector",
        half_mm=half,
        width=spread_of(book, "occult.detector.width", "1"),
        most=spread_of(book, "occult.detector.most", "%", scale=0.01),
        words=(
            f"The program's own detector on slices of {slice_mm:g} mm, measured on synthetic patients and on"
            " nodules implanted into two real scans; nobody has reviewed what it found."
        ),
        evidence=tuple(f"occult.detector.{key}" for key in ("half_thin", "half_thick", "width", "most")),
    )


def _floor(book: EvidenceBook, slice_mm: float) -> DetectionCurve:
    return DetectionCurve(
        name="floor",
        half_mm=spread_of(book, "occult.floor.half", "mm"),
        width=spread_of(book, "occult.reader.width", "1"),
        most=spread_of(book, "occult.reader.most", "%", scale=0.01),
        words=(
            "The pessimistic end: of osteosarcoma's metastases that the hand found, a CT with slices of 1 mm"
            " had shown a third (Kang 2008)."
        ),
        evidence=("occult.floor.half", "occult.reader.width", "occult.reader.most"),
    )


DETECTION_CURVES: dict[str, Callable[[EvidenceBook, float], DetectionCurve]] = {
    "detector": _detector,
    "floor": _floor,
    "reader": _reader,
}
"""The registered curves by who looks at the scan, made from the evidence and the slice thickness in mm."""


def detection_curve(name: str, book: EvidenceBook, *, slice_mm: float = 1.0) -> DetectionCurve:
    """Return a registered curve for a slice thickness.

    Parameters
    ----------
    name
        One of :data:`DETECTION_CURVES`.
    book
        The evidence.
    slice_mm
        Thickness of the slices.

    Raises
    ------
    ProtocolError
        If no curve has this name, or the slices have no thickness.
    """
    if name not in DETECTION_CURVES:
        raise ProtocolError("occult.detection", f"{name!r} is not one of {', '.join(DETECTION_CURVES)}")
    if not 0 < slice_mm < math.inf:
        raise ProtocolError("occult.slice_mm", f"slices are {slice_mm} mm thick; give a thickness above 0")
    return DETECTION_CURVES[name](book, slice_mm)
