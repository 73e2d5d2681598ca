"""``problem.json``: everything that decides a plan, as plain data that others can write too.

Its JSON schema is published in ``docs/problem.schema.json``. :func:`problem_json` writes a
:class:`StagingProblem` whole, so that solving what :func:`read_problem` reads back gives the identical plan;
a file written by hand or by another program may leave out what the evidence knows.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, ValidationError

from clearlung import RESEARCH_NOTICE
from clearlung.anatomy import LOBE_SIDES, SIDES, Side
from clearlung.errors import FieldError, ProblemError
from clearlung.evidence import EvidenceBook
from clearlung.perfusion import Regimen, make_regimen
from clearlung.resection import SpecimenSet
from clearlung.staging.assignment import Assignment
from clearlung.staging.plan import MeasuredFunction
from clearlung.staging.problem import (
    ACCESS_EVIDENCE,
    PERFUSION_EVIDENCE,
    REENTRY_EVIDENCE,
    LeastOperations,
    StagingProblem,
    access_minutes_both,
    operated_before,
)
from clearlung.staging.problem_choice import choose_parts
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

PROBLEM_FORMAT: Literal["clearlung-problem/1"] = "clearlung-problem/1"

# What a message shows of a wrong value: enough to find it in the file.
_SHOWN = 60

_Protocol = Annotated[Annotated[str, Tag(WORD)] | Annotated[Protocol, Tag(VALUE)], Discriminator(kind_of)]
_Regimen = Annotated[Annotated[str, Tag(WORD)] | Annotated[Regimen, Tag(VALUE)], Discriminator(kind_of)]
_Planned = Annotated[
    Annotated[Literal["all", "choose"], Tag(WORD)] | Annotated[tuple[int, ...], Tag(VALUE)],
    Discriminator(kind_of),
]


class UnresectablePart(Part):
    """A lesion that nothing fits."""

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
        description="Which specimens are planned: all, those with these ids, or choose: those that remove"
        " every lesion at the least cost in tissue, time and short margins.",
    )
    unresectable: tuple[UnresectablePart, ...] = Field(default=(), description="Lesions that nothing fits.")
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
        description="How many of each lung's last operations are perfused; null: as many as the protocol"
        " allows, shared by the solver where that is fewer in all than for each lung.",
    )
    assignments: tuple[Assignment, ...] = Field(
        default=(), description="What the surgeon fixes and forbids for some lesions."
    )
    seed: int = Field(default=0, ge=0, description="The same problem and seed give the same plan.")

    @classmethod
    def of(cls, problem: StagingProblem) -> Self:
        """Return a problem as plain data, everything spelled out."""
        patient, stuck = problem.patient, problem.specimens.unresectable
        return cls(
            format=PROBLEM_FORMAT,
            lesions=lesion_parts(problem.lesions),
            specimens=specimen_parts(problem.specimens),
            unresectable=tuple(UnresectablePart(lesion=i, reason=reason) for i, reason in stuck.items()),
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
            assignments=problem.assignments,
            seed=problem.seed,
        )

    def problem(self) -> StagingProblem:
        """Return the problem.

        Raises
        ------
        ProblemError
            If parts of it contradict each other, or a name is not known; ``field`` names the part.
        """
        self._check_ids()
        protocol, book = self._protocol()
        self._check_evidence(book)
        specimens, chosen = self._specimens(book)
        confidence = protocol.function.confidence
        fev1 = self.fev1.model("fev1", book, confidence)
        patient = None if self.patient is None else self.patient.patient(fev1, book, confidence)
        problem = StagingProblem(
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
            warnings=(*self.warnings, *chosen),
            evidence_ids=self.evidence,
            perfusions=None if self.perfusions is None else {s: self.perfusions.get(s, 0) for s in SIDES},
            seed=self.seed,
            patient=patient,
            assignments=self.assignments,
        )
        if self.least_operations is None:
            return problem
        return replace(
            problem,
            least_operations=LeastOperations.of(problem, self.least_operations, self.least_operations_pooled),
        )

    def _check_ids(self) -> None:
        """Refuse numbers that occur twice, lesions that are not there, and specimens across the midline."""
        side_of: dict[int, Side] = {}
        for place, lesion in enumerate(self.lesions):
            if lesion.id in side_of:
                raise ProblemError(f"lesions[{place}].id", f"{lesion.id} occurs twice: number lesions anew")
            side_of[lesion.id] = LOBE_SIDES[lesion.lobe]
        seen: set[int] = set()
        for place, specimen in enumerate(self.specimens):
            if specimen.id in seen:
                raise ProblemError(
                    f"specimens[{place}].id", f"{specimen.id} occurs twice: number specimens anew"
                )
            seen.add(specimen.id)
            field = f"specimens[{place}].lesions"
            if len(set(specimen.lesions)) < len(specimen.lesions):
                raise ProblemError(field, "holds a lesion twice: list each once")
            for i in specimen.lesions:
                if i not in side_of:
                    raise ProblemError(field, f"{i} is not the id of a lesion")
                if side_of[i] != specimen.side:
                    raise ProblemError(
                        field, f"lesion {i} is in the {side_of[i]} lung and {specimen.lobe} is not"
                    )
        for place, stuck in enumerate(self.unresectable):
            if stuck.lesion not in side_of:
                raise ProblemError(
                    f"unresectable[{place}].lesion", f"{stuck.lesion} is not the id of a lesion"
                )

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
            return make_regimen(name, book, body_surface_m2=self.body_surface_m2)
        except FieldError as error:
            dosed = error.field.startswith("patient.")
            field, message = (
                ("body_surface_m2", f"{name} is dosed by body surface: give it")
                if dosed
                else ("regimen", _without_field(error))
            )
            raise ProblemError(field, message) from error

    def _specimens(self, book: EvidenceBook) -> tuple[SpecimenSet, tuple[str, ...]]:
        """Return the planned specimens, and what a choice among them leaves to say."""
        stuck = {one.lesion: one.reason for one in self.unresectable}
        if self.planned == "choose":
            parts, evidence, warnings = choose_parts(self.specimens, stuck, book)
            return specimen_set(parts, stuck, (*self.specimen_evidence, *evidence)), warnings
        parts = self.specimens
        if not isinstance(self.planned, str):
            place = {specimen.id: specimen for specimen in self.specimens}
            for index, number in enumerate(self.planned):
                if number not in place:
                    raise ProblemError(f"planned[{index}]", f"{number} is not the id of a specimen")
            parts = tuple(specimen for specimen in self.specimens if specimen.id in set(self.planned))
        taken: dict[int, int] = {}
        for specimen in parts:
            field = f"specimens[{self.specimens.index(specimen)}].lesions"
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
        return specimen_set(parts, stuck, self.specimen_evidence), ()


def problem_json(problem: StagingProblem) -> str:
    """Return a problem as the text of ``problem.json``.

    Parameters
    ----------
    problem
        Any problem. What is not finite in a specimen's measures is written as unknown.
    """
    return ProblemRecord.of(problem).model_dump_json(indent=2) + "\n"


def read_problem(path: str | Path) -> StagingProblem:
    """Read ``problem.json``.

    Parameters
    ----------
    path
        The file, or a folder that ``clearlung plan`` wrote.

    Raises
    ------
    ProblemError
        As for :func:`parse_problem`, or if the file is missing or cannot be read.
    """
    path = Path(path)
    file = path / "problem.json" if path.is_dir() else path
    try:
        return parse_problem(file.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ProblemError("file", f"is not UTF-8 text ({error.reason} at byte {error.start})") from error
    except OSError as error:
        raise ProblemError("file", f"{file} cannot be read: {error.strerror}") from error


def parse_problem(text: str) -> StagingProblem:
    """Read a problem from the text of ``problem.json``.

    Raises
    ------
    ProblemError
        If it is not JSON, or has an unknown field, an impossible value or parts that contradict each other;
        ``field`` names it, as in ``specimens[3].volume_ml``.
    """
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise ProblemError("file", f"is not JSON: {error}") from error
    except RecursionError as error:
        raise ProblemError("file", "is nested too deeply") from error
    if not isinstance(raw, dict):
        raise ProblemError("file", "is not a JSON object")
    try:
        record = ProblemRecord.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise ProblemError(
            _field(first["loc"]), _complaint(first["type"], first["msg"], first["input"])
        ) from error
    return record.problem()


def _field(loc: tuple[int | str, ...]) -> str:
    """Return where in the file something is, as in ``specimens[3].volume_ml``."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[\w.-]+", part):
            text += f".{part}" if text else part
    return text or "file"


def _complaint(kind: str, message: str, given: Any) -> str:
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        return "is not a field of a problem: see docs/problem.schema.json"
    shown = repr(given)
    return f"{message}, not {shown if len(shown) <= _SHOWN else shown[:_SHOWN] + '…'}"


def _without_field(error: FieldError) -> str:
    return str(error).removeprefix(f"{error.field}: ")


def _or_evidence(minutes: float | None, key: str, book: EvidenceBook) -> float:
    return book.value(key, unit="min") if minutes is None else minutes


def _least(problem: StagingProblem) -> dict[Side, int] | None:
    """Return what is proven of every choice of specimens, if it holds for this very problem."""
    least = problem.least_operations
    return dict(least.counts) if least is not None and least.holds_for(problem) else None
