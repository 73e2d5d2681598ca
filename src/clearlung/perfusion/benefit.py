"""What perfusing a lung spares, and what it may cost: from imagined patients, one in each draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBE_SIDES, SIDES, Lobe, Side
from clearlung.evidence import EvidenceBook
from clearlung.perfusion.course import perfuse
from clearlung.perfusion.effect import sterilized
from clearlung.perfusion.exposure import tumor_exposure
from clearlung.perfusion.harm import perfusion_harm
from clearlung.perfusion.lungs import LungVolumes
from clearlung.perfusion.occult import OccultBurden
from clearlung.perfusion.regimen import Regimen
from clearlung.perfusion.sensitivity_prior import EFFECT_EVIDENCE

Floats = NDArray[np.float64]

WORTH_EVIDENCE = ("worth.edema", "worth.death", "worth.fev1", "worth.week", "worth.least")
"""What harm counts, in metastases, in the order of :class:`Worth`."""

_DAYS_PER_WEEK = 7
# Sizes between which chances are read; below and above them nothing changes any more.
_TABLE_MM, _TABLE_POINTS = (0.02, 60.0), 81


@dataclass(frozen=True, eq=False)
class LungBenefit:
    """What is unseen in one lung, what the hand and a perfusion do about it, and what the perfusion may do.

    All arrays of draws are aligned: a row is one imagined patient.

    Parameters
    ----------
    side
        The lung.
    diameters_mm
        Size classes on the day of the CT, ascending, shape (sizes,).
    unseen
        Metastases of each size that the CT does not show, shape (draws, sizes).
    growth_per_day
        Specific growth rate, shape (draws,).
    table_mm
        Diameters at which the next two are tabulated, ascending by a constant factor, shape (points,).
    felt, sterilized
        Chances that the hand finds one of each size in an opened lung, and that a perfusion leaves no viable
        cell of one, shape (draws, points).
    edema, death
        Chances that one perfusion of this lung is followed by edema, and by death from it, shape (draws,).
    weeks_since_ct
        Weeks from the CT to week 0, in which they have grown.

    Notes
    -----
    A metastasis that the hand can feel is felt whenever it is large enough: how well a hand feels does not
    change between operations, so the last one on the lung, when it is largest, decides. Perfusions act one by
    one on what is there. Metastases that are seeded after the CT are in none of these numbers.

    Examples
    --------
    >>> import numpy as np
    >>> lung = LungBenefit(
    ...     side="left",
    ...     diameters_mm=np.array([1.0]),
    ...     unseen=np.array([[8.0], [4.0]]),
    ...     growth_per_day=np.zeros(2),
    ...     table_mm=np.array([0.5, 1.0, 2.0]),
    ...     felt=np.array([[0.0, 0.25, 0.5], [0.0, 0.25, 0.5]]),
    ...     sterilized=np.array([[0.9, 0.5, 0.1], [0.9, 0.5, 0.1]]),
    ...     edema=np.zeros(2),
    ...     death=np.zeros(2),
    ... )
    >>> lung.left(0).tolist(), lung.left(0, [0]).tolist(), lung.spared(0, [0]).tolist()
    ([6.0, 3.0], [3.0, 1.5], [3.0, 1.5])
    """

    side: Side
    diameters_mm: Floats
    unseen: Floats
    growth_per_day: Floats
    table_mm: Floats
    felt: Floats
    sterilized: Floats
    edema: Floats
    death: Floats
    weeks_since_ct: float = 0.0
    _survive: dict[int, Floats] = field(default_factory=dict, repr=False, compare=False)
    _missed: dict[int, Floats] = field(default_factory=dict, repr=False, compare=False)
    _missed_counts: dict[int, tuple[Floats, float]] = field(default_factory=dict, repr=False, compare=False)
    _spared: dict[tuple[int, ...], float] = field(default_factory=dict, repr=False, compare=False)

    def left(self, last_week: int, perfused_weeks: Sequence[int] = ()) -> Floats:
        """Return the viable metastases that nobody sees or feels and that stay, shape (draws,).

        Parameters
        ----------
        last_week
            Week of the last operation on the lung.
        perfused_weeks
            Weeks of its perfusions.
        """
        staying = self._staying(last_week)
        for week in perfused_weeks:
            staying = staying * self._surviving(week)
        return np.asarray((self.unseen * staying).sum(axis=1), dtype=np.float64)

    def spared(self, last_week: int, perfused_weeks: Sequence[int]) -> Floats:
        """Return how many fewer stay than without these perfusions, shape (draws,)."""
        return self.left(last_week) - self.left(last_week, perfused_weeks)

    def spared_mean(self, last_week: int, perfused_weeks: Sequence[int]) -> float:
        """Return the mean of :meth:`spared`, worked out once for the same weeks."""
        key = (last_week, *sorted(perfused_weeks))
        if key not in self._spared:
            staying, total = self._unfelt(last_week)
            surviving = reduce(np.multiply, map(self._surviving, perfused_weeks))
            left = float(np.einsum("ij,ij->", staying, surviving))
            self._spared[key] = (total - left) / len(staying)
        return self._spared[key]

    @cached_property
    def risks(self) -> tuple[float, float]:
        """Mean chances of edema and of death."""
        return float(self.edema.mean()), float(self.death.mean())

    @cached_property
    def for_bounds(self) -> LungBenefit:
        """The lung with chances under which it is never better to wait.

        In the same weeks perfusions spare no less than in this lung; and they spare no more if any of them,
        or the last operation, is later. Where metastases grow, larger ones are felt no less often and
        sterilized no more often, this is the lung itself.

        Notes
        -----
        What is spared of each size is ``missed(last) * (1 - survive(week) * ...)``. Each chance that a size
        is missed is raised to the largest of any size that it can still grow (or shrink) to, and the chance
        that it survives lowered to the least: no factor is less than before, and none grows with its week.
        """
        shrinks = (self.growth_per_day < 0)[:, None]

        def ahead(best: np.ufunc, table: Floats) -> Floats:
            larger = best.accumulate(table[:, ::-1], axis=1)[:, ::-1]
            return np.where(shrinks, best.accumulate(table, axis=1), larger)

        felt, sterilized = ahead(np.minimum, self.felt), ahead(np.maximum, self.sterilized)
        if np.array_equal(felt, self.felt) and np.array_equal(sterilized, self.sterilized):
            return self
        return self.changed(felt=felt, sterilized=sterilized)

    def after(self, perfused_weeks: Sequence[float]) -> LungBenefit:
        """Return what is unseen once perfusions before week 0 have done what they could.

        Parameters
        ----------
        perfused_weeks
            Their weeks, below 0 for those before it.
        """
        surviving = self.unseen
        for week in perfused_weeks:
            surviving = surviving * self._at(week, 1.0 - self.sterilized)
        return replace(self, unseen=surviving, _survive={}, _missed={}, _missed_counts={}, _spared={})

    def changed(
        self,
        *,
        unseen: Floats | None = None,
        growth_per_day: Floats | None = None,
        felt: Floats | None = None,
        sterilized: Floats | None = None,
    ) -> LungBenefit:
        """Return it with other arrays, such as of one lobe or under another assumption; shapes as before."""
        return replace(
            self,
            unseen=self.unseen if unseen is None else unseen,
            growth_per_day=self.growth_per_day if growth_per_day is None else growth_per_day,
            felt=self.felt if felt is None else felt,
            sterilized=self.sterilized if sterilized is None else sterilized,
            _survive={},
            _missed={},
            _missed_counts={},
            _spared={},
        )

    def _staying(self, week: int) -> Floats:
        """Chance that the hand misses each size in some week, shape (draws, sizes)."""
        if week not in self._missed:
            self._missed[week] = self._at(week, 1.0 - self.felt)
        return self._missed[week]

    def _unfelt(self, week: int) -> tuple[Floats, float]:
        """Return those that the hand misses in some week, shape (draws, sizes), and how many in all."""
        if week not in self._missed_counts:
            staying = self.unseen * self._staying(week)
            self._missed_counts[week] = staying, float(staying.sum())
        return self._missed_counts[week]

    def _surviving(self, week: int) -> Floats:
        """Chance that a perfusion in some week leaves viable cells of each size, shape (draws, sizes)."""
        if week not in self._survive:
            self._survive[week] = self._at(week, 1.0 - self.sterilized)
        return self._survive[week]

    def _at(self, week: float, table: Floats) -> Floats:
        """Read a table at the sizes of a week, shape (draws, sizes); beyond its ends it stays as it is."""
        days = _DAYS_PER_WEEK * (week + self.weeks_since_ct)
        grown = np.log(self.diameters_mm)[None, :] + self.growth_per_day[:, None] * days / 3
        step = np.log(self.table_mm[1] / self.table_mm[0])
        place = np.clip((grown - np.log(self.table_mm[0])) / step, 0.0, len(self.table_mm) - 1.0)
        below = np.minimum(place.astype(np.int64), len(self.table_mm) - 2)
        part = place - below
        below += len(self.table_mm) * np.arange(len(table))[:, None]
        flat = table.ravel()
        return np.asarray(flat.take(below) * (1 - part) + flat.take(below + 1) * part)


@dataclass(frozen=True)
class Worth:
    """What harm counts, in metastases left behind; and how much has to be won for it to matter.

    Parameters
    ----------
    edema, death
        One of them.
    fev1
        One point of FEV1, percent of predicted, lost for good.
    week
        One week longer until the last operation.
    least
        A smaller difference decides nothing.
    """

    edema: float
    death: float
    fev1: float
    week: float
    least: float

    @classmethod
    def of(cls, book: EvidenceBook) -> Self:
        """Read it from the evidence, in which a center sets its own."""
        return cls(*(book.value(key, unit="nodule") for key in WORTH_EVIDENCE))


@dataclass(frozen=True, eq=False)
class Benefit:
    """What perfusing either lung spares and may cost, and how that is weighed.

    Parameters
    ----------
    lungs
        By side.
    worth
        What harm counts.
    evidence
        Ids of the entries that it rests on.
    lobes
        The same as its lung, with what is unseen in the lobe alone.
    """

    lungs: Mapping[Side, LungBenefit]
    worth: Worth
    evidence: tuple[str, ...]
    lobes: Mapping[Lobe, LungBenefit] = field(default_factory=dict)

    def changed(self, change: Callable[[LungBenefit], LungBenefit]) -> Benefit:
        """Return it with every lung and lobe changed in the same way."""
        lungs = {side: change(lung) for side, lung in self.lungs.items()}
        return replace(self, lungs=lungs, lobes={lobe: change(part) for lobe, part in self.lobes.items()})

    def harm(self, side: Side, perfusions: int, fev1_points: float) -> float:
        """Return what so many perfusions of a lung count on average, in metastases left behind.

        Parameters
        ----------
        side
            The lung.
        perfusions
            How many; each has its own risk.
        fev1_points
            FEV1 that one takes for good, points of percent predicted.
        """
        lung, worth = self.lungs[side], self.worth
        edema, death = lung.risks
        return perfusions * (worth.edema * edema + worth.death * death + worth.fev1 * fev1_points)


def weigh_perfusions(
    burden: OccultBurden,
    regimen: Regimen | None,
    lungs: LungVolumes,
    book: EvidenceBook,
    *,
    body_surface_m2: float | None = None,
    weeks_since_ct: float = 0.0,
) -> Benefit:
    """Return what perfusing each lung as a whole would spare, and what it may cost.

    Parameters
    ----------
    burden
        What the CT does not show; its draws are the imagined patients.
    regimen
        The perfusion, at the same dose for either lung; None where no lung is perfused, and only the hand
        finds what is unseen.
    lungs
        The patient's volumes, or the reference ones.
    book
        The evidence, with the protocol's own assumptions.
    body_surface_m2
        For drugs whose risk goes by it.
    weeks_since_ct
        Weeks from the CT to week 0.

    Raises
    ------
    CaseError, PerfusionError
        As for :func:`~clearlung.perfusion.edema_risk`.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> from clearlung.perfusion import Seen, detection_curve, make_regimen, occult_burden, reference_lungs
    >>> book = load_evidence()
    >>> seen = Seen.listed([3.5, 4.0, 6.0, 9.0] * 5, ["RUL", "LLL"] * 10)
    >>> burden = occult_burden(seen, detection_curve("reader", book), book, draws=200)
    >>> regimen = make_regimen("petrov-melphalan-50", book)
    >>> left = weigh_perfusions(burden, regimen, reference_lungs(book), book).lungs["left"]
    >>> bool(left.spared(6, [6]).mean() > 0)
    True
    """
    found: dict[Side, LungBenefit] = {}
    evidence: list[str] = [*burden.evidence]
    table = np.geomspace(*_TABLE_MM, _TABLE_POINTS)
    felt = burden.felt(table)
    there = {lobe.lobe for lobe in lungs.lobes}
    for side in (side for side in SIDES if any(LOBE_SIDES[lobe] == side for lobe in there)):
        if regimen is None:
            none = np.zeros(burden.draws)
            effect = _Effect(np.zeros((burden.draws, len(table))), none, none, ())
        else:
            effect = _effect(regimen, side, table, burden, lungs, book, body_surface_m2)
        rows = [row for row, lobe in enumerate(burden.lobes) if LOBE_SIDES[lobe] == side]
        found[side] = LungBenefit(
            side=side,
            diameters_mm=burden.diameters_mm,
            unseen=burden.by_size[:, rows].sum(axis=1),
            growth_per_day=burden.growth_per_day,
            table_mm=table,
            felt=felt,
            sterilized=effect.sterilized,
            edema=effect.edema,
            death=effect.death,
            weeks_since_ct=weeks_since_ct,
        )
        evidence += effect.evidence
    lobes = {
        lobe: found[LOBE_SIDES[lobe]].changed(unseen=burden.by_size[:, row])
        for row, lobe in enumerate(burden.lobes)
    }
    return Benefit(found, Worth.of(book), tuple(dict.fromkeys(evidence)), lobes)


class _Effect(NamedTuple):
    """What perfusing one lung does, as in :class:`LungBenefit`, and what that rests on."""

    sterilized: Floats
    edema: Floats
    death: Floats
    evidence: tuple[str, ...]


def _effect(
    regimen: Regimen,
    side: Side,
    table_mm: Floats,
    burden: OccultBurden,
    lungs: LungVolumes,
    book: EvidenceBook,
    body_surface_m2: float | None,
) -> _Effect:
    own, draws, seed = regimen.model_copy(update={"target": side}), burden.draws, burden.seed
    course = perfuse(own, lungs, book)
    exposure = tumor_exposure(course, lungs, book, draws=draws, seed=seed)
    harm = perfusion_harm(own, lungs, book, body_surface_m2=body_surface_m2, draws=draws, seed=seed)
    chance = sterilized(table_mm, exposure, book, drug=own.drug, temperature_c=own.temperature_c, seed=seed)
    evidence = (*own.evidence, *course.evidence, *harm.evidence, *EFFECT_EVIDENCE, *WORTH_EVIDENCE)
    return _Effect(chance, harm.edema.draws, harm.death.draws, evidence)
