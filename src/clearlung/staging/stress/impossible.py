"""Why no plan of some specimens can hold as often as is asked, whatever reserve it has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import SIDES
from clearlung.staging.limits import LIMITS, NOISE
from clearlung.staging.plan import Plan
from clearlung.staging.problem import StagingProblem
from clearlung.staging.stress.describe import share_of
from clearlung.staging.stress.draws import Draws
from clearlung.staging.stress.record import Share
from clearlung.staging.stress.simulate import simulate
from clearlung.staging.stress.staged import Staged
from clearlung.staging.targets import perfused_share


def impossible(problem: StagingProblem, plan: Plan, draws: Draws, confidence: float) -> list[str]:
    """Return why no plan of these specimens can hold so often; empty where no bound says so."""
    rows = np.concatenate([*Staged.of(problem, plan).rows, np.empty(0, dtype=np.intp)]).astype(np.intp)
    doubling = problem.lesions.vdt_days
    # Shrinking lesions would need less than their specimens: the bounds do not hold for them.
    if not len(rows) or (doubling < 0).any():
        return []
    reasons = _specimens_too_large(problem, rows, draws, confidence)
    broken = _final_broken(problem, rows, draws)
    if broken.low > 1 - confidence:
        reasons.append(
            f"In {broken.share:.0%} of the scenarios FEV1 after recovery is under"
            f" {problem.protocol.function.ppo_fev1_percent_min:g} % even if nothing grew and nothing else"
            " were found: function.ppo_fev1_percent_min or what is removed would have to change."
        )
    return reasons


def _specimens_too_large(
    problem: StagingProblem, rows: NDArray[np.intp], draws: Draws, confidence: float
) -> list[str]:
    """Return the limits that one specimen breaks too often in an operation of its own."""
    specimens = problem.specimens
    draws = _least_found(draws)
    columns = (specimens.minutes, specimens.volume_ml, specimens.counts)
    largest = sorted({int(rows[np.argmax(column[rows])]) for column in columns})
    reasons: list[str] = []
    for row in largest:
        course = simulate(problem, Staged.alone(problem, [row]), draws)
        for limit in LIMITS.values():
            value, load = limit.bound(problem.protocol), limit.load(course)
            if value is None or load is None or limit.part != "per_operation":
                continue
            broken = share_of(limit.excess(load[0], value) > NOISE)
            if broken.low > 1 - confidence:
                reasons.append(
                    f"Specimen {int(specimens.id[row])} alone, in an operation of its own, breaks"
                    f" {limit.field} = {value:g} in {broken.share:.0%} of the scenarios."
                )
    return reasons


def _least_found(draws: Draws) -> Draws:
    """Return the same scenarios with nothing found of what is unseen: earlier operations may have."""
    found = draws.spreads["found_ratio"]
    if found.shape != "imagined":
        return draws
    return replace(draws, spreads={**draws.spreads, "found_ratio": found.muted()}, _made={})


def _perfused_lungs(problem: StagingProblem, rows: NDArray[np.intp]) -> float:
    """Return how many lungs' function is perfused at least in a plan that removes these specimens."""
    opened = [side for side in SIDES if (problem.specimens.side[rows] == side).any()]
    shares = {side: perfused_share(problem, side) for side in opened}
    if problem.perfusions is not None:
        return sum(shares[side] for side in opened if problem.perfusions[side])
    # Where fewer are allowed in all than for each lung, one may have had them all.
    each = problem.perfusions_per_lung
    lungs = min(len(opened), -(-problem.perfusions_in_all // each)) if each else 0
    return sum(sorted(shares.values())[:lungs])


def _final_broken(problem: StagingProblem, rows: NDArray[np.intp], draws: Draws) -> Share:
    """Return how often FEV1 after recovery is too low at the least that all plans lose."""
    model = problem.function
    lost = problem.loss(rows.tolist(), perfused=False).permanent
    lost += model.perfusion_permanent * _perfused_lungs(problem, rows)
    value = model.baseline_percent * (1.0 + sum(model.unrecovered) - lost)
    final = value + draws.patient("fev1_bias") + draws.patient("fev1_error")
    return share_of(np.maximum(final, 0.0) < problem.protocol.function.ppo_fev1_percent_min - NOISE)
