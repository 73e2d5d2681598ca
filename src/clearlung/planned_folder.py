"""Reading back what was planned: a plan and the problem that it solves."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from clearlung.errors import ProblemError
from clearlung.staging import Plan, StagingProblem, read_problem


def read_planned(source: Path) -> tuple[StagingProblem, Plan | None]:
    """Read a problem, and its plan where there is one.

    Parameters
    ----------
    source
        A folder with ``problem.json`` and ``plan.json``, or a file with a problem alone.

    Returns
    -------
    StagingProblem
        The problem.
    Plan or None
        Its plan; None for a file, or a folder without one.

    Raises
    ------
    ProblemError
        If either cannot be read, or the plan takes specimens that the problem does not have.
    """
    problem = read_problem(source)
    path = source / "plan.json"
    if not path.is_file():
        return problem, None
    try:
        plan = Plan.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ProblemError("plan.json", f"cannot be read: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise ProblemError(f"plan.json {where}", str(first["msg"])) from error
    known = set(problem.specimens.id.tolist())
    strange = sorted({s.id for o in plan.operations for s in o.specimens} - known)
    if strange:
        raise ProblemError(
            "plan.json", f"takes specimens that problem.json does not have: {strange}; plan again"
        )
    return problem, plan
