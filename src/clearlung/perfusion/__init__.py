"""Isolated lung chemoperfusion: regimens and their doses."""

from clearlung.perfusion.edema import EDEMA_DRUGS, EDEMA_EVIDENCE, EdemaRisk, edema_risk
from clearlung.perfusion.effect import chance_sterilized, sterilized
from clearlung.perfusion.interval import Interval
from clearlung.perfusion.regimen import REGIMENS, Regimen, make_regimen
from clearlung.perfusion.sensitivity_prior import (
    EFFECT_DRUGS,
    EFFECT_EVIDENCE,
    TumorCells,
    tumor_cells,
)

__all__ = [
    "EDEMA_DRUGS",
    "EDEMA_EVIDENCE",
    "EFFECT_DRUGS",
    "EFFECT_EVIDENCE",
    "REGIMENS",
    "EdemaRisk",
    "Interval",
    "Regimen",
    "TumorCells",
    "chance_sterilized",
    "edema_risk",
    "make_regimen",
    "sterilized",
    "tumor_cells",
]
