"""Results in other programs' formats."""

from clearlung.exchange.slicer import write_slicer_markups

__all__ = ["write_slicer_markups"]
