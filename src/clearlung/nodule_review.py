"""What to review next: the findings whose review would change the plan most.

A finding's weight is what the plan is expected to change by if a reader looks at it, counted in operations:
one operation more or less counts 1, and so does a lesion that is left; minutes, milliliters and weeks count
as shares of what fills one operation or parts two of the same side, by the protocol's own limits. It is that
change times how likely the reader says something else than the program assumes. Each change is computed by
planning again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.spatial import cKDTree
from scipy.stats import norm

from clearlung.anatomy import SIDES, Anatomy
from clearlung.casefile import Case
from clearlung.errors import InfeasiblePlan
from clearlung.followup import LesionTable, lesions_of_first_scan
from clearlung.function_of_case import function_model
from clearlung.nodules import NoduleTable, planned_from, sphere_diameter_mm
from clearlung.regimen_of_case import regimen_of
from clearlung.resection import Excision, SpecimenSet, Technique, make_techniques, prepare_excision
from clearlung.staging import Plan, Protocol, StagingProblem, solve_plan

# Whether two nodules that touch are one nobody knows: as likely as not.
CHANCE_OF_ONE = 0.5
# Outlines with less between them than this may be one nodule's.
MAY_BE_ONE_MM = 1.0
# Volumes at which it is asked whether the technique still fits.
VOLUME_STEPS = 21
# What changes the plan by less than this is not worth a look before the next.
LEAST_WEIGHT = 1e-4


class QueueRow(BaseModel):
    """One thing to look at, and why now."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    nodules: tuple[int, ...] = Field(description="Numbers.")
    kind: str = Field(description="conflict, nodule, left_out, lobe, technique or pair.")
    weight: float = Field(description="Expected change of the plan, counted in operations.")
    chance: float = Field(description="How likely the reader says something else than the program assumes.")
    why: str


@dataclass(frozen=True)
class _Figures:
    """What of a plan is compared; ``operations`` by side."""

    feasible: bool
    operations: tuple[int, int]
    minutes: float
    ml: float
    weeks: int
    left: int


@dataclass(frozen=True)
class _Question:
    """What a reader may answer: what is planned then, how likely that is, and at most how weighty."""

    nodules: tuple[int, ...]
    kind: str
    chance: float
    bound: float
    words: str
    otherwise: Callable[[], tuple[SpecimenSet, LesionTable]]


def review_queue(
    nodules: NoduleTable,
    anatomy: Anatomy | None,
    protocol: Protocol,
    case: Case | None = None,
    *,
    detector: str = "blob",
    conflicts: Sequence[str] = (),
    most: int = 20,
) -> tuple[QueueRow, ...]:
    """Order what is to be reviewed by how much it would change the plan.

    Parameters
    ----------
    nodules
        As the review has left them; also those that are too improbable to be planned.
    anatomy
        What they lie in.
    protocol, case
        What the plan is made under.
    detector
        Which detector found them: it decides what the protocol's operating point takes.
    conflicts
        What the last detection left to settle; they come first.
    most
        How many rows to return.

    Returns
    -------
    tuple of QueueRow
        The weightiest first. What cannot be among them by a bound on its weight is not planned again.

    Raises
    ------
    CaseError
        If a regimen's dose needs something that the case does not give.
    """
    planner = _Planner(nodules, anatomy, protocol, case or Case(), detector)
    rows = [QueueRow(nodules=(), kind="conflict", weight=1.0, chance=1.0, why=words) for words in conflicts]
    rows = rows[:most]
    base = planner.figures(*planner.base())
    answers: list[QueueRow] = []
    for question in sorted(_questions(planner), key=lambda q: (-q.bound, q.nodules, q.kind)):
        worst = answers[most - 1].weight if len(answers) >= most else LEAST_WEIGHT
        if question.bound <= worst:
            break
        changed = planner.figures(*question.otherwise())
        weight = question.chance * planner.apart(base, changed)
        if weight > LEAST_WEIGHT:
            answers.append(
                QueueRow(
                    nodules=question.nodules,
                    kind=question.kind,
                    weight=round(weight, 4),
                    chance=round(question.chance, 3),
                    why=f"{question.words}: {_change_words(base, changed)}",
                )
            )
            answers.sort(key=lambda row: (-row.weight, row.nodules, row.kind))
    return (*rows, *answers)[:most]


class _Planner:
    """Plans the same nodules again and again, some left out or changed, cutting only once."""

    def __init__(
        self,
        nodules: NoduleTable,
        anatomy: Anatomy | None,
        protocol: Protocol,
        case: Case,
        detector: str,
    ) -> None:
        self.book = protocol.book()
        self.protocol = protocol
        self.nodules = nodules
        self.excision: Excision = prepare_excision(nodules, anatomy, protocol.resection.techniques, self.book)
        self.techniques = make_techniques(protocol.resection.techniques, self.book)
        self.lesions = lesions_of_first_scan(nodules)
        self.patient = function_model(case, anatomy, protocol, self.book)[0]
        self.regimen = regimen_of(protocol, case, self.book)
        least = planned_from(protocol.nodules.false_per_scan, detector)
        planned = (nodules.review != "") | (nodules.probability >= least)
        self.left_out = frozenset(nodules.id[~planned].tolist())

    def base(self) -> tuple[SpecimenSet, LesionTable]:
        """Return what is planned as things stand."""
        return self.leaving(self.left_out)

    def leaving(self, lesions: frozenset[int]) -> tuple[SpecimenSet, LesionTable]:
        """Return what is planned without some of all nodules."""
        kept = ~np.isin(self.lesions.id, list(lesions))
        table = LesionTable(
            self.lesions.id[kept],
            self.lesions.side[kept],
            self.lesions.lobe[kept],
            self.lesions.diameter_mm[kept],
            self.lesions.depth_mm[kept],
            self.lesions.vdt_days[kept],
            self.lesions.hilum_mm[kept],
        )
        return self.excision.without(lesions), table

    def figures(self, specimens: SpecimenSet, lesions: LesionTable) -> _Figures:
        """Plan, and return what is compared."""
        problem = StagingProblem.build(
            self.book,
            specimens=specimens,
            lesions=lesions,
            function=self.patient.lungs.fev1,
            patient=self.patient,
            protocol=self.protocol,
            regimen=self.regimen,
        )
        try:
            plan = solve_plan(problem)
        except InfeasiblePlan:
            return _Figures(False, (0, 0), 0.0, 0.0, 0, len(lesions))
        return _figures(plan)

    def apart(self, a: _Figures, b: _Figures) -> float:
        """Return how far two plans are apart, counted in operations."""
        if a.feasible != b.feasible:
            return 1.0
        per = self.protocol.per_operation
        return (
            sum(abs(x - y) for x, y in zip(a.operations, b.operations, strict=True))
            + abs(a.left - b.left)
            + abs(a.minutes - b.minutes) / per.minutes_max
            + abs(a.ml - b.ml) / per.removed_ml_max
            + abs(a.weeks - b.weeks) / max(1, self.protocol.weeks.same_side_min)
        )

    def bound(self, chance: float) -> float:
        """Return what the weight of one nodule's question is at most.

        One nodule more or less opens or spares one operation at most, with its weeks, minutes and tissue,
        or is left.
        """
        return chance * 5.0


def _figures(plan: Plan) -> _Figures:
    right, left = (sum(op.side in (side, "both") for op in plan.operations) for side in SIDES)
    return _Figures(
        True,
        (right, left),
        sum(op.minutes for op in plan.operations),
        plan.removed_ml,
        plan.weeks_until_clear,
        len(plan.unassigned),
    )


def _questions(planner: _Planner) -> Iterator[_Question]:
    table = planner.nodules
    for row in np.flatnonzero(table.review == "").tolist():
        yield _is_it_one(planner, row)
    for row in np.flatnonzero(table.lobe_unsure & (table.second_lobe != "")).tolist():
        if int(table.id[row]) not in planner.left_out and table.review[row] != "edited":
            yield _which_lobe(planner, row)
    for row in np.flatnonzero(
        np.isfinite(table.volume_low_mm3) & np.isfinite(table.volume_high_mm3)
    ).tolist():
        if int(table.id[row]) not in planner.left_out:
            yield from _which_technique(planner, row)
    yield from _pairs(planner)


def _is_it_one(planner: _Planner, row: int) -> _Question:
    """Ask whether a finding is a nodule at all."""
    number, probability = int(planner.nodules.id[row]), float(planner.nodules.probability[row])
    if number in planner.left_out:
        return _Question(
            (number,),
            "left_out",
            probability,
            planner.bound(probability),
            f"Left out of the plan, and {_percent(probability)} likely a nodule; with it",
            lambda: planner.leaving(planner.left_out - {number}),
        )
    chance = 1.0 - probability
    return _Question(
        (number,),
        "nodule",
        chance,
        planner.bound(chance),
        f"{_percent(chance)} likely no nodule but a vessel or a scar; without it",
        lambda: planner.leaving(planner.left_out | {number}),
    )


def _which_lobe(planner: _Planner, row: int) -> _Question:
    """Ask which of two lobes a nodule lies in."""
    table = planner.nodules
    number, other = int(table.id[row]), str(table.second_lobe[row])
    chance = 1.0 - float(table.lobe_confidence[row])

    def otherwise() -> tuple[SpecimenSet, LesionTable]:
        specimens, lesions = planner.base()
        theirs = [number in group for group in specimens.lesions]
        return (
            replace(specimens, lobe=np.where(theirs, other, specimens.lobe)),
            replace(lesions, lobe=np.where(lesions.id == number, other, lesions.lobe)),
        )

    words = f"{table.lobe[row]}, but {_percent(chance)} likely {other}; there"
    return _Question((number,), "lobe", chance, planner.bound(chance), words, otherwise)


def _which_technique(planner: _Planner, row: int) -> Iterator[_Question]:
    """Ask for the outline of a nodule whose volume, within its error, decides how it can be taken out."""
    table = planner.nodules
    number, depth = int(table.id[row]), float(table.depth_mm[row])
    middle = float(table.volume_mm3[row])
    spread = (float(table.volume_high_mm3[row]) - float(table.volume_low_mm3[row])) / (2 * norm.ppf(0.975))
    shares = (np.arange(VOLUME_STEPS) + 0.5) / VOLUME_STEPS
    diameters = sphere_diameter_mm(np.maximum(middle + spread * norm.ppf(shares), 0.01))

    local = [t for t in planner.techniques if not t.anatomical]

    def technique(diameter_mm: float) -> int:
        fits = [k for k, t in enumerate(local) if t.refusal(diameter_mm, depth) is None]
        return min(fits, key=lambda k: local[k].sphere_ml(diameter_mm, depth), default=-1)

    now = technique(float(table.diameter_mm[row]))
    others = [technique(float(d)) for d in diameters]
    differing = [other for other in others if other != now]
    if not differing:
        return
    other = max(set(differing), key=lambda k: (differing.count(k), k))
    chance = len(differing) / VOLUME_STEPS
    diameter = float(diameters[others.index(other)])

    def otherwise() -> tuple[SpecimenSet, LesionTable]:
        specimens, _ = planner.leaving(planner.left_out | ({number} if now >= 0 else set()))
        _, every = planner.base()
        unresectable = {k: v for k, v in specimens.unresectable.items() if k != number}
        if other < 0:
            return replace(specimens, unresectable=unresectable | {number: "no technique fits"}), every
        with_it = _with_specimen(planner, specimens, row, local[other], diameter)
        return replace(with_it, unresectable=unresectable), every

    named = "no technique fits" if other < 0 else f"it is {local[other].title}"
    words = f"Its volume is near a limit: {_percent(chance)} likely {named}; then"
    yield _Question((number,), "technique", chance, planner.bound(chance), words, otherwise)


def _with_specimen(
    planner: _Planner, specimens: SpecimenSet, row: int, used: Technique, diameter_mm: float
) -> SpecimenSet:
    """Return the specimens with one more, its volume that of a sphere below a flat pleura."""
    table = planner.nodules
    following = int(specimens.id.max(initial=0)) + 1
    depth = float(table.depth_mm[row])
    return SpecimenSet(
        id=np.append(specimens.id, np.int32(following)),
        lesions=(*specimens.lesions, (int(table.id[row]),)),
        technique=np.append(specimens.technique, used.name),
        side=np.append(specimens.side, table.side[row]),
        lobe=np.append(specimens.lobe, table.lobe[row]),
        volume_ml=np.append(specimens.volume_ml, used.sphere_ml(diameter_mm, depth)),
        margin_mm=np.append(specimens.margin_mm, used.margin_mm(diameter_mm)),
        minutes=np.append(specimens.minutes, used.minutes(depth)),
        unresectable=specimens.unresectable,
        evidence=specimens.evidence,
        anatomical=np.append(specimens.anatomical, False),
    )


def _pairs(planner: _Planner) -> Iterator[_Question]:
    """Ask whether two nodules that nearly touch are one; it then is one specimen fewer."""
    table = planner.nodules
    rows = np.flatnonzero(~np.isin(table.id, list(planner.left_out)))
    points, radius = table.points_mm[rows], table.diameter_mm[rows] / 2
    if len(rows) < 2 or not np.isfinite(points).all():
        return
    for i, j in sorted(cKDTree(points).query_pairs(2 * float(radius.max()) + MAY_BE_ONE_MM)):
        a, b = rows[i], rows[j]
        apart = float(np.linalg.norm(points[i] - points[j])) - radius[i] - radius[j]
        both = (table.review[a] != "") and (table.review[b] != "")
        if both or apart > MAY_BE_ONE_MM or table.side[a] != table.side[b]:
            continue
        smaller = a if table.volume_mm3[a] < table.volume_mm3[b] else b
        numbers = tuple(sorted((int(table.id[a]), int(table.id[b]))))
        gone = frozenset({int(table.id[smaller])})
        words = f"{'Touch' if apart <= 0 else f'Lie {apart:.1f} mm apart'} and may be one; as one"
        yield _Question(
            numbers,
            "pair",
            CHANCE_OF_ONE,
            planner.bound(CHANCE_OF_ONE),
            words,
            lambda gone=gone: planner.leaving(planner.left_out | gone),  # type: ignore[misc]
        )


def _change_words(base: _Figures, changed: _Figures) -> str:
    """Say how a plan changes."""
    if base.feasible != changed.feasible:
        return "there is a plan" if changed.feasible else "there is no plan within the limits"
    said = [
        f"the {side} lung needs {_number_of(after - before, 'operation')}"
        for side, before, after in zip(SIDES, base.operations, changed.operations, strict=True)
        if after != before
    ]
    if changed.left != base.left:
        said.append(f"{_number_of(changed.left - base.left, 'nodule')} cannot be removed")
    for value, unit in (
        (changed.weeks - base.weeks, "week" if abs(changed.weeks - base.weeks) == 1 else "weeks"),
        (round(changed.minutes - base.minutes), "min"),
        (round(changed.ml - base.ml, 1), "ml"),
    ):
        if value:
            said.append(f"{abs(value):g} {unit} {'more' if value > 0 else 'less'}")
    return ", ".join(said) or "the operations hold other nodules"


def _number_of(count: int, what: str) -> str:
    number = "one" if abs(count) == 1 else str(abs(count))
    return f"{number} {what}{'' if abs(count) == 1 else 's'} {'more' if count > 0 else 'fewer'}"


def _percent(share: float) -> str:
    return "less than 1 %" if share < 0.01 else f"{100 * share:.0f} %"
