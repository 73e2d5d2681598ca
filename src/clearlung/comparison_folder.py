"""What ``clearlung compare`` leaves on disk: the comparison, the curve as table and picture, a manifest."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clearlung.comparison_jobs import Compared
from clearlung.comparison_record import ComparisonRecord, PointFound
from clearlung.manifest import InputFile, write_manifest
from clearlung.output import folder_all_or_nothing
from clearlung.progress import Stopwatch
from clearlung.report import tradeoff_png, tradeoff_svg

COLUMNS = tuple(PointFound.model_fields)
"""Columns of ``tradeoff.csv``: one row per point; empty where something is not known."""


def write_comparison(
    compared: Compared,
    folder: Path,
    *,
    options: dict[str, Any],
    inputs: tuple[InputFile, ...],
    seed: int,
    replace: bool = False,
    watch: Stopwatch | None = None,
) -> ComparisonRecord:
    """Write a comparison into a folder, all or nothing.

    Parameters
    ----------
    compared
        What :func:`clearlung.comparison_jobs.compare_problem` returned.
    folder
        Becomes the result: ``comparison.json``, ``manifest.json``; where a protocol has a plan also
        ``tradeoff.csv``, ``tradeoff.png`` and ``tradeoff.svg``.
    options, inputs, seed
        For the manifest.
    replace
        Whether an earlier result may be replaced.
    watch
        Times the phase.

    Returns
    -------
    ComparisonRecord
        The content of ``comparison.json``.

    Raises
    ------
    OutputError
        If the folder must not be written.
    """
    watch = watch or Stopwatch()
    created = datetime.now(UTC).replace(microsecond=0)
    with folder_all_or_nothing(folder, replace=replace) as work:
        with watch.phase("files"):
            record = ComparisonRecord.of(compared)
            text = record.model_dump_json(indent=2) + "\n"
            (work / "comparison.json").write_text(text, encoding="utf-8")
            if record.curve is not None:
                curve = record.curve.drawn()
                _write_table(record.curve.points, work / "tradeoff.csv")
                (work / "tradeoff.png").write_bytes(tradeoff_png(curve))
                (work / "tradeoff.svg").write_text(tradeoff_svg(curve), encoding="utf-8")
        write_manifest(
            work,
            command="compare",
            created=created.isoformat(),
            options=options,
            inputs=inputs,
            seed=seed,
            times=watch.times,
        )
    return record


def _write_table(points: tuple[PointFound, ...], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        table.writerows(point.model_dump() for point in points)
