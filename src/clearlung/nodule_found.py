"""What was found on a scan, kept in a file: the ground that a review is replayed on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from clearlung.anatomy import Anatomy
from clearlung.anatomy_folder import ConditionFound
from clearlung.ct import AxisOrder, Box, Scan, Volume
from clearlung.errors import ReviewError
from clearlung.nodules import COLUMNS, NoduleOptions, NoduleTable
from clearlung.packed import read_packed, write_packed


@dataclass(frozen=True, eq=False)
class Found:
    """One detection, with all that is needed to write its results without the scan.

    Parameters
    ----------
    nodules
        As found, with the label map on the anatomy's box.
    box
        Where that lies in the scan.
    grid
        The scan's grid: a volume of zeros.
    native
        The axis order of the scan's file.
    options
        How nodules were looked for.
    series, source, scan_sha256
        What the scan is, without anybody's identity.
    warnings
        What a reader of any result must know of the scan.
    anatomy_source, evidence, conditions
        Where lungs and lobes came from, what they rest on, and what is unusual.
    """

    nodules: NoduleTable
    box: Box
    grid: Volume
    native: AxisOrder
    options: dict[str, Any]
    series: str
    source: str
    scan_sha256: str
    warnings: tuple[str, ...]
    anatomy_source: str
    evidence: tuple[str, ...]
    conditions: tuple[ConditionFound, ...]

    @classmethod
    def of(cls, nodules: NoduleTable, scan: Scan, anatomy: Anatomy, options: NoduleOptions) -> Found:
        """Return a detection with what it was made on."""
        return cls(
            nodules=nodules,
            box=anatomy.box,
            grid=scan.volume.with_array(np.zeros(scan.volume.shape, dtype=np.uint8)),
            native=scan.native,
            options=options.record(),
            series=scan.series,
            source=scan.source,
            scan_sha256=scan.input_sha256,
            warnings=scan.warnings + nodules.warnings,
            anatomy_source=anatomy.source,
            evidence=anatomy.evidence,
            conditions=tuple(ConditionFound.of(condition) for condition in anatomy.conditions),
        )

    def with_nodules(self, nodules: NoduleTable) -> Found:
        """Return the same under other numbers."""
        return replace(self, nodules=nodules)

    def check_scan(self, scan: Scan) -> None:
        """Refuse a scan that is not the one the nodules were found on.

        Raises
        ------
        ReviewError
            If its bytes are others.
        """
        if scan.input_sha256 != self.scan_sha256:
            raise ReviewError(
                "scan",
                f"is not the one that the nodules were found on: its SHA-256 begins with"
                f" {scan.input_sha256[:12]}, and {self.scan_sha256[:12]} is expected",
            )

    def on_scan(self, labels: Volume) -> Volume:
        """Return a label map of the box on the scan's whole grid."""
        full = np.zeros(self.grid.shape, dtype=np.uint16)
        full[self.box] = labels.array
        return self.grid.with_array(full)


def write_found(found: Found, path: Path) -> None:
    """Keep a detection in a file.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    labels = found.nodules.labels
    if labels is None:
        raise ReviewError("nodules", "have no outlines: a list without a scan cannot be reviewed")
    flat = np.flatnonzero(labels.array)
    arrays = {f"column.{name}": getattr(found.nodules, name) for name in COLUMNS}
    arrays |= {"voxels": flat, "owners": labels.array.ravel()[flat], "direction": found.grid.direction}
    words = {
        "box": [[s.start, s.stop] for s in found.box],
        "shape": found.grid.shape,
        "spacing_mm": found.grid.spacing_mm,
        "origin_mm": found.grid.origin_mm,
        "permutation": found.native.permutation,
        "flipped": found.native.flipped,
        "options": found.options,
        "series": found.series,
        "source": found.source,
        "scan_sha256": found.scan_sha256,
        "warnings": found.warnings,
        "anatomy_source": found.anatomy_source,
        "evidence": found.evidence,
        "conditions": [condition.model_dump() for condition in found.conditions],
    }
    write_packed(path, arrays, words)


def read_found(path: Path) -> Found:
    """Read a detection that was kept.

    Raises
    ------
    OutputError
        If the file is missing or damaged.
    """
    arrays, words = read_packed(path)
    z, y, x = words["spacing_mm"]
    ox, oy, oz = words["origin_mm"]
    zeros = np.zeros(words["shape"], dtype=np.uint8)
    grid = Volume(zeros, (z, y, x), (ox, oy, oz), arrays["direction"])
    z_box, y_box, x_box = (slice(start, stop) for start, stop in words["box"])
    part = grid.crop((z_box, y_box, x_box))
    labels = np.zeros(part.shape, dtype=np.int32)
    labels.ravel()[arrays["voxels"]] = arrays["owners"]
    # A column that a later version brought is left out here, and unknown.
    columns: dict[str, Any] = {
        name: arrays[f"column.{name}"] for name in COLUMNS if f"column.{name}" in arrays
    }
    return Found(
        nodules=NoduleTable(**columns, labels=part.with_array(labels)),
        box=(z_box, y_box, x_box),
        grid=grid,
        native=AxisOrder(tuple(words["permutation"]), tuple(words["flipped"])),
        options=words["options"],
        series=words["series"],
        source=words["source"],
        scan_sha256=words["scan_sha256"],
        warnings=tuple(words["warnings"]),
        anatomy_source=words["anatomy_source"],
        evidence=tuple(words["evidence"]),
        conditions=tuple(ConditionFound.model_validate(c) for c in words["conditions"]),
    )
