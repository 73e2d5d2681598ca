"""`PluggedDetector`: a detector made elsewhere, and what a result must say about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from clearlung.anatomy import Anatomy
from clearlung.ct import Scan
from clearlung.nodules.candidates import Candidates


@dataclass(frozen=True)
class PluggedDetector:
    """A detector that is ready to run: call it as any :data:`~clearlung.nodules.Detector`.

    Parameters
    ----------
    find
        Takes the scan, its anatomy and the smallest diameter in mm.
    kind
        How it is plugged in: a key of :data:`DETECTOR_KINDS`.
    title
        What it is, in words that a report can print.
    license, source, trained_on
        What its maker says; "" where nothing is known.
    sha256
        Of the file or model; "" where there is none.
    """

    find: Callable[[Scan, Anatomy, float], Candidates]
    kind: str
    title: str
    license: str = ""
    source: str = ""
    trained_on: str = ""
    sha256: str = ""

    def __call__(self, scan: Scan, anatomy: Anatomy, smallest_mm: float) -> Candidates:
        """Find candidates; see :class:`~clearlung.nodules.Candidates`."""
        return self.find(scan, anatomy, smallest_mm)
