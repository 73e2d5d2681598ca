"""What each resection takes: techniques, specimens and their margins, lung function."""

from clearlung.resection.candidates import SURELY_CLEAR, CandidateSet, Closure, Cut, LesionMargin, Piece
from clearlung.resection.choose import CHOICE_EVIDENCE, Choice, candidate_costs, choose
from clearlung.resection.excise import Excision, excise, prepare_excision
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
from clearlung.resection.operation import Approach, Estimate, OperationEstimate, OperationModel
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
    lobes_on_scan,
    predict_postoperative,
    removed_segments,
    segment_counts,
)
from clearlung.resection.propose import make_candidates
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
from clearlung.resection.segments import Segments, approximate_segments
from clearlung.resection.specimens import SpecimenSet
from clearlung.resection.techniques import TECHNIQUES, MarginRule, Technique, make_techniques

__all__ = [
    "CHOICE_EVIDENCE",
    "DEFAULT_RULE_SET",
    "DENSITY_EVIDENCE",
    "EXTRAPOLATION_EVIDENCE",
    "MEASURES",
    "RULE_SETS",
    "SEGMENT_EVIDENCE",
    "SURELY_CLEAR",
    "TECHNIQUES",
    "Approach",
    "CandidateSet",
    "Choice",
    "Closure",
    "CourseStep",
    "Cut",
    "EarlierResection",
    "EarlierTechnique",
    "Estimate",
    "Excision",
    "Exercise",
    "FunctionModel",
    "LesionMargin",
    "Level",
    "Loss",
    "LungFunction",
    "MarginRule",
    "Measure",
    "OperationEstimate",
    "OperationModel",
    "PatientFunction",
    "Piece",
    "Predicted",
    "PredictionMethod",
    "Recovery",
    "Removal",
    "Risk",
    "RuleSet",
    "Segments",
    "SpecimenSet",
    "Technique",
    "Verdict",
    "apply_rules",
    "approximate_segments",
    "by_segments",
    "by_share",
    "candidate_costs",
    "choose",
    "excise",
    "extrapolations",
    "functional_ml",
    "lobe_volumes",
    "lobes_on_scan",
    "make_candidates",
    "make_techniques",
    "operated",
    "predict_postoperative",
    "prepare_excision",
    "published_right_share",
    "removed_segments",
    "segment_counts",
    "with_history",
]
