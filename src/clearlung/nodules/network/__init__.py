"""The network that tells nodules from everything else that the candidate stage proposes."""

from clearlung.nodules.network.built_in import (
    CARD_FILE,
    MODEL_FILE,
    OnnxNetwork,
    built_in_card,
    built_in_network,
    open_session,
)
from clearlung.nodules.network.card import Calibration, Curve, NetworkCard, OperatingPoint
from clearlung.nodules.network.filter import Judged, Network, judge, rate
from clearlung.nodules.network.patches import (
    NEAR_STEP_MM,
    PATCH,
    WIDE_PER_NEAR,
    WINDOW_HU,
    Pyramid,
    near_step_mm,
    sample_patches,
    size_terms,
)

LEAST_DIAMETER_MM = 2.0
"""Smaller nodules were not learned: on no slices can they be told from noise."""

__all__ = [
    "CARD_FILE",
    "LEAST_DIAMETER_MM",
    "MODEL_FILE",
    "NEAR_STEP_MM",
    "PATCH",
    "WIDE_PER_NEAR",
    "WINDOW_HU",
    "Calibration",
    "Curve",
    "Judged",
    "Network",
    "NetworkCard",
    "OnnxNetwork",
    "OperatingPoint",
    "Pyramid",
    "built_in_card",
    "built_in_network",
    "judge",
    "near_step_mm",
    "open_session",
    "rate",
    "sample_patches",
    "size_terms",
]
