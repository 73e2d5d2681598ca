"""Lungs, lobes, airways, vessels, hila, and how deep everything lies below the pleura."""

from clearlung.anatomy.segment import segment_anatomy
from clearlung.anatomy.tree import BranchTree
from clearlung.anatomy.types import (
    LOBE_LABELS,
    LOBE_SIDES,
    LOBES,
    LUNG_LABELS,
    PLEURAL_LABELS,
    SIDES,
    Anatomy,
    Condition,
    Fissure,
    Lobe,
    PleuralPart,
    Side,
)

__all__ = [
    "LOBES",
    "LOBE_LABELS",
    "LOBE_SIDES",
    "LUNG_LABELS",
    "PLEURAL_LABELS",
    "SIDES",
    "Anatomy",
    "BranchTree",
    "Condition",
    "Fissure",
    "Lobe",
    "PleuralPart",
    "Side",
    "segment_anatomy",
]
