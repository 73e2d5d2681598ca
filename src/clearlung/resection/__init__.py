"""What each resection takes: techniques, specimens, lung function."""

from clearlung.resection.function import FunctionModel, Loss
from clearlung.resection.specimens import SpecimenSet

__all__ = ["FunctionModel", "Loss", "SpecimenSet"]
