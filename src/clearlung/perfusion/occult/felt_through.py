"""Operations as the unseen metastases meet them: which are found in each lobe, and which are left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Lobe
from clearlung.perfusion.occult.findings import Findings
from clearlung.perfusion.occult.law import SizeAxis
from clearlung.perfusion.occult.palpation import Palpation

FloatArray = NDArray[np.float64]

_NEVER = 1e-300


@dataclass(frozen=True, eq=False)
class FeltThrough:
    """What operations make of unseen metastases, for imagined patients.

    Parameters
    ----------
    expected
        Shape (n, lobes): how many are found by all operations in a lobe, per metastasis that the lobe has.
    log_sizes
        Shape (n,): log likelihood of the sizes and of the distribution over the operations of what was
        found, apart from the numbers of metastases in the lobes.
    left
        For each lobe, shape (n, k) or (1, 1): chance that each size was left.
    found
        Shape (lobes,): how many were found.
    """

    expected: FloatArray
    log_sizes: FloatArray
    left: list[FloatArray]
    found: FloatArray


def feel_through(
    operations: Sequence[Findings],
    lobes: Sequence[Lobe],
    hidden: FloatArray,
    growth_per_day: FloatArray,
    half_mm: FloatArray,
    axis: SizeAxis,
    palpation: Palpation,
) -> FeltThrough:
    """Follow unseen metastases through operations.

    Given a patient's parameters, the metastases of each lobe and size are Poisson distributed, and so are
    those that each operation finds and those that are left, independently of each other: a thinned Poisson
    process.

    Parameters
    ----------
    operations
        In their order.
    lobes
        The lobes that there are.
    hidden
        Shape (n, k): share of all metastases that are of a size and not shown by the CT.
    growth_per_day, half_mm
        Shape (n,): how fast they grow, and of what diameter the hand finds one in two.
    axis, palpation
        Sizes, and the hand.
    """
    count = len(hidden)
    expected = np.zeros((count, len(lobes)))
    logs = np.zeros(count)
    left = [np.ones((1, 1)) for _ in lobes]
    found = np.zeros(len(lobes))
    for operation in operations:
        larger = np.exp(growth_per_day * operation.day / 3)
        chance = palpation.chance(axis.diameters_mm * larger[:, None], half_mm[:, None])
        for column, lobe in enumerate(lobes):
            if lobe not in operation.found:
                continue
            each = hidden * left[column] * chance
            total = each.sum(axis=1)
            sizes = np.asarray(operation.diameters_mm.get(lobe, ()), dtype=np.float64)
            expected[:, column] += total
            logs += (operation.found[lobe] - len(sizes)) * np.log(total + _NEVER)
            for size in sizes:
                logs += np.log(each[np.arange(count), axis.bins(size / larger)] + _NEVER)
            found[column] += operation.found[lobe]
            left[column] = left[column] * (1 - chance)
    return FeltThrough(expected, logs, left, found)
