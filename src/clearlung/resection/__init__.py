"""What each resection takes: techniques, specimens, lung function."""

from clearlung.resection.candidates import CandidateSet, Closure, Cut, LesionMargin, Piece
from clearlung.resection.excise import Excision, deep_beds, excise, prepare_excision
from clearlung.resection.extrapolate import EXTRAPOLATION_EVIDENCE, CourseStep, extrapolations
from clearlung.resection.function import (
    MEASURES,
    FunctionModel,
    Loss,
    LungFunction,
    Measure,
    Recovery,
    published_right_share,
)
from clearlung.resection.history import EarlierResection, EarlierTechnique, operated, with_history
from clearlung.resection.patient import PatientFunction
from clearlung.resection.predicted import (
    DENSITY_EVIDENCE,
    SEGMENT_EVIDENCE,
    Predicted,
    PredictionMethod,
    Removal,
    by_segments,
    by_share,
    functional_ml,
    lobe_volumes,
    predict_postoperative,
    removed_segments,
    segment_counts,
)
from clearlung.resection.rules import (
    DEFAULT_RULE_SET,
    RULE_SETS,
    Exercise,
    Level,
    Risk,
    RuleSet,
    Verdict,
    apply_rules,
)
from clearlung.resection.specimens import SpecimenSet
from clearlung.resection.techniques import TECHNIQUES, Technique, make_techniques, minutes_for

__all__ = [
    "DEFAULT_RULE_SET",
    "DENSITY_EVIDENCE",
    "EXTRAPOLATION_EVIDENCE",
    "MEASURES",
    "RULE_SETS",
    "SEGMENT_EVIDENCE",
    "TECHNIQUES",
    "CandidateSet",
    "Closure",
    "CourseStep",
    "Cut",
    "EarlierResection",
    "EarlierTechnique",
    "Excision",
    "Exercise",
    "FunctionModel",
    "LesionMargin",
    "Level",
    "Loss",
    "LungFunction",
    "Measure",
    "PatientFunction",
    "Piece",
    "Predicted",
    "PredictionMethod",
    "Recovery",
    "Removal",
    "Risk",
    "RuleSet",
    "SpecimenSet",
    "Technique",
    "Verdict",
    "apply_rules",
    "by_segments",
    "by_share",
    "deep_beds",
    "excise",
    "extrapolations",
    "functional_ml",
    "lobe_volumes",
    "make_techniques",
    "minutes_for",
    "operated",
    "predict_postoperative",
    "prepare_excision",
    "published_right_share",
    "removed_segments",
    "segment_counts",
    "with_history",
]
