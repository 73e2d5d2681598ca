"""The synthetic patient, with the truth about everything in it."""

from clearlung.phantom.cohort import varied_spec
from clearlung.phantom.make import Progress, make_phantom
from clearlung.phantom.phantom import Phantom
from clearlung.phantom.spec import PhantomSpec
from clearlung.phantom.write import check_phantom_target, write_phantom

__all__ = [
    "Phantom",
    "PhantomSpec",
    "Progress",
    "check_phantom_target",
    "make_phantom",
    "varied_spec",
    "write_phantom",
]
