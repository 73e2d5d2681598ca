"""Nodules: found, outlined and measured."""

from clearlung.nodules.blobs import find_blobs
from clearlung.nodules.candidates import Candidates, Detector, detector_names, register_detector
from clearlung.nodules.csv_file import read_nodule_list, write_nodules
from clearlung.nodules.detectors import DETECTOR_KINDS, DetectorSource, parse_detector
from clearlung.nodules.find import Detections, detect_nodules, find_nodules, outline_detections
from clearlung.nodules.malignancy import MalignantChance, malignant_chance
from clearlung.nodules.match import Match, match_nodules
from clearlung.nodules.measure import measure_nodules, repeat_interval
from clearlung.nodules.options import NoduleOptions, planned_from
from clearlung.nodules.segment import Segmented, segment_nodules
from clearlung.nodules.table import (
    COLUMNS,
    REVIEWS,
    TEXTURES,
    NoduleTable,
    sphere_diameter_mm,
    sphere_volume_mm3,
)

__all__ = [
    "COLUMNS",
    "DETECTOR_KINDS",
    "REVIEWS",
    "TEXTURES",
    "Candidates",
    "Detections",
    "Detector",
    "DetectorSource",
    "MalignantChance",
    "Match",
    "NoduleOptions",
    "NoduleTable",
    "Segmented",
    "detect_nodules",
    "detector_names",
    "find_blobs",
    "find_nodules",
    "malignant_chance",
    "match_nodules",
    "measure_nodules",
    "outline_detections",
    "parse_detector",
    "planned_from",
    "read_nodule_list",
    "register_detector",
    "repeat_interval",
    "segment_nodules",
    "sphere_diameter_mm",
    "sphere_volume_mm3",
    "write_nodules",
]
