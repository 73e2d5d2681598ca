"""What ``clearlung perfuse`` leaves on disk: the perfusion as plain data, and a manifest."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clearlung.manifest import make_manifest, write_manifest
from clearlung.output import folder_all_or_nothing
from clearlung.perfusion_jobs import Perfusion
from clearlung.perfusion_record import PerfusionRecord, describe_perfusion, perfusion_json
from clearlung.perfusion_sheets import sheet_of_perfusion
from clearlung.progress import Stopwatch
from clearlung.report import write_sheet

PERFUSION = "perfusion.json"
"""Name of the file with everything that is known of a perfusion."""


def write_perfusion(
    made: Perfusion,
    folder: Path,
    *,
    options: dict[str, Any],
    replace: bool = False,
    watch: Stopwatch | None = None,
) -> PerfusionRecord:
    """Write a perfusion into a folder, all or nothing.

    Parameters
    ----------
    made
        What :func:`clearlung.perfusion_jobs.make_perfusion` returned.
    folder
        Becomes the result: ``perfusion.json``; ``sheet.pdf`` and ``sheet.html``, the perfusionist's page;
        ``manifest.json``.
    options
        For the manifest.
    replace
        Whether an earlier result may be replaced.
    watch
        Times the phases.

    Returns
    -------
    PerfusionRecord
        The content of ``perfusion.json``.

    Raises
    ------
    OutputError
        If the folder must not be written.
    """
    watch = watch or Stopwatch()
    created = datetime.now(UTC).replace(microsecond=0)
    with folder_all_or_nothing(folder, replace=replace) as work:
        with watch.phase("files"):
            record = describe_perfusion(made)
            (work / PERFUSION).write_text(perfusion_json(record), encoding="utf-8")
            sheet = sheet_of_perfusion(made)
            write_sheet(sheet, work, source=made.patient.source, created=created.date().isoformat())
        manifest = make_manifest(
            command="perfuse",
            created=created.isoformat(),
            options=options,
            inputs=made.patient.inputs,
            seed=made.seed,
            times=watch.times,
            folder=work,
        )
        write_manifest(manifest, work)
    return record
