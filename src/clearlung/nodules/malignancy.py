"""The chance that a nodule is a metastasis, where published evidence allows to state one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.evidence import EvidenceBook, load_evidence
from clearlung.nodules.table import NoduleTable

OSTEOSARCOMA = "osteosarcoma"


@dataclass(frozen=True, eq=False)
class MalignantChance:
    """Chance of each nodule to be a metastasis, with the range of the series it is from.

    Parameters
    ----------
    chance, low, high
        float64 in [0, 1], one per nodule; NaN where no evidence allows to state one.
    evidence
        Ids of the entries that it rests on.
    """

    chance: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    evidence: tuple[str, ...]


def malignant_chance(
    nodules: NoduleTable, primary: str | None, book: EvidenceBook | None = None
) -> MalignantChance:
    """Tell how likely each nodule is a metastasis.

    Parameters
    ----------
    nodules
        The table.
    primary
        The primary tumor, in words; only ``"osteosarcoma"`` has published shares that can be used.
    book
        By default the evidence that ships with Clearlung.

    Returns
    -------
    MalignantChance
        The share of metastases among resected nodules of two series of osteosarcoma, the same for every
        nodule: that larger, calcified and more numerous ones are more often malignant is published, but
        without numbers that would give each its own chance. NaN for every other primary.
    """
    n = len(nodules)
    if (primary or "").strip().lower() != OSTEOSARCOMA:
        unknown = np.full(n, np.nan)
        return MalignantChance(unknown, unknown, unknown, ())
    key = "nodule.malignant.osteosarcoma"
    entry = (book or load_evidence())[key]
    low = entry.value if entry.low is None else entry.low
    high = entry.value if entry.high is None else entry.high
    chance, least, most = (np.full(n, value / 100.0) for value in (entry.value, low, high))
    return MalignantChance(chance, least, most, (key,))
