"""Which assumption matters most for what one perfusion is expected to do to a metastasis of a given size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.errors import PerfusionError
from clearlung.evidence import EvidenceBook
from clearlung.perfusion.chemistry import hydrolysis
from clearlung.perfusion.course import perfuse
from clearlung.perfusion.effect import sterilized
from clearlung.perfusion.exposure import tumor_exposure
from clearlung.perfusion.interval import Interval
from clearlung.perfusion.lungs import LungVolumes
from clearlung.perfusion.regimen import FLOW, PRIME, WASHOUT_MINUTES, WASHOUT_VOLUME, Regimen
from clearlung.perfusion.registry import MEDIUM_WORDS
from clearlung.perfusion.sensitivity import Sensitivity, Share, by_swing, variance_shares
from clearlung.perfusion.sensitivity_prior import EFFECT_EVIDENCE, effect_words, tumor_cells

FloatArray = NDArray[np.float64]

IC50, DECADES = "effect.ic50.center", "pharmacology.kill.decades"
_HOUR = 60.0
# Entries that are in the regimen already: where they are moved, its numbers follow. Ids to field and factor.
_IN_REGIMEN = {
    PRIME: ("prime_ml", 1000.0),
    FLOW: ("flow_l_per_min", 1.0),
    WASHOUT_VOLUME: ("washout_ml", 1000.0),
    WASHOUT_MINUTES: ("washout_minutes", 1.0),
}


@dataclass(frozen=True, eq=False)
class WhatMatters:
    """What one perfusion is expected to do, and which assumptions that rests on most.

    Parameters
    ----------
    diameter_mm
        Size of the metastasis.
    expected
        Mean chance that it is sterilized, 0 to 1.
    interval
        Of the chance over imagined patients.
    sensitivities
        How ``expected`` moves with each assumption alone, the widest swing first.
    shares
        Share of the spread over imagined patients that goes with what is drawn for each.
    words
        What a reader must know.
    """

    diameter_mm: float
    expected: float
    interval: Interval
    sensitivities: tuple[Sensitivity, ...]
    shares: tuple[Share, ...]
    words: tuple[str, ...]


def what_matters(
    regimen: Regimen,
    lungs: LungVolumes,
    book: EvidenceBook,
    *,
    diameter_mm: float = 1.0,
    draws: int = 2000,
    seed: int = 0,
) -> WhatMatters:
    """Return which assumptions decide most whether a perfusion sterilizes a metastasis.

    Every assumed entry with a range on which the course or the effect rests is moved from its low to its high
    end, alone; those that are drawn from their range are held at either end for all draws. Besides, the
    medium goes from the one with which least is expected to the one with which most is, and the sensitivity
    of the cells over its prior.

    Parameters
    ----------
    regimen, lungs, book
        The perfusion, the patient's lungs or the reference ones, and the evidence.
    diameter_mm
        Size of the metastasis.
    draws, seed
        Imagined patients: how many, and which.

    Raises
    ------
    PerfusionError
        If the size is not above 0, or there are fewer than 400 draws.
    """
    if not 0 < diameter_mm < np.inf:
        raise PerfusionError("diameter_mm", f"takes a value above 0, not {diameter_mm:g}")

    def chances(book: EvidenceBook, regimen: Regimen) -> FloatArray:
        exposure = tumor_exposure(regimen, lungs, book, diameter_mm=diameter_mm, draws=draws, seed=seed)
        found = sterilized(
            np.array([diameter_mm]),
            exposure,
            book,
            drug=regimen.drug,
            temperature_c=regimen.temperature_c,
            seed=seed,
        )
        return found[:, 0]

    def expected(values: Mapping[str, float]) -> float:
        return float(chances(book.overriding(values), _following(regimen, values)).mean())

    course = perfuse(regimen, lungs, book)
    found = []
    for key in dict.fromkeys((*course.assumed, *EFFECT_EVIDENCE)):
        entry = book[key]
        if entry.tag == "assumed" and entry.low is not None and entry.high is not None:
            low, high = expected({key: entry.low}), expected({key: entry.high})
            found.append(Sensitivity(entry.title, entry.low, entry.high, low, high, key, entry.unit))
    found += [_of_ic50(book, expected), _of_medium(book, regimen, chances)]
    chance = chances(book, regimen)
    exposure = tumor_exposure(course, lungs, book, diameter_mm=diameter_mm, draws=draws, seed=seed)
    cells = tumor_cells(book, drug=regimen.drug, draws=draws, seed=seed)
    drawn = {
        "Exposure of the tumor": exposure,
        "Sensitivity of the cells": cells.ic50_umol_per_l,
        "Cells in a cubic millimeter": cells.cells_per_mm3,
        "Share of clonogenic cells": cells.clonogenic,
    }
    shares = variance_shares(drawn, chance)
    return WhatMatters(
        diameter_mm=diameter_mm,
        expected=float(chance.mean()),
        interval=Interval.of(chance),
        sensitivities=by_swing(found),
        shares=shares,
        words=(*_words(diameter_mm, chance, shares), *effect_words(regimen.drug)),
    )


def _following(regimen: Regimen, values: Mapping[str, float]) -> Regimen:
    """Return the regimen with its numbers from these entries."""
    known = {key: _IN_REGIMEN[key] for key in values if key in _IN_REGIMEN and key in regimen.evidence}
    return regimen.model_copy(update={name: factor * values[key] for key, (name, factor) in known.items()})


def _of_ic50(book: EvidenceBook, expected: Callable[[Mapping[str, float]], float]) -> Sensitivity:
    """Move the sensitivity over its prior: its middle goes to either end, and its width to nothing."""
    half = 10.0 ** (book.value(DECADES, unit="1") / 2)
    middle = book.value(IC50, unit="umol/l")
    low, high = middle / half, middle * half
    at_low, at_high = (expected({IC50: end, DECADES: 0.0}) for end in (low, high))
    return Sensitivity(book[IC50].title, low, high, at_low, at_high, IC50, "umol/l")


def _of_medium(
    book: EvidenceBook, regimen: Regimen, chances: Callable[[EvidenceBook, Regimen], FloatArray]
) -> Sensitivity:
    """Move the medium: in some the drug falls apart, and plasma binds it. The values are the losses."""
    outcome = {
        medium: float(chances(book, regimen.model_copy(update={"medium": medium})).mean())
        for medium in MEDIUM_WORDS
    }
    worst, best = (pick(outcome, key=lambda medium: outcome[medium]) for pick in (min, max))
    low, high = (
        100 * hydrolysis(regimen.drug, medium, book).lost(_HOUR, regimen.temperature_c)
        for medium in (worst, best)
    )
    name = f"Medium: {MEDIUM_WORDS[worst]} to {MEDIUM_WORDS[best]}; drug lost in an hour"
    return Sensitivity(name, low, high, outcome[worst], outcome[best], "", "%")


def _words(diameter_mm: float, chance: FloatArray, shares: tuple[Share, ...]) -> tuple[str, ...]:
    sure, never = (chance > 0.9).mean(), (chance < 0.1).mean()
    return (
        f"A metastasis of {diameter_mm:g} mm is sterilized almost surely (above 90 %) in {100 * sure:.0f} %"
        f" of the imagined patients, and almost never (below 10 %) in {100 * never:.0f} %.",
        f"What decides most between them is {shares[0].name.lower()}: {100 * shares[0].variance:.0f} % of the"
        " spread by itself; of the rest most needs two to come together.",
        "Uneven exposure within a metastasis and cells that are shielded are left out, and lower it.",
    )
