"""Isolated lung chemoperfusion: regimens and their doses."""

from clearlung.perfusion.interval import Interval
from clearlung.perfusion.regimen import REGIMENS, Regimen, make_regimen

__all__ = ["REGIMENS", "Interval", "Regimen", "make_regimen"]
