"""A radiologist's list that tests plan from."""

from pathlib import Path

import numpy as np

LOBES = (
    ("right", "RUL", -1),
    ("right", "RML", -1),
    ("right", "RLL", -1),
    ("left", "LUL", 1),
    ("left", "LLL", 1),
)


def write_list(path: Path, nodules: int, *, seed: int = 0, places: bool = False) -> Path:
    """Write a list of nodules of 3 to 20 mm in all lobes; asymmetric, so that exchanged sides show."""
    rng = np.random.default_rng(seed)
    lines = ["id,side,lobe,diameter_mm,depth_mm" + (",x_mm,y_mm,z_mm" if places else "")]
    for number in range(1, nodules + 1):
        side, lobe, sign = LOBES[rng.choice(5, p=[0.25, 0.1, 0.3, 0.2, 0.15])]
        cells = [number, side, lobe, f"{rng.uniform(3, 12):.1f}", f"{rng.uniform(0, 30):.1f}"]
        if places:
            cells += [
                f"{sign * rng.uniform(30, 110):.1f}",
                f"{rng.uniform(-60, 60):.1f}",
                f"{rng.uniform(-120, 120):.1f}",
            ]
        lines.append(",".join(map(str, cells)))
    path.write_text("\n".join(lines) + "\n")
    return path
