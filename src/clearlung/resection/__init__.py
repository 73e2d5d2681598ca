"""What each resection takes: techniques, specimens, lung function."""

from clearlung.resection.candidates import CandidateSet, Closure, Cut, LesionMargin, Piece
from clearlung.resection.excise import Excision, deep_beds, excise, prepare_excision
from clearlung.resection.function import (
    MEASURES,
    FunctionModel,
    Loss,
    LungFunction,
    Measure,
    Recovery,
    published_right_share,
)
from clearlung.resection.specimens import SpecimenSet
from clearlung.resection.techniques import TECHNIQUES, Technique, make_techniques, minutes_for

__all__ = [
    "MEASURES",
    "TECHNIQUES",
    "CandidateSet",
    "Closure",
    "Cut",
    "Excision",
    "FunctionModel",
    "LesionMargin",
    "Loss",
    "LungFunction",
    "Measure",
    "Piece",
    "Recovery",
    "SpecimenSet",
    "Technique",
    "deep_beds",
    "excise",
    "make_techniques",
    "minutes_for",
    "prepare_excision",
    "published_right_share",
]
