"""Isolated lung chemoperfusion: regimens and their doses."""

from clearlung.perfusion.circuit import TYPICAL, PatientFactors
from clearlung.perfusion.course import Course, perfuse
from clearlung.perfusion.dose import DOSE_MODES, DoseMode, DosePerLiter, DoseRule, dose_per_liter
from clearlung.perfusion.edema import EDEMA_DRUGS, EDEMA_EVIDENCE, EdemaRisk, edema_risk
from clearlung.perfusion.effect import chance_sterilized, sterilized
from clearlung.perfusion.exposure import lung_exposure, tumor_exposure
from clearlung.perfusion.interval import Interval
from clearlung.perfusion.lungs import (
    LobeVolumes,
    LungVolumes,
    lungs_of_scan,
    lungs_of_volumes,
    reference_lungs,
    tissue_ml,
    volume_ml,
)
from clearlung.perfusion.regimen import Regimen, RegimenChanges, make_regimen
from clearlung.perfusion.registry import MEDIUM_WORDS, REGIMENS, Drug, Medium, RegimenEntry
from clearlung.perfusion.sensitivity_prior import (
    EFFECT_DRUGS,
    EFFECT_EVIDENCE,
    TumorCells,
    tumor_cells,
)
from clearlung.perfusion.target import TARGETS, Target, find_target, lobes_of

__all__ = [
    "DOSE_MODES",
    "EDEMA_DRUGS",
    "EDEMA_EVIDENCE",
    "EFFECT_DRUGS",
    "EFFECT_EVIDENCE",
    "MEDIUM_WORDS",
    "REGIMENS",
    "TARGETS",
    "TYPICAL",
    "Course",
    "DoseMode",
    "DosePerLiter",
    "DoseRule",
    "Drug",
    "EdemaRisk",
    "Interval",
    "LobeVolumes",
    "LungVolumes",
    "Medium",
    "PatientFactors",
    "Regimen",
    "RegimenChanges",
    "RegimenEntry",
    "Target",
    "TumorCells",
    "chance_sterilized",
    "dose_per_liter",
    "edema_risk",
    "find_target",
    "lobes_of",
    "lung_exposure",
    "lungs_of_scan",
    "lungs_of_volumes",
    "make_regimen",
    "perfuse",
    "reference_lungs",
    "sterilized",
    "tissue_ml",
    "tumor_cells",
    "tumor_exposure",
    "volume_ml",
]
