"""`edema_risk`: how likely edema follows a perfusion, by drug, dose, temperature and perfused volume.

About 70 perfusions were counted, three of them heated: the answer is always an interval, and where it leaves
what was counted it says so in words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.errors import CaseError, PerfusionError
from clearlung.evidence import EvidenceBook
from clearlung.perfusion.edema_model import HEATED_C, NORMAL_C, Posterior, counts_of, posterior, prior_of
from clearlung.perfusion.interval import Interval

_REFERENCES = {
    "melphalan": ("regimen.petrov-melphalan-50.dose_mg", "mg"),
    "cisplatin": ("regimen.petrov-cisplatin-135.dose_mg_per_m2", "mg/m2"),
    "doxorubicin": ("tolerated.doxorubicin.mtd", "mg/m2"),
}
# Minutes of the longest perfusions behind the counts, by drug.
_LONGEST = {"melphalan": "regimen.petrov-melphalan-50.minutes", "cisplatin": "circuit.minutes.ratto"}
# Melphalan first: the other drugs are compared with it.
EDEMA_DRUGS = tuple(_REFERENCES)
"""Drugs whose risk of edema can be asked for."""

EDEMA_EVIDENCE = (
    *(f"toxicity.edema37.{name}" for name in ("interstitial", "lobar", "melphalan_30", "melphalan_45")),
    *(f"toxicity.edema37.{name}" for name in ("melphalan_50", "cisplatin_135")),
    *(f"toxicity.edema42.{name}" for name in ("events", "perfusions")),
    *(f"toxicity.edema_{name}" for name in ("ratto.events", "ratto.patients")),
    *(f"toxicity.edema_{name}" for name in ("leiden.events", "leiden.patients")),
    *("tolerated.cisplatin.ratto", "tolerated.melphalan.limiting", "regimen.antwerp-melphalan-45.dose_mg"),
    *("edema.leiden.dose", "edema.leiden.temperature", "edema.phase1.patients", "edema.phase1.limited"),
    *(f"edema.prior.{name}" for name in ("rate", "rate_spread", "dose_odds", "heat_odds", "drug_spread")),
    *("edema.prior.volume_power", "edema.volume.counted_share", *_LONGEST.values()),
)
"""Ids of the evidence entries that every risk of edema rests on."""


@dataclass(frozen=True, eq=False)
class EdemaRisk:
    """The chance that edema follows one perfusion.

    Parameters
    ----------
    draws
        Equally likely values of the chance, fractions 0 to 1, shape (draws,).
    interval
        Their 5th, 50th and 95th percentile.
    words
        What the reader must know: what it rests on, and where it leaves what was counted.
    extrapolated
        Whether it does.
    evidence
        Ids of the evidence entries that it rests on.
    """

    draws: NDArray[np.float64]
    interval: Interval
    words: tuple[str, ...]
    extrapolated: bool
    evidence: tuple[str, ...]


def edema_risk(
    *,
    drug: str,
    dose_mg: float,
    temperature_c: float,
    perfused_ml: float,
    reference_ml: float,
    book: EvidenceBook,
    minutes: float | None = None,
    body_surface_m2: float | None = None,
    draws: int = 2000,
    seed: int = 0,
    heat_prior_times: float = 1.0,
) -> EdemaRisk:
    """Return the risk of edema after one perfusion.

    Parameters
    ----------
    drug
        One of :data:`EDEMA_DRUGS`.
    dose_mg
        Dose of the perfusion.
    temperature_c
        Temperature of the perfusate.
    perfused_ml
        Volume of the perfused lung or lobes.
    reference_ml
        Volume of the whole lung that the counted doses were for: the mean lung.
    book
        The evidence, with the protocol's own assumptions.
    minutes
        Of perfusion. How edema goes with them was not published and moves nothing: only that they are more
        than were counted is said.
    body_surface_m2
        The patient's; needed by drugs whose reference dose goes by it.
    draws, seed
        How many draws of which seed. Row i is the same imagined patient as row i of the other modules.
    heat_prior_times
        How many times as wide the prior of the effect of heat is taken, to show how much it decides.

    Raises
    ------
    CaseError
        If the drug's reference dose goes by body surface, and none is given.
    PerfusionError
        If the drug is not known, or a dose or volume is not above 0.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> risk = edema_risk(
    ...     drug="melphalan", dose_mg=50, temperature_c=37, perfused_ml=2500, reference_ml=2500,
    ...     book=load_evidence(),
    ... )
    >>> 0.08 < risk.interval.median < 0.27
    True
    """
    amounts = {"dose_mg": dose_mg, "perfused_ml": perfused_ml, "reference_ml": reference_ml}
    for name, value in amounts.items():
        if not value > 0:
            raise PerfusionError(name, f"takes a value above 0, not {value:g}")
    relative = dose_mg / reference_dose_mg(drug, book, body_surface_m2=body_surface_m2)
    share = perfused_ml / reference_ml

    def under(heat_times: float) -> NDArray[np.float64]:
        found = edema_posterior(book, draws=draws, seed=seed, heat_prior_times=heat_times)
        return found.risk(drug, dose=relative, temperature_c=temperature_c, share=share)

    chance = under(heat_prior_times)
    outside = (
        *_outside_doses(drug, relative / share, book),
        *_outside_temperatures(temperature_c),
        *_outside_volumes(share, book),
        *_outside_minutes(drug, minutes, book),
    )
    prior: tuple[str, ...] = ()
    if temperature_c > NORMAL_C:
        narrow, wide = (100 * float(np.median(under(heat_prior_times * times))) for times in (0.5, 2.0))
        prior = (
            f"With a prior of heat half as wide the median is {narrow:.0f} %, with one twice as wide"
            f" {wide:.0f} %.",
        )
    return EdemaRisk(
        draws=chance,
        interval=Interval.of(chance),
        words=(_RESTS_ON, *outside, *prior),
        extrapolated=bool(outside),
        evidence=(_REFERENCES[drug][0], *EDEMA_EVIDENCE),
    )


def reference_dose_mg(drug: str, book: EvidenceBook, *, body_surface_m2: float | None = None) -> float:
    """Return the dose for a whole lung that a drug's doses are compared with, mg.

    Raises
    ------
    CaseError, PerfusionError
        As for :func:`edema_risk`.
    """
    if drug not in _REFERENCES:
        raise PerfusionError("drug", f"{drug!r} is not one of {', '.join(EDEMA_DRUGS)}")
    key, unit = _REFERENCES[drug]
    if unit == "mg":
        return book.value(key, unit=unit)
    if body_surface_m2 is None:
        raise CaseError(
            "patient.height_cm", f"the risk of {drug} goes by body surface: give height_cm and weight_kg"
        )
    return book.value(key, unit=unit) * body_surface_m2


def edema_posterior(
    book: EvidenceBook, *, draws: int = 2000, seed: int = 0, heat_prior_times: float = 1.0
) -> Posterior:
    """Return draws of the model's parameters after the counts; computed once for each book, size and seed."""
    prior = prior_of(book, heat_times=heat_prior_times)
    return posterior(prior, counts_of(book), EDEMA_DRUGS, draws, seed)


_RESTS_ON = (
    "Rests on 8 edemas after 50 perfusions at 37 °C, 3 after 3 at 42 °C, 2 after 6 and 1 after 8 of two small"
    " series, and on assumed priors; nine in ten of the draws lie in the interval."
)


def _outside_doses(drug: str, per_volume: float, book: EvidenceBook) -> tuple[str, ...]:
    """Say where the dose per volume, over the reference's, leaves what was counted."""
    groups = [group for series in counts_of(book) for group in series.groups]
    of_drug = [group.dose for group in groups if group.drug == drug]
    words: list[str] = []
    if not of_drug:
        words.append(f"No edema after {drug} was counted: its risk is melphalan's, only less certain.")
    elif not min(of_drug) - 1e-9 <= per_volume <= max(of_drug) + 1e-9:
        words.append(
            f"{per_volume:.2f} times the reference dose per volume lies outside what was counted with"
            f" {drug} ({min(of_drug):.2f} to {max(of_drug):.2f}): the slope is the prior's."
        )
    if per_volume < min(of_drug or [group.dose for group in groups]) - 1e-9:
        words.append(
            "In pigs perfusion alone caused edema (van der Elst 2006): without drug the risk is not 0."
        )
    return tuple(words)


def _outside_temperatures(temperature_c: float) -> tuple[str, ...]:
    if temperature_c == NORMAL_C:
        return ()
    if temperature_c < NORMAL_C:
        return (
            f"Nothing was counted at {temperature_c:g} °C: the risk is that at {NORMAL_C:g} °C, nothing is"
            " taken off for cold.",
        )
    if temperature_c < HEATED_C:
        return (
            f"Nothing was counted between {NORMAL_C:g} and {HEATED_C:g} °C: {temperature_c:g} °C lies on the"
            " line that the prior draws between them.",
        )
    if temperature_c == HEATED_C:
        return (
            f"At {HEATED_C:g} °C three perfusions were counted, with 45 mg of melphalan, and all had edema:"
            " how steeply heat acts is mostly the prior's.",
        )
    return (f"Nothing was counted at {temperature_c:g} °C: the effect of temperature is the prior's.",)


def _outside_volumes(share: float, book: EvidenceBook) -> tuple[str, ...]:
    if share >= book.value("edema.volume.counted_share", unit="1"):
        return ()
    return (
        f"What is perfused holds {100 * share:.0f} % of what a reference lung does, or the breath on the"
        " CT was shallow: nothing was counted of so little lung, and the effect of volume is the prior's.",
    )


def _outside_minutes(drug: str, minutes: float | None, book: EvidenceBook) -> tuple[str, ...]:
    longest = book.value(_LONGEST.get(drug, _LONGEST["melphalan"]), unit="min")
    if minutes is None or minutes <= longest:
        return ()
    return (
        f"{minutes:g} min are more than edema was counted after ({longest:g} min): how it goes with the"
        " minutes is not in the risk, which may be higher.",
    )
