"""How sensitive a patient's tumor cells are, and how many there are: priors of two and more decades.

A culture's IC50 is a concentration of days; a perfusion is half an hour. What links them is the area under
the curve. One hour costs twice the concentration of continuous exposure (Bosanquet and Bird 1988), and
melphalan decays meanwhile (half-life 66 minutes in medium), so that the area that halves the cells is

    2 IC50 * (half-life / ln 2) * (1 - 2 ** (-60 min / half-life))

or 89 min times the IC50. The area of continuous exposure to the decaying drug, IC50 * half-life / ln 2, is
95 min times the IC50: that the two agree speaks for the area under the curve as the measure of exposure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.errors import PerfusionError
from clearlung.evidence import Evidence, EvidenceBook

FloatArray = NDArray[np.float64]

_MOLAR_MASS = {
    "melphalan": "chemistry.melphalan.molar_mass",
    "cisplatin": "chemistry.cisplatin.molar_mass",
    "doxorubicin": "kinetics.doxorubicin.molar_mass",
}
EFFECT_DRUGS = tuple(_MOLAR_MASS)
"""Drugs whose effect can be asked for: all with the same prior of sensitivity, in umol/l."""

EFFECT_EVIDENCE = (
    *(
        "effect.ic50.center",
        "pharmacology.kill.decades",
        "chemistry.exposure.hour",
        "effect.exposure.minutes",
    ),
    *(
        "chemistry.culture.half_life_37c",
        "effect.cells.density",
        "effect.cells.clonogenic",
        "effect.heat.factor",
    ),
    "effect.exposure.spread",
)
"""Ids of the evidence entries that every effect rests on, beside the drug's molar mass."""

_STREAM = 42


@dataclass(frozen=True, eq=False)
class TumorCells:
    """Draws of what decides whether a metastasis survives its exposure; row i is one imagined patient.

    Parameters
    ----------
    ic50_umol_per_l
        Concentration that halves the cells in continuous exposure, shape (draws,).
    halving_mg_min_per_l
        Exposure of the tumor that halves them in an hour, shape (draws,).
    cells_per_mm3
        Tumor cells in a cubic millimeter, shape (draws,).
    clonogenic
        Share of them that can regrow a metastasis, 0 to 1, shape (draws,).
    """

    ic50_umol_per_l: FloatArray
    halving_mg_min_per_l: FloatArray
    cells_per_mm3: FloatArray
    clonogenic: FloatArray


def tumor_cells(book: EvidenceBook, *, drug: str, draws: int = 2000, seed: int = 0) -> TumorCells:
    """Return draws of the prior, log-uniform each.

    Parameters
    ----------
    book
        The evidence; an assumption that the protocol has set to one value has no range left.
    drug
        One of :data:`EFFECT_DRUGS`. No number was found for any but melphalan: they share its prior.
    draws, seed
        How many draws of which seed.

    Raises
    ------
    PerfusionError
        If the drug is not known, or a share of cells is not within 0 to 1.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> cells = tumor_cells(load_evidence(), drug="melphalan")
    >>> bool(0.7 < cells.ic50_umol_per_l.min() < cells.ic50_umol_per_l.max() < 72)
    True
    """
    rng = np.random.default_rng([seed, _STREAM])
    center = book.value("effect.ic50.center", unit="umol/l")
    decades = book.value("pharmacology.kill.decades", unit="1")
    ic50 = center * 10.0 ** (decades * (rng.random(draws) - 0.5))
    density = _log_uniform(book["effect.cells.density"], rng, draws)
    clonogenic = _log_uniform(book["effect.cells.clonogenic"], rng, draws)
    if clonogenic.max(initial=0.0) > 1:
        raise PerfusionError("effect.cells.clonogenic", f"takes a share up to 1, not {clonogenic.max():g}")
    return TumorCells(ic50, halving_exposure(ic50, drug, book), density, clonogenic)


def effect_words(drug: str) -> tuple[str, ...]:
    """Say what the prior of sensitivity rests on."""
    words = [
        "How sensitive the cells are is assumed over two decades: no concentration was found for any"
        " osteosarcoma line.",
        "Heat adds nothing to the kill unless the protocol sets a factor: it was measured in rats alone.",
    ]
    if drug != "melphalan":
        words.append(
            f"For {drug} nothing was found at all: it has melphalan's prior in umol/l, so that two drugs must"
            " not be compared by their effect here."
        )
    return tuple(words)


def halving_exposure(ic50_umol_per_l: FloatArray, drug: str, book: EvidenceBook) -> FloatArray:
    """Return the exposure that halves cells of an IC50, mg min/l; same shape.

    Raises
    ------
    PerfusionError
        If the drug is not known.
    """
    if drug not in _MOLAR_MASS:
        raise PerfusionError("drug", f"{drug!r} is not one of {', '.join(EFFECT_DRUGS)}")
    decay_minutes = book.value("chemistry.culture.half_life_37c", unit="min") / math.log(2)
    minutes = book.value("effect.exposure.minutes", unit="min")
    area = decay_minutes * (1 - math.exp(-minutes / decay_minutes))
    mg_per_umol = book.value(_MOLAR_MASS[drug], unit="g/mol") / 1000
    times = book.value("chemistry.exposure.hour", unit="1")
    return times * area * mg_per_umol * np.asarray(ic50_umol_per_l, dtype=np.float64)


def _log_uniform(entry: Evidence, rng: np.random.Generator, draws: int) -> FloatArray:
    low = entry.value if entry.low is None else entry.low
    high = entry.value if entry.high is None else entry.high
    if not low > 0:
        raise PerfusionError(entry.id, f"takes a value above 0, not {low:g}")
    # The draws are used up where the range is a point too, so that the other assumptions keep theirs.
    spread: FloatArray = low * (high / low) ** rng.random(draws)
    return spread
