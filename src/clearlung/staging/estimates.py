"""What is estimated of metastases that the CT does not show: from what, and once for the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from clearlung.anatomy import LOBES
from clearlung.evidence import EvidenceBook, load_evidence
from clearlung.perfusion import (
    Benefit,
    Findings,
    OccultBurden,
    Regimen,
    detection_curve,
    occult_burden,
    weigh_perfusions,
)
from clearlung.staging.unseen import Unseen

Estimate = TypeVar("Estimate")

# Enough that a mean over draws is within a few percent, few enough that a week is read in milliseconds.
_DRAWS = 2000
_DAYS_PER_WEEK = 7
# Protocols side by side differ in regimen and assumptions; every burden takes megabytes.
_KEPT = 4


@dataclass(frozen=True)
class Basis:
    """All that is looked at to estimate what is unseen and what perfusions spare: alike, so are they.

    Parameters
    ----------
    unseen
        What is known, with what the CT shows spelled out.
    assumptions
        Evidence entries that the center sets to its own values.
    seed
        Of the imagined patients.
    regimen
        How a lung is perfused; None where none is, and only the hand finds what is unseen.
    targets
        What else than whole lungs perfusions may reach, or have reached, by name.
    dose_by_share
        Whether lobes get their share of the lung's dose by volume, and not all of it.
    """

    unseen: Unseen
    assumptions: Mapping[str, float]
    seed: int
    regimen: Regimen | None
    targets: tuple[str, ...] = ()
    dose_by_share: bool = False

    @property
    def book(self) -> EvidenceBook:
        """The evidence with the center's own assumptions."""
        return load_evidence().overriding(self.assumptions)

    @property
    def imagined(self) -> Basis:
        """What of it the burden rests on: alike, so are all imagined patients."""
        unseen = self.unseen.model_copy(
            update={"perfused": (), "weeks_since_ct": 0.0, "body_surface_m2": None}
        )
        return replace(self, unseen=unseen, regimen=None, targets=(), dose_by_share=False)

    def burden(self) -> OccultBurden:
        """Estimate how many metastases are unseen, after all that was found by hand."""
        unseen, book = self.unseen, self.book
        burden = occult_burden(
            unseen.shown(),
            detection_curve(unseen.detection, book, slice_mm=unseen.slice_mm),
            book,
            draws=_DRAWS,
            seed=self.seed,
            lobes=tuple(one.lobe for one in unseen.lungs) or LOBES,
            volumes=tuple(one.volume_ml for one in unseen.lungs) or None,
        )
        found = [Findings(day=_DAYS_PER_WEEK * one.week, found=one.found) for one in unseen.found]
        return burden.after(*found) if found else burden

    def benefit(self, burden: OccultBurden) -> Benefit:
        """Work out what perfusing either lung spares and may cost, after perfusions that were done.

        Raises
        ------
        CaseError, PerfusionError
            As for :func:`~clearlung.perfusion.weigh_perfusions`.
        """
        unseen, book = self.unseen, self.book
        benefit = weigh_perfusions(
            burden,
            self.regimen,
            unseen.volumes(book),
            book,
            body_surface_m2=unseen.body_surface_m2,
            weeks_since_ct=unseen.weeks_since_ct,
            targets=self.targets,
            dose_by_share=self.dose_by_share,
        )
        return benefit.after([(one.week - unseen.weeks_since_ct, one.reached) for one in unseen.perfused])


class Estimates:
    """What has been estimated, found again by what it was estimated from.

    A problem hands its estimates on to those that are made from it: what they have in common is worked out
    once, and nothing can be taken for another patient's, lesions' or regimen's.
    """

    def __init__(self) -> None:
        self._burdens: list[tuple[Basis, OccultBurden]] = []
        self._benefits: list[tuple[Basis, Benefit]] = []

    def burden(self, basis: Basis) -> OccultBurden:
        """Return how many metastases are unseen."""
        return _known(self._burdens, basis.imagined, basis.imagined.burden)

    def benefit(self, basis: Basis) -> Benefit:
        """Return what perfusing either lung spares and may cost.

        Raises
        ------
        CaseError, PerfusionError
            As for :func:`~clearlung.perfusion.weigh_perfusions`.
        """
        return _known(self._benefits, basis, lambda: basis.benefit(self.burden(basis)))


def _known(kept: list[tuple[Basis, Estimate]], basis: Basis, make: Callable[[], Estimate]) -> Estimate:
    """Return what was estimated from the same, or estimate it and keep it for the oldest."""
    for known, estimate in kept:
        if known == basis:
            return estimate
    made = make()
    kept.append((basis, made))
    del kept[:-_KEPT]
    return made


class Given(Estimates):
    """A benefit that is what it is, whatever it rests on.

    Parameters
    ----------
    gain
        The benefit.
    """

    def __init__(self, gain: Benefit) -> None:
        super().__init__()
        self._gain = gain

    def benefit(self, basis: Basis) -> Benefit:
        """Return it."""
        return self._gain
