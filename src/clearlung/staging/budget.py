"""`Budget`: how much of each measure of function may be lost, and what operations take of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import SIDES, Side
from clearlung.staging.items import Items
from clearlung.staging.plan import OperationSide, sides_of
from clearlung.staging.problem import Floor, StagingProblem
from clearlung.staging.protocol_parts import Weeks
from clearlung.staging.sequence import FUNCTION_NOISE, Course, Demand, Losses, Rules, earliest_weeks
from clearlung.staging.targets import perfused_share

if TYPE_CHECKING:
    from clearlung.staging.draft import LungDraft

Flags = tuple[bool, ...]
"""Which of a lung's operations are perfused, in their order."""

# Ways to place the perfusions that a bound looks at one by one: each is a label setting or two.
_PLACINGS_MAX = 64


@dataclass(frozen=True)
class Allowance:
    """How much of one measure of function may be lost, and what operations take of it.

    All are fractions of its first value.

    Parameters
    ----------
    after, final
        Largest loss right after an operation, all earlier ones recovered, and after full recovery; infinite
        where nothing limits it.
    access
        What opening the chest takes at once.
    tissue, tissue_early
        What a ml around beds takes for good, and at once.
    perfusion
        What a perfusion of each lung takes for good.
    demand
        The largest loss, as the sequence needs it.
    relief_ml, bedless_ml
        For each specimen of the problem, how much of it does not count for good because it is taken
        anatomically, and how much leaves no bed.
    """

    after: float
    final: float
    access: float
    tissue: float
    tissue_early: float
    perfusion: Mapping[Side, float]
    demand: Demand
    relief_ml: NDArray[np.float64]
    bedless_ml: NDArray[np.float64]

    @classmethod
    def of(cls, problem: StagingProblem, floor: Floor) -> Self:
        """Read it from a function model and its limits, which hold at the lower bound."""
        model = floor.model
        nothing = model.loss(0.0, perfused=False)
        liter = model.loss(1000.0, perfused=False)

        gain = sum(model.unrecovered)

        def loss_allowed(percent_min: float | None) -> float:
            if percent_min is None:
                return math.inf
            return 1.0 + gain - (percent_min + model.margin_percent) / model.baseline_percent

        after = loss_allowed(floor.after_percent_min)
        specimens = problem.specimens
        bedless = np.where(specimens.anatomical, specimens.volume_ml, 0.0)
        return cls(
            after=after,
            final=loss_allowed(floor.recovered_percent_min),
            access=nothing.early,
            tissue=(liter.permanent - nothing.permanent) / 1000,
            tissue_early=(liter.early - nothing.early) / 1000,
            perfusion={
                side: model.loss(0.0, perfused=perfused_share(problem, side)).permanent for side in SIDES
            },
            demand=Demand(
                after,
                model.recovery,
                model.unrecovered,
                math.inf
                if floor.unrecovered_percent_max is None
                else floor.unrecovered_percent_max / model.baseline_percent,
            ),
            relief_ml=(1.0 - model.anatomical_factor) * bedless,
            bedless_ml=bedless,
        )

    @property
    def anatomical(self) -> bool:
        """Whether any specimen is a segment or a lobe."""
        return bool(self.bedless_ml.any())

    def counted_ml(self, items: Items) -> float:
        """Return the tissue of a lung's specimens as the permanent loss counts it."""
        return items.ml - float(self.relief_ml[items.row].sum())

    def bedded_ml(self, items: Items) -> float:
        """Return the tissue of a lung's specimens that is taken around beds."""
        return max(0.0, items.ml - float(self.bedless_ml[items.row].sum()))

    def perfusions(self, counts: Mapping[Side, int]) -> float:
        """Return what so many perfusions of each lung take for good."""
        return sum(self.perfusion[side] * count for side, count in counts.items())

    def permanent(self, ml: float, perfusions: float) -> float:
        """Return what tissue takes for good, and what perfusions do: see :meth:`perfusions`."""
        return self.tissue * ml + perfusions

    def early(self, ml: float) -> float:
        """Return what an operation takes at once and gives back."""
        return self.access + self.tissue_early * ml

    def allows(self, ml: float, last_ml: float, perfusions: float) -> bool:
        """Whether function could bear all this, if the last operation came after endless recovery.

        ``perfusions`` is what these take for good.
        """
        permanent = self.permanent(ml, perfusions)
        return (
            permanent <= self.final + FUNCTION_NOISE
            and permanent + self.early(last_ml) <= self.after + FUNCTION_NOISE
        )

    def most_ml(self, last_ml: float, perfusions: float) -> float:
        """Return the most tissue that :meth:`allows`."""
        left = min(self.final, self.after - self.early(last_ml)) - perfusions
        return (left + FUNCTION_NOISE) / self.tissue

    def losses(self, lung: LungDraft) -> Losses:
        """Return what one lung's operations take of it."""
        permanent, early = [0.0], []
        # Operations on both sides, which are opened one after the other, take access's part of function
        # twice, and are not perfused.
        side = lung.items.side
        each, again = (0.0, self.access) if side == "both" else (self.perfusion[side], 0.0)
        for ml, places, perfusion in zip(lung.ml(), lung.operations, lung.perfused, strict=True):
            rows = lung.items.row[places]
            counted = ml - float(self.relief_ml[rows].sum())
            permanent.append(permanent[-1] + self.permanent(counted, each * perfusion))
            early.append(again + self.early(max(0.0, ml - float(self.bedless_ml[rows].sum()))))
        return Losses(tuple(permanent), tuple(early))


@dataclass(frozen=True)
class Budget:
    """How much function may be lost.

    Parameters
    ----------
    measures
        FEV1, and DLCO where the protocol limits it.
    weeks
        The protocol's intervals.
    perfusions_between, between
        Weeks between two perfusions, and between any two operations, at least.
    placed_freely
        Whether any of a lung's operations may be the perfused ones, and not its last ones alone.
    """

    measures: tuple[Allowance, ...]
    weeks: Weeks
    perfusions_between: int
    between: int
    placed_freely: bool = False

    @classmethod
    def of(cls, problem: StagingProblem) -> Budget:
        """Read it from the patient's function and the protocol."""
        return cls(
            tuple(Allowance.of(problem, floor) for floor in problem.floors),
            problem.protocol.weeks,
            problem.protocol.perfusion.weeks_between_min or 0,
            problem.protocol.scans.weeks_between_operations,
            problem.weighs_perfusion,
        )

    @property
    def rules(self) -> Rules:
        """What separates operations."""
        demands = tuple(measure.demand for measure in self.measures)
        return Rules(self.weeks, demands, self.perfusions_between, self.between)

    def course(self, lung: LungDraft) -> Course:
        """Return what one lung's operations take of every measure."""
        return Course(tuple(measure.losses(lung) for measure in self.measures), lung.perfused)

    def placings(self, counts: Sequence[tuple[int, int]]) -> tuple[Budget, list[tuple[Flags, ...]]]:
        """Return which operations may be the perfused ones, and the budget under which bounds hold for all.

        Parameters
        ----------
        counts
            For each lung its operations, and how many of them are perfused.

        Returns
        -------
        budget
            This one; or, where there are too many ways to look at, one in which no perfusion makes others
            wait.
        ways
            For each way, which of each lung's operations are perfused. Without that wait the last ones, which
            leave the most function to all others, stand for all ways as far as the weeks of operations go.
        """
        last = tuple(
            tuple(place >= operations - perfused for place in range(operations))
            for operations, perfused in counts
        )
        every = self.every_placing(counts)
        return (self.unhindered(), [last]) if every is None else (self, every)

    def every_placing(self, counts: Sequence[tuple[int, int]]) -> list[tuple[Flags, ...]] | None:
        """Return which operations may be the perfused ones, as :meth:`placings`; None for too many ways."""
        if not self.placed_freely:
            return [tuple(tuple(place >= n - k for place in range(n)) for n, k in counts)]
        if math.prod(math.comb(n, min(k, n)) for n, k in counts) > _PLACINGS_MAX:
            return None
        each = [
            [tuple(place in chosen for place in range(n)) for chosen in combinations(range(n), min(k, n))]
            for n, k in counts
        ]
        return list(product(*each))

    def unhindered(self) -> Budget:
        """Return it with perfusions that make no operation wait."""
        weeks = self.weeks.model_copy(update={"after_perfusion_min": 0})
        return replace(self, weeks=weeks, perfusions_between=0)

    def recovered(self) -> Budget:
        """Return it with nothing that operations before week 0 still have to give back."""
        demands = [replace(measure.demand, unrecovered=(0.0, 0.0)) for measure in self.measures]
        measures = (
            replace(measure, demand=demand) for measure, demand in zip(self.measures, demands, strict=True)
        )
        return replace(self, measures=tuple(measures))

    def bare_course(self, side: OperationSide, flags: Flags) -> Course:
        """Return what operations take that remove nothing: access, and perfusion where they are flagged."""
        losses = tuple(
            Losses(
                tuple(
                    measure.perfusions(dict.fromkeys(sides_of(side), sum(flags[:place])))
                    for place in range(len(flags) + 1)
                ),
                (len(sides_of(side)) * measure.access,) * len(flags),
            )
            for measure in self.measures
        )
        return Course(losses, flags)

    def least_weeks(
        self, split: tuple[int, int], perfused: Mapping[Side, int], both: int = 0, *, function: bool = True
    ) -> list[int] | None:
        """Return the earliest week of each of so many operations, whatever they remove.

        Parameters
        ----------
        split
            Operations on the right and on the left lung.
        perfused
            How many of each lung's operations are perfused: its last ones, unless they are placed freely.
        both
            Operations on both sides before them.
        function
            Whether lung function counts, of which access and perfusion take their part; otherwise the
            intervals alone.

        Returns
        -------
        list of int or None
            No plan with such operations has any of them earlier. None where function does not bear them.
        """
        budget, ways = self.placings([(n, perfused[side]) for side, n in zip(SIDES, split, strict=True)])
        found = [budget._weeks(right, left, both, function=function) for right, left in ways]
        possible = [weeks for weeks in found if weeks is not None]
        return [min(week) for week in zip(*possible, strict=True)] if possible else None

    def _weeks(self, right: Flags, left: Flags, both: int, *, function: bool) -> list[int] | None:
        rules = self.rules if function else self.rules.endless()
        shared = self.bare_course("both", (False,) * both)
        courses = [self.bare_course("right", right), self.bare_course("left", left), shared]
        if not function:
            courses = [replace(course, measures=()) for course in courses]
        steps = earliest_weeks(courses[0], courses[1], rules, both=courses[2])
        return None if steps is None else [step.week for step in steps]
