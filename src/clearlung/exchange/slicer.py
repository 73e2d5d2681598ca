"""3D Slicer: the numbered nodules as a markups file, one point each, labeled by number and operation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from clearlung.nodules import NoduleTable
from clearlung.staging import Plan

SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)


def write_slicer_markups(nodules: NoduleTable, plan: Plan, path: Path) -> None:
    """Write the nodules that have a place as 3D Slicer markups (LPS).

    Each point is labeled with the nodule's number and its operation, e.g. ``87 (op 3)``; a nodule that no
    operation removes is labeled ``87 (not removed)``.

    Parameters
    ----------
    nodules
        The nodules; those without a place are left out.
    plan
        Which operation removes which.
    path
        The file, ending in ``.mrk.json`` so that Slicer knows it; replaced if it exists.
    """
    operation = {lesion: op.number for op in plan.operations for lesion in op.lesions}
    points: list[dict[str, Any]] = []
    for row in nodules.rows():
        position = [row["x_mm"], row["y_mm"], row["z_mm"]]
        if not np.isfinite(position).all():
            continue
        number = operation.get(row["id"])
        points.append(
            {
                "id": str(row["id"]),
                "label": f"{row['id']} ({'not removed' if number is None else f'op {number}'})",
                "description": f"{row['lobe']}, {row['diameter_mm']:.1f} mm",
                "position": [round(value, 3) for value in position],
                "positionStatus": "defined",
                "selected": number is not None,
                "locked": True,
                "visibility": True,
            }
        )
    markups = {
        "@schema": SCHEMA,
        "markups": [
            {
                "type": "Fiducial",
                "coordinateSystem": "LPS",
                "coordinateUnits": "mm",
                "locked": True,
                "controlPoints": points,
            }
        ],
    }
    path.write_text(json.dumps(markups, indent=1) + "\n", encoding="utf-8")
