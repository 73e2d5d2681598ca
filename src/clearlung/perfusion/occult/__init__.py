"""Occult burden: how many metastases lie below what the CT shows, as a distribution, updated by the hand."""

from clearlung.perfusion.occult.burden import OccultBurden
from clearlung.perfusion.occult.detection import DETECTION_CURVES, DetectionCurve, detection_curve
from clearlung.perfusion.occult.estimate import occult_burden
from clearlung.perfusion.occult.findings import Findings
from clearlung.perfusion.occult.palpation import felt
from clearlung.perfusion.occult.prior import OccultPrior, Spread
from clearlung.perfusion.occult.seen import Seen

__all__ = [
    "DETECTION_CURVES",
    "DetectionCurve",
    "Findings",
    "OccultBurden",
    "OccultPrior",
    "Seen",
    "Spread",
    "detection_curve",
    "felt",
    "occult_burden",
]
