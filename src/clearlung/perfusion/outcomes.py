"""The effect held against what became of perfused patients: whether they can be told apart at all."""

from __future__ import annotations

from dataclasses import dataclass

from clearlung.errors import PerfusionError
from clearlung.evidence import EvidenceBook

_RECURRED = "perfused.petrov.perfused_lung"
_FREE = "perfused.sarcoma.lung_free_5y"
_FOUND_MORE = ("detection.heaton.more", "detection.gao.more")
OUTCOME_EVIDENCE = (_RECURRED, _FREE, *_FOUND_MORE)
"""Ids of the evidence entries that the effect is held against."""


@dataclass(frozen=True)
class HeldAgainst:
    """Who must have had metastases left before the perfusion for the published recurrences to come about.

    Parameters
    ----------
    recurred
        Patients with recurrence in perfused lung: Petrov center, and sarcoma of the Antwerp trial at 5 years
        (those not free of progression in the lungs), fractions.
    left_before
        Patients who must have had any left: each of ``recurred`` over the patients in whom a perfusion fails.
    found_more
        Thoracotomies for osteosarcoma in which the hand found more than the CT, two series, fractions.
    words
        What follows, and what does not.
    """

    recurred: tuple[float, float]
    left_before: tuple[float, float]
    found_more: tuple[float, float]
    words: str


def held_against_outcomes(sterilized: float, book: EvidenceBook) -> HeldAgainst:
    """Hold the expected chance of sterilizing what is left against published recurrence.

    If a perfusion clears that share of the patients who have something left, then those who recur are the
    rest of them. Metastases that are seeded later count as left here, which makes the effect look smaller.
    Nothing is fitted.

    Parameters
    ----------
    sterilized
        Share of patients in whom nothing viable is left, 0 to below 1.
    book
        The evidence.

    Raises
    ------
    PerfusionError
        If the share is not from 0 to below 1.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> [round(share, 2) for share in held_against_outcomes(0.06, load_evidence()).left_before]
    [0.43, 0.39]
    """
    if not 0 <= sterilized < 1:
        raise PerfusionError("sterilized", f"takes a share from 0 to below 1, not {sterilized:g}")
    recurred = (book.value(_RECURRED, unit="%") / 100, 1 - book.value(_FREE, unit="%") / 100)
    left = (recurred[0] / (1 - sterilized), recurred[1] / (1 - sterilized))
    more = [book.value(key, unit="%") / 100 for key in _FOUND_MORE]
    petrov, antwerp = (f"{100 * share:.3g} %" for share in recurred)
    if max(left) > 1:
        verdict = "More recurred than could have: an effect as large contradicts what was published."
    else:
        verdict = (
            "That can be, and so could no effect at all: no series without perfusion was compared, and"
            " recurrences alone do not tell how much a perfusion does."
        )
    words = (
        f"Recurrence in perfused lung was {petrov} (74 patients) and {antwerp} (sarcoma, 5 years). Were"
        f" {100 * sterilized:.0f} % of those with something left cleared by the perfusion,"
        f" {100 * left[0]:.0f} and {100 * left[1]:.0f} % must have had something left before it; the hand"
        f" found more than the CT in {100 * min(more):.0f} to {100 * max(more):.0f} % of thoracotomies."
        f" {verdict}"
    )
    return HeldAgainst(recurred, left, (min(more), max(more)), words)
