"""`OccultBurden`: how many metastases of each size lie unseen in each lobe, as equally likely draws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clearlung.anatomy import LOBE_SIDES, SIDES, Lobe, Side
from clearlung.perfusion.interval import Interval
from clearlung.perfusion.occult.findings import Findings
from clearlung.perfusion.occult.imagine import imagine
from clearlung.perfusion.occult.patient import OccultCase

FloatArray = NDArray[np.float64]

Where = Lobe | Side | Iterable[Lobe] | None
"""A lobe, a side, some lobes, or None for both lungs."""

_STREAM = 71
# With fewer different imagined patients behind the draws, the reader is told.
_FEW = 200.0

_WORDS = (
    "How many lie below what the CT shows is an extrapolation: visible sizes fix the law near the limit, and"
    " what is far below it rests on assumptions.",
    "Deposits below the smallest size that counts, and metastases seeded after the CT, are not in it.",
)


@dataclass(frozen=True, eq=False)
class OccultBurden:
    """Metastases that the CT does not show, as equally likely draws; row i is one imagined patient.

    Parameters
    ----------
    lobes
        The lobes that there are.
    edges_mm, diameters_mm
        Shapes (k + 1,) and (k,): bins of size on the day of the CT, and a diameter for each.
    by_size
        Shape (draws, lobes, k): whole numbers, as float64.
    growth_per_day
        Shape (draws,): specific growth rate of the volume; diameters grow by exp(rate * days / 3).
    felt_half_mm
        Shape (draws,): diameter of which the hand finds one in two.
    drawn
        What else is drawn for each patient, by the id of its entry: the law of sizes and the detection curve,
        each shape (draws,).
    operations
        What earlier operations found; it has left the burden.
    effective_draws
        How many different imagined patients the draws are worth.
    evidence, assumed
        Ids of the entries it rests on, and of those that are assumed.
    words
        What a reader must know, in sentences.
    case, seed
        What :meth:`after` works on.
    """

    lobes: tuple[Lobe, ...]
    edges_mm: FloatArray
    diameters_mm: FloatArray
    by_size: FloatArray
    growth_per_day: FloatArray
    felt_half_mm: FloatArray
    drawn: Mapping[str, FloatArray]
    operations: tuple[Findings, ...]
    effective_draws: float
    evidence: tuple[str, ...]
    assumed: tuple[str, ...]
    words: tuple[str, ...]
    case: OccultCase
    seed: int

    @property
    def draws(self) -> int:
        """Number of draws."""
        return len(self.by_size)

    def count(self, where: Where = None) -> FloatArray:
        """Return how many lie unseen somewhere, shape (draws,).

        Parameters
        ----------
        where
            A lobe, ``"right"`` or ``"left"``, several lobes, or None for all.

        Raises
        ------
        ValueError
            If a lobe is not among :attr:`lobes`.
        """
        return np.asarray(self.by_size[:, self._columns(where)].sum(axis=(1, 2)))

    def interval(self, where: Where = None) -> Interval:
        """Return low, median and high (90 %) of :meth:`count`."""
        return Interval.of(self.count(where))

    def take(self, rows: NDArray[np.intp]) -> OccultBurden:
        """Return the imagined patients of some draws, each as often as it is named."""
        return replace(
            self,
            by_size=self.by_size[rows],
            growth_per_day=self.growth_per_day[rows],
            felt_half_mm=self.felt_half_mm[rows],
            drawn={key: draws[rows] for key, draws in self.drawn.items()},
        )

    def diameters_on(self, day: float | FloatArray) -> FloatArray:
        """Return the diameters some days after the CT, of each draw's own or of all, mm, shape (draws, k)."""
        return np.asarray(self.diameters_mm * np.exp(self.growth_per_day * day / 3)[:, None])

    def felt(self, diameters_mm: ArrayLike) -> FloatArray:
        """Return the chance that each draw's hand finds metastases of some diameters.

        Parameters
        ----------
        diameters_mm
            Shape (k,), on the day of the operation, or (draws, k), such as of :meth:`diameters_on`.

        Returns
        -------
        float64
            Shape (draws, k).
        """
        diameters = np.atleast_2d(np.asarray(diameters_mm, dtype=np.float64))
        return self.case.palpation.chance(diameters, self.felt_half_mm[:, None])

    def after(self, *found: Findings) -> OccultBurden:
        """Return the burden that is left after an operation, or after several.

        What the hand found says how many there were, and has left; what it did not find was mostly too
        small. Whether one metastasis is felt does not depend on the others, nor on earlier operations.

        Parameters
        ----------
        found
            Of each operation, in the order in which they were done.

        Raises
        ------
        ValueError
            If a lobe was examined that is not among :attr:`lobes`, or the operation came before the last.

        Examples
        --------
        >>> from clearlung.evidence import load_evidence
        >>> from clearlung.perfusion.occult import Seen, detection_curve, occult_burden
        >>> book = load_evidence()
        >>> seen = Seen.listed([3.5, 4.0, 6.0, 9.0] * 5, ["RUL", "LLL"] * 10)
        >>> before = occult_burden(seen, detection_curve("reader", book), book)
        >>> after = before.after(Findings(day=10, found={"RUL": 0, "RML": 0, "RLL": 0}))
        >>> bool(after.count("right").mean() < before.count("right").mean())
        True
        """
        operations = (*self.operations, *found)
        for one in found:
            strange = set(one.found) - set(self.lobes)
            if strange:
                raise ValueError(f"{sorted(strange)} cannot be examined: there are {', '.join(self.lobes)}")
        for earlier, later in pairwise(operations):
            if later.day < earlier.day:
                raise ValueError(
                    f"day {later.day:g} is before the last, {earlier.day:g}: give operations in order"
                )
        return estimate(self.case, operations, self.draws, self.seed, self.evidence, self.assumed)

    def _columns(self, where: Where) -> list[int]:
        if where is None:
            return list(range(len(self.lobes)))
        if isinstance(where, str):
            if where in SIDES:
                return [k for k, lobe in enumerate(self.lobes) if LOBE_SIDES[lobe] == where]
            where = (where,)  # type: ignore[assignment]
        wanted = list(where)
        strange = set(wanted) - set(self.lobes)
        if strange:
            raise ValueError(f"{sorted(strange)}: there are {', '.join(self.lobes)}, right and left")
        return [self.lobes.index(lobe) for lobe in wanted]


def estimate(
    case: OccultCase,
    operations: tuple[Findings, ...],
    draws: int,
    seed: int,
    evidence: tuple[str, ...],
    assumed: tuple[str, ...],
) -> OccultBurden:
    """Draw the burden that explains what the CT shows and what operations found."""
    rng = np.random.default_rng([seed, _STREAM, len(operations)])
    imagined = imagine(case, operations, draws, rng)
    words: tuple[str, ...] = (case.detection.words, *_WORDS)
    if imagined.effective < _FEW:
        words += (
            "What was seen and found fits badly with what is assumed: only"
            f" {imagined.effective:.0f} different imagined patients stand behind the draws.",
        )
    return OccultBurden(
        lobes=case.lobes,
        edges_mm=case.axis.edges_mm,
        diameters_mm=case.axis.diameters_mm,
        by_size=rng.poisson(imagined.expected).astype(np.float64),
        growth_per_day=imagined.growth_per_day,
        felt_half_mm=imagined.half_mm,
        drawn=imagined.drawn,
        operations=operations,
        effective_draws=imagined.effective,
        evidence=evidence,
        assumed=assumed,
        words=words,
        case=case,
        seed=seed,
    )
