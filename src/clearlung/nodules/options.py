"""Options of finding nodules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from clearlung.errors import FieldError
from clearlung.evidence import load_evidence
from clearlung.nodules.candidates import detector_names
from clearlung.nodules.detectors import DetectorSource, PluggedDetector, resolve_detector
from clearlung.nodules.network import LEAST_DIAMETER_MM, built_in_card


def _assumed(key: str, unit: str) -> Callable[[], float]:
    return lambda: load_evidence().value(key, unit=unit)


@dataclass(frozen=True)
class NoduleOptions:
    """How nodules are looked for.

    Parameters
    ----------
    detector
        Name of a registered detector, or one that is plugged in.
    smallest_mm
        Smallest diameter that is reported. On slices thicker than this, what is smaller than a slice
        cannot be told from a vessel and is mostly missed.
    false_per_scan
        The operating point: how many false findings a scan may have on average, measured on the scans that
        calibrated the network. By default the evidence's.
    least_probability
        Findings below this probability are left out, whatever ``false_per_scan`` says. None leaves it to
        the operating point.
    calcified_hu
        A voxel of at least this counts as calcified; by default the evidence's threshold.

    Raises
    ------
    FieldError
        If a value is impossible.

    Examples
    --------
    >>> NoduleOptions(false_per_scan=0.5).threshold > NoduleOptions(false_per_scan=4.0).threshold
    True
    >>> NoduleOptions(least_probability=0.25).threshold
    0.25
    """

    detector: str | DetectorSource = "blob"
    smallest_mm: float = LEAST_DIAMETER_MM
    false_per_scan: float = field(default_factory=_assumed("protocol.nodules.false_per_scan", "1"))
    least_probability: float | None = None
    calcified_hu: float = field(default_factory=_assumed("nodule.calcified_hu", "HU"))

    def __post_init__(self) -> None:
        if not 0.5 <= self.smallest_mm <= 30.0:
            raise FieldError("smallest_mm", f"must be 0.5 to 30 mm, and is {self.smallest_mm}")
        if not 0.0 < self.false_per_scan <= 1000.0:
            raise FieldError("false_per_scan", f"must be above 0, at most 1000, and is {self.false_per_scan}")
        if self.least_probability is not None and not 0.0 <= self.least_probability <= 1.0:
            raise FieldError("least_probability", f"must be 0 to 1, and is {self.least_probability}")

    def record(self) -> dict[str, Any]:
        """Return the options as plain data; a detector from a file by what it is, not where."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        if not isinstance(self.detector, str):
            plain["detector"] = self.detector.name or f"{self.detector.kind} from a file"
        return plain

    def resolved(self) -> PluggedDetector:
        """Return the detector, ready to run.

        Raises
        ------
        FieldError
            If it is not registered, or its file or folder cannot be used.
        """
        if isinstance(self.detector, str):
            return resolve_detector(DetectorSource(name=self.detector))
        return resolve_detector(self.detector)

    @property
    def threshold(self) -> float:
        """The least probability of a finding that the network has judged."""
        if self.least_probability is not None:
            return self.least_probability
        return built_in_card().probability_at(self.false_per_scan)


def planned_from(false_per_scan: float, detector: str = "blob") -> float:
    """Return the probability from which on findings are planned.

    Parameters
    ----------
    false_per_scan
        The operating point.
    detector
        Whose findings they are, as :meth:`NoduleOptions.record` has it. What a plugged-in detector hands
        over is planned whole: its probabilities are not those that the operating point is measured on.

    Examples
    --------
    >>> planned_from(2.0, "boxes from a file")
    0.0
    """
    if detector not in detector_names():
        return 0.0
    return built_in_card().probability_at(false_per_scan)
