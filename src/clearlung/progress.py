"""Progress: which phase is running, how long each took, how much memory the run held."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn


class Display(Protocol):
    """What shows the phases to a person."""

    def start(self, phase: str) -> None:
        """Show that a phase begins."""

    def finish(self, phase: str) -> None:
        """Show that a phase has ended."""


class Silent:
    """Shows nothing: for notebooks, tests and pipes."""

    def start(self, phase: str) -> None:
        """Do nothing."""

    def finish(self, phase: str) -> None:
        """Do nothing."""


class Bar:
    """A progress bar on the terminal, on standard error; silent where that is not a terminal."""

    def __init__(self, phases: int) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<24}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        self._task = self._bar.add_task("", total=phases)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def start(self, phase: str) -> None:
        """Name the phase."""
        self._bar.update(self._task, description=phase)

    def finish(self, phase: str) -> None:
        """Move on by one phase."""
        self._bar.advance(self._task)


@dataclass(frozen=True)
class PhaseTime:
    """What one phase cost."""

    phase: str
    seconds: float
    peak_mb: float


@dataclass
class Stopwatch:
    """Times phases and shows them."""

    display: Display = field(default_factory=Silent)
    times: list[PhaseTime] = field(default_factory=list)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time one phase."""
        self.display.start(name)
        began = time.perf_counter()
        yield
        self.times.append(PhaseTime(name, time.perf_counter() - began, peak_memory_mb()))
        self.display.finish(name)


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 if sys.platform != "darwin" else peak / 1024**2
