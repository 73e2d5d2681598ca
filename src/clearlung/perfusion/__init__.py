"""Isolated lung chemoperfusion: regimens and their doses."""

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
from clearlung.perfusion.exposure import lung_exposure, tumor_exposure
from clearlung.perfusion.interval import Interval
from clearlung.perfusion.lungs import (
    LobeVolumes,
    LungVolumes,
    lungs_of_scan,
    reference_lungs,
    tissue_ml,
    volume_ml,
)
from clearlung.perfusion.regimen import Regimen, RegimenChanges, make_regimen
from clearlung.perfusion.registry import MEDIUM_WORDS, REGIMENS, Drug, Medium, RegimenEntry
from clearlung.perfusion.target import TARGETS, Target, find_target, lobes_of

__all__ = [
    "DOSE_MODES",
    "MEDIUM_WORDS",
    "REGIMENS",
    "TARGETS",
    "TYPICAL",
    "Cohort",
    "Course",
    "DoseMode",
    "DosePerLiter",
    "DoseRule",
    "Drug",
    "Explained",
    "Hydrolysis",
    "Interval",
    "Levels",
    "LobeVolumes",
    "LungVolumes",
    "Medium",
    "PatientFactors",
    "Phases",
    "Regimen",
    "RegimenChanges",
    "RegimenEntry",
    "Target",
    "dose_per_liter",
    "explained_by_dose",
    "find_target",
    "hydrolysis",
    "lobes_of",
    "lung_exposure",
    "lungs_of_scan",
    "make_regimen",
    "perfuse",
    "phase1_doses",
    "reference_lungs",
    "share_within",
    "simulate_cohort",
    "tissue_ml",
    "tumor_exposure",
    "volume_ml",
]
