"""Nodule tables as CSV: a radiologist's list in, every nodule out."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import LOBE_SIDES, LOBES, SIDES
from clearlung.errors import NoduleListError
from clearlung.nodules.csv_cells import check_once, digits, number, open_csv
from clearlung.nodules.table import COLUMNS, NoduleTable, sphere_volume_mm3

REQUIRED = ("id", "side", "lobe", "diameter_mm", "depth_mm")

# Beyond these a number is a slip (a unit, a comma), not a nodule.
LARGEST_DIAMETER_MM = 200.0
LARGEST_DEPTH_MM = 150.0


def read_nodule_list(path: Path) -> NoduleTable:
    """Read a radiologist's list of nodules.

    Parameters
    ----------
    path
        CSV with a header: ``id, side, lobe, diameter_mm, depth_mm`` and optionally ``x_mm, y_mm, z_mm``
        (LPS), ``calcified`` (yes or no), ``vdt_days``. Separated by comma, semicolon or tab.

    Returns
    -------
    NoduleTable
        With the list's own numbers, probability 1, and no label map.

    Raises
    ------
    NoduleListError
        If the file cannot be read, a column is missing or unknown, or a value cannot be used; ``field`` is
        the line and column.
    """
    reader, header = open_csv(path, NoduleListError)
    _check_header(header)
    rows = [_read_row(row, reader.line_num) for row in reader if any(row.values())]
    if not rows:
        raise NoduleListError("file", "lists no nodules")
    _check_ids(rows)
    _check_sides(rows)
    return _to_table(rows)


def write_nodules(
    nodules: NoduleTable, path: Path, more: Mapping[str, NDArray[np.bool_]] | None = None
) -> None:
    """Write every nodule, one row each; what is unknown stays empty.

    Parameters
    ----------
    nodules
        The table.
    path
        The file.
    more
        Columns beside the table's own, by name: yes or no for each nodule.
    """
    more = more or {}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*COLUMNS, *more])
        for place, row in enumerate(nodules.rows()):
            beside = [bool(column[place]) for column in more.values()]
            writer.writerow([_cell(value) for value in (*row.values(), *beside)])


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.3f}"
    return str(value)


def _check_header(header: list[str]) -> None:
    for name in REQUIRED:
        if name not in header:
            raise NoduleListError(f"line 1, {name}", f"is missing; the columns are {', '.join(REQUIRED)}")
    places = {"x_mm", "y_mm", "z_mm"} & set(header)
    if places and len(places) < 3:
        raise NoduleListError(
            "line 1", f"a place needs x_mm, y_mm and z_mm, and only {sorted(places)} are there"
        )
    unknown = [name for name in header if name not in COLUMNS]
    if unknown:
        raise NoduleListError(f"line 1, {unknown[0]}", f"is not a column; known are {', '.join(COLUMNS)}")
    check_once(header, NoduleListError)


def _read_row(row: dict[str | Any, Any], line: int) -> dict[str, Any]:
    def read(name: str, parse: Callable[[str], Any], accepted: str) -> Any:
        text = (row.get(name) or "").strip()
        try:
            return parse(text)
        except (ValueError, KeyError):
            raise NoduleListError(f"line {line}, {name}", f"takes {accepted}, not {text!r}") from None

    if None in row:
        raise NoduleListError(f"line {line}", "has more cells than the header")
    values = {
        "line": line,
        "id": read("id", _positive_int, "a whole number from 1"),
        "side": read("side", lambda t: _one_of(SIDES, t.lower()), "right or left"),
        "lobe": read("lobe", lambda t: _one_of(LOBES, t.upper()), ", ".join(LOBES)),
        "diameter_mm": read(
            "diameter_mm",
            lambda t: number(t, 0.1, LARGEST_DIAMETER_MM),
            f"mm from 0.1 to {LARGEST_DIAMETER_MM:g}",
        ),
        "depth_mm": read(
            "depth_mm", lambda t: number(t, 0, LARGEST_DEPTH_MM), f"mm from 0 to {LARGEST_DEPTH_MM:g}"
        ),
        "calcified": read("calcified", lambda t: _YES_NO[t.lower()], "yes or no"),
        "vdt_days": read(
            "vdt_days", lambda t: number(t, 1, 1e5) if t else math.nan, "days from 1, or nothing"
        ),
    }
    for axis in ("x_mm", "y_mm", "z_mm"):
        values[axis] = read(axis, lambda t: number(t, -1e4, 1e4) if t else math.nan, "LPS mm, or nothing")
    if LOBE_SIDES[values["lobe"]] != values["side"]:
        raise NoduleListError(f"line {line}, lobe", f"{values['lobe']} is not in the {values['side']} lung")
    return values


_YES_NO = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False, "": False}


def _one_of(names: Sequence[str], text: str) -> str:
    return names[names.index(text)]


def _positive_int(text: str) -> int:
    number = int(digits(text))
    if not 1 <= number < 2**31:
        raise ValueError
    return number


def _check_ids(rows: list[dict[str, Any]]) -> None:
    seen: dict[int, int] = {}
    for row in rows:
        if row["id"] in seen:
            raise NoduleListError(
                f"line {row['line']}, id", f"{row['id']} stands in line {seen[row['id']]} too"
            )
        seen[row["id"]] = row["line"]


def _check_sides(rows: list[dict[str, Any]]) -> None:
    """Refuse places whose x runs to the patient's right: RAS taken for LPS exchanges the lungs."""
    x_mm = {side: [row["x_mm"] for row in rows if row["side"] == side] for side in SIDES}
    right, left = (np.mean(values) if values else math.nan for values in (x_mm["right"], x_mm["left"]))
    if right > left:
        raise NoduleListError(
            "x_mm",
            f"the right lung's nodules lie at {right:.0f} mm on average and the left lung's at {left:.0f} mm;"
            " in LPS x grows to the patient's left. Were these RAS coordinates? Then turn the signs of x_mm"
            " and y_mm",
        )


def _to_table(rows: list[dict[str, Any]]) -> NoduleTable:
    def column(name: str) -> Any:
        return np.array([row[name] for row in rows], dtype=np.float64)

    diameter_mm = column("diameter_mm")
    unknown = np.full(len(rows), np.nan)
    return NoduleTable(
        id=np.array([row["id"] for row in rows], dtype=np.int32),
        x_mm=column("x_mm"),
        y_mm=column("y_mm"),
        z_mm=column("z_mm"),
        side=np.array([row["side"] for row in rows]),
        lobe=np.array([row["lobe"] for row in rows]),
        lobe_confidence=np.ones(len(rows)),
        diameter_mm=diameter_mm,
        volume_mm3=sphere_volume_mm3(diameter_mm),
        depth_mm=column("depth_mm"),
        probability=np.ones(len(rows)),
        mean_hu=unknown,
        max_hu=unknown,
        calcified=np.array([row["calcified"] for row in rows], dtype=np.bool_),
        vdt_days=column("vdt_days"),
    )
