"""`Draft`: packed operations of both lungs, put in order and in weeks under the limits of function."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import SIDES, Side
from clearlung.staging.items import MINUTES, ML, THOUSAND, Items, Limits
from clearlung.staging.packing import Packing
from clearlung.staging.plan import OperationSide
from clearlung.staging.problem import Floor, StagingProblem
from clearlung.staging.protocol_parts import Weeks
from clearlung.staging.repair import Assignment, loads_of
from clearlung.staging.sequence import (
    FUNCTION_NOISE,
    Course,
    Demand,
    Losses,
    Rules,
    Step,
    bearable,
    earliest_weeks,
)

Order = Literal["tumor", "tissue"]


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
        What a perfusion takes for good.
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
    perfusion: float
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
            perfusion=model.loss(0.0, perfused=True).permanent,
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

    def permanent(self, ml: float, perfusions: int) -> float:
        """Return what tissue and perfusions take for good."""
        return self.tissue * ml + self.perfusion * perfusions

    def early(self, ml: float) -> float:
        """Return what an operation takes at once and gives back."""
        return self.access + self.tissue_early * ml

    def allows(self, ml: float, last_ml: float, perfusions: int) -> bool:
        """Whether function could bear all this, if the last operation came after endless recovery."""
        permanent = self.permanent(ml, perfusions)
        return (
            permanent <= self.final + FUNCTION_NOISE
            and permanent + self.early(last_ml) <= self.after + FUNCTION_NOISE
        )

    def most_ml(self, last_ml: float, perfusions: int) -> float:
        """Return the most tissue that :meth:`allows`."""
        spent = self.perfusion * perfusions
        return (min(self.final, self.after - self.early(last_ml)) - spent + FUNCTION_NOISE) / self.tissue

    def losses(self, lung: LungDraft) -> Losses:
        """Return what one lung's operations take of it."""
        permanent, early = [0.0], []
        for ml, places, perfusion in zip(lung.ml(), lung.operations, lung.perfused, strict=True):
            rows = lung.items.row[places]
            counted = ml - float(self.relief_ml[rows].sum())
            permanent.append(permanent[-1] + self.permanent(counted, int(perfusion)))
            # Both sides are opened one after the other: access takes its part of function twice.
            again = self.access if lung.items.side == "both" else 0.0
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
    """

    measures: tuple[Allowance, ...]
    weeks: Weeks
    perfusions_between: int
    between: int

    @classmethod
    def of(cls, problem: StagingProblem) -> Budget:
        """Read it from the patient's function and the protocol."""
        return cls(
            tuple(Allowance.of(problem, floor) for floor in problem.floors),
            problem.protocol.weeks,
            problem.protocol.perfusion.weeks_between_min or 0,
            problem.protocol.scans.weeks_between_operations,
        )

    @property
    def rules(self) -> Rules:
        """What separates operations."""
        demands = tuple(measure.demand for measure in self.measures)
        return Rules(self.weeks, demands, self.perfusions_between, self.between)

    def course(self, lung: LungDraft) -> Course:
        """Return what one lung's operations take of every measure."""
        return Course(tuple(measure.losses(lung) for measure in self.measures), lung.perfused)

    def bare_course(self, operations: int, perfused: int, sides: int = 1) -> Course:
        """Return what so many operations take that remove nothing: access, and the last ones perfusion."""
        flags = tuple(place >= operations - perfused for place in range(operations))
        losses = tuple(
            Losses(
                tuple(measure.permanent(0.0, sum(flags[:place])) for place in range(operations + 1)),
                (sides * measure.access,) * operations,
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
            How many of each lung's last ones are perfused.
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
        right, left = (
            self.bare_course(n, min(n, perfused[side])) for side, n in zip(SIDES, split, strict=True)
        )
        rules, shared = self.rules, self.bare_course(both, 0, len(SIDES))
        if not function:
            rules = rules.endless()
            right, left, shared = (replace(course, measures=()) for course in (right, left, shared))
        steps = earliest_weeks(right, left, rules, both=shared)
        return None if steps is None else [step.week for step in steps]


@dataclass(frozen=True, eq=False)
class LungDraft:
    """The operations on one lung, or on both sides at once, in their order.

    Parameters
    ----------
    items
        What is removed.
    operations
        For each operation in order, the positions of its specimens in ``items``.
    perfused
        Whether each is perfused.
    """

    items: Items
    operations: tuple[NDArray[np.int64], ...]
    perfused: tuple[bool, ...]

    def ml(self) -> list[float]:
        """Tissue of each operation."""
        return [float(self.items.weight[o, ML].sum()) / THOUSAND for o in self.operations]

    def peak_ml(self) -> int:
        """Tissue of the largest operation, rounded up to whole ml."""
        return max((-(-int(self.items.weight[o, ML].sum()) // THOUSAND) for o in self.operations), default=0)


@dataclass(frozen=True, eq=False)
class Draft:
    """The operations of both lungs in weeks, and the packings they come from where these are balanced.

    ``both`` holds the operations that open both sides, which come before all others.
    """

    lungs: dict[Side, LungDraft]
    both: LungDraft | None
    steps: list[Step]
    packings: dict[Side, Packing] | None

    @property
    def lines(self) -> dict[OperationSide, LungDraft]:
        """The operations by what they open."""
        both: dict[OperationSide, LungDraft] = {} if self.both is None else {"both": self.both}
        return both | dict(self.lungs.items())

    @property
    def weeks(self) -> int:
        """Week of the last operation."""
        return self.steps[-1].week if self.steps else 0

    @property
    def operations(self) -> int:
        """Number of operations."""
        return len(self.steps)

    @property
    def lesions(self) -> int:
        """Lesions that they remove."""
        return sum(line.items.lesions for line in self.lines.values())


def arrange(
    items: Items, where: Assignment, operations: int, limits: Limits, order: Order, before: int = 0
) -> LungDraft:
    """Put one lung's operations in order: the most urgent first, the perfused ones last.

    ``"tumor"`` takes the operation with the most tumor first (or the most growth, where doubling times are
    known), ``"tissue"`` the one that takes the most tissue, which leaves more function for the later ones.
    Before all others comes the one whose minutes leave no room for re-entry, if there is one. Of the
    operations whose minutes leave room for a perfusion, the last in this order are perfused. Where the
    surgeon fixed or forbade places, only operations that these do not tell apart change their order.

    Parameters
    ----------
    items, where, operations
        One lung's specimens and the operation of each; or those that both sides' operations take.
    limits, order
        Of one operation, and what comes first.
    before
        Operations on both sides that come before them.
    """
    count = 0 if items.side == "both" else min(limits.perfused[items.side], operations)
    sequence, perfused = _ranked(items, where, operations, limits, order, before, count)
    if items.columns.placed:
        sequence = _placed(items, where, sequence, limits, before)
        perfused = set(sequence[operations - count :])
    return LungDraft(
        items,
        tuple(np.flatnonzero(where == o) for o in sequence),
        tuple(o in perfused for o in sequence),
    )


def _ranked(
    items: Items, where: Assignment, operations: int, limits: Limits, order: Order, before: int, count: int
) -> tuple[list[int], set[int]]:
    """Return the operations in order, and those of them that are perfused."""
    loads = loads_of(items.weight, where, operations)
    key = loads[:, ML].astype(np.float64)
    if order == "tumor":
        key = np.zeros(operations)
        np.add.at(key, where, items.urgency)
    ranked = np.argsort(-key, kind="stable")
    minutes = loads[:, MINUTES]
    if items.side == "both":
        late = minutes[ranked] <= limits.minutes_left_both(first=False)
        return ranked[np.argsort(late, kind="stable")].tolist(), set()
    always = count == operations
    room = partial(limits.minutes_left, items.side, first=False)
    if not before:
        ranked = ranked[np.argsort(minutes[ranked] <= room(perfused=always), kind="stable")]
    roomy = [int(o) for o in ranked if always or minutes[o] <= room(perfused=True)]
    perfused = set(roomy[len(roomy) - count :])
    rest = [int(o) for o in ranked if o not in perfused]
    return rest + [int(o) for o in ranked if o in perfused], perfused


def _placed(items: Items, where: Assignment, sequence: list[int], limits: Limits, before: int) -> list[int]:
    """Return the operations in the order of a sequence as far as their places on the lung let them."""
    operations = len(sequence)
    capacity = limits.capacities(items.columns, operations, items.side, before)
    kinds = [tuple(items.columns.at(before + place, items.side)) for place in range(operations)]
    free = {kind: [o for o in sequence if kinds[o] == kind] for kind in set(kinds)}
    order = [free[kind].pop(0) for kind in kinds]
    fits = (loads_of(items.weight, where, operations)[order] <= capacity).all()
    return order if fits else list(range(operations))


@dataclass(frozen=True, eq=False)
class Candidate:
    """All operations in an order that function bears, not yet in weeks."""

    right: LungDraft
    left: LungDraft
    packings: dict[Side, Packing] | None
    both: LungDraft | None = None

    @property
    def _lines(self) -> tuple[LungDraft, ...]:
        return (self.right, self.left) if self.both is None else (self.right, self.left, self.both)

    def courses(self, budget: Budget) -> tuple[Course, Course, Course | None]:
        """Return what the operations of each lung take, and those on both sides."""
        both = None if self.both is None else budget.course(self.both)
        return budget.course(self.right), budget.course(self.left), both

    def bearable(self, budget: Budget) -> bool:
        """Whether function bears it, however long it waits."""
        perfusions = sum(sum(line.perfused) for line in self._lines)
        for measure in budget.measures:
            counted_ml = sum(measure.counted_ml(line.items) for line in self._lines)
            if measure.permanent(counted_ml, perfusions) > measure.final + FUNCTION_NOISE:
                return False
        right, left, both = self.courses(budget)
        return bearable(right, left, budget.rules, both)


def schedule(candidate: Candidate, budget: Budget) -> Draft | None:
    """Put a candidate into weeks; None where function does not bear it."""
    first: Side = "right" if candidate.right.items.lesions >= candidate.left.items.lesions else "left"
    right, left, both = candidate.courses(budget)
    steps = earliest_weeks(right, left, budget.rules, first, both)
    if steps is None:
        return None
    lungs: dict[Side, LungDraft] = {"right": candidate.right, "left": candidate.left}
    return Draft(lungs, candidate.both, steps, candidate.packings)


def weeks_bound(draft: Draft, budget: Budget) -> int:
    """Return a lower bound of the weeks of every plan with as many operations and no larger peaks.

    Two relaxations, each of which takes no more than any packing does. With all n operations of a lung at its
    peak p, they would take d = n p - T more than its specimens T. Whatever the packing:

    - the first i operations take at least T - (n - i) p, and each at least p - d;
    - what any operations have taken by some week, each weighted by how much of its early loss is left, is at
      least that of operations at the peak, less d times the largest weight. Of the lung that is operated on,
      the largest is that of the operation itself, which thus takes p - d; of the other lung, that of its last
      one so far, which takes p - d until another follows.

    With these losses in place of its own, every plan's operations still keep all rules, and the earliest
    weeks of the relaxed courses are no later. What the last operation so far takes grows with its week, so
    that the label setting stays exact. Segments and lobes lose less for as much tissue, so with them there is
    no such bound; nor is there with operations on both sides.
    """
    if draft.both is not None or any(measure.anatomical for measure in budget.measures):
        return 0
    right, left = (draft.lungs[side] for side in SIDES)
    # What still has to come back before an operation holds for the last one on its own lung as well.
    spare_ml = max(_spare_ml(right), _spare_ml(left))
    rules = replace(
        budget.rules,
        demands=tuple(
            replace(demand, waiting_max=demand.waiting_max + measure.tissue_early * spare_ml)
            for demand, measure in zip(budget.rules.demands, budget.measures, strict=True)
        ),
    )
    relaxed = [earliest_weeks(_least_course(right, budget), _least_course(left, budget), budget.rules)]
    full = _full_course(right, budget), _full_course(left, budget)
    # Where more is spare than one operation takes, it cannot all be taken off one.
    if all(early > 0 for course in full for losses in course.measures for early in losses.early):
        relaxed.append(earliest_weeks(*full, rules))
    return max(steps[-1].week if steps else 0 for steps in relaxed)


def _spare_ml(lung: LungDraft) -> float:
    """Return by how much more a lung's operations could take if each took as much as the largest."""
    return max(0.0, len(lung.operations) * lung.peak_ml() - lung.items.ml)


def _least_course(lung: LungDraft, budget: Budget) -> Course:
    """Return a course with the least tissue that each operation, and the first ones together, can take."""
    n, peak, total = len(lung.operations), lung.peak_ml(), lung.items.ml
    least = max(0.0, total - (n - 1) * peak)
    prefix = [max(0.0, total - (n - i) * peak, i * least) for i in range(n + 1)]
    losses = (
        Losses(
            tuple(measure.permanent(prefix[i], sum(lung.perfused[:i])) for i in range(n + 1)),
            (measure.early(least),) * n,
        )
        for measure in budget.measures
    )
    return Course(tuple(losses), lung.perfused)


def _full_course(lung: LungDraft, budget: Budget) -> Course:
    """Return a course with every operation at the peak, and what that is too much taken off the last one."""
    n, peak, spare_ml = len(lung.operations), lung.peak_ml(), _spare_ml(lung)
    losses = []
    for measure in budget.measures:
        taken = [measure.permanent(i * peak - spare_ml, sum(lung.perfused[:i])) for i in range(1, n + 1)]
        losses.append(Losses((0.0, *taken), (measure.early(peak - spare_ml),) * n))
    spare = tuple(measure.tissue_early * spare_ml for measure in budget.measures)
    return Course(tuple(losses), lung.perfused, spare)
