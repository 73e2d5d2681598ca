"""Lungs, lobes and the depth below the pleura."""

from clearlung.anatomy.segment import segment_anatomy
from clearlung.anatomy.types import LOBE_LABELS, LOBE_SIDES, LOBES, LUNG_LABELS, SIDES, Anatomy, Lobe, Side

__all__ = [
    "LOBES",
    "LOBE_LABELS",
    "LOBE_SIDES",
    "LUNG_LABELS",
    "SIDES",
    "Anatomy",
    "Lobe",
    "Side",
    "segment_anatomy",
]
