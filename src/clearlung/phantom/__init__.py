"""The synthetic patient, with the truth about everything in it."""

from clearlung.phantom.appearance import Blur, Noise, estimate_blur, estimate_noise
from clearlung.phantom.cohort import varied_spec
from clearlung.phantom.implant import implant
from clearlung.phantom.implant_drawing import Implanted
from clearlung.phantom.implant_spec import KINDS, PLACES, ImplantSpec
from clearlung.phantom.make import Progress, make_phantom
from clearlung.phantom.phantom import Phantom
from clearlung.phantom.spec import PhantomSpec
from clearlung.phantom.write import check_phantom_target, write_phantom

__all__ = [
    "KINDS",
    "PLACES",
    "Blur",
    "ImplantSpec",
    "Implanted",
    "Noise",
    "Phantom",
    "PhantomSpec",
    "Progress",
    "check_phantom_target",
    "estimate_blur",
    "estimate_noise",
    "implant",
    "make_phantom",
    "varied_spec",
    "write_phantom",
]
