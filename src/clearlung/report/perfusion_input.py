"""What the pages about perfusions are written from."""

from __future__ import annotations

from dataclasses import dataclass

from clearlung.anatomy import Lobe, Side
from clearlung.evidence import Evidence, EvidenceBook
from clearlung.perfusion import (
    Course,
    Interval,
    LungVolumes,
    Maxima,
    PerfusionHarm,
    Regimen,
    Sensitivity,
    Target,
)
from clearlung.staging import UnseenPerfused


@dataclass(frozen=True)
class SizeEffect:
    """What is to be expected of metastases of one size.

    Parameters
    ----------
    diameter_mm
        The size.
    sterilized
        Chance that no cell is left that can regrow one, 0 to 1, over imagined patients.
    expected
        Its mean.
    """

    diameter_mm: float
    sterilized: Interval
    expected: float


@dataclass(frozen=True, eq=False)
class PerfusionSheet:
    """One perfusion, for the page that goes to the perfusionist.

    Parameters
    ----------
    regimen, target
        What is given, and to what.
    lungs
        The patient's volumes, or published ones.
    course
        Of the drug.
    effects
        On metastases by size.
    harm
        Edema, death, lung function.
    maxima
        What it must not exceed.
    book
        The evidence, with the protocol's own assumptions.
    warnings
        What its reader must know.
    unseen
        What the CT does not show in what is perfused; None where no nodule is known.
    operation, week
        Of the plan; None where the perfusion is no plan's.
    """

    regimen: Regimen
    target: Target
    lungs: LungVolumes
    course: Course
    effects: tuple[SizeEffect, ...]
    harm: PerfusionHarm
    maxima: Maxima
    book: EvidenceBook
    warnings: tuple[str, ...] = ()
    unseen: UnseenPerfused | None = None
    operation: int | None = None
    week: int | None = None

    @property
    def side(self) -> Side:
        """The lung."""
        return self.target.side

    @property
    def lobes(self) -> tuple[Lobe, ...]:
        """Those of the target that are there."""
        return tuple(one.lobe for one in self.lungs.of(self.target))

    @property
    def entries(self) -> tuple[Evidence, ...]:
        """The numbers that the regimen, the course and the risks rest on."""
        keys = (*self.regimen.evidence, *self.course.evidence, *self.harm.evidence)
        return tuple(self.book[key] for key in dict.fromkeys(keys))


@dataclass(frozen=True)
class Moved:
    """An outcome of a plan, and how far each assumption moves it.

    Parameters
    ----------
    title
        The outcome.
    expected
        Its mean over imagined patients.
    sensitivities
        The widest swing first.
    left_out
        How many more were moved that move it by no more than chance does.
    """

    title: str
    expected: float
    sensitivities: tuple[Sensitivity, ...]
    left_out: int = 0


@dataclass(frozen=True, eq=False)
class PerfusionPages:
    """What a plan's report says of its perfusions beside the plan itself.

    Parameters
    ----------
    sheets
        One for each perfusion of a lung, in the order of the operations.
    moved
        Which assumptions matter most.
    worth
        The weights of harm: judgments, not facts.
    words
        What a reader must know of the estimate.
    """

    sheets: tuple[PerfusionSheet, ...] = ()
    moved: tuple[Moved, ...] = ()
    worth: tuple[Evidence, ...] = ()
    words: tuple[str, ...] = ()
