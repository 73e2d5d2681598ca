"""One perfusion from the first drop to hours after reconnection: the amounts in every compartment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clearlung.perfusion.circuit import ML_PER_L, Setup
from clearlung.perfusion.compartments import FloatArray, Run, run

EVERY_MIN = 0.25
"""How often amounts are noted until reconnection."""
# The peak in the body comes within seconds of reconnection.
_RECONNECTION_MIN = 2.0
_RECONNECTION_EVERY_MIN = 0.05
_FOLLOW_UP_EVERY_MIN = 1.0


@dataclass(frozen=True, eq=False)
class Simulation:
    """What :func:`simulate` found; arrays have the times first.

    Parameters
    ----------
    setup
        What was simulated.
    minutes
        Times from the start of the perfusion, shape (times,).
    amounts_mg
        Shape (times, compartments).
    areas_mg_min
        Integrals of the amounts from the start, shape (times, compartments).
    perfused, washed
        Index of the time at which perfusion and washout end.
    """

    setup: Setup
    minutes: FloatArray
    amounts_mg: FloatArray
    areas_mg_min: FloatArray
    perfused: int
    washed: int

    def perfusate_mg_per_l(self) -> FloatArray:
        """Return the level in the circuit, 0 once it is shut off, shape (times,)."""
        level = self.amounts_mg[:, self.setup.places.circuit] / self.setup.circuit_ml * ML_PER_L
        return np.where(np.arange(level.size) <= self.perfused, level, 0.0)

    def perfusate_auc_mg_min_per_l(self) -> float:
        """Return the area under the circuit's level until it is shut off."""
        area = self.areas_mg_min[self.perfused, self.setup.places.circuit]
        return float(area / self.setup.circuit_ml * ML_PER_L)

    def lung_mg_per_l(self) -> FloatArray:
        """Return free and bound drug per tissue without blood, shape (times, lobes)."""
        return self._in_lung(self.amounts_mg)

    def lung_auc_mg_min_per_l(self) -> FloatArray:
        """Return the area under each lobe's level, shape (lobes,)."""
        return np.asarray(self._in_lung(self.areas_mg_min)[-1])

    def free_in_lung_auc_mg_min_per_l(self) -> float:
        """Return the area under the free level in lung water, the mean of the lobes by their water."""
        free = self.areas_mg_min[-1, list(self.setup.places.water)].sum()
        return float(free / self.setup.water_ml.sum() * ML_PER_L)

    def systemic_mg_per_l(self) -> FloatArray:
        """Return the level in the body's first compartment, shape (times,)."""
        body = self.setup.kinetics.body.volume_l
        return np.asarray(self.amounts_mg[:, self.setup.places.body] / body)

    def systemic_auc_mg_min_per_l(self) -> float:
        """Return the area under the body's level."""
        return float(self.areas_mg_min[-1, self.setup.places.body] / self.setup.kinetics.body.volume_l)

    def nodules_mg_per_l(self) -> FloatArray:
        """Return the mean level in a nodule of each size, shape (times, sizes)."""
        return self.amounts_mg[:, list(self.setup.places.nodules)] / self.setup.nodule_ml * ML_PER_L

    def nodules_auc_mg_min_per_l(self) -> FloatArray:
        """Return the area under each nodule's level, shape (sizes,)."""
        return self.areas_mg_min[-1, list(self.setup.places.nodules)] / self.setup.nodule_ml * ML_PER_L

    def leaked_mg(self) -> FloatArray:
        """Return what has leaked into the body before reconnection, shape (times,)."""
        setup = self.setup
        areas = self.areas_mg_min[: self.washed + 1, list(setup.places.vessels)]
        leaked = areas @ (setup.leak_ml_per_min * setup.lobe_shares / setup.vessels_ml)
        return np.concatenate((leaked, np.full(self.minutes.size - leaked.size, leaked[-1])))

    def mass_balance_error(self) -> float:
        """Return the largest difference of all amounts from the dose at any time, as a share of it."""
        return float(np.abs(self.amounts_mg.sum(axis=1) / self.setup.dose_mg - 1).max())

    def _in_lung(self, held: FloatArray) -> FloatArray:
        places = self.setup.places
        both = held[:, list(places.water)] + held[:, list(places.bound)]
        return np.asarray(both / self.setup.tissue_ml * ML_PER_L)


def simulate(setup: Setup) -> Simulation:
    """Run a perfusion, its washout, the reconnection and the hours after it.

    The whole dose is in the circuit at the start. What the circuit holds when the perfusion ends is thrown
    away with it; the washout goes once through the lung.
    """
    start = np.zeros(setup.places.count)
    start[setup.places.circuit] = setup.dose_mg
    runs = [run(start, setup.perfusing(), setup.perfusion_minutes, EVERY_MIN)]
    if setup.washout_minutes > 0:
        runs.append(run(runs[-1].amounts_mg[-1], setup.washing_out(), setup.washout_minutes, EVERY_MIN))
    washed = sum(len(r.minutes) - 1 for r in runs)
    runs += after_reconnection(runs[-1].amounts_mg[-1], setup)
    minutes, amounts, areas = _joined(runs)
    return Simulation(setup, minutes, amounts, areas, perfused=len(runs[0].minutes) - 1, washed=washed)


def after_reconnection(start_mg: FloatArray, setup: Setup) -> list[Run]:
    """Run the first minutes after reconnection in fine steps, and the hours after them in coarse ones."""
    flows = setup.reconnected()
    runs = [run(start_mg, flows, _RECONNECTION_MIN, _RECONNECTION_EVERY_MIN)]
    rest = setup.follow_up_minutes - _RECONNECTION_MIN
    if rest > 0:
        runs.append(run(runs[0].amounts_mg[-1], flows, rest, _FOLLOW_UP_EVERY_MIN, coarse=True))
    return runs


def _joined(runs: list[Run]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the runs one after the other: a run's first time is the last of the run before."""
    minutes, amounts, areas = [runs[0].minutes], [runs[0].amounts_mg], [runs[0].areas_mg_min]
    for one in runs[1:]:
        minutes.append(minutes[-1][-1] + one.minutes[1:])
        amounts.append(one.amounts_mg[1:])
        areas.append(areas[-1][-1] + one.areas_mg_min[1:])
    return np.concatenate(minutes), np.concatenate(amounts), np.concatenate(areas)
