"""An anatomy kept in a file, so that a reader who draws a nodule need not wait for the lungs again.

It holds the shape of lungs, lobes, airways and vessels, and none of the scan's values.
"""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Anatomy, BranchTree, Condition, Fissure
from clearlung.ct import Volume
from clearlung.packed import read_packed, write_packed

# A hundredth of a millimeter and of a confidence is more than either is worth, and packs to a tenth.
STEPS_PER_MM = 100.0
STEPS_OF_CONFIDENCE = 100.0
_OPTIONAL = ("lobe_second", "airways", "vessels", "pleura")
_TREES = ("airway_tree", "vessel_tree")


def write_anatomy_cache(anatomy: Anatomy, path: Path) -> None:
    """Keep an anatomy in a file; :func:`settled` is what comes back.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    inside = anatomy.lungs.array > 0
    arrays: dict[str, NDArray[Any]] = {
        "lungs": anatomy.lungs.array,
        "lobes": anatomy.lobes.array,
        "depth": _steps(anatomy.depth_mm.array[inside], STEPS_PER_MM, np.uint16),
        "confidence": _steps(anatomy.lobe_confidence.array[inside], STEPS_OF_CONFIDENCE, np.uint8),
        "direction": anatomy.lungs.direction,
    }
    for name in _OPTIONAL:
        part = getattr(anatomy, name)
        if part is not None:
            arrays[name] = part.array
    for name in _TREES:
        tree = getattr(anatomy, name)
        arrays |= {f"{name}.{f.name}": getattr(tree, f.name) for f in fields(BranchTree)}
    words = {
        "box": [[s.start, s.stop] for s in anatomy.box],
        "spacing_mm": anatomy.lungs.spacing_mm,
        "origin_mm": anatomy.lungs.origin_mm,
        "lobe_method": anatomy.lobe_method,
        "evidence": anatomy.evidence,
        "source": anatomy.source,
        "hila_mm": dict(anatomy.hila_mm),
        "fissures": [asdict(fissure) for fissure in anatomy.fissures],
        "conditions": [asdict(condition) for condition in anatomy.conditions],
    }
    write_packed(path, arrays, words)


def read_anatomy_cache(path: Path) -> Anatomy:
    """Read an anatomy that was kept.

    Raises
    ------
    OutputError
        If the file is missing or damaged.
    """
    arrays, words = read_packed(path)
    z, y, x = words["spacing_mm"]
    ox, oy, oz = words["origin_mm"]
    lungs = Volume(arrays["lungs"], (z, y, x), (ox, oy, oz), arrays["direction"])
    inside = lungs.array > 0
    z_box, y_box, x_box = (slice(start, stop) for start, stop in words["box"])
    return Anatomy(
        box=(z_box, y_box, x_box),
        lungs=lungs,
        lobes=lungs.with_array(arrays["lobes"]),
        lobe_confidence=lungs.with_array(_spread(inside, arrays["confidence"], STEPS_OF_CONFIDENCE)),
        depth_mm=lungs.with_array(_spread(inside, arrays["depth"], STEPS_PER_MM)),
        lobe_method=words["lobe_method"],
        evidence=tuple(words["evidence"]),
        source=words["source"],
        hila_mm={side: tuple(point) for side, point in words["hila_mm"].items()},
        fissures=tuple(Fissure(**_tuples(fissure)) for fissure in words["fissures"]),
        conditions=tuple(Condition(**_tuples(condition)) for condition in words["conditions"]),
        lobe_second=_optional(arrays, "lobe_second", lungs),
        airways=_optional(arrays, "airways", lungs),
        vessels=_optional(arrays, "vessels", lungs),
        pleura=_optional(arrays, "pleura", lungs),
        airway_tree=_tree(arrays, "airway_tree"),
        vessel_tree=_tree(arrays, "vessel_tree"),
    )


def settled(anatomy: Anatomy) -> Anatomy:
    """Return the anatomy as the file keeps it: what is measured on both is then the same."""
    inside = anatomy.lungs.array > 0
    depth = _steps(anatomy.depth_mm.array[inside], STEPS_PER_MM, np.uint16)
    confidence = _steps(anatomy.lobe_confidence.array[inside], STEPS_OF_CONFIDENCE, np.uint8)
    return replace(
        anatomy,
        depth_mm=anatomy.lungs.with_array(_spread(inside, depth, STEPS_PER_MM)),
        lobe_confidence=anatomy.lungs.with_array(_spread(inside, confidence, STEPS_OF_CONFIDENCE)),
    )


def _optional(arrays: dict[str, NDArray[Any]], name: str, lungs: Volume) -> Volume | None:
    return lungs.with_array(arrays[name]) if name in arrays else None


def _tree(arrays: dict[str, NDArray[Any]], name: str) -> BranchTree:
    return BranchTree(**{f.name: arrays[f"{name}.{f.name}"] for f in fields(BranchTree)})


def _steps(values: NDArray[np.float32], per_unit: float, dtype: Any) -> NDArray[Any]:
    top = np.iinfo(dtype).max
    steps: NDArray[Any] = np.clip(np.rint(values * np.float32(per_unit)), 0, top).astype(dtype)
    return steps


def _spread(inside: NDArray[np.bool_], steps: NDArray[Any], per_unit: float) -> NDArray[np.float32]:
    values = np.zeros(inside.shape, dtype=np.float32)
    values[inside] = steps.astype(np.float32) / np.float32(per_unit)
    return values


def _tuples(words: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in words.items()}
