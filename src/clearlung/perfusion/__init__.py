"""Isolated lung chemoperfusion: regimens and their doses."""

from clearlung.perfusion.regimen import REGIMENS, Regimen, make_regimen

__all__ = ["REGIMENS", "Regimen", "make_regimen"]
