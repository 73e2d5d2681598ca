"""`ProblemRecord`: everything that decides a plan, as plain data that others can write too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag

from clearlung import RESEARCH_NOTICE
from clearlung.anatomy import LOBE_SIDES, SIDES, Side
from clearlung.errors import FieldError, PerfusionError, ProblemError
from clearlung.evidence import EvidenceBook
from clearlung.perfusion import Regimen, find_target, make_regimen
from clearlung.resection import SpecimenSet
from clearlung.staging.assignment import Assignment
from clearlung.staging.least_operations import LeastOperations
from clearlung.staging.maxima import allowed
from clearlung.staging.plan import MeasuredFunction
from clearlung.staging.problem import (
    ACCESS_EVIDENCE,
    PERFUSION_EVIDENCE,
    REENTRY_EVIDENCE,
    StagingProblem,
    access_minutes_both,
    operated_before,
)
from clearlung.staging.problem_choice import SHARED_WARNING, Offer, without_lesions
from clearlung.staging.problem_parts import (
    VALUE,
    WORD,
    LesionPart,
    MeasurePart,
    Part,
    PatientPart,
    SpecimenPart,
    kind_of,
    lesion_parts,
    lesion_table,
    specimen_parts,
    specimen_set,
)
from clearlung.staging.protocol import Protocol, load_protocol, shipped_protocols
from clearlung.staging.together import choose_together
from clearlung.staging.unseen import Unseen

PROBLEM_FORMAT: Literal["clearlung-problem/1"] = "clearlung-problem/1"

_Protocol = Annotated[Annotated[str, Tag(WORD)] | Annotated[Protocol, Tag(VALUE)], Discriminator(kind_of)]
_Regimen = Annotated[Annotated[str, Tag(WORD)] | Annotated[Regimen, Tag(VALUE)], Discriminator(kind_of)]
_Planned = Annotated[
    Annotated[Literal["all", "choose"], Tag(WORD)] | Annotated[tuple[int, ...], Tag(VALUE)],
    Discriminator(kind_of),
]


class ReasonPart(Part):
    """Something about a lesion, and why."""

    lesion: int = Field(ge=1)
    reason: str


class ProblemRecord(Part):
    """A staging problem: lesions, specimens, lung function and limits."""

    format: Literal["clearlung-problem/1"]
    notice: str = RESEARCH_NOTICE
    lesions: tuple[LesionPart, ...] = Field(description="Every lesion, also those that no specimen removes.")
    specimens: tuple[SpecimenPart, ...] = Field(description="What is taken out, or what could be.")
    planned: _Planned = Field(
        default="all",
        description="Which specimens are planned: all, those with these ids, or choose: of the candidates"
        " those that need the fewest operations, and among these cost the least in tissue, time and short"
        " margins.",
    )
    candidates: tuple[SpecimenPart, ...] = Field(
        default=(),
        description="Everything that could be cut, to choose from; none: the specimens are the candidates."
        " Tissue that two of them share counts in each.",
    )
    unresectable: tuple[ReasonPart, ...] = Field(default=(), description="Lesions that nothing fits.")
    forced: tuple[ReasonPart, ...] = Field(
        default=(), description="Lesions for which nothing smaller than a segment or a lobe fits."
    )
    fev1: MeasurePart = Field(description="FEV1, which the limits of function hold for.")
    function_assumed: tuple[MeasuredFunction, ...] = Field(
        default=(), description="What of lung function is assumed and not measured."
    )
    patient: PatientPart | None = Field(
        default=None, description="DLCO, lobes and history, for the summary of function; null: FEV1 alone."
    )
    protocol: _Protocol = Field(description="The limits, or the name of a shipped protocol.")
    regimen: _Regimen | None = Field(
        default="protocol",
        description="How a lung is perfused: a regimen, the name of a registered one, protocol for the"
        " protocol's own, or null for no perfusion.",
    )
    body_surface_m2: float | None = Field(
        default=None, gt=0, description="For a named regimen that is dosed by it."
    )
    access_minutes: float | None = Field(
        default=None, ge=0, description="To open and close the chest; null: the evidence's."
    )
    access_minutes_both: float | None = Field(
        default=None, ge=0, description="To open and close both sides in one operation; null: the evidence's."
    )
    perfusion_minutes: float | None = Field(
        default=None, ge=0, description="That a perfusion adds; null: the evidence's."
    )
    reentry_minutes: float | None = Field(
        default=None, ge=0, description="That freeing an operated lung adds; null: the evidence's."
    )
    operated: tuple[Side, ...] | None = Field(
        default=None, description="Lungs operated on before; null: those of the patient's history."
    )
    warnings: tuple[str, ...] = Field(default=(), description="What the plan's reader must know.")
    evidence: tuple[str, ...] = Field(default=(), description="Ids of evidence that the problem rests on.")
    specimen_evidence: tuple[str, ...] = Field(
        default=(), description="Ids of evidence that the specimens rest on."
    )
    least_operations: dict[Side, int] | None = Field(
        default=None,
        description="How many operations each lung needs at least whichever specimens are chosen, where these"
        " were chosen among others; null where they were given.",
    )
    least_operations_pooled: int | None = Field(
        default=None,
        ge=0,
        description="The same for both lungs together, if each operation may open both; null: unknown.",
    )
    perfusions: dict[Side, Annotated[int, Field(ge=0)]] | None = Field(
        default=None,
        description="How many of each lung's last operations are perfused, or may be where the goals weigh"
        " that; null: as many as the protocol allows, shared by the solver where that is fewer in all than"
        " for each lung.",
    )
    targets: dict[Side, str] = Field(
        default_factory=dict,
        description="What of a lung its perfusions reach: a registered target of it. For a lung that is left"
        " out: what the solver finds best of the protocol's targets where the goals weigh perfusions, and the"
        " first otherwise.",
    )
    assignments: tuple[Assignment, ...] = Field(
        default=(), description="What the surgeon fixes and forbids for some lesions."
    )
    unseen: Unseen | None = Field(
        default=None,
        description="What the metastases that the CT does not show are estimated from, which perfusions are"
        " aimed at; null: nothing is said of them.",
    )
    seed: int = Field(default=0, ge=0, description="The same problem and seed give the same plan.")

    @classmethod
    def of(cls, problem: StagingProblem, candidates: tuple[SpecimenPart, ...] = ()) -> Self:
        """Return a problem as plain data, everything spelled out."""
        patient = problem.patient
        return cls(
            format=PROBLEM_FORMAT,
            lesions=lesion_parts(problem.lesions),
            specimens=specimen_parts(problem.specimens),
            candidates=candidates,
            unresectable=_reasons(problem.specimens.unresectable),
            forced=_reasons(problem.specimens.forced),
            fev1=MeasurePart.of(problem.function),
            function_assumed=problem.function_assumed,
            patient=None if patient is None else PatientPart.of(patient, problem.function),
            protocol=problem.protocol,
            regimen=problem.regimen,
            access_minutes=problem.access_minutes,
            access_minutes_both=problem.access_minutes_both,
            perfusion_minutes=problem.perfusion_minutes,
            reentry_minutes=problem.reentry_minutes,
            operated=tuple(side for side in SIDES if side in problem.operated),
            warnings=problem.warnings,
            evidence=problem.evidence_ids,
            specimen_evidence=problem.specimens.evidence,
            least_operations=_least(problem),
            least_operations_pooled=problem.least_operations.pooled
            if problem.least_operations is not None and _least(problem) is not None
            else None,
            perfusions=None if problem.perfusions is None else dict(problem.perfusions),
            targets=dict(problem.targets),
            assignments=problem.assignments,
            unseen=problem.unseen,
            seed=problem.seed,
        )

    def problem(self, change: Callable[[StagingProblem], StagingProblem] | None = None) -> StagingProblem:
        """Return the problem.

        Parameters
        ----------
        change
            Takes the problem to other limits; where specimens are to be chosen, they are chosen under these.

        Raises
        ------
        ProblemError
            If parts of it contradict each other, or a name is not known; ``field`` names the part.
        """
        self._check_ids()
        protocol, book = self._protocol()
        self._check_evidence(book)
        choose = self.planned == "choose"
        stands_for = without_lesions(self._offered) if choose else self._specimens()
        problem = self._with(stands_for, protocol, book)
        if self.least_operations is not None and not choose:
            least = LeastOperations.of(problem, self.least_operations, self.least_operations_pooled)
            problem = replace(problem, least_operations=least)
        if change is not None:
            problem = change(problem)
        return self._chosen(problem) if choose else problem

    def _with(self, specimens: SpecimenSet, protocol: Protocol, book: EvidenceBook) -> StagingProblem:
        confidence = protocol.function.confidence
        fev1 = self.fev1.model("fev1", book, confidence)
        patient = None if self.patient is None else self.patient.patient(fev1, book, confidence)
        return StagingProblem(
            specimens=specimens,
            lesions=lesion_table(self.lesions),
            function=fev1,
            function_assumed=self.function_assumed,
            protocol=protocol,
            regimen=self._regimen(protocol, book),
            access_minutes=_or_evidence(self.access_minutes, ACCESS_EVIDENCE, book),
            access_minutes_both=access_minutes_both(protocol, book)
            if self.access_minutes_both is None
            else self.access_minutes_both,
            perfusion_minutes=_or_evidence(self.perfusion_minutes, PERFUSION_EVIDENCE, book),
            reentry_minutes=_or_evidence(self.reentry_minutes, REENTRY_EVIDENCE, book),
            operated=operated_before(patient) if self.operated is None else frozenset(self.operated),
            warnings=self.warnings,
            evidence_ids=self.evidence,
            perfusions=None if self.perfusions is None else {s: self.perfusions.get(s, 0) for s in SIDES},
            targets=self.targets,
            seed=self.seed,
            patient=patient,
            assignments=self.assignments,
            unseen=self.unseen,
        )

    @property
    def _offered(self) -> tuple[SpecimenPart, ...]:
        """What could be cut."""
        return self.candidates or self.specimens

    def _chosen(self, problem: StagingProblem) -> StagingProblem:
        """Return the problem with specimens that are chosen together with their operations."""
        offer = Offer.of(
            self._offered,
            problem.protocol.book(),
            order=[lesion.id for lesion in self.lesions],
            unresectable={one.lesion: one.reason for one in self.unresectable},
            forced={one.lesion: one.reason for one in self.forced},
            evidence=self.specimen_evidence,
        )
        chosen = choose_together(problem, offer)
        if not len(chosen.specimens):
            return chosen
        return replace(chosen, warnings=(*chosen.warnings, SHARED_WARNING))

    def _check_ids(self) -> None:
        """Refuse numbers that occur twice, lesions that are not there, and specimens across the midline."""
        side_of: dict[int, Side] = {}
        for place, lesion in enumerate(self.lesions):
            if lesion.id in side_of:
                raise ProblemError(f"lesions[{place}].id", f"{lesion.id} occurs twice: number lesions anew")
            side_of[lesion.id] = LOBE_SIDES[lesion.lobe]
        for field in ("specimens", "candidates"):
            _check_pieces(field, getattr(self, field), side_of)
        for field in ("unresectable", "forced"):
            for place, one in enumerate(getattr(self, field)):
                if one.lesion not in side_of:
                    raise ProblemError(f"{field}[{place}].lesion", f"{one.lesion} is not the id of a lesion")
        for place, assignment in enumerate(self.assignments):
            unknown = sorted(set(assignment.lesions) - side_of.keys())
            if unknown:
                raise ProblemError(f"assignments[{place}].lesions", f"{unknown[0]} is not the id of a lesion")
        for side, target in self.targets.items():
            try:
                find_target(target, side)
            except PerfusionError as error:
                raise ProblemError(f"targets.{side}", _without_field(error)) from error

    def _check_evidence(self, book: EvidenceBook) -> None:
        """Refuse evidence that does not exist: the plan lists every entry that it rests on."""
        for field in ("evidence", "specimen_evidence"):
            for place, key in enumerate(getattr(self, field)):
                if key not in book:
                    raise ProblemError(
                        f"{field}[{place}]", f"{key!r} is no entry's id: clearlung evidence lists all"
                    )

    def _protocol(self) -> tuple[Protocol, EvidenceBook]:
        if isinstance(self.protocol, str):
            if self.protocol not in shipped_protocols():
                raise ProblemError(
                    "protocol",
                    f"{self.protocol!r} is not one of {', '.join(shipped_protocols())}: name one of them,"
                    " or write the limits here",
                )
            protocol = load_protocol(self.protocol)
        else:
            protocol = self.protocol
        try:
            return protocol, protocol.book()
        except FieldError as error:
            raise ProblemError(f"protocol.{error.field}", _without_field(error)) from error

    def _regimen(self, protocol: Protocol, book: EvidenceBook) -> Regimen | None:
        if not isinstance(self.regimen, str):
            return self.regimen
        name = protocol.perfusion.regimen if self.regimen == "protocol" else self.regimen
        if name == "none" or protocol.perfusion.per_lung_max == 0:
            return None
        try:
            regimen = make_regimen(name, book, body_surface_m2=self.body_surface_m2)
            return allowed(regimen, protocol, book, body_surface_m2=self.body_surface_m2)
        except FieldError as error:
            dosed = error.field.startswith("patient.")
            field, message = (
                ("body_surface_m2", f"{name} is dosed by body surface: give it")
                if dosed
                else ("regimen", _without_field(error))
            )
            raise ProblemError(field, message) from error

    def _specimens(self) -> SpecimenSet:
        """Return the planned specimens, where they are given."""
        stuck = {one.lesion: one.reason for one in self.unresectable}
        parts = self.specimens
        place = {specimen.id: row for row, specimen in enumerate(self.specimens)}
        if not isinstance(self.planned, str):
            for index, number in enumerate(self.planned):
                if number not in place:
                    raise ProblemError(f"planned[{index}]", f"{number} is not the id of a specimen")
            wanted = set(self.planned)
            parts = tuple(specimen for specimen in self.specimens if specimen.id in wanted)
        taken: dict[int, int] = {}
        for specimen in parts:
            field = f"specimens[{place[specimen.id]}].lesions"
            for i in specimen.lesions:
                if i in stuck:
                    raise ProblemError(field, f"lesion {i} is said to be unresectable")
                if i in taken:
                    raise ProblemError(
                        field,
                        f"lesion {i} is in specimen {taken[i]} too: name those to plan in planned, or write"
                        ' "choose" there',
                    )
                taken[i] = specimen.id
        forced = {one.lesion: one.reason for one in self.forced}
        return specimen_set(parts, stuck, self.specimen_evidence, forced)


def _check_pieces(field: str, pieces: tuple[SpecimenPart, ...], side_of: dict[int, Side]) -> None:
    """Refuse specimens or candidates of one number, without a lesion that is there, or of two lungs."""
    seen: set[int] = set()
    for place, piece in enumerate(pieces):
        if piece.id in seen:
            raise ProblemError(f"{field}[{place}].id", f"{piece.id} occurs twice: number {field} anew")
        seen.add(piece.id)
        if len(set(piece.lesions)) < len(piece.lesions):
            raise ProblemError(f"{field}[{place}].lesions", "holds a lesion twice: list each once")
        for i in piece.lesions:
            if i not in side_of:
                raise ProblemError(f"{field}[{place}].lesions", f"{i} is not the id of a lesion")
            if side_of[i] != piece.side:
                raise ProblemError(
                    f"{field}[{place}].lesions",
                    f"lesion {i} is in the {side_of[i]} lung and {piece.lobe} is not",
                )


def _reasons(reasons: dict[int, str]) -> tuple[ReasonPart, ...]:
    return tuple(ReasonPart(lesion=lesion, reason=reason) for lesion, reason in reasons.items())


def _without_field(error: FieldError) -> str:
    return str(error).removeprefix(f"{error.field}: ")


def _or_evidence(minutes: float | None, key: str, book: EvidenceBook) -> float:
    return book.value(key, unit="min") if minutes is None else minutes


def _least(problem: StagingProblem) -> dict[Side, int] | None:
    """Return what is proven of every choice of specimens, if it holds for this very problem."""
    least = problem.least_operations
    return dict(least.counts) if least is not None and least.holds_for(problem) else None
