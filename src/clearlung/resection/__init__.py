"""What each resection takes: techniques, specimens, lung function."""

from clearlung.resection.candidates import CandidateSet, Closure, Cut, LesionMargin, Piece
from clearlung.resection.excise import Excision, deep_beds, excise, prepare_excision
from clearlung.resection.function import FunctionModel, Loss
from clearlung.resection.operation import Approach, Estimate, OperationEstimate, OperationModel
from clearlung.resection.segments import Segments, approximate_segments
from clearlung.resection.specimens import SpecimenSet
from clearlung.resection.techniques import TECHNIQUES, Technique, make_techniques, minutes_for

__all__ = [
    "TECHNIQUES",
    "Approach",
    "CandidateSet",
    "Closure",
    "Cut",
    "Estimate",
    "Excision",
    "FunctionModel",
    "LesionMargin",
    "Loss",
    "OperationEstimate",
    "OperationModel",
    "Piece",
    "Segments",
    "SpecimenSet",
    "Technique",
    "approximate_segments",
    "deep_beds",
    "excise",
    "make_techniques",
    "minutes_for",
    "prepare_excision",
]
