"""How likely an outline is a nodule: a logistic score over its shape."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from clearlung.nodules.features import COLUMN
from clearlung.nodules.table import sphere_diameter_mm, sphere_volume_mm3

TERMS = (
    "log_diameter",
    "log_diameter_squared",
    "elongation",
    "flatness",
    "fullness",
    "inscribed",
    "neck",
    "pleura",
    "crowd",
    "log_tree",
    "contrast",
    "slices",
    "neck_times_log_diameter",
    "crowd_times_log_diameter",
)


@dataclass(frozen=True)
class Score:
    """Coefficients of the logistic score.

    Parameters
    ----------
    intercept
        Log odds of an outline whose terms are all at their means.
    terms
        For each of :data:`TERMS`: mean, standard deviation and weight.
    record
        What it was fitted on, in words.
    """

    intercept: float
    terms: dict[str, tuple[float, float, float]]
    record: str

    def probability(self, terms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability of each row of terms; shape (n,)."""
        table = np.array([self.terms[name] for name in TERMS])
        scaled = (terms - table[:, 0]) / table[:, 1]
        return np.asarray(expit(self.intercept + scaled @ table[:, 2]), dtype=np.float64)


@cache
def built_in_score() -> Score:
    """Return the score that ships with Clearlung."""
    raw = json.loads((files("clearlung.nodules") / "score.json").read_text(encoding="utf-8"))
    terms = {name: (float(m), float(s), float(w)) for name, (m, s, w) in raw["terms"].items()}
    return Score(float(raw["intercept"]), terms, str(raw["record"]))


def shape_terms(features: NDArray[np.float64], slice_spacing_mm: float) -> NDArray[np.float64]:
    """Turn rows of features into rows of terms.

    Parameters
    ----------
    features
        Shape (n, 21), columns as in :data:`clearlung.nodules.features.FEATURES`, of outlines that are not
        empty.
    slice_spacing_mm
        Largest spacing of the scan: what a diameter is worth depends on it.

    Returns
    -------
    array
        Shape (n, 14), columns as in :data:`TERMS`. All are pure numbers.
    """

    def column(name: str) -> NDArray[np.float64]:
        return features[:, COLUMN[name]]

    volume = column("volume_mm3")
    diameter = sphere_diameter_mm(volume)
    small, middle, large = _semi_axes(features)
    log_diameter = np.log(diameter)
    return np.column_stack(
        [
            log_diameter,
            log_diameter**2,
            np.log(large / middle),
            np.log(middle / small),
            volume / sphere_volume_mm3(2.0 * column("reach_mm")),
            2.0 * column("radius_mm") / diameter,
            column("neck"),
            column("pleura"),
            column("crowd"),
            np.log(np.maximum(column("tree"), 1.0)),
            (column("mean_hu") - column("background_hu")) / 1000.0,
            np.log(diameter / slice_spacing_mm),
            column("neck") * log_diameter,
            column("crowd") * log_diameter,
        ]
    )


def _semi_axes(features: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Spread along the three principal axes in mm, ascending."""
    spread = np.empty((len(features), 3, 3))
    for a, b, name in (
        (0, 0, "zz"),
        (1, 1, "yy"),
        (2, 2, "xx"),
        (0, 1, "zy"),
        (0, 2, "zx"),
        (1, 2, "yx"),
    ):
        spread[:, a, b] = spread[:, b, a] = features[:, COLUMN[name]]
    axes = np.sqrt(np.maximum(np.linalg.eigvalsh(spread), 0.01))
    return axes[:, 0], axes[:, 1], axes[:, 2]
