"""`occult_burden`: from what the CT shows to a distribution of what it does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBES, Lobe
from clearlung.evidence import EvidenceBook
from clearlung.followup import LesionTable
from clearlung.nodules import NoduleTable
from clearlung.perfusion.occult.burden import OccultBurden, estimate
from clearlung.perfusion.occult.detection import DetectionCurve
from clearlung.perfusion.occult.growth import GROWTH_EVIDENCE, GrowthPrior
from clearlung.perfusion.occult.law import SizeAxis
from clearlung.perfusion.occult.palpation import PALPATION_EVIDENCE, Palpation
from clearlung.perfusion.occult.patient import Counts, OccultCase
from clearlung.perfusion.occult.prior import OccultPrior, lobe_shares
from clearlung.perfusion.occult.seen import Seen

FloatArray = NDArray[np.float64]

_STREAM = 70


def occult_burden(
    seen: Seen | LesionTable | NoduleTable,
    detection: DetectionCurve,
    book: EvidenceBook,
    *,
    draws: int = 2000,
    seed: int = 0,
    lobes: Sequence[Lobe] = LOBES,
    volumes: Sequence[float] | None = None,
    prior: OccultPrior | None = None,
) -> OccultBurden:
    """Estimate how many metastases lie unseen in each lobe, by size.

    Parameters
    ----------
    seen
        What the CT shows: a table of lesions or nodules, or :class:`Seen`. A nodule counts as far as it is
        likely a metastasis; the lesions of a table that says nothing of that count whole.
    detection
        The scan's curve.
    book
        The evidence.
    draws, seed
        How many draws, and their random numbers.
    lobes, volumes
        The lobes that there are, and their volumes in any unit; by default published shares.
    prior
        By default the evidence's.

    Returns
    -------
    OccultBurden
        Equally likely draws.

    Raises
    ------
    ValueError
        If a nodule lies in a lobe that is not among the lobes, or a volume is not above 0.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> from clearlung.perfusion.occult import detection_curve
    >>> book = load_evidence()
    >>> seen = Seen.listed([2.9, 3.5, 4.0, 4.2, 6.0, 9.0] * 5, ["RUL", "RLL", "LLL"] * 10)
    >>> burden = occult_burden(seen, detection_curve("reader", book), book)
    >>> interval = burden.interval("right")
    >>> 0 <= interval.low < interval.high
    True
    """
    table = _table(seen)
    prior = prior or OccultPrior.of(book)
    axis = SizeAxis.of(prior)
    lobes = tuple(lobes)
    case = OccultCase(
        lobes=lobes,
        volumes=lobe_shares(book, lobes) if volumes is None else _shares(volumes, lobes),
        counts=Counts.of(
            axis.bins(table.diameter_mm),
            _columns(table, lobes),
            table.chance,
            (len(axis.diameters_mm), len(lobes)),
            np.random.default_rng([seed, _STREAM]),
        ),
        axis=axis,
        prior=prior,
        detection=detection,
        growth=GrowthPrior.of(table.vdt_days, book),
        palpation=Palpation.of(book),
    )
    parts = (prior.evidence, detection.evidence, GROWTH_EVIDENCE, PALPATION_EVIDENCE)
    evidence = tuple(dict.fromkeys(key for part in parts for key in part))
    assumed = tuple(key for key in evidence if book[key].tag == "assumed")
    return estimate(case, (), draws, seed, evidence, assumed)


def _table(seen: Seen | LesionTable | NoduleTable) -> Seen:
    if isinstance(seen, LesionTable):
        return Seen.of_lesions(seen)
    return Seen.of_nodules(seen) if isinstance(seen, NoduleTable) else seen


def _columns(table: Seen, lobes: tuple[Lobe, ...]) -> NDArray[np.intp]:
    place = {str(lobe): k for k, lobe in enumerate(lobes)}
    strange = set(table.lobe.tolist()) - set(place)
    if strange:
        raise ValueError(f"nodules in {sorted(strange)}, and there are {', '.join(lobes)}")
    return np.array([place[lobe] for lobe in table.lobe.tolist()], dtype=np.intp)


def _shares(volumes: Sequence[float], lobes: tuple[Lobe, ...]) -> FloatArray:
    given = np.asarray(volumes, dtype=np.float64)
    if len(given) != len(lobes) or not (given > 0).all():
        raise ValueError(f"give a volume above 0 for each of {', '.join(lobes)}, not {list(volumes)}")
    return np.asarray(given / given.sum())
