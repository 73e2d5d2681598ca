"""What ``clearlung resect`` leaves on disk: every specimen, the chosen ones, pictures, a manifest."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from clearlung.ct import write_volume
from clearlung.manifest import write_manifest
from clearlung.output import folder_all_or_nothing
from clearlung.progress import Stopwatch
from clearlung.report import Remainder, ResectionPicture, specimen_sheet, specimen_slices
from clearlung.resection_jobs import Resection
from clearlung.resection_record import LobeLeft, SpecimensRecord, describe_resection, specimens_json
from clearlung.resection_summary import function_lines

COLUMNS = (
    "specimen",
    "lesions",
    "technique",
    "side",
    "lobe",
    "volume_ml",
    "margin_mm",
    "margin_least_mm",
    "margin_low_mm",
    "margin_high_mm",
    "clear_chance",
    "reach_mm",
    "vessel_mm",
    "bronchus_mm",
    "closure",
    "minutes",
)
"""Columns of ``specimens.csv``: one row per chosen specimen; empty where something is not known."""


def write_resection(
    resection: Resection,
    folder: Path,
    *,
    options: dict[str, Any],
    replace: bool = False,
    watch: Stopwatch | None = None,
) -> SpecimensRecord:
    """Write a resection into a folder, all or nothing.

    Parameters
    ----------
    resection
        What :func:`clearlung.resection_jobs.make_resection` returned.
    folder
        Becomes the result: ``specimens.json``, ``specimens.csv``, ``specimens.png``, ``manifest.json``; made
        from a scan, or from a folder of nodules, also ``specimens.nii.gz`` on the scan's own grid and
        ``specimens-slices.png``.
    options
        For the manifest.
    replace
        Whether an earlier result may be replaced.
    watch
        Times the phases.

    Returns
    -------
    SpecimensRecord
        The content of ``specimens.json``.

    Raises
    ------
    OutputError
        If the folder must not be written.
    """
    watch = watch or Stopwatch()
    created = datetime.now(UTC).replace(microsecond=0)
    with folder_all_or_nothing(folder, replace=replace) as work:
        with watch.phase("files"):
            record = describe_resection(resection)
            (work / "specimens.json").write_text(specimens_json(record), encoding="utf-8")
            _write_table(resection, work / "specimens.csv")
            _write_labels(resection, work / "specimens.nii.gz")
        with watch.phase("picture"):
            picture = _picture(resection, record)
            (work / "specimens.png").write_bytes(specimen_sheet(picture))
            slices = specimen_slices(picture)
            if slices is not None:
                (work / "specimens-slices.png").write_bytes(slices)
        write_manifest(
            work,
            command="resect",
            created=created.isoformat(),
            options=options,
            inputs=resection.inputs,
            seed=0,
            times=watch.times,
        )
    return record


def _write_table(resection: Resection, path: Path) -> None:
    chosen = resection.specimens
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for row in range(len(chosen)):
            table.writerow(
                (
                    int(chosen.id[row]),
                    " ".join(map(str, chosen.lesions[row])),
                    *(str(column[row]) for column in (chosen.technique, chosen.side, chosen.lobe)),
                    *(
                        _cell(column[row], digits)
                        for column, digits in (
                            (chosen.volume_ml, 3),
                            (chosen.margin_mm, 2),
                            (chosen.margin_least_mm, 2),
                            (chosen.margin_low_mm, 2),
                            (chosen.margin_high_mm, 2),
                            (chosen.clear, 4),
                            (chosen.reach_mm, 1),
                            (chosen.vessel_mm, 2),
                            (chosen.bronchus_mm, 2),
                        )
                    ),
                    str(chosen.closure[row]),
                    _cell(chosen.minutes[row], 1),
                )
            )


def _cell(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if np.isfinite(value) else ""


def _write_labels(resection: Resection, path: Path) -> None:
    if resection.grid is None or resection.labels is None or resection.anatomy is None:
        return
    grid, native = resection.grid
    full = np.zeros(grid.shape, dtype=np.uint16)
    full[resection.anatomy.box] = resection.labels
    write_volume(grid.with_array(full), path, native)


def _picture(resection: Resection, record: SpecimensRecord) -> ResectionPicture:
    remains: list[Remainder] = []
    for side, lung in record.lungs.items():
        own = [name for name in record.lobes if name[0] == side[0].upper()]
        remains += [_remainder(name, record.lobes[name]) for name in own]
        remains.append(_remainder(f"{side} lung", lung))
    return ResectionPicture(
        nodules=resection.nodules,
        anatomy=resection.anatomy,
        scan=resection.scan,
        candidates=resection.excision.candidates,
        rows=resection.rows,
        specimens=resection.specimens,
        remains=tuple(remains),
        function=tuple(function_lines(record)),
        source=f"{resection.source}; protocol {resection.protocol.name}",
    )


def _remainder(name: str, left: LobeLeft) -> Remainder:
    return Remainder(name, left.lesions, left.specimens, left.volume_ml, left.removed_ml)
