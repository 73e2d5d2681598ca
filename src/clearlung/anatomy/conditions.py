"""What is unusual about a patient's lungs, and what cannot be computed because of it.

A plan for healthy lungs, made for lungs that are not, is wrong without looking wrong. Each condition here is
found from the scan, reported with its extent, and says what it takes away; the rest goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy.masses import Beside
from clearlung.anatomy.missing import MissingLobe
from clearlung.anatomy.morphology import COARSE_MM, Mask, shrink
from clearlung.anatomy.signs import LOOKS
from clearlung.anatomy.survey import Survey
from clearlung.anatomy.tree import BranchTree
from clearlung.anatomy.types import LUNG_LABELS, SIDES, Condition, Fissure, Side
from clearlung.ct import Box, Scan


@dataclass(frozen=True)
class ConditionKind:
    """One kind of condition.

    Parameters
    ----------
    what
        What it is, in words for a reader.
    means
        What it means for the results.
    """

    what: str
    means: str


CONDITIONS: Mapping[str, ConditionKind] = {
    "source": ConditionKind(
        "The anatomy was made elsewhere.",
        "What its maker could not see or left out is missing here too.",
    ),
    "one_lung": ConditionKind(
        "One lung shows no air: it was removed, never formed, or is opaque.",
        "Nothing is measured in it, and everything that is planned takes from the other lung alone.",
    ),
    "small_lung": ConditionKind(
        "One lung is smaller than healthy lungs are: after an operation, or by collapse or scars.",
        "Lobes and fissures may not lie where they are expected.",
    ),
    "earlier_lobectomy": ConditionKind(
        "A lobe is missing.",
        "The lung's other lobes have moved into its place, and its fissures are not where they were.",
    ),
    "staple_line": ConditionKind(
        "A row of metal: lung was resected here.",
        "Scars at a staple line look like nodules, and the lung can be stapled again only beyond it.",
    ),
    "shifted_fissure": ConditionKind(
        "A lobe has a share of its lung that healthy lobes do not have.",
        "Segments are not where they are expected, and a share of volume is no share of function.",
    ),
    "effusion": ConditionKind(
        "Fluid lies between a lung and the ribs.",
        "The lung beside it is compressed: nodules in it are hidden, and depths are those of now.",
    ),
    "emphysema": ConditionKind(
        "More of a lung is as thin as air than in healthy people.",
        "Volume overstates function, and such lung leaks air for long where it is cut.",
    ),
    "dense_lung": ConditionKind(
        "Lung without air, or a mass: consolidation, collapse or tumor.",
        "It does not breathe though it counts as volume, and nodules in it cannot be seen.",
    ),
    "gas": ConditionKind(
        "Gas without lung tissue: a pneumothorax or a large bulla.",
        "It counts as lung and is none; depths below the pleura are wrong beside it.",
    ),
    "cut_off": ConditionKind(
        "The scan stops short of a lung.",
        "Metastases beyond it are unknown, and volumes are too small.",
    ),
    "expiratory": ConditionKind(
        "The lungs hold less air than at full inspiration.",
        "Volumes, depths and the emphysema share are not those that limits were published for.",
    ),
    "no_airways": ConditionKind(
        "No trachea or bronchi were found.",
        "Airways are counted as lung where they lie in it, and the lobes rest on less.",
    ),
}
"""Every kind of condition by its code."""


def find_conditions(
    scan: Scan,
    box: Box,
    lungs: NDArray[np.uint8],
    *,
    beside: Beside | None = None,
    lobes: NDArray[np.uint8] | None = None,
    fissures: tuple[Fissure, ...] = (),
    airways: Mask | None = None,
    airway_tree: BranchTree | None = None,
    missing: tuple[MissingLobe, ...] | None = None,
) -> tuple[Condition, ...]:
    """Find what is unusual about the lungs of a scan.

    Parameters
    ----------
    scan
        The scan.
    box
        Where the label maps lie in it.
    lungs
        uint8, shape (z, y, x): 0 outside, 1 right, 2 left.
    beside
        What :func:`clearlung.anatomy.lungs.survey_lungs` found beside the lungs' air. Without it no fluid is
        reported.
    lobes
        uint8, same shape. With ``fissures`` it tells shifted ones.
    fissures
        How each was found.
    airways
        bool or uint8, same shape: the lumina of trachea and bronchi. None if they were not sought.
    airway_tree
        With the lobe that each branch supplies, where it is known. It tells a missing lobe.
    missing
        Lobes that are known not to be there. None: they are looked for here.

    Returns
    -------
    tuple of Condition
        In the order of :data:`CONDITIONS`; empty for healthy lungs that the scan shows whole.
    """
    hu, spacing = scan.volume.array[box], scan.volume.spacing_mm
    coarse_hu, coarse_mm, _ = shrink(hu, spacing, COARSE_MM)
    coarse_lungs: dict[Side, Mask] = {}
    for side in SIDES:
        share, _, _ = shrink((lungs == LUNG_LABELS[side]).astype(np.float32), spacing, COARSE_MM)
        coarse_lungs[side] = share > 0.5
    survey = Survey(
        hu=hu,
        lungs=lungs,
        spacing_mm=spacing,
        box=box,
        scan_shape=scan.volume.shape,
        coarse_hu=coarse_hu,
        coarse_lungs=coarse_lungs,
        coarse_mm=coarse_mm,
        beside=beside,
        lobes=lobes,
        fissures=fissures,
        airways=airways,
        airway_tree=airway_tree,
        known_missing=missing,
    )
    found = [condition for look in LOOKS for condition in look(survey)]
    order = list(CONDITIONS)
    return tuple(sorted(found, key=lambda condition: order.index(condition.code)))
