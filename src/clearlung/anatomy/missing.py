"""Lobes that an earlier operation took: no bronchus leads to them, and something else speaks for it too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clearlung.anatomy.staples import StapleLine
from clearlung.anatomy.tree import BranchTree
from clearlung.anatomy.types import LOBE_SIDES, LOBES, LUNG_LABELS, SIDES, Fissure, Lobe, Side
from clearlung.evidence import load_evidence

# A tree with less than this for each other lobe of a side has not been followed to the lobes there.
LEAST_BRANCHES = 4
# What is left of a bronchus that was cut is one branch, and no longer than this.
STUMP_MM = 16.0
# A fissure that is seen less than this is not there, if another of the same lungs is seen more than that.
FISSURE_GONE = 0.15
FISSURE_THERE = 0.4
# The fissure that goes with each lobe. The middle lobe's is not there in many healthy people.
FISSURE_OF: Mapping[Lobe, str] = {
    "RUL": "right horizontal",
    "RLL": "right oblique",
    "LUL": "left oblique",
    "LLL": "left oblique",
}


@dataclass(frozen=True)
class MissingLobe:
    """A lobe that is not there.

    Parameters
    ----------
    lobe
        Which.
    signs
        What speaks for it, in words.
    """

    lobe: Lobe
    signs: tuple[str, ...]

    @property
    def side(self) -> Side:
        """The lung that it was part of."""
        return LOBE_SIDES[self.lobe]


def find_missing_lobes(
    tree: BranchTree | None,
    lung_ml: Mapping[Side, float],
    staple_lines: Sequence[StapleLine],
    fissures: Sequence[Fissure] = (),
) -> tuple[MissingLobe, ...]:
    """Find the lobes that are not there, at most one in each lung.

    Parameters
    ----------
    tree
        With the lobe that each branch supplies; None or empty: nothing is found.
    lung_ml
        Volume of each lung.
    staple_lines
        Rows of metal in either lung.
    fissures
        How each was found when all lobes were sought.

    Returns
    -------
    tuple of MissingLobe
        Only where two signs or more speak for it, the bronchus among them: a bronchus alone may be plugged.
    """
    if tree is None or not len(tree):
        return ()
    found = []
    for side in SIDES:
        if share_percent(lung_ml, side) < load_evidence().value("condition.one_lung_share", unit="%"):
            continue
        own = [lobe for lobe in LOBES if LOBE_SIDES[lobe] == side]
        bare = {lobe: sign for lobe in own if (sign := _without_bronchus(tree, lobe))}
        followed = int(np.isin(tree.lobe, [lobe for lobe in own if lobe not in bare]).sum())
        if len(bare) != 1 or followed < LEAST_BRANCHES * (len(own) - 1):
            continue
        ((lobe, sign),) = bare.items()
        signs = [sign]
        if any(line.label == LUNG_LABELS[side] for line in staple_lines):
            signs.append("a staple line")
        if share_percent(lung_ml, side) < least_share_percent(side):
            signs.append("a small lung")
        if _fissure_is_gone(lobe, fissures):
            signs.append(f"no {FISSURE_OF[lobe]} fissure")
        if len(signs) > 1:
            found.append(MissingLobe(lobe, tuple(signs)))
    return tuple(found)


def present_lobes(missing: Sequence[MissingLobe]) -> dict[Side, tuple[Lobe, ...]]:
    """Return the lobes that are left of each lung.

    Examples
    --------
    >>> present_lobes([MissingLobe("LLL", ())])
    {'right': ('RUL', 'RML', 'RLL'), 'left': ('LUL',)}
    """
    gone = {each.lobe for each in missing}
    return {
        side: tuple(lobe for lobe in LOBES if LOBE_SIDES[lobe] == side and lobe not in gone) for side in SIDES
    }


def usual_share_percent(side: Side) -> tuple[float, float]:
    """Mean and SD of a lung's share of both; the evidence gives one SD each side."""
    entry = load_evidence()["anatomy.right_lung_share"]
    mean = entry.value if side == "right" else 100.0 - entry.value
    return mean, (entry.high or entry.value) - entry.value


def least_share_percent(side: Side) -> float:
    """Share of both lungs from which on one is small."""
    mean, sd = usual_share_percent(side)
    return mean - load_evidence().value("condition.small_lung_sd", unit="1") * sd


def share_percent(lung_ml: Mapping[Side, float], side: Side) -> float:
    """One lung's share of both."""
    return 100.0 * lung_ml[side] / max(sum(lung_ml.values()), 1e-9)


def _without_bronchus(tree: BranchTree, lobe: Lobe) -> str:
    """Say in words that no bronchus goes on into a lobe; "" if one does."""
    lengths = tree.length_mm[tree.lobe == lobe]
    if lengths.size == 0:
        return f"no bronchus leads to the {lobe}"
    # The middle lobe's own bronchus may be all that is found of it in health.
    stump = lobe in FISSURE_OF and lengths.size == 1 and float(lengths[0]) <= STUMP_MM
    return f"the bronchus of the {lobe} ends as a stump" if stump else ""


def _fissure_is_gone(lobe: Lobe, fissures: Sequence[Fissure]) -> bool:
    seen = {fissure.name: fissure.seen_share for fissure in fissures}
    own = seen.pop(FISSURE_OF.get(lobe, ""), 1.0)
    return own < FISSURE_GONE and max(seen.values(), default=0.0) > FISSURE_THERE
