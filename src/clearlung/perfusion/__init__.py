"""Isolated lung chemoperfusion: regimens and their doses."""

from clearlung.perfusion.benefit import Benefit, LungBenefit, Worth
from clearlung.perfusion.interval import Interval
from clearlung.perfusion.regimen import REGIMENS, Regimen, make_regimen

__all__ = ["REGIMENS", "Benefit", "Interval", "LungBenefit", "Regimen", "Worth", "make_regimen"]
