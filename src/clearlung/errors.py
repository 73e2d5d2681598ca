"""The errors that Clearlung raises on purpose, one small tree.

Each message names the offending value and what to do about it. ``exit_code`` is what the command line
returns; the codes are documented in ``docs/guide.md``.
"""

from __future__ import annotations

from collections.abc import Sequence


class ClearlungError(Exception):
    """Base of every error that Clearlung raises on purpose."""

    exit_code = 1


class ScanRejected(ClearlungError):
    """A scan that must not be planned on.

    Parameters
    ----------
    code
        Short, stable reason, e.g. ``"missing_slices"``; see :data:`clearlung.ct.REJECTION_CODES`.
    where
        What in the input gave rise to it: a file name, a header field, a slice position.
    message
        What is wrong and what to do, in one or two sentences.
    """

    exit_code = 3

    def __init__(self, code: str, where: str, message: str) -> None:
        super().__init__(f"{message} [{code}: {where}]")
        self.code = code
        self.where = where


class FieldError(ClearlungError):
    """A value in a configuration or table that cannot be used.

    Parameters
    ----------
    field
        Dotted name of the field, e.g. ``"per_operation.nodules_max"``.
    message
        What is wrong with it and what is accepted.
    """

    exit_code = 4

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class ProtocolError(FieldError):
    """An unknown key, a wrong unit or an impossible value in a protocol."""


class CaseError(FieldError):
    """An unknown key or an impossible value in a case file."""


class ProblemError(FieldError):
    """A staging problem that cannot be used; ``field`` is its place in the JSON: ``specimens[3].lesions``."""


class NoduleListError(FieldError):
    """A radiologist's list of nodules that cannot be read; ``field`` is ``line N, column``."""


class AnatomyError(FieldError):
    """Anatomy made elsewhere that cannot be used; ``field`` is the file, the segment or the option."""


class DetectorError(FieldError):
    """A detector made elsewhere that cannot be used; ``field`` is the file, its entry or the option."""


class ReviewError(FieldError):
    """A review action that cannot be done; ``field`` is the nodule, the point, the action or the option."""


class ReviewDependence(ReviewError):
    """An action that cannot be undone, or done, because others rest on what it would change.

    Parameters
    ----------
    field
        The action.
    message
        What stands in the way and what to do.
    dependents
        Numbers of the actions that stand in the way.
    """

    def __init__(self, field: str, message: str, dependents: Sequence[int]) -> None:
        super().__init__(field, message)
        self.dependents = tuple(dependents)


class PerfusionError(FieldError):
    """A perfusion that cannot be done as asked; ``field`` is the target, the dose or the limit."""


class PerfusionRefused(PerfusionError):
    """A perfusion above the maxima that its protocol sets.

    Parameters
    ----------
    stops
        One sentence for each maximum that is exceeded: value, maximum, reason, source.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        super().__init__("perfusion", "is refused: " + " ".join(stops))
        self.stops = tuple(stops)


class EvidenceError(FieldError):
    """An evidence entry that is missing, malformed or asked for in the wrong unit."""


class InfeasiblePlan(ClearlungError):
    """No plan satisfies the limits.

    Parameters
    ----------
    reasons
        One sentence for each limit that excludes a plan, with the change that would allow one.
    """

    exit_code = 5

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("No plan satisfies the limits: " + " ".join(reasons))
        self.reasons = tuple(reasons)


class CaseConflict(ClearlungError):
    """Two records of the same case contradict each other."""

    exit_code = 6


class OutputError(ClearlungError):
    """The output cannot be written, or would overwrite something."""

    exit_code = 7
