"""What each resection takes: techniques, specimens and their margins, lung function."""

from clearlung.resection.candidates import CandidateSet, Closure, Cut, LesionMargin, Piece
from clearlung.resection.choose import Choice, candidate_costs, choose
from clearlung.resection.excise import Excision, excise, prepare_excision
from clearlung.resection.function import FunctionModel, Loss
from clearlung.resection.operation import Approach, Estimate, OperationEstimate, OperationModel
from clearlung.resection.propose import make_candidates
from clearlung.resection.segments import Segments, approximate_segments
from clearlung.resection.specimens import SpecimenSet
from clearlung.resection.techniques import TECHNIQUES, MarginRule, Technique, make_techniques

__all__ = [
    "TECHNIQUES",
    "Approach",
    "CandidateSet",
    "Choice",
    "Closure",
    "Cut",
    "Estimate",
    "Excision",
    "FunctionModel",
    "LesionMargin",
    "Loss",
    "MarginRule",
    "OperationEstimate",
    "OperationModel",
    "Piece",
    "Segments",
    "SpecimenSet",
    "Technique",
    "approximate_segments",
    "candidate_costs",
    "choose",
    "excise",
    "make_candidates",
    "make_techniques",
    "prepare_excision",
]
