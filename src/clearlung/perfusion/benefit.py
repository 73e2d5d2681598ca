"""What perfusing a lung spares, and what it may cost: from imagined patients, one in each draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Side

Floats = NDArray[np.float64]

_DAYS_PER_WEEK = 7


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
    felt
        Chance that the hand finds one of each size in an opened lung, shape (points,).
    sterilized
        Chance that a perfusion leaves no viable cell of one, shape (draws, points).
    edema, death
        Chances that one perfusion of this lung is followed by edema, and by death from it, shape (draws,).

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
    ...     felt=np.array([0.0, 0.25, 0.5]),
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
    _survive: dict[int, Floats] = field(default_factory=dict, repr=False)
    _missed: dict[int, Floats] = field(default_factory=dict, repr=False)

    def left(self, last_week: int, perfused_weeks: Sequence[int] = ()) -> Floats:
        """Return the viable metastases that nobody sees or feels and that stay, shape (draws,).

        Parameters
        ----------
        last_week
            Week of the last operation on the lung, counted from the day of the CT.
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

    def _staying(self, week: int) -> Floats:
        """Chance that the hand misses each size in some week, shape (draws, sizes)."""
        if week not in self._missed:
            table = np.broadcast_to(1.0 - self.felt, self.sterilized.shape)
            self._missed[week] = self._at(week, table)
        return self._missed[week]

    def _surviving(self, week: int) -> Floats:
        """Chance that a perfusion in some week leaves viable cells of each size, shape (draws, sizes)."""
        if week not in self._survive:
            self._survive[week] = self._at(week, 1.0 - self.sterilized)
        return self._survive[week]

    def _at(self, week: int, table: Floats) -> Floats:
        """Read a table at the sizes of a week, shape (draws, sizes); beyond its ends it stays as it is."""
        grown = np.log(self.diameters_mm)[None, :] + self.growth_per_day[:, None] * (
            _DAYS_PER_WEEK * week / 3
        )
        step = np.log(self.table_mm[1] / self.table_mm[0])
        place = np.clip((grown - np.log(self.table_mm[0])) / step, 0.0, len(self.table_mm) - 1.0)
        below = np.minimum(place.astype(np.int64), len(self.table_mm) - 2)
        part = place - below
        rows = np.arange(len(table))[:, None]
        return np.asarray(table[rows, below] * (1 - part) + table[rows, below + 1] * part)


@dataclass(frozen=True)
class Worth:
    """What harm counts, in metastases left behind; and how much has to be won for it to matter.

    Parameters
    ----------
    edema, death
        One of them.
    fev1
        One point of FEV1, percent of predicted, lost for good.
    least
        A smaller difference decides nothing.
    """

    edema: float
    death: float
    fev1: float
    least: float

    EVIDENCE = ("worth.edema", "worth.death", "worth.fev1", "worth.least")

    @classmethod
    def of(cls, value: Callable[[str], float]) -> Worth:
        """Read it by ids of evidence."""
        return cls(*(value(key) for key in cls.EVIDENCE))


@dataclass(frozen=True, eq=False)
class Benefit:
    """What perfusing either lung spares and may cost, and how that is weighed.

    Parameters
    ----------
    lungs
        By side; a lung without any may be left out.
    worth
        What harm counts.
    evidence
        Ids of the entries that it rests on.
    """

    lungs: Mapping[Side, LungBenefit]
    worth: Worth
    evidence: tuple[str, ...]

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
        each = worth.edema * lung.edema.mean() + worth.death * lung.death.mean() + worth.fev1 * fev1_points
        return perfusions * float(each)
