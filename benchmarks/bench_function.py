"""Fit the model of lung function to the published courses, and print it beside every published reading."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from benchmarks.function_series import READINGS, Reading, model_of
from clearlung.resection import MEASURES, FunctionModel, Measure, Recovery

# The two constants of time that a month of readings cannot tell apart from zero or from never.
_WEEKS = (0.5, 150.0)


def with_constants(measure: Measure, constants: NDArray[np.float64]) -> FunctionModel:
    """Return the model with the constants of :func:`fit`."""
    access, anatomical, perfusion, *times = constants.tolist()
    recovery = Recovery(*times) if measure == "fev1" else Recovery(1.0, times[0], times[0])
    return replace(
        model_of(measure),
        early_access=access / 100,
        anatomical_factor=anatomical,
        perfusion_permanent=perfusion / 100,
        recovery=recovery,
    )


def constants_of(model: FunctionModel) -> NDArray[np.float64]:
    """Return a model's constants: access (%), anatomical factor, perfusion (%), and those of recovery."""
    r = model.recovery
    times = (r.fast_share, r.fast_weeks, r.slow_weeks) if model.measure == "fev1" else (r.fast_weeks,)
    return np.array(
        [100 * model.early_access, model.anatomical_factor, 100 * model.perfusion_permanent, *times]
    )


def fit(measure: Measure, readings: tuple[Reading, ...] = READINGS) -> NDArray[np.float64]:
    """Return the constants that fit a measure's readings best.

    Least squares over the readings that are not marked as unfitted, each weighted by its patients.
    """
    used = [r for r in readings if r.measure == measure and not r.unfitted]
    published = np.array([r.published() for r in used])
    weight = np.sqrt([r.patients for r in used])

    def residuals(constants: NDArray[np.float64]) -> NDArray[np.float64]:
        model = with_constants(measure, constants)
        return weight * (np.array([r.predicted(model) for r in used]) - published)

    start, low, high = [25.0, 0.5, 9.0], [5.0, 0.05, 0.0], [50.0, 1.5, 25.0]
    if measure == "fev1":
        start, low, high = (
            [*start, 0.7, 3.0, 25.0],
            [*low, 0.05, _WEEKS[0], 8.0],
            [*high, 0.98, 8.0, _WEEKS[1]],
        )
    else:
        start, low, high = [*start, 10.0], [*low, _WEEKS[0]], [*high, _WEEKS[1]]
    return np.asarray(least_squares(residuals, start, bounds=(low, high), x_scale=start).x)


def run() -> None:
    """Print the tables."""
    for measure in MEASURES:
        model = model_of(measure)
        header = f"{measure.upper():26} months published  model residual"
        print(header + "\n" + "-" * len(header))
        for r in (r for r in READINGS if r.measure == measure):
            published, predicted = r.published(), r.predicted(model)
            note = f"  not fitted: {r.unfitted}" if r.unfitted else ""
            print(
                f"{r.name:26} {r.months:6.1f} {published:9.1f} {predicted:6.1f}"
                f" {predicted - published:+8.1f}{note}"
            )
        every = tuple(
            replace(r, unfitted="") for r in READINGS if "contradicts" in r.unfitted or not r.unfitted
        )
        for words, constants in (
            ("in the evidence", constants_of(model)),
            ("fitted now", fit(measure)),
            ("with what contradicts", fit(measure, every)),
        ):
            print(f"{words:22} " + " ".join(f"{value:7.3f}" for value in constants))
        print()


if __name__ == "__main__":
    run()
