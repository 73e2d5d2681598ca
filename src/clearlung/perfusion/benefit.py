"""What perfusing a lung or lobes of it spares, and may cost: from imagined patients, one in each draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from typing import Self, cast

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Lobe, Side
from clearlung.evidence import EvidenceBook
from clearlung.perfusion.target import TARGETS

Floats = NDArray[np.float64]

WORTH_EVIDENCE = ("worth.edema", "worth.death", "worth.fev1", "worth.week", "worth.least")
"""What harm counts, in metastases, in the order of :class:`Worth`."""

_DAYS_PER_WEEK = 7


@dataclass(frozen=True, eq=False)
class LungBenefit:
    """What is unseen in a lung or lobes of it, what hand and perfusion do about it, and what that may cost.

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
        Chances that one perfusion is followed by edema, and by death from it, shape (draws,).
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

    def after(self, perfused_weeks: Sequence[float], sterilized: Floats | None = None) -> LungBenefit:
        """Return what is unseen once perfusions before week 0 have done what they could.

        Parameters
        ----------
        perfused_weeks
            Their weeks, below 0 for those before it.
        sterilized
            What they did, where that is another perfusion than this one; shape (draws, points).
        """
        surviving, table = self.unseen, self.sterilized if sterilized is None else sterilized
        for week in perfused_weeks:
            surviving = surviving * self._at(week, 1.0 - table)
        return self.changed(unseen=surviving)

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
            self._missed[week] = self._at(week, self._chances_to_stay[0])
        return self._missed[week]

    def _unfelt(self, week: int) -> tuple[Floats, float]:
        """Return those that the hand misses in some week, shape (draws, sizes), and how many in all."""
        if week not in self._missed_counts:
            staying = self._at(week, self._chances_to_stay[0])
            staying *= self.unseen
            self._missed_counts[week] = staying, float(staying.sum())
        return self._missed_counts[week]

    def _surviving(self, week: int) -> Floats:
        """Chance that a perfusion in some week leaves viable cells of each size, shape (draws, sizes)."""
        if week not in self._survive:
            self._survive[week] = self._at(week, self._chances_to_stay[1])
        return self._survive[week]

    @cached_property
    def _chances_to_stay(self) -> tuple[Floats, Floats]:
        """Chances that the hand misses one of each tabulated size, and that it survives a perfusion."""
        return 1.0 - self.felt, 1.0 - self.sterilized

    @cached_property
    def _places(self) -> tuple[Floats, Floats]:
        """Where the sizes lie in the table on the day of the CT, and by how much that moves in a week."""
        step = np.log(self.table_mm[1] / self.table_mm[0])
        start = (np.log(self.diameters_mm) - np.log(self.table_mm[0])) / step
        return start, self.growth_per_day * _DAYS_PER_WEEK / 3 / step

    def _at(self, week: float, table: Floats) -> Floats:
        """Read a table at the sizes of a week, shape (draws, sizes); beyond its ends it stays as it is."""
        start, a_week = self._places
        points = len(self.table_mm)
        # In place: plans ask this of many weeks, and passing over memory is what takes the time.
        place = np.add.outer(a_week * (week + self.weeks_since_ct), start)
        np.clip(place, 0.0, points - 1.0, out=place)
        below = place.astype(np.int32)
        np.minimum(below, points - 2, out=below)
        place -= below
        below += points * np.arange(len(table), dtype=np.int32)[:, None]
        flat = table.ravel()
        low = flat.take(below)
        below += 1
        found = flat.take(below)
        found -= low
        found *= place
        found += low
        return np.asarray(found)


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
    """What perfusing either lung, or lobes of it, spares and may cost, and how that is weighed.

    Parameters
    ----------
    lungs
        By side: perfused as a whole.
    worth
        What harm counts.
    evidence
        Ids of the entries that it rests on.
    lobes
        The same as its lung, with what is unseen in the lobe alone.
    parts
        By the target's name, where only some lobes of a lung are perfused: what is unseen in these lobes, and
        what perfusing them does. The rest of the lung is as in ``lungs`` without a perfusion.
    """

    lungs: Mapping[Side, LungBenefit]
    worth: Worth
    evidence: tuple[str, ...]
    lobes: Mapping[Lobe, LungBenefit] = field(default_factory=dict)
    parts: Mapping[str, LungBenefit] = field(default_factory=dict)

    def of(self, target: str) -> LungBenefit:
        """Return what perfusing a target does to what is unseen in it.

        Raises
        ------
        KeyError
            If that was not worked out.
        """
        return self.parts[target] if target in self.parts else self.lungs[cast(Side, target)]

    def holds(self, target: str) -> bool:
        """Whether it says what perfusing a target does."""
        return target in self.parts or target in self.lungs

    def lobe(self, lobe: Lobe, target: str) -> LungBenefit | None:
        """Return what perfusing a target does to what is unseen in one lobe; None where it does not reach."""
        if lobe not in TARGETS[target].lobes:
            return None
        return self.of(target).changed(unseen=self.lobes[lobe].unseen)

    def changed(self, change: Callable[[LungBenefit], LungBenefit]) -> Benefit:
        """Return it with every lung, part and lobe changed in the same way."""
        return replace(
            self,
            lungs={side: change(lung) for side, lung in self.lungs.items()},
            lobes={lobe: change(part) for lobe, part in self.lobes.items()},
            parts={name: change(part) for name, part in self.parts.items()},
        )

    def after(self, perfusions: Sequence[tuple[float, str]]) -> Benefit:
        """Return what is unseen once perfusions before week 0 have done what they could.

        Parameters
        ----------
        perfusions
            Week, below 0 for those before it, and target of each.
        """
        if not perfusions:
            return self
        lobes = dict(self.lobes)
        for week, target in perfusions:
            for lobe in TARGETS[target].lobes:
                if lobe in lobes:
                    lobes[lobe] = lobes[lobe].after([week], self.of(target).sterilized)

        def of_lobes(name: str, part: LungBenefit) -> LungBenefit:
            inside = [lobes[lobe].unseen for lobe in TARGETS[name].lobes if lobe in lobes]
            return part.changed(unseen=np.sum(inside, axis=0))

        return replace(
            self,
            lungs={side: of_lobes(side, lung) for side, lung in self.lungs.items()},
            lobes=lobes,
            parts={name: of_lobes(name, part) for name, part in self.parts.items()},
        )

    def harm(self, target: str, perfusions: int, fev1_points: float) -> float:
        """Return what so many perfusions of a target count on average, in metastases left behind.

        Parameters
        ----------
        target
            Its name; the side for a whole lung.
        perfusions
            How many; each has its own risk.
        fev1_points
            FEV1 that one takes for good, points of percent predicted.
        """
        part, worth = self.of(target), self.worth
        edema, death = part.risks
        return perfusions * (worth.edema * edema + worth.death * death + worth.fev1 * fev1_points)
