"""Isolated lung chemoperfusion: regimens and their doses."""

from clearlung.perfusion.benefit import Benefit, LungBenefit, Worth
from clearlung.perfusion.chemistry import Hydrolysis, hydrolysis
from clearlung.perfusion.circuit import TYPICAL, PatientFactors
from clearlung.perfusion.cohort import (
    Cohort,
    Explained,
    explained_by_dose,
    phase1_doses,
    share_within,
    simulate_cohort,
)
from clearlung.perfusion.course import Course, Levels, Phases, perfuse
from clearlung.perfusion.dose import DOSE_MODES, DoseMode, DosePerLiter, DoseRule, dose_per_liter
from clearlung.perfusion.edema import EDEMA_DRUGS, EDEMA_EVIDENCE, EdemaRisk, edema_risk
from clearlung.perfusion.effect import chance_sterilized, sterilized
from clearlung.perfusion.exposure import lung_exposure, tumor_exposure
from clearlung.perfusion.harm import (
    COURSE_WEEKS,
    DeathRisk,
    FunctionCourse,
    PerfusionHarm,
    death_risk,
    function_course,
    perfusion_harm,
)
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
from clearlung.perfusion.sensitivity_prior import EFFECT_DRUGS, EFFECT_EVIDENCE, TumorCells, tumor_cells
from clearlung.perfusion.stops import PROTOCOL, Maxima, Stop, find_stops, published_maxima, refuse
from clearlung.perfusion.target import TARGETS, Target, find_target, lobes_of

__all__ = [
    "COURSE_WEEKS",
    "DOSE_MODES",
    "EDEMA_DRUGS",
    "EDEMA_EVIDENCE",
    "EFFECT_DRUGS",
    "EFFECT_EVIDENCE",
    "MEDIUM_WORDS",
    "PROTOCOL",
    "REGIMENS",
    "TARGETS",
    "TYPICAL",
    "Benefit",
    "Cohort",
    "Course",
    "DeathRisk",
    "DoseMode",
    "DosePerLiter",
    "DoseRule",
    "Drug",
    "EdemaRisk",
    "Explained",
    "FunctionCourse",
    "Hydrolysis",
    "Interval",
    "Levels",
    "LobeVolumes",
    "LungBenefit",
    "LungVolumes",
    "Maxima",
    "Medium",
    "PatientFactors",
    "PerfusionHarm",
    "Phases",
    "Regimen",
    "RegimenChanges",
    "RegimenEntry",
    "Stop",
    "Target",
    "TumorCells",
    "Worth",
    "chance_sterilized",
    "death_risk",
    "dose_per_liter",
    "edema_risk",
    "explained_by_dose",
    "find_stops",
    "find_target",
    "function_course",
    "hydrolysis",
    "lobes_of",
    "lung_exposure",
    "lungs_of_scan",
    "lungs_of_volumes",
    "make_regimen",
    "perfuse",
    "perfusion_harm",
    "phase1_doses",
    "published_maxima",
    "reference_lungs",
    "refuse",
    "share_within",
    "simulate_cohort",
    "sterilized",
    "tissue_ml",
    "tumor_cells",
    "tumor_exposure",
    "volume_ml",
]
