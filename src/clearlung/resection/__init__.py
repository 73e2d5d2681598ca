"""What each resection takes: techniques, specimens, lung function."""

from clearlung.resection.excise import deep_beds, excise
from clearlung.resection.function import FunctionModel, Loss
from clearlung.resection.specimens import SpecimenSet
from clearlung.resection.techniques import TECHNIQUES, Technique, make_techniques

__all__ = [
    "TECHNIQUES",
    "FunctionModel",
    "Loss",
    "SpecimenSet",
    "Technique",
    "deep_beds",
    "excise",
    "make_techniques",
]
