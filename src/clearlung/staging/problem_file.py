"""``problem.json``: a staging problem as a file.

Its JSON schema is published in ``docs/problem.schema.json``. :func:`problem_json` writes a
:class:`StagingProblem` whole, so that solving what :func:`read_problem` reads back gives the identical plan;
a file written by hand or by another program may leave out what the evidence knows.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from clearlung.errors import ProblemError
from clearlung.staging.assignment import Assignment
from clearlung.staging.problem import StagingProblem
from clearlung.staging.problem_parts import SpecimenPart
from clearlung.staging.problem_record import ProblemRecord
from clearlung.staging.protocol import Protocol
from clearlung.staging.under import under

# What a message shows of a wrong value: enough to find it in the file.
_SHOWN = 60


def problem_json(problem: StagingProblem, candidates: tuple[SpecimenPart, ...] = ()) -> str:
    """Return a problem as the text of ``problem.json``.

    Parameters
    ----------
    problem
        Any problem. What is not finite in a specimen's measures is written as unknown.
    candidates
        What else could be cut, from :func:`clearlung.staging.candidate_parts`: kept for whoever chooses
        anew, and of no effect on what is planned. Each takes one line, without what is not known.
    """
    record = ProblemRecord.of(problem, candidates)
    text = record.model_dump_json(indent=2, exclude={"candidates"})
    if candidates:
        lines = ",\n".join(f"    {part.model_dump_json(exclude_defaults=True)}" for part in candidates)
        text = text.removesuffix("\n}") + f',\n  "candidates": [\n{lines}\n  ]\n}}'
    return text + "\n"


def read_problem(
    path: str | Path,
    protocol: Protocol | None = None,
    *,
    choose: bool = False,
    assignments: tuple[Assignment, ...] | None = None,
    body_surface_m2: float | None = None,
) -> StagingProblem:
    """Read ``problem.json``.

    Parameters
    ----------
    path
        The file, or a folder that ``clearlung plan`` wrote.
    protocol
        Limits in place of the file's, as in :func:`clearlung.staging.under`.
    choose
        Choose specimens among the candidates, together with their operations and under these limits,
        whichever the file says are planned.
    assignments
        What the surgeon fixes and forbids, in place of the file's.
    body_surface_m2
        For a regimen of the protocol that is dosed by it.

    Raises
    ------
    ProblemError
        As for :func:`parse_problem`, or if the file is missing or cannot be read.
    CaseError, ProtocolError
        As for :func:`clearlung.staging.under`; or if an assignment names a lesion that is not there.
    """
    path = Path(path)
    file = path / "problem.json" if path.is_dir() else path
    try:
        record = _parse(file.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise ProblemError("file", f"is not UTF-8 text ({error.reason} at byte {error.start})") from error
    except OSError as error:
        raise ProblemError("file", f"{file} cannot be read: {error.strerror}") from error
    if choose:
        record = record.model_copy(update={"planned": "choose"})

    def changed(problem: StagingProblem) -> StagingProblem:
        if protocol is not None:
            problem = under(problem, protocol, body_surface_m2=body_surface_m2)
        return problem if assignments is None else replace(problem, assignments=assignments)

    return record.problem(changed)


def parse_problem(text: str) -> StagingProblem:
    """Read a problem from the text of ``problem.json``.

    Raises
    ------
    ProblemError
        If it is not JSON, or has an unknown field, an impossible value or parts that contradict each other;
        ``field`` names it, as in ``specimens[3].volume_ml``.
    """
    return _parse(text).problem()


def _parse(text: str) -> ProblemRecord:
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise ProblemError("file", f"is not JSON: {error}") from error
    except RecursionError as error:
        raise ProblemError("file", "is nested too deeply") from error
    if not isinstance(raw, dict):
        raise ProblemError("file", "is not a JSON object")
    try:
        return ProblemRecord.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise ProblemError(
            _field(first["loc"]), _complaint(first["type"], first["msg"], first["input"])
        ) from error


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
