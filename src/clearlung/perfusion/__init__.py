"""Isolated lung chemoperfusion: regimens and their doses, and the metastases that the CT does not show."""

from clearlung.perfusion.benefit import WORTH_EVIDENCE, Benefit, LungBenefit, Worth
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
from clearlung.perfusion.outcomes import OUTCOME_EVIDENCE, HeldAgainst, held_against_outcomes
from clearlung.perfusion.regimen import Regimen, RegimenChanges, aimed_at, make_regimen
from clearlung.perfusion.registry import MEDIUM_WORDS, REGIMENS, Drug, Medium, RegimenEntry
from clearlung.perfusion.sensitivity import (
    Assumption,
    Sensitivity,
    Share,
    assumptions_of,
    by_swing,
    move_evidence,
    one_at_a_time,
    variance_shares,
)
from clearlung.perfusion.sensitivity_prior import (
    EFFECT_DRUGS,
    EFFECT_EVIDENCE,
    TumorCells,
    effect_words,
    tumor_cells,
)
from clearlung.perfusion.stops import PROTOCOL, Maxima, Stop, find_stops, published_maxima, refuse
from clearlung.perfusion.target import TARGETS, Target, find_target, lobes_of
from clearlung.perfusion.weigh import sterilized_by, weigh_perfusions
from clearlung.perfusion.what_matters import WhatMatters, what_matters

__all__ = [
    "COURSE_WEEKS",
    "DETECTION_CURVES",
    "DOSE_MODES",
    "EDEMA_DRUGS",
    "EDEMA_EVIDENCE",
    "EFFECT_DRUGS",
    "EFFECT_EVIDENCE",
    "MEDIUM_WORDS",
    "OUTCOME_EVIDENCE",
    "PROTOCOL",
    "REGIMENS",
    "TARGETS",
    "TYPICAL",
    "WORTH_EVIDENCE",
    "Assumption",
    "Benefit",
    "Cohort",
    "Course",
    "DeathRisk",
    "DetectionCurve",
    "DoseMode",
    "DosePerLiter",
    "DoseRule",
    "Drug",
    "EdemaRisk",
    "Explained",
    "Findings",
    "FunctionCourse",
    "HeldAgainst",
    "Hydrolysis",
    "Interval",
    "Levels",
    "LobeVolumes",
    "LungBenefit",
    "LungVolumes",
    "Maxima",
    "Medium",
    "OccultBurden",
    "OccultPrior",
    "PatientFactors",
    "PerfusionHarm",
    "Phases",
    "Regimen",
    "RegimenChanges",
    "RegimenEntry",
    "Seen",
    "Sensitivity",
    "Share",
    "Stop",
    "Target",
    "TumorCells",
    "WhatMatters",
    "Worth",
    "aimed_at",
    "assumptions_of",
    "by_swing",
    "chance_sterilized",
    "death_risk",
    "detection_curve",
    "dose_per_liter",
    "edema_risk",
    "effect_words",
    "explained_by_dose",
    "felt",
    "find_stops",
    "find_target",
    "function_course",
    "held_against_outcomes",
    "hydrolysis",
    "lobes_of",
    "lung_exposure",
    "lungs_of_scan",
    "lungs_of_volumes",
    "make_regimen",
    "move_evidence",
    "occult_burden",
    "one_at_a_time",
    "perfuse",
    "perfusion_harm",
    "phase1_doses",
    "published_maxima",
    "reference_lungs",
    "refuse",
    "share_within",
    "simulate_cohort",
    "sterilized",
    "sterilized_by",
    "tissue_ml",
    "tumor_cells",
    "tumor_exposure",
    "variance_shares",
    "volume_ml",
    "weigh_perfusions",
    "what_matters",
]
