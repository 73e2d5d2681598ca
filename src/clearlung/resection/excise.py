"""From lesions to the specimens that a plan takes: proposed, chosen, and their tissue counted once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Anatomy
from clearlung.ct import Volume
from clearlung.evidence import EvidenceBook
from clearlung.nodules import NoduleTable
from clearlung.resection.candidates import CandidateSet
from clearlung.resection.choose import CHOICE_EVIDENCE, Choice, candidate_costs, choose
from clearlung.resection.overlaps import Overlaps
from clearlung.resection.propose import make_candidates
from clearlung.resection.specimens import SpecimenSet

STAYS = "every specimen that would hold it takes the place of another lesion's only one"


def excise(
    nodules: NoduleTable,
    anatomy: Anatomy | None,
    techniques: Sequence[str],
    book: EvidenceBook,
    hu: Volume | None = None,
) -> SpecimenSet:
    """Choose the specimens that take all lesions out with the least tissue.

    Parameters
    ----------
    nodules, anatomy, techniques, book, hu
        As for :func:`clearlung.resection.make_candidates`.

    Returns
    -------
    SpecimenSet
        Every lesion in one specimen, or unresectable with the reason. A voxel that two specimens would take
        counts for the one whose lesion is nearer, so volumes add up to the tissue that goes.

    Raises
    ------
    ProtocolError
        If a technique is not registered.
    """
    return prepare_excision(nodules, anatomy, techniques, book, hu).specimens


@dataclass(frozen=True, eq=False)
class Excision:
    """Candidates, and the choice among them: any lesion can be left out without cutting anew.

    Parameters
    ----------
    candidates
        All of them.
    cost
        Of each, in ml of lung.
    nodules
        The lesions.
    choice
        What is chosen for all lesions.
    overlaps
        Which tissue candidates share; None for a list without a scan.
    """

    candidates: CandidateSet
    cost: NDArray[np.float64]
    nodules: NoduleTable
    choice: Choice
    overlaps: Overlaps | None

    @property
    def specimens(self) -> SpecimenSet:
        """What is chosen for all lesions."""
        return self._specimens(self.choice.rows, frozenset())

    def chosen(self, rows: NDArray[np.int64]) -> SpecimenSet:
        """Return some candidates as specimens.

        Parameters
        ----------
        rows
            Rows of candidates of which no two hold the same lesion.
        """
        return self._specimens(rows, frozenset())

    def without(self, lesions: Collection[int]) -> SpecimenSet:
        """Return what is chosen where some lesions need not be taken out.

        Parameters
        ----------
        lesions
            Their ids. What their specimens shared with others goes to those. Beds that stopped midway to one
            of them stay as they are.
        """
        left_out = frozenset(lesions)
        return self._specimens(choose(self.candidates, self.cost, left_out).rows, left_out)

    def _specimens(self, chosen: NDArray[np.int64], left_out: frozenset[int]) -> SpecimenSet:
        """Return the chosen candidates as specimens, each voxel counted once."""
        every = self.candidates
        # In the order of the lesions: numbers follow the nodules'.
        place = {int(lesion): k for k, lesion in enumerate(self.nodules.id.tolist())}
        rows = np.array(sorted(chosen.tolist(), key=lambda r: min(place[i] for i in every.lesions[r])))
        rows = rows.astype(np.int64)
        groups = tuple(tuple(i for i in every.lesions[r] if i not in left_out) for r in rows)
        lobe_ml = every.lobe_ml[rows]
        if self.overlaps is not None:
            lobe_ml = np.maximum(lobe_ml - self.overlaps.shared_ml(rows.tolist()), 0.0)
        held = {lesion for group in groups for lesion in group}
        stay = {i: STAYS for i in place if i not in held | left_out and i not in every.unresectable}
        kept = {i: why for i, why in every.unresectable.items() if i not in left_out}
        margins = [every.margins[r] for r in rows]
        least = [min(group, key=lambda margin: margin.low_mm) for group in margins]
        return SpecimenSet(
            id=np.arange(1, len(rows) + 1, dtype=np.int32),
            lesions=groups,
            technique=every.technique[rows],
            side=every.side[rows],
            lobe=every.lobe[rows],
            volume_ml=lobe_ml.sum(axis=1),
            margin_mm=every.margin_mm[rows],
            minutes=every.minutes[rows],
            unresectable=kept | stay,
            forced={i: why for i, why in every.forced.items() if i not in left_out},
            evidence=(*every.evidence, *CHOICE_EVIDENCE),
            candidate=every.id[rows],
            lobe_ml=lobe_ml,
            reach_mm=every.reach_mm[rows],
            margin_least_mm=np.array([m.margin_mm for m in least], dtype=np.float64),
            margin_low_mm=np.array([m.low_mm for m in least], dtype=np.float64),
            margin_high_mm=np.array([m.high_mm for m in least], dtype=np.float64),
            clear=np.array([np.prod([m.clear for m in g]) for g in margins], dtype=np.float64),
            vessel_mm=np.array([self._widest(r, "vessel") for r in rows], dtype=np.float64),
            bronchus_mm=np.array([self._widest(r, "bronchus") for r in rows], dtype=np.float64),
            closure=every.closure[rows],
            anatomical=every.anatomical[rows],
        )

    def _widest(self, row: int, kind: str) -> float:
        if self.overlaps is None:
            return float("nan")
        return max((cut.diameter_mm for cut in self.candidates.cuts[row] if cut.kind == kind), default=0.0)


def prepare_excision(
    nodules: NoduleTable,
    anatomy: Anatomy | None,
    techniques: Sequence[str],
    book: EvidenceBook,
    hu: Volume | None = None,
) -> Excision:
    """Propose all specimens and choose among them, and keep what it takes to leave lesions out.

    Parameters
    ----------
    nodules, anatomy, techniques, book, hu
        As for :func:`clearlung.resection.make_candidates`.

    Raises
    ------
    ProtocolError
        If a technique is not registered.
    """
    candidates = make_candidates(nodules, anatomy, techniques, book, hu)
    cost = candidate_costs(candidates, book)
    overlaps = None
    if anatomy is not None and nodules.labels is not None:
        overlaps = Overlaps(candidates, anatomy.lobes, nodules)
    return Excision(
        candidates=candidates,
        cost=cost,
        nodules=nodules,
        choice=choose(candidates, cost),
        overlaps=overlaps,
    )
