"""Amounts that flow between compartments: what leaves one enters another, so nothing is lost or made."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numba
import numpy as np
from numpy.typing import NDArray

from clearlung.errors import PerfusionError

FloatArray = NDArray[np.float64]

# Steps per time constant of the fastest compartment. RK4 is stable and positive below 2.78; at a quarter the
# error of one step is 1e-5 of a transient that is gone after a second.
_FINE = 0.25
# Once fast compartments follow slow ones, only stability bounds the step.
_COARSE = 1.5
# Compartments that empty within milliseconds are no lung; following them would take minutes.
_FASTEST_PER_MIN = 1e4


@dataclass
class Flows:
    """The flows of one phase, added one by one.

    A flow of ``rate`` takes ``rate * x / (1 + x / half_mg)`` mg per minute from a compartment that holds
    ``x`` mg, and gives the same to another: linear unless it saturates.
    """

    sources: list[int] = field(default_factory=list)
    sinks: list[int] = field(default_factory=list)
    rates_per_min: list[float] = field(default_factory=list)
    halves_mg: list[float] = field(default_factory=list)

    def add(self, source: int, sink: int, rate_per_min: float, half_mg: float = math.inf) -> None:
        """Add a flow from one compartment to another."""
        if rate_per_min > 0:
            self.sources.append(source)
            self.sinks.append(sink)
            self.rates_per_min.append(rate_per_min)
            self.halves_mg.append(half_mg)

    def exchange(self, a: int, b: int, clearance_ml_per_min: float, a_ml: float, b_ml: float) -> None:
        """Add a flow of fluid both ways between two well-stirred volumes."""
        self.add(a, b, clearance_ml_per_min / a_ml)
        self.add(b, a, clearance_ml_per_min / b_ml)

    def matrix(self, compartments: int) -> FloatArray:
        """Return the rates as a matrix, shape (compartments, compartments), 1/min, saturation left out.

        Its columns add up to zero: this is the law of conservation.
        """
        rates = np.zeros((compartments, compartments))
        np.add.at(rates, (self.sinks, self.sources), self.rates_per_min)
        np.add.at(rates, (self.sources, self.sources), [-rate for rate in self.rates_per_min])
        return rates

    def fastest_per_min(self) -> float:
        """Return the largest rate at which any compartment empties."""
        return float(np.bincount(self.sources, self.rates_per_min).max()) if self.sources else 0.0


@dataclass(frozen=True, eq=False)
class Run:
    """Amounts over one phase: mg, shape (times, compartments), and their integrals from its start, mg*min."""

    minutes: FloatArray
    amounts_mg: FloatArray
    areas_mg_min: FloatArray


def run(start_mg: FloatArray, flows: Flows, minutes: float, every_min: float, *, coarse: bool = False) -> Run:
    """Let amounts flow for some minutes.

    Classical Runge-Kutta with a fixed step below the fastest time constant. Every stage moves amounts from
    one compartment to another, so their sum stays what it was, to rounding.

    Parameters
    ----------
    start_mg
        Amounts at the start, shape (compartments,).
    flows
        What flows where.
    minutes
        Length of the phase; positive.
    every_min
        About how often amounts are noted.
    coarse
        Whether fast compartments already follow the slow ones, so that the step may be near the bound of
        stability.

    Raises
    ------
    PerfusionError
        If a compartment empties within milliseconds.
    """
    fastest = flows.fastest_per_min()
    if not fastest <= _FASTEST_PER_MIN:
        raise PerfusionError(
            "flow",
            f"a compartment would empty {fastest:.3g} times a minute, and at most {_FASTEST_PER_MIN:g} can be"
            " followed: look for a volume or half-time near 0, or a flow that is too large",
        )
    outputs = max(1, round(minutes / every_min))
    between = minutes / outputs
    steps = max(1, math.ceil(between * fastest / (_COARSE if coarse else _FINE)))
    amounts, areas = _integrate(
        np.ascontiguousarray(start_mg, dtype=np.float64),
        np.array(flows.sources, dtype=np.int64),
        np.array(flows.sinks, dtype=np.int64),
        np.array(flows.rates_per_min, dtype=np.float64),
        1 / np.array(flows.halves_mg, dtype=np.float64),
        between / steps,
        steps,
        outputs,
    )
    return Run(np.linspace(0.0, minutes, outputs + 1), amounts, areas)


@numba.njit(cache=True, nogil=True)
def _integrate(
    start: FloatArray,
    sources: NDArray[np.int64],
    sinks: NDArray[np.int64],
    rates: FloatArray,
    inverse_halves: FloatArray,
    step: float,
    steps: int,
    outputs: int,
) -> tuple[FloatArray, FloatArray]:
    n = start.size
    amounts = np.zeros((outputs + 1, n))
    areas = np.zeros((outputs + 1, n))
    now = start.copy()
    area = np.zeros(n)
    stage = np.empty(n)
    slope = np.empty(n)
    change = np.empty(n)
    swept = np.empty(n)
    amounts[0] = now
    for output in range(1, outputs + 1):
        for _ in range(steps):
            for i in range(n):
                stage[i] = now[i]
                change[i] = 0.0
                swept[i] = 0.0
            for k in range(4):
                weight = 1.0 if k == 0 or k == 3 else 2.0
                for i in range(n):
                    slope[i] = 0.0
                for e in range(rates.size):
                    held = stage[sources[e]]
                    moved = rates[e] * held / (1.0 + held * inverse_halves[e])
                    slope[sources[e]] -= moved
                    slope[sinks[e]] += moved
                reach = step if k == 2 else 0.5 * step
                for i in range(n):
                    swept[i] += weight * stage[i]
                    change[i] += weight * slope[i]
                    stage[i] = now[i] + reach * slope[i]
            for i in range(n):
                now[i] += step / 6.0 * change[i]
                area[i] += step / 6.0 * swept[i]
        amounts[output] = now
        areas[output] = area
    return amounts, areas
