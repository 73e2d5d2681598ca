"""Several volumes under one series UID: phases, kernels, stacks.

Some scanners number a second reconstruction, another phase or another time point as the same series. Where
planes lie on top of each other and one property tells them apart completely, each value of it is a volume.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from clearlung.ct.checks import MIN_SAMPLES
from clearlung.ct.dicom_image import DicomImage
from clearlung.ct.header_text import brief

# Closer than any two reconstructions: the same place.
SAME_PLACE_MM = 0.01
# Planes whose rows and columns point further apart than this are of different stacks (some 3 degrees).
OTHER_ORIENTATION = 0.05
# Pixels that differ by more than this are of different reconstructions.
OTHER_PIXEL_MM = 0.005

_TRAITS: tuple[tuple[str, Callable[[DicomImage], object]], ...] = (
    ("stack", lambda image: image.stack),
    ("time point", lambda image: image.temporal),
    ("image type", lambda image: "\\".join(image.image_type)),
    ("kernel", lambda image: image.kernel),
    ("acquisition", lambda image: image.acquisition),
    ("number", lambda image: image.series_number),
)


def split_series(images: Sequence[DicomImage]) -> tuple[tuple[str, tuple[DicomImage, ...]], ...]:
    """Split a series into the volumes that it holds.

    Parameters
    ----------
    images
        The planes of one series.

    Returns
    -------
    tuple of (name, images)
        What tells the part from the others, e.g. ``"acquisition 2"``. One part with an empty name if the
        planes are of one volume, or if nothing tells them apart: that is judged, and refused, later.
    """
    if not is_mixed(images):
        return (("", tuple(images)),)
    for name, trait in _TRAITS:
        parts: dict[object, list[DicomImage]] = {}
        for image in images:
            parts.setdefault(trait(image), []).append(image)
        if len(parts) < 2 or min(map(len, parts.values())) < MIN_SAMPLES:
            continue
        split = tuple(
            (f"{name} {_shown(value)}{f', {further}' if further else ''}", group)
            for value, part in sorted(parts.items(), key=lambda item: _sortable(item[0]))
            for further, group in split_series(part)
        )
        if not any(is_mixed(group) for _, group in split):
            return split
    return (("", tuple(images)),)


def _shown(value: object) -> str:
    return brief(value) if isinstance(value, str) else str(value)


def _sortable(value: object) -> tuple[float, str]:
    return (float(value) if isinstance(value, int) else float("inf"), str(value))


def is_mixed(images: Sequence[DicomImage]) -> bool:
    """Whether planes lie on top of each other, or have different orientations or sizes."""
    places = np.array([image.along_normal_mm for image in images], dtype=np.float64)
    if np.isnan(places).any():
        return False
    orientations = np.array([image.orientation for image in images])
    pixels = np.array([image.pixel_spacing_mm or (0.0, 0.0) for image in images])
    return bool(
        (np.diff(np.sort(places)) < SAME_PLACE_MM).any()
        or np.abs(orientations - orientations[0]).max() > OTHER_ORIENTATION
        or np.abs(pixels - pixels[0]).max() > OTHER_PIXEL_MM
        or len({(image.stored.rows, image.stored.columns) for image in images}) > 1
    )
