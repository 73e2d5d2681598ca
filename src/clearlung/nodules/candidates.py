"""What a detector hands over, and the registry in which detectors are found by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Anatomy
from clearlung.ct import Scan
from clearlung.errors import FieldError


@dataclass(frozen=True, eq=False)
class Candidates:
    """Places that may be nodules, columnar.

    Parameters
    ----------
    indices
        float64, shape (n, 3): voxel indices (z, y, x) on the anatomy's box.
    diameter_mm
        float64, shape (n,): rough size, good to within a factor of about 1.5.
    probability
        float64, shape (n,), if the detector judges by itself; None leaves the judgment to the
        network.
    labels
        int32 on the anatomy's box, if the detector outlines by itself: the voxels of row i have i + 1, and
        0 is no nodule. Such outlines are kept as they are. None has every candidate outlined.
    warnings
        What a reader of the result must know about these candidates.
    """

    indices: NDArray[np.float64]
    diameter_mm: NDArray[np.float64]
    probability: NDArray[np.float64] | None = None
    labels: NDArray[np.int32] | None = None
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.diameter_mm)


Detector = Callable[[Scan, Anatomy, float], Candidates]
"""Takes the scan, its anatomy and the smallest diameter in mm that is asked for."""

_DETECTORS: dict[str, Detector] = {}


def register_detector(name: str) -> Callable[[Detector], Detector]:
    """Register a detector under a name, as a decorator.

    Parameters
    ----------
    name
        What :class:`NoduleOptions` and the command line call it.

    Returns
    -------
    callable
        The decorator; it returns the detector unchanged.

    Raises
    ------
    ValueError
        If the name is taken.

    Examples
    --------
    >>> @register_detector("nothing")
    ... def find_nothing(scan: Scan, anatomy: Anatomy, smallest_mm: float) -> Candidates:
    ...     return Candidates(np.empty((0, 3)), np.empty(0))
    >>> detector_names()
    ('blob', 'nothing')
    >>> del _DETECTORS["nothing"]
    """

    def register(detector: Detector) -> Detector:
        if name in _DETECTORS:
            raise ValueError(f"a detector named {name!r} is registered already")
        _DETECTORS[name] = detector
        return detector

    return register


def detector_names() -> tuple[str, ...]:
    """Return the names of all registered detectors, in alphabetical order."""
    return tuple(sorted(_DETECTORS))


def get_detector(name: str) -> Detector:
    """Return a registered detector.

    Parameters
    ----------
    name
        One of :func:`detector_names`.

    Returns
    -------
    Detector

    Raises
    ------
    FieldError
        If there is none of this name.
    """
    try:
        return _DETECTORS[name]
    except KeyError:
        known = ", ".join(detector_names())
        raise FieldError("detector", f"there is no detector {name!r}; known are {known}") from None
