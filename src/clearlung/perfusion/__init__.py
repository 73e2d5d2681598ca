"""Isolated lung chemoperfusion: regimens and their doses, and the metastases that the CT does not show."""

from clearlung.perfusion.interval import Interval
from clearlung.perfusion.occult import (
    DETECTION_CURVES,
    DetectionCurve,
    Findings,
    OccultBurden,
    OccultPrior,
    Seen,
    detection_curve,
    felt,
    occult_burden,
)
from clearlung.perfusion.regimen import REGIMENS, Regimen, make_regimen

__all__ = [
    "DETECTION_CURVES",
    "REGIMENS",
    "DetectionCurve",
    "Findings",
    "Interval",
    "OccultBurden",
    "OccultPrior",
    "Regimen",
    "Seen",
    "detection_curve",
    "felt",
    "make_regimen",
    "occult_burden",
]
