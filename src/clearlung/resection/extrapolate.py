"""Where a course of operations goes beyond every series that lung function was measured in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from clearlung.anatomy import SIDES, Side
from clearlung.evidence import EvidenceBook
from clearlung.resection.history import EarlierResection

EXTRAPOLATION_EVIDENCE = ("function.specimens_studied", "function.removed_studied")
"""Ids of the entries that say how far the series go."""

# No series read function after more operations on one lung, planned as a course.
_OPERATIONS_STUDIED = 2


@dataclass(frozen=True)
class CourseStep:
    """One operation of a course, as far as it matters here."""

    side: Side
    specimens: int
    bedded_ml: float
    perfused: bool


def extrapolations(
    steps: Sequence[CourseStep],
    lung_ml: float,
    book: EvidenceBook,
    earlier: Sequence[EarlierResection] = (),
) -> tuple[str, ...]:
    """Return sentences on where a course exceeds what has been studied; none where it does not.

    Parameters
    ----------
    steps
        The operations.
    lung_ml
        Volume of both lungs.
    book
        The evidence.
    earlier
        What was done before.
    """
    found: list[str] = []
    most = max((step.specimens for step in steps), default=0)
    if most > book.value("function.specimens_studied", unit="1"):
        found.append(
            f"No study exists of dozens of specimens in one operation; here there are up to {most}."
            " The course of lung function extrapolates."
        )
    share = 100 * sum(step.bedded_ml for step in steps) / lung_ml
    studied = book.value("function.removed_studied", unit="%")
    if share > studied:
        found.append(
            f"Wedges and enucleations take {share:.1f} % of the lungs in all; the series that lung function"
            f" is predicted from took about {studied:g} % at most."
        )
    # The specimens of one side and week were one operation; without a date, each side's are.
    before = {(e.side, e.weeks_ago) for e in earlier}
    counts = Counter(step.side for step in steps) + Counter(side for side, _ in before)
    often = [side for side in SIDES if counts[side] > _OPERATIONS_STUDIED]
    if often:
        words = " and ".join(f"{counts[side]} on the {side} lung" for side in often)
        found.append(f"Nobody has measured lung function over so many operations: {words}.")
    perfused = {step.side for step in steps if step.perfused} | {e.side for e in earlier if e.perfused}
    if len(perfused) > 1:
        found.append(
            "Both lungs are perfused: the loss by a perfusion was measured after that of one lung, and is"
            " counted twice."
        )
    return tuple(found)
