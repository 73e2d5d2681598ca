"""Label maps of bare numbers: which program's numbers they are, told by where they lie."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy.sources.names import STRUCTURES, Structure
from clearlung.anatomy.types import LOBES
from clearlung.ct import Volume
from clearlung.errors import AnatomyError

Meaning = Mapping[int, tuple[Structure, ...]]

# An upper lobe lies higher than the lobes below it, and further in front than the lower one.
HIGHER: tuple[tuple[Structure, Structure], ...] = (("RUL", "RLL"), ("RUL", "RML"), ("LUL", "LLL"))
FURTHER_IN_FRONT: tuple[tuple[Structure, Structure], ...] = (("RUL", "RLL"), ("RML", "RLL"), ("LUL", "LLL"))
# A map that shows fewer lobes fits more than one program's numbers by chance.
FEWEST_LOBES = 4
LARGEST_LABEL = 65535
# Upper, middle and lower third of the left and the right lung in the Chest Imaging Platform.
CIP_THIRDS = ((9, 10, 11), (12, 13, 14))


@dataclass(frozen=True)
class Convention:
    """One program's label numbers.

    Parameters
    ----------
    title
        Whose they are, in words.
    labels
        What each number means; one number may mean two things, a vessel and the lobe that it lies in.
    guessed
        Whether bare numbers may be recognized as these by where they lie; otherwise they must be named.
    """

    title: str
    labels: Meaning
    guessed: bool = True


def _of(**labels: int) -> Meaning:
    return {number: (structure,) for structure, number in labels.items()}  # type: ignore[misc]


def _chest_imaging_platform() -> Meaning:
    """Region + 256 * type: regions 2 to 8 are lungs and lobes, 9 to 14 thirds; type 2 airway, 3 vessel."""
    regions: dict[int, tuple[Structure, ...]] = {
        0: (),
        1: (),
        2: ("right_lung",),
        3: ("left_lung",),
        4: ("RUL",),
        5: ("RML",),
        6: ("RLL",),
        7: ("LUL",),
        8: ("LLL",),
        **dict.fromkeys(CIP_THIRDS[0], ("left_lung",)),
        **dict.fromkeys(CIP_THIRDS[1], ("right_lung",)),
    }
    kinds: dict[int, tuple[Structure, ...]] = {0: (), 2: ("airways",), 3: ("vessels",)}
    meaning = {
        256 * kind + region: where + what
        for kind, what in kinds.items()
        for region, where in regions.items()
        if kind or region
    }
    # An airway is no lung, whatever region it is filed under.
    return {number: ("airways",) if "airways" in what else what for number, what in meaning.items()}


CONVENTIONS: Mapping[str, Convention] = {
    "clearlung": Convention(
        "Clearlung's lobes.nii.gz: 1 RUL, 2 RML, 3 RLL, 4 LUL, 5 LLL", _of(RUL=1, RML=2, RLL=3, LUL=4, LLL=5)
    ),
    "lungs": Convention(
        "Clearlung's lungs.nii.gz and lungmask R231: 1 right lung, 2 left lung",
        _of(right_lung=1, left_lung=2),
    ),
    "lungmask": Convention(
        "lungmask LTRCLobes and LTRCLobes_R231: 1 LUL, 2 LLL, 3 RUL, 4 RML, 5 RLL",
        _of(LUL=1, LLL=2, RUL=3, RML=4, RLL=5),
    ),
    "totalsegmentator": Convention(
        "TotalSegmentator 2 and 3, task total: 10 LUL, 11 LLL, 12 RUL, 13 RML, 14 RLL, 16 trachea",
        _of(LUL=10, LLL=11, RUL=12, RML=13, RLL=14, trachea=16),
    ),
    "totalsegmentator-v1": Convention(
        "TotalSegmentator 1, or its --v1_order: 13 LUL, 14 LLL, 15 RUL, 16 RML, 17 RLL, 43 trachea",
        _of(LUL=13, LLL=14, RUL=15, RML=16, RLL=17, trachea=43),
    ),
    "totalsegmentator-lung-vessels": Convention(
        "TotalSegmentator, task lung_vessels: 1 vessels, 2 airways", _of(vessels=1, airways=2), guessed=False
    ),
    "luna16": Convention(
        "LUNA16 lung masks: 3 left lung, 4 right lung, 5 trachea", _of(left_lung=3, right_lung=4, trachea=5)
    ),
    "cip": Convention(
        "Chest Imaging Platform: 2 right lung, 3 left lung, 4 RUL, 5 RML, 6 RLL, 7 LUL, 8 LLL, 9 to 11 and "
        "12 to 14 the thirds of the left and right lung; +512 airway, +768 vessel",
        _chest_imaging_platform(),
    ),
}
"""Label numbers by the name that ``--anatomy-labels`` takes."""


@dataclass(frozen=True)
class Spot:
    """Where the voxels of one label lie: how many ml, and the LPS mm of their middle."""

    ml: float
    x_mm: float
    y_mm: float
    z_mm: float


def spots_of(volume: Volume) -> dict[int, Spot]:
    """Return size and middle of each label of a label map.

    Raises
    ------
    ValueError
        If the values are no label numbers.
    """
    array = volume.array
    check_labels(array)
    sums = np.zeros((int(array.max()) + 1, 4))
    for z, plane in enumerate(array):
        ys, xs = np.nonzero(plane)
        labels = plane[ys, xs].astype(np.int64)
        counts = np.bincount(labels, minlength=len(sums))
        sums[:, 0] += counts
        sums[:, 1] += z * counts
        sums[:, 2] += np.bincount(labels, ys, len(sums))
        sums[:, 3] += np.bincount(labels, xs, len(sums))
    present = np.flatnonzero(sums[:, 0])
    middles = volume.points_mm(sums[present, 1:] / sums[present, :1])
    return {
        int(label): Spot(float(sums[label, 0]) * volume.voxel_ml, *map(float, middle))
        for label, middle in zip(present, middles, strict=True)
    }


def check_labels(array: NDArray[Any]) -> None:
    """Refuse an array whose values are no label numbers.

    Raises
    ------
    ValueError
        If they are fractions, negative, or larger than :data:`LARGEST_LABEL`.
    """
    least, most = array.min(), array.max()
    if least < 0 or most > LARGEST_LABEL:
        raise ValueError(f"its values run from {least:g} to {most:g}, so it is no label map")
    if array.dtype.kind == "f" and not np.array_equal(array, np.rint(array)):
        raise ValueError("its values are not whole numbers, so it is no label map")


def structure_spots(spots: Mapping[int, Spot], meaning: Meaning) -> dict[Structure, Spot]:
    """Return size and middle of each structure of a label map with a known meaning."""
    parts: dict[Structure, list[Spot]] = {}
    for label, spot in spots.items():
        for structure in meaning.get(label, ()):
            parts.setdefault(structure, []).append(spot)
    return {structure: _merged(pieces) for structure, pieces in parts.items()}


def _merged(pieces: Iterable[Spot]) -> Spot:
    rows: NDArray[np.float64] = np.array([[p.ml, p.x_mm, p.y_mm, p.z_mm] for p in pieces])
    x, y, z = np.average(rows[:, 1:], axis=0, weights=rows[:, 0])
    return Spot(float(rows[:, 0].sum()), float(x), float(y), float(z))


def misplaced(spots: Mapping[Structure, Spot]) -> list[str]:
    """Return what speaks against structures lying where they do: sides, heights, front and back.

    Every right structure must lie to the right of every left one, the upper lobe above the middle and lower
    ones, and the upper and middle lobes in front of the lower one.
    """
    wrong = []
    right = [s for s in spots if STRUCTURES[s].side == "right"]
    left = [s for s in spots if STRUCTURES[s].side == "left"]
    if any(spots[r].x_mm >= spots[s].x_mm for r in right for s in left):
        wrong.append("right and left are exchanged")
    for upper, lower in HIGHER:
        if upper in spots and lower in spots and spots[upper].z_mm <= spots[lower].z_mm:
            wrong.append(f"the {upper} lies below the {lower}")
    return wrong


def back_to_front(spots: Mapping[Structure, Spot]) -> list[str]:
    """Return the lobes that should lie in front of another one and do not."""
    return [
        f"the {front} lies behind the {back}"
        for front, back in FURTHER_IN_FRONT
        if front in spots and back in spots and spots[front].y_mm >= spots[back].y_mm
    ]


def recognized(spots: Mapping[int, Spot], field: str) -> str:
    """Return the name of the convention that the numbers of a label map follow.

    Parameters
    ----------
    spots
        Size and middle of each label.
    field
        What to call the file in an error.

    Raises
    ------
    AnatomyError
        If none fits, or more than one does.
    """
    fitting, exchanged = [], []
    for name, convention in CONVENTIONS.items():
        found = structure_spots(spots, convention.labels)
        if not (convention.guessed and _complete(name, spots, found)):
            continue
        wrong = misplaced(found) + back_to_front(found)
        if not wrong:
            fitting.append(name)
        elif wrong == ["right and left are exchanged"]:
            exchanged.append(name)
    if len(fitting) > 1:
        whole = [name for name in fitting if set(spots) <= set(CONVENTIONS[name].labels)]
        fitting = whole or fitting
    if len(fitting) == 1:
        return fitting[0]
    numbers = ", ".join(map(str, sorted(spots)[:20]))
    if exchanged and not fitting:
        raise AnatomyError(
            field,
            f"the labels {numbers} fit {CONVENTIONS[exchanged[0]].title}, with right and left exchanged. "
            "Export it again with its orientation, or correct the labels.",
        )
    told = (
        f"fit more than one program's: {', '.join(fitting)}"
        if fitting
        else "are not recognized by where they lie"
    )
    raise AnatomyError(
        field, f"the labels {numbers} {told}. Say whose they are by --anatomy-labels NAME. {listing()}"
    )


def _complete(name: str, spots: Mapping[int, Spot], found: Mapping[Structure, Spot]) -> bool:
    """Whether enough of a convention is there for where it lies to prove it."""
    if name == "cip" and not _all_thirds(spots):
        return False
    lobes = sum(lobe in found for lobe in LOBES)
    if lobes:
        return lobes >= FEWEST_LOBES
    # Two numbers on the right sides prove little where there are others that they do not explain.
    explained = set(spots) <= set(CONVENTIONS[name].labels)
    return explained and {"right_lung", "left_lung"} <= set(found)


def _all_thirds(spots: Mapping[int, Spot]) -> bool:
    """Whether the thirds of a Chest Imaging Platform map lie above each other, if it has any.

    TotalSegmentator's lobes are among the same numbers.
    """
    if not set(spots) <= set(CONVENTIONS["cip"].labels):
        return False
    if not any(third in spots for lung in CIP_THIRDS for third in lung):
        return True
    heights = [[spots[third].z_mm for third in lung if third in spots] for lung in CIP_THIRDS]
    return all(len(lung) == 3 and lung[0] > lung[1] > lung[2] for lung in heights)


def listing() -> str:
    """Return the conventions by name, for a message or a help text."""
    return "Known are: " + "; ".join(f"{name} ({c.title})" for name, c in CONVENTIONS.items()) + "."


def named_convention(name: str) -> Convention:
    """Return a convention by its name.

    Raises
    ------
    AnatomyError
        If there is none of that name.
    """
    if name not in CONVENTIONS:
        raise AnatomyError("--anatomy-labels", f"there is no convention {name!r}. {listing()}")
    return CONVENTIONS[name]
