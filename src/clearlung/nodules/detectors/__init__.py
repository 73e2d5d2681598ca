"""Detectors made elsewhere: ONNX models with a contract, MONAI bundles, masks and boxes from files."""

from clearlung.nodules.detectors.contract import Contract
from clearlung.nodules.detectors.plugged import PluggedDetector
from clearlung.nodules.detectors.registry import (
    DETECTOR_KINDS,
    DetectorKind,
    detector_listing,
    parse_detector,
    resolve_detector,
)
from clearlung.nodules.detectors.source import DetectorSource

__all__ = [
    "DETECTOR_KINDS",
    "Contract",
    "DetectorKind",
    "DetectorSource",
    "PluggedDetector",
    "detector_listing",
    "parse_detector",
    "resolve_detector",
]
