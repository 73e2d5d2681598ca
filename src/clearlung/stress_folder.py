"""The job of ``clearlung stress``, and what it leaves on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from clearlung.errors import ProblemError
from clearlung.manifest import InputFile, file_sha256, published_schema, write_manifest
from clearlung.output import folder_all_or_nothing
from clearlung.progress import Stopwatch
from clearlung.report import stress_png
from clearlung.staging import (
    Plan,
    RobustPlan,
    RobustRecord,
    StagingProblem,
    StressOptions,
    StressRecord,
    plan_with_reserve,
    read_problem,
    spreads_of,
    stress_test,
)

STRESS_PHASES = ("plan", "scenarios", "reserve", "picture")
"""The phases of :func:`make_stress` and of writing its result, in order."""


@dataclass(frozen=True, eq=False)
class StressRequest:
    """What to test, and how.

    Parameters
    ----------
    source
        A folder that ``clearlung plan`` wrote, or its ``plan.json``.
    problem
        The problem of the plan; ``problem.json`` beside the plan if left out.
    scenarios, seed, confidence
        As for :class:`clearlung.staging.StressOptions`.
    without
        Names of spreads that stay as planned.
    robust
        Whether to plan with reserve for the confidence as well.
    """

    source: Path
    problem: Path | None = None
    scenarios: int = 5000
    seed: int = 0
    confidence: float = 0.9
    without: tuple[str, ...] = ()
    robust: bool = False


@dataclass(frozen=True, eq=False)
class Stress:
    """A plan's stress test, and the plan with reserve where one was asked for.

    ``reserve_record`` is the stress test of that plan; both are None where there is none.
    """

    plan: Plan
    record: StressRecord
    robust: RobustPlan | None
    reserve_record: StressRecord | None
    inputs: tuple[InputFile, ...]


def make_stress(request: StressRequest, watch: Stopwatch | None = None) -> Stress:
    """Test a plan in scenarios, and plan with reserve where that is asked for.

    Parameters
    ----------
    request
        What to test, and how.
    watch
        Times the phases and shows them; silent by default.

    Raises
    ------
    ProblemError
        If plan or problem cannot be read, or ``without`` names no spread.
    CaseConflict
        If they do not belong together.
    """
    watch = watch or Stopwatch()
    with watch.phase("plan"):
        folder = request.source if request.source.is_dir() else request.source.parent
        plan_file = folder / "plan.json" if request.source.is_dir() else request.source
        problem_file = request.problem or folder / "problem.json"
        plan, problem = read_plan(plan_file), read_problem(problem_file)
        options = _options(request, problem)
    with watch.phase("scenarios"):
        record = stress_test(problem, plan, options)
        if _limits(plan) != _limits_of(problem):
            words = (
                f"The plan was made with other limits (protocol {plan.protocol.name}) than those that it is"
                f" tested against (protocol {problem.protocol.name})."
            )
            record = record.model_copy(update={"warnings": (words, *record.warnings)})
    robust = kept = None
    with watch.phase("reserve"):
        if request.robust:
            robust = plan_with_reserve(problem, options)
            kept = None if robust.plan is None else stress_test(problem, robust.plan, options)
    inputs = tuple(
        InputFile(kind=kind, sha256=file_sha256(path))
        for kind, path in (
            ("plan", plan_file),
            ("problem", problem_file / "problem.json" if problem_file.is_dir() else problem_file),
        )
    )
    return Stress(plan, record, robust, kept, inputs)


def read_plan(path: Path) -> Plan:
    """Read ``plan.json``.

    Raises
    ------
    ProblemError
        If it cannot be read, or is no plan.
    """
    try:
        return Plan.model_validate_json(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ProblemError("plan", f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ProblemError("plan", f"{path} is not UTF-8 text") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise ProblemError("plan", f"{path} is not a plan: {where}: {first['msg']}") from error


def write_stress(
    stress: Stress,
    folder: Path,
    *,
    options: dict[str, Any],
    replace: bool = False,
    watch: Stopwatch | None = None,
) -> None:
    """Write a stress test into a folder, all or nothing.

    Parameters
    ----------
    stress
        What :func:`make_stress` returned.
    folder
        Becomes the result: ``stress.json``, ``stress.png``, ``manifest.json``; with reserve also
        ``robust.json`` and, where there is such a plan, ``plan-with-reserve.json``,
        ``stress-with-reserve.json`` and ``stress-with-reserve.png``.
    options
        For the manifest.
    replace
        Whether an earlier result may be replaced.
    watch
        Times the phase.

    Raises
    ------
    OutputError
        If the folder must not be written.
    """
    watch = watch or Stopwatch()
    created = datetime.now(UTC).replace(microsecond=0)
    with folder_all_or_nothing(folder, replace=replace) as work:
        with watch.phase("picture"):
            _write(work, "stress", stress.record, stress.plan)
            if stress.robust is not None:
                text = stress.robust.record.model_dump_json(indent=2) + "\n"
                (work / "robust.json").write_text(text, encoding="utf-8")
                if stress.robust.plan is not None and stress.reserve_record is not None:
                    text = stress.robust.plan.model_dump_json(indent=2) + "\n"
                    (work / "plan-with-reserve.json").write_text(text, encoding="utf-8")
                    _write(work, "stress-with-reserve", stress.reserve_record, stress.robust.plan)
        write_manifest(
            work,
            command="stress",
            created=created.isoformat(),
            options=options,
            inputs=stress.inputs,
            seed=stress.record.seed,
            times=watch.times,
        )


def stress_schema() -> str:
    """Return the JSON schema of ``stress.json``, as published in ``docs/stress.schema.json``."""
    return published_schema(StressRecord, "Clearlung stress test")


def robust_schema() -> str:
    """Return the JSON schema of ``robust.json``, as published in ``docs/robust.schema.json``."""
    return published_schema(RobustRecord, "Clearlung plan with reserve")


def _write(folder: Path, name: str, record: StressRecord, plan: Plan) -> None:
    (folder / f"{name}.json").write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / f"{name}.png").write_bytes(stress_png(record, plan))


def _options(request: StressRequest, problem: StagingProblem) -> StressOptions:
    known = spreads_of(problem.protocol.book(), problem.function)
    unknown = [name for name in request.without if name not in known]
    if unknown:
        raise ProblemError("without", f"{unknown[0]!r} is not one of {', '.join(known)}")
    options = StressOptions(request.scenarios, request.seed, request.confidence)
    return replace(options, spreads={name: known[name].muted() for name in request.without})


def _limits(plan: Plan) -> Sequence[object]:
    return plan.protocol.per_operation, plan.protocol.weeks, plan.protocol.function


def _limits_of(problem: StagingProblem) -> Sequence[object]:
    return problem.protocol.per_operation, problem.protocol.weeks, problem.protocol.function
