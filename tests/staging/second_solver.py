"""The packing, the order and the weeks as one constraint program, solved by OR-Tools CP-SAT.

The optimizer packs each lung, orders it and then searches the weeks; here one model holds everything at once,
and the goals are optimized one after the other. It shares no code with the optimizer, and its solver no
method. Lung function is not in it: it is for problems whose function model bears everything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise, product

import numpy as np
from ortools.sat.python import cp_model

from clearlung.anatomy import LOBE_SIDES, LOBES
from clearlung.staging import Plan, StagingProblem

SIDES = ("right", "left")
SCALE = 1000  # minutes and ml in whole thousandths
# Work after which a goal is left with a bound, in CP-SAT's own seconds, the same on every machine.
EFFORT = 1.0


@dataclass(frozen=True)
class Piece:
    """What may be taken out: a specimen, or one candidate of several for the same lesions."""

    lesions: tuple[int, ...]
    lobe: str
    ml: int
    minutes: int
    lobe_ml: dict[str, int]

    @property
    def side(self) -> str:
        return LOBE_SIDES[self.lobe]


def whole(value: float) -> int:
    """A number in thousandths; the tests' numbers have no more digits."""
    scaled = round(value * SCALE)
    assert abs(scaled - value * SCALE) < 1e-6, value
    return scaled


def pieces_of(table) -> list[Piece]:
    """The rows of a table of specimens or candidates."""
    found = []
    for row, group in enumerate(table.lesions):
        lobe, ml = str(table.lobe[row]), float(table.volume_ml[row])
        shares = dict(zip(LOBES, table.lobe_ml[row].tolist(), strict=True))
        if not np.isfinite(table.lobe_ml[row]).all():
            shares = {lobe: ml}
        parts = {name: whole(part) for name, part in shares.items() if part}
        found.append(Piece(tuple(group), lobe, whole(ml), whole(float(table.minutes[row])), parts))
    return found


@dataclass
class Slot:
    """One operation that there may be: used or not, perfused or not, and its week."""

    side: str
    place: int
    used: cp_model.IntVar
    perfused: cp_model.IntVar | int
    week: cp_model.IntVar
    holds: dict[int, cp_model.IntVar] = field(default_factory=dict)

    @property
    def opens(self) -> tuple[str, ...]:
        return SIDES if self.side == "both" else (self.side,)


@dataclass(frozen=True)
class Value:
    """The best value of a goal that was found, and what none falls below."""

    value: int
    bound: int

    @property
    def proven(self) -> bool:
        return self.value == self.bound


class Monolith:
    """All decisions in one program.

    Parameters
    ----------
    given
        The problem: its limits count; its function does not.
    most
        Operations that there may be at most.
    pieces
        What may be taken out: the problem's specimens unless given.
    """

    def __init__(self, given: StagingProblem, most: int, pieces: list[Piece] | None = None) -> None:
        self.given, self.model = given, cp_model.CpModel()
        self.pieces = pieces_of(given.specimens) if pieces is None else pieces
        self.slots = self._slots(most)
        self.between = given.protocol.scans.weeks_between_operations
        for slot in self.slots:
            self._fill(slot)
            self._limit(slot)
        self.model.add(sum(slot.used for slot in self.slots) <= most)
        self._keep_perfusions()
        self._once()
        self._assignments()
        self._totals()
        for earlier, later in product(self.slots, repeat=2):
            self._space(earlier, later)
        lesions = {i for piece in self.pieces for i in piece.lesions}
        self.goals = {
            "lesions_left": len(lesions)
            - sum(len(self.pieces[p].lesions) * x for slot in self.slots for p, x in slot.holds.items()),
            "operations": sum(slot.used for slot in self.slots),
            "balance_right": self._peak("right"),
            "balance_left": self._peak("left"),
            "weeks": self._end(),
        }

    def optimum(self, order=("lesions_left", "operations", "balance_right", "balance_left", "weeks")):
        """The goals one after the other, each with the earlier ones held; up to one that is not proven."""
        found: dict[str, Value] = {}
        for name in order:
            found[name] = self.best(name)
            if not found[name].proven:
                break
            self.model.add(self.goals[name] == found[name].value)
        return found

    def best(self, name: str, effort: float = EFFORT) -> Value:
        """The least value of one goal."""
        self.model.minimize(self.goals[name])
        solver = self._solver(effort)
        status = solver.solve(self.model)
        assert status in (cp_model.OPTIMAL, cp_model.FEASIBLE), solver.status_name(status)
        # Where it is not known what holds the first plan, the next goal starts from it.
        self._hint(solver)
        return Value(round(solver.objective_value), int(np.ceil(solver.best_objective_bound - 1e-6)))

    def allows(self, plan: Plan) -> bool:
        """Whether a plan keeps to all that is modeled: every decision is fixed to the plan's."""
        model = self.model.clone()
        rows = {group: row for row, group in enumerate(self.given.specimens.lesions)}
        count = dict.fromkeys(("both", *SIDES), 0)
        unused = {id(slot): slot for slot in self.slots}
        for operation in plan.operations:
            slot = next(
                s for s in self.slots if s.side == operation.side and s.place == count[operation.side]
            )
            count[operation.side] += 1
            del unused[id(slot)]
            taken = {rows[specimen.lesions] for specimen in operation.specimens}
            model.add(slot.used == 1)
            model.add(slot.week == operation.week)
            model.add(slot.perfused == (operation.perfusion is not None))
            for row, x in slot.holds.items():
                model.add(x == (row in taken))
        for slot in unused.values():
            model.add(slot.used == 0)
        return self._solver(EFFORT).solve(model) in (cp_model.OPTIMAL, cp_model.FEASIBLE)

    def _solver(self, effort: float) -> cp_model.CpSolver:
        solver = cp_model.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = 1
        solver.parameters.max_deterministic_time = effort
        return solver

    def _hint(self, solver: cp_model.CpSolver) -> None:
        self.model.clear_hints()
        for slot in self.slots:
            for variable in (slot.used, slot.week, *slot.holds.values()):
                self.model.add_hint(variable, solver.value(variable))

    def _slots(self, most: int) -> list[Slot]:
        """Operations by what they open, each kind used from its first on."""
        rules = self.given.protocol.weeks
        number = {side: sum(piece.side == side for piece in self.pieces) for side in SIDES}
        kinds = {side: min(most, number[side]) for side in SIDES}
        if self.given.protocol.per_operation.sides_max > 1:
            kinds["both"] = min(most, *number.values())
        # No interval is longer than the longest rule, and each blocked range delays once.
        rule = max(rules.same_side_min, rules.other_side_min, rules.after_perfusion_min)
        scans = self.given.protocol.scans.weeks_between_operations
        rule = max(rule, self.given.protocol.perfusion.weeks_between_min or 0, scans)
        horizon = most * rule + sum(last - first + 1 for first, last in rules.blocked) + 1
        if rules.total_max is not None:
            horizon = min(horizon, rules.total_max)
        free = [w for w in range(horizon + 1) if not any(a <= w <= b for a, b in rules.blocked)]
        weeks = cp_model.Domain.from_values(free)
        slots = []
        for kind, count in kinds.items():
            used = [self.model.new_bool_var(f"{kind} {i}") for i in range(count)]
            for one, following in pairwise(used):
                self.model.add_implication(following, one)
            for place in range(count):
                week = self.model.new_int_var_from_domain(weeks, f"week of {kind} {place}")
                perfused = self._perfused(used, place, kind)
                slots.append(Slot(kind, place, used[place], perfused, week))
        return slots

    def _perfused(self, used, place: int, kind: str):
        """Perfused are the last so many on a lung: those that are not followed by as many."""
        count = 0 if kind == "both" else self.given.perfusions_on(kind)
        if not count:
            return 0
        if place + count >= len(used):
            return used[place]
        last = self.model.new_bool_var("perfused")
        self.model.add(last == used[place] - used[place + count])
        return last

    def _fill(self, slot: Slot) -> None:
        for row, piece in enumerate(self.pieces):
            if piece.side in slot.opens:
                slot.holds[row] = self.model.new_bool_var(f"{row} in {slot.side} {slot.place}")
                self.model.add_implication(slot.holds[row], slot.used)
        for side in slot.opens:
            self.model.add_bool_or(
                [slot.used.Not(), *(x for row, x in slot.holds.items() if self.pieces[row].side == side)]
            )

    def _keep_perfusions(self) -> None:
        """Where an operation opens both sides, each lung keeps as many single ones as are to be perfused."""
        for shared in (slot for slot in self.slots if slot.side == "both" and slot.place == 0):
            for side in SIDES:
                single = sum(slot.used for slot in self.slots if slot.side == side)
                self.model.add(single >= self.given.perfusions_on(side)).only_enforce_if(shared.used)

    def _limit(self, slot: Slot) -> None:
        per, given = self.given.protocol.per_operation, self.given

        def total(weight):
            return sum(weight(self.pieces[row]) * x for row, x in slot.holds.items())

        self.model.add(total(lambda piece: len(piece.lesions)) <= per.nodules_max)
        self.model.add(total(lambda piece: piece.ml) <= whole(per.removed_ml_max))
        for lobe in LOBES:
            self.model.add(
                total(lambda piece, lobe=lobe: len(piece.lesions) if piece.lobe == lobe else 0)
                <= per.nodules_per_lobe_max
            )
            if per.removed_ml_per_lobe_max is not None:
                ml = total(lambda piece, lobe=lobe: piece.lobe_ml.get(lobe, 0))
                self.model.add(ml <= whole(per.removed_ml_per_lobe_max))
        access = given.access_minutes_both if slot.side == "both" else given.access_minutes
        spent = total(lambda piece: piece.minutes) + whole(access)
        spent += sum(whole(given.reentry_minutes) * self._opened(slot, side) for side in slot.opens)
        spent += whole(given.perfusion_minutes) * slot.perfused
        self.model.add(spent <= whole(per.minutes_max)).only_enforce_if(slot.used)

    def _opened(self, slot: Slot, side: str):
        """Whether a lung has been opened before an operation."""
        if side in self.given.operated or slot.place > 0:
            return 1
        first_of_both = [s.used for s in self.slots if s.side == "both" and s.place == 0]
        return first_of_both[0] if slot.side != "both" and first_of_both else 0

    def _once(self) -> None:
        """No lesion is taken twice; what the surgeon leaves is not taken."""
        left = {i for a in self.given.assignments if a.leave for i in a.lesions}
        for lesion in {i for piece in self.pieces for i in piece.lesions}:
            holders = [
                x
                for slot in self.slots
                for row, x in slot.holds.items()
                if lesion in self.pieces[row].lesions
            ]
            self.model.add(sum(holders) <= (0 if lesion in left else 1))

    def _assignments(self) -> None:
        both = [slot for slot in self.slots if slot.side == "both"]
        # How many operations on both sides come before those on one.
        counts = []
        for number in range(len(both) + 1):
            exactly = self.model.new_bool_var(f"{number} on both sides")
            self.model.add(sum(s.used for s in both) == number).only_enforce_if(exactly)
            counts.append(exactly)
        self.model.add_exactly_one(counts)
        for assignment, slot in product(self.given.assignments, self.slots):
            lesions = set(assignment.lesions)
            mine = [(x, len(lesions & set(self.pieces[row].lesions))) for row, x in slot.holds.items()]
            if assignment.apart:
                self.model.add(sum(count * x for x, count in mine) <= 1)
            for before, exactly in enumerate([1] if slot.side == "both" else counts):
                if not assignment.leave and not assignment.allows(before + slot.place + 1):
                    for x in (x for x, count in mine if count):
                        self.model.add(x + exactly <= 1)

    def _totals(self) -> None:
        limits = self.given.protocol.total
        taken = [(self.pieces[row], x) for slot in self.slots for row, x in slot.holds.items()]
        for side in SIDES if limits.removed_ml_per_lung_max is not None else ():
            ml = sum(piece.ml * x for piece, x in taken if piece.side == side)
            self.model.add(ml <= whole(limits.removed_ml_per_lung_max))
        for lobe in LOBES if limits.removed_ml_per_lobe_max is not None else ():
            ml = sum(piece.lobe_ml.get(lobe, 0) * x for piece, x in taken)
            self.model.add(ml <= whole(limits.removed_ml_per_lobe_max))

    def _space(self, earlier: Slot, later: Slot) -> None:
        """Keep two operations apart in weeks, in the one order or the other."""
        if earlier is later or (later.side == "both" and earlier.side != "both"):
            return
        if earlier.side == later.side:
            if later.place > earlier.place:
                self._after(earlier, later, self.given.protocol.weeks.same_side_min, [])
        elif earlier.side == "both":
            self._after(earlier, later, self.given.protocol.weeks.same_side_min, [])
        elif earlier.side == "right":
            first = self.model.new_bool_var("right first")
            for pair, order in (((earlier, later), first), ((later, earlier), first.Not())):
                self._after(*pair, self.given.protocol.weeks.other_side_min, [order])

    def _after(self, earlier: Slot, later: Slot, weeks: int, only_if: list) -> None:
        given = [earlier.used, later.used, *only_if]
        gap = later.week - earlier.week
        self.model.add(gap >= max(weeks, self.between)).only_enforce_if(given)
        if not isinstance(earlier.perfused, int):
            after = self.given.protocol.weeks.after_perfusion_min
            self.model.add(gap >= after).only_enforce_if([*given, earlier.perfused])
            if not isinstance(later.perfused, int):
                between = self.given.protocol.perfusion.weeks_between_min or 0
                self.model.add(gap >= between).only_enforce_if([*given, earlier.perfused, later.perfused])

    def _peak(self, side: str):
        """Tissue of the largest operation that opens this lung alone, in whole ml, rounded up."""
        peak = self.model.new_int_var(0, sum(-(-piece.ml // SCALE) for piece in self.pieces), f"peak {side}")
        for slot in self.slots:
            if slot.side == side:
                ml = sum(self.pieces[row].ml * x for row, x in slot.holds.items())
                self.model.add(SCALE * peak >= ml)
        return peak

    def _end(self):
        """Week of the last operation."""
        end = self.model.new_int_var(0, 10_000, "end")
        for slot in self.slots:
            self.model.add(end >= slot.week).only_enforce_if(slot.used)
        return end
