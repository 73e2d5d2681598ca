"""Which lesions are removed where lung function does not bear the removal of all.

Every lesion counts the same, so for each number of lesions the specimens that take the least tissue in all
are the ones to remove: a knapsack with unit values, solved exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from clearlung.anatomy import SIDES, Side
from clearlung.staging.budget import Allowance, Budget
from clearlung.staging.items import LESIONS, MINUTES, ML, THOUSAND, Items, Weights


@dataclass(frozen=True, eq=False)
class Choice:
    """The least tissue for every number of lesions, of the lungs that are operated on.

    Tissue is what counts for good of one measure of function: of segments and lobes, less than all. The last
    ``perfused`` operations on each lung are perfused.
    """

    lungs: dict[Side, Items]
    budget: Allowance
    perfused: Mapping[Side, int]

    @cached_property
    def _weight(self) -> Weights:
        """Lesions, minutes and ml of all specimens, the right lung's first."""
        weight = np.concatenate([self.lungs[side].weight[:, : ML + 1] for side in SIDES])
        weight[:, ML] -= (THOUSAND * self.budget.relief_ml[self._row]).astype(weight.dtype)
        return weight

    @cached_property
    def _row(self) -> NDArray[np.int64]:
        """Rows of all specimens in the problem, the right lung's first."""
        return np.concatenate([self.lungs[side].row for side in SIDES])

    @cached_property
    def _table(self) -> tuple[Weights, NDArray[np.bool_]]:
        """Least tissue for at least each number of lesions, and whether each specimen improved it."""
        counts, weights = self._weight[:, LESIONS].tolist(), self._weight[:, ML].tolist()
        least = np.full(self.lesions + 1, np.iinfo(np.int64).max // 4)
        least[0] = 0
        taken = np.zeros((len(counts), self.lesions + 1), dtype=bool)
        for i, (count, weight) in enumerate(zip(counts, weights, strict=True)):
            # "At least": a group of three also serves where one more lesion is wanted.
            source = np.maximum(np.arange(self.lesions + 1) - count, 0)
            with_it = least[source] + weight
            taken[i] = with_it < least
            least = np.where(taken[i], with_it, least)
        return least, taken

    @property
    def lesions(self) -> int:
        """Number of lesions in all specimens."""
        return int(self._weight[:, LESIONS].sum())

    def least_ml(self, lesions: int) -> float:
        """Least tissue that removes at least this many lesions."""
        return float(self._table[0][lesions]) / THOUSAND

    def least_minutes(self, lesions: int, most_ml: float) -> int:
        """Bound of the thousandths of a minute that remove this many lesions within this much tissue."""
        if not lesions:
            return 0
        weight = self._weight.astype(np.float64)
        # The integer knapsack's relaxation: a bound is all that is needed.
        result = linprog(
            weight[:, MINUTES],
            A_ub=np.stack([-weight[:, LESIONS], weight[:, ML]]),
            b_ub=[-lesions, most_ml * THOUSAND],
            bounds=(0, 1),
        )
        return int(np.ceil(result.fun * (1 - 1e-9) - 1e-3)) if result.status == 0 else 0

    def best(self, lesions: int) -> dict[Side, Items]:
        """Return the specimens that remove at least this many lesions with the least tissue."""
        counts, taken = self._weight[:, LESIONS], self._table[1]
        chosen = np.zeros(len(counts), dtype=bool)
        wanted = lesions
        for i in range(len(counts) - 1, -1, -1):
            if wanted > 0 and taken[i, wanted]:
                chosen[i] = True
                wanted = max(0, wanted - int(counts[i]))
        split = len(self.lungs["right"])
        return {
            "right": self.lungs["right"].subset(chosen[:split]),
            "left": self.lungs["left"].subset(chosen[split:]),
        }

    @cached_property
    def most(self) -> int:
        """Return how many lesions function could bear at most, with endless time to recover.

        The last operation takes at least the smallest specimen's tissue, and each lung that is operated on
        has at least one perfusion where the protocol perfuses. Nothing else is held against them, so no plan
        removes more.
        """
        most_ml = self.most_ml()
        return sum(self.least_ml(n) <= most_ml for n in range(1, self.lesions + 1))

    def most_ml(self) -> float:
        """Tissue that function could bear at most, with endless time to recover."""
        once = {side: min(self.perfused[side], 1) for side, items in self.lungs.items() if len(items)}
        # A segment or lobe leaves no bed: the last operation's early loss may be that of access alone.
        bedless = self.budget.bedless_ml[self._row].any()
        smallest = float(self._weight[:, ML].min()) / THOUSAND if self.lesions and not bedless else 0.0
        return self.budget.most_ml(smallest, self.budget.perfusions(once))


def choices(lungs: dict[Side, Items], budget: Budget, perfused: Mapping[Side, int]) -> list[Choice]:
    """Return the choices of operating on both lungs, and on one only: each spares the other's perfusion.

    Each choice goes by the measure of function that bears the fewest lesions.
    """
    nothing = {side: items.subset(np.zeros(len(items), dtype=bool)) for side, items in lungs.items()}
    ways = [lungs]
    if all(len(items) for items in lungs.values()):
        ways += [{**nothing, side: lungs[side]} for side in SIDES]
    return [
        min(
            (Choice(way, measure, perfused) for measure in budget.measures),
            key=lambda choice: choice.most,
        )
        for way in ways
    ]
