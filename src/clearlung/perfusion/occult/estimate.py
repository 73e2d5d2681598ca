"""`occult_burden`: from what the CT shows to a distribution of what it does not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBES, Lobe
from clearlung.evidence import EvidenceBook
from clearlung.followup import LesionTable
from clearlung.nodules import NoduleTable
from clearlung.perfusion.occult.burden import STREAM, OccultBurden, drawn
from clearlung.perfusion.occult.detection import DetectionCurve
from clearlung.perfusion.occult.growth import GROWTH_EVIDENCE, growth_rates
from clearlung.perfusion.occult.law import SizeAxis
from clearlung.perfusion.occult.palpation import PALPATION_EVIDENCE, Palpation
from clearlung.perfusion.occult.particles import Counts, Particles, imagine
from clearlung.perfusion.occult.prior import OccultPrior, lobe_shares
from clearlung.perfusion.occult.seen import Seen

FloatArray = NDArray[np.float64]

_WORDS = (
    "How many lie below what the CT shows is an extrapolation: visible sizes fix the law near the limit, and"
    " what is far below it rests on assumptions.",
    "Deposits below the smallest size that counts, and metastases seeded after the CT, are not in it.",
)


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
    rng = np.random.default_rng([seed, STREAM, 0])
    columns = _columns(table, lobes)
    shape = (len(axis.diameters_mm), len(lobes))
    counts = Counts.of(axis.bins(table.diameter_mm), columns, table.chance, shape, rng)
    shares = lobe_shares(book, lobes) if volumes is None else _shares(volumes, lobes)
    source, hidden, number, by_lobe = imagine(counts, shares, prior, detection, axis, rng)
    palpation = Palpation.of(book)
    n = len(number)
    particles = Particles(
        weights=np.full(n, 1 / n),
        source=source,
        hidden=hidden,
        number=number,
        shares=by_lobe,
        growth_per_day=growth_rates(table.vdt_days, book, n, rng),
        felt_half_mm=palpation.half_mm.at(rng.standard_normal(n)),
        axis=axis,
        palpation=palpation,
    )
    evidence = tuple(
        dict.fromkeys((*prior.evidence, *detection.evidence, *GROWTH_EVIDENCE, *PALPATION_EVIDENCE))
    )
    empty = OccultBurden(
        lobes=lobes,
        edges_mm=axis.edges_mm,
        diameters_mm=axis.diameters_mm,
        by_size=np.zeros((draws, len(lobes), shape[0])),
        growth_per_day=np.zeros(draws),
        felt_half_mm=np.zeros(draws),
        operations=(),
        effective_draws=0.0,
        evidence=evidence,
        assumed=tuple(key for key in evidence if book[key].tag == "assumed"),
        words=(detection.words, *_WORDS),
        particles=particles,
        seed=seed,
    )
    return drawn(empty, particles.weights, ())


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
