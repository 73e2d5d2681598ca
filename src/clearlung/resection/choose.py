"""Which of all specimens to cut: every lesion in exactly one, with the least tissue and time.

A partition of the lesions, solved exactly. Lesions that no candidate joins, directly or by way of others, are
chosen apart; most such parts hold a handful, and the whole takes a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array, csr_array, eye_array, hstack
from scipy.sparse.csgraph import connected_components

from clearlung.evidence import EvidenceBook
from clearlung.resection.candidates import CandidateSet
from clearlung.resection.techniques import needed_margin

CHOICE_EVIDENCE = (
    "technique.ten_minutes_worth",
    "technique.short_margin_cost",
    "technique.untested_bed_cost",
)
"""Ids of the evidence that a choice among specimens rests on."""

# A part of thousands of candidates may take longer; the gap is then stated.
_SECONDS_MAX = 20.0


@dataclass(frozen=True, eq=False)
class Choice:
    """The candidates chosen, and how far that is proven.

    Parameters
    ----------
    rows
        int64, ascending: rows of the candidates.
    cost
        What the choice costs, in ml of lung: tissue, time and short margins.
    bound
        No choice costs less.
    """

    rows: NDArray[np.int64]
    cost: float
    bound: float

    @property
    def gap(self) -> float:
        """(cost - bound) / max(1, cost)."""
        return max(0.0, self.cost - self.bound) / max(1.0, self.cost)

    @property
    def proven(self) -> bool:
        """Whether no choice costs less."""
        return self.gap <= 1e-9


def candidate_costs(candidates: CandidateSet, book: EvidenceBook) -> NDArray[np.float64]:
    """Return what each candidate costs, in ml of lung.

    Its tissue; its minutes at the rate of ``technique.ten_minutes_worth``; for each lesion whose margin is
    shorter than needed, its share of ``technique.short_margin_cost``; and for a bed deeper than any that was
    tested for air, ``technique.untested_bed_cost``. Tissue comes first: sparing parenchyma leaves room for
    later operations (PMC3988295).
    """
    minute, short, untested = (book.value(key, unit="ml") for key in CHOICE_EVIDENCE)
    needed = needed_margin(book)
    lacking = np.array(
        [sum(_lack(m.margin_mm, m.planned_mm, needed.least_mm) for m in g) for g in candidates.margins]
    )
    beds = untested * (candidates.closure == "untested")
    return np.asarray(
        candidates.volume_ml + minute / 10 * candidates.minutes + short * lacking + beds, dtype=np.float64
    )


def _lack(margin_mm: float, planned_mm: float, needed_mm: float) -> float:
    """Return how much of the needed margin is missing, as a share of it; 0 where the margin is not known."""
    least = min(planned_mm, needed_mm)
    return max(0.0, 1.0 - margin_mm / least) if np.isfinite(margin_mm) and least > 0 else 0.0


def choose(
    candidates: CandidateSet,
    cost: NDArray[np.float64],
    without: Collection[int] = frozenset(),
    among: NDArray[np.bool_] | None = None,
) -> Choice:
    """Choose candidates that hold every lesion exactly once, at the least cost.

    Parameters
    ----------
    candidates
        From :func:`clearlung.resection.make_candidates`.
    cost
        Of each, from :func:`candidate_costs`.
    without
        Lesions that need not be removed: candidates that hold only them are not used, nor are those that hold
        them beside others, unless they are whole segments or lobes.
    among
        Which candidates may be used; all of them if left out.

    Returns
    -------
    Choice
        Every lesion that some candidate holds is in it, but for one whose every candidate excludes another
        lesion's only one.
    """
    left_out = set(without)
    groups = [
        tuple(i for i in group if i not in left_out) if whole else group
        for group, whole in zip(candidates.lesions, candidates.anatomical, strict=True)
    ]
    usable = np.array([bool(g) and left_out.isdisjoint(g) for g in groups], dtype=np.bool_)
    if among is not None:
        usable &= among
    rows = np.flatnonzero(usable)
    if not len(rows):
        return Choice(np.zeros(0, dtype=np.int64), 0.0, 0.0)
    number = {lesion: k for k, lesion in enumerate(sorted({i for r in rows for i in groups[r]}))}
    lesion = np.array([number[i] for r in rows for i in groups[r]])
    column = np.repeat(np.arange(len(rows)), [len(groups[r]) for r in rows])
    holds = coo_array((np.ones(len(lesion)), (lesion, column)), shape=(len(number), len(rows))).tocsr()
    chosen: list[NDArray[np.int64]] = []
    total = bound = 0.0
    parts, part_of = connected_components(holds @ holds.T, directed=False)
    first = part_of[lesion[np.unique(column, return_index=True)[1]]]
    for part in range(parts):
        mine = np.flatnonzero(first == part)
        taken, value, least = _partition(holds[np.flatnonzero(part_of == part)][:, mine], cost[rows[mine]])
        chosen.append(rows[mine[taken]])
        total, bound = total + value, bound + least
    return Choice(np.sort(np.concatenate(chosen)), total, bound)


def _partition(holds: csr_array, cost: NDArray[np.float64]) -> tuple[NDArray[np.int64], float, float]:
    """Solve one part: the columns taken, their cost, and a bound."""
    lesions, columns = holds.shape
    if lesions == 1:
        best = int(cost.argmin())
        return np.array([best]), float(cost[best]), float(cost[best])
    # A lesion may stay, at a price that nothing else reaches: where candidates that hold it exclude one
    # another's only ways, the program still has a solution.
    stays = 1.0 + float(cost.sum())
    result = milp(
        c=np.r_[cost, np.full(lesions, stays)],
        integrality=np.ones(columns + lesions),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(hstack([holds, eye_array(lesions)]).tocsc(), 1, 1),
        options={"mip_rel_gap": 0.0, "time_limit": _SECONDS_MAX},
    )
    if result.x is None:
        return np.zeros(0, dtype=np.int64), 0.0, 0.0
    taken = np.flatnonzero(result.x[:columns] > 0.5)
    value = float(cost[taken].sum())
    if result.status == 0:
        return taken, value, value
    left = lesions - int(holds[:, taken].sum())
    return taken, value, min(value, max(0.0, float(result.mip_dual_bound) - stays * left))
