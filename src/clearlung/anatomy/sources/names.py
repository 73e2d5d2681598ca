"""What other programs call the parts of the lungs: names, codes and label numbers, as plain tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from clearlung.anatomy.types import LOBE_LABELS, LUNG_LABELS, Side

Structure = Literal[
    "RUL", "RML", "RLL", "LUL", "LLL", "right_lung", "left_lung", "trachea", "airways", "vessels"
]
"""A part of the anatomy that a file can give."""

Group = Literal["lobes", "lungs", "trachea", "airways", "vessels"]
"""The label map that a structure belongs to."""


@dataclass(frozen=True)
class Known:
    """One structure under all its names.

    Parameters
    ----------
    group, label
        The label map that it is painted into, and its value there.
    side
        The patient's side, None for what has none.
    words
        Names as sets of words; order, case, "of", "the" and "structure" do not count.
    sct, srt
        SNOMED CT codes and older SNOMED-RT ids that mean this structure and no other.
    sct_sided, srt_sided
        Codes that mean it only together with a code for the side.
    """

    group: Group
    label: int
    side: Side | None
    words: tuple[str, ...]
    sct: tuple[str, ...] = ()
    srt: tuple[str, ...] = ()
    sct_sided: tuple[str, ...] = ()
    srt_sided: tuple[str, ...] = ()


# DICOM CID 6170 codes a lobe without its side (45653009, 90572001) and adds the side as a modifier;
# SNOMED CT and 3D Slicer also have one code for each lobe. TotalSegmentator's names are lung_upper_lobe_left
# and the like.
STRUCTURES: Mapping[Structure, Known] = {
    "RUL": Known(
        "lobes",
        LOBE_LABELS["RUL"],
        "right",
        ("right upper lobe", "right superior lobe", "rul"),
        ("42400003",),
        ("T-28200",),
        ("45653009",),
        ("T-28820",),
    ),
    "RML": Known(
        "lobes",
        LOBE_LABELS["RML"],
        "right",
        ("right middle lobe", "middle lobe", "rml"),
        ("72481006", "40020002"),
        ("T-28300", "T-28825"),
    ),
    "RLL": Known(
        "lobes",
        LOBE_LABELS["RLL"],
        "right",
        ("right lower lobe", "right inferior lobe", "rll"),
        ("266005",),
        ("T-28400",),
        ("90572001",),
        ("T-28830",),
    ),
    "LUL": Known(
        "lobes",
        LOBE_LABELS["LUL"],
        "left",
        ("left upper lobe", "left superior lobe", "lul"),
        ("44714003",),
        ("T-28600",),
        ("45653009",),
        ("T-28820",),
    ),
    "LLL": Known(
        "lobes",
        LOBE_LABELS["LLL"],
        "left",
        ("left lower lobe", "left inferior lobe", "lll"),
        ("41224006",),
        ("T-28700",),
        ("90572001",),
        ("T-28830",),
    ),
    "right_lung": Known(
        "lungs",
        LUNG_LABELS["right"],
        "right",
        ("right lung",),
        ("3341006",),
        ("T-28100",),
        ("39607008",),
        ("T-28000",),
    ),
    "left_lung": Known(
        "lungs",
        LUNG_LABELS["left"],
        "left",
        ("left lung",),
        ("44029006",),
        ("T-28500",),
        ("39607008",),
        ("T-28000",),
    ),
    "trachea": Known("trachea", 1, None, ("trachea",), ("44567001",), ("T-25000",)),
    "airways": Known(
        "airways",
        1,
        None,
        (
            "airways",
            "airway",
            "airway tree",
            "bronchi",
            "bronchus",
            "trachea and bronchi",
            "lung trachea bronchia",
        ),
        ("110726009", "955009"),
        ("T-26000",),
    ),
    "vessels": Known(
        "vessels", 1, None, ("lung vessels", "pulmonary vessels", "vessels of lung", "lung vessel")
    ),
}
"""Every structure that is understood."""

SIDE_CODES: Mapping[str, Side] = {
    "24028007": "right",
    "G-A100": "right",
    "7771000": "left",
    "G-A101": "left",
}
"""Codes for a side, as a modifier of another code."""

# A type that says only that something is a part of the body: what it is stands in its region or name.
VAGUE_CODES = frozenset({"85756007", "T-D0050", "123037004", "91723000", "T-D000A", ""})
_SCHEMES = {"SCT": "sct", "SRT": "srt", "SNM3": "srt", "99SDM": "srt", "2.16.840.1.113883.6.96": "sct"}
_FILLERS = frozenset({"of", "the", "structure", "and", "segmentation", "mask"})
_PLURALS = {"lobes": "lobe", "lungs": "lung"}


@dataclass(frozen=True)
class Code:
    """A coded term: scheme (SCT, SRT), value, and the words that came with it."""

    scheme: str = ""
    value: str = ""
    meaning: str = ""


@dataclass(frozen=True)
class Segment:
    """What a file says about one of its segments.

    Parameters
    ----------
    label
        Its name.
    type_code, type_modifier
        What it is, and the modifier of that: mostly the side.
    region, region_modifier
        Where it is.
    """

    label: str = ""
    type_code: Code = Code()
    type_modifier: Code = Code()
    region: Code = Code()
    region_modifier: Code = Code()


def structure_by_name(name: str) -> Structure | None:
    """Return the structure that a name means, None if it is none of those understood.

    The whole name must be understood: ``"nodule in right upper lobe"`` is no lobe.

    Examples
    --------
    >>> structure_by_name("lung_upper_lobe_left"), structure_by_name("Left Lung")
    ('LUL', 'left_lung')
    >>> structure_by_name("nodule, right upper lobe") is None
    True
    """
    return _BY_WORDS.get(_words(name))


def structure_of(segment: Segment) -> Structure | None:
    """Return the structure that a segment is, by its codes first and its name where they leave it open.

    Raises
    ------
    ValueError
        If codes and name contradict each other: one of them is wrong, and nobody can say which.
    """
    named = structure_by_name(segment.label)
    for code, modifier in (
        (segment.type_code, segment.type_modifier),
        (segment.region, segment.region_modifier),
    ):
        if code.value in VAGUE_CODES:
            continue
        meant = _by_code(code, modifier)
        if not meant:
            return None  # a nodule, the heart: where it lies does not make it a lobe
        return _agreed(segment, code, meant, named)
    return named


def _agreed(segment: Segment, code: Code, meant: set[Structure], named: Structure | None) -> Structure | None:
    """Return what code and name agree on."""
    if named in meant:
        return named
    if named is None:
        return next(iter(meant)) if len(meant) == 1 else None
    side = STRUCTURES[named].side
    if STRUCTURES[named].group == "lobes" and meant <= {f"{side}_lung"}:
        return named  # coded as the lung that the lobe is part of
    raise ValueError(
        f"the segment {segment.label!r} is coded {code.scheme} {code.value} ({code.meaning or 'no words'})"
    )


def _by_code(code: Code, modifier: Code) -> set[Structure]:
    """Structures that a code with a modifier can mean; empty if it means something else."""
    table = _SCHEMES.get(code.scheme.strip())
    if table is None:
        return set()
    side = SIDE_CODES.get(modifier.value)
    found: set[Structure] = set()
    for structure, known in STRUCTURES.items():
        if code.value in getattr(known, table):
            if side not in (None, known.side):
                raise ValueError(
                    f"the code {code.value} means the {known.side} side, and its modifier says {side}"
                )
            return {structure}
        if code.value in getattr(known, f"{table}_sided") and side in (None, known.side):
            found.add(structure)
    return found


def _words(name: str) -> frozenset[str]:
    words = {_PLURALS.get(word, word) for word in re.findall(r"[a-z0-9]+", name.lower())} - _FILLERS
    if words & {"lobe"}:
        words -= {"lung"}
    return frozenset(words)


_BY_WORDS: dict[frozenset[str], Structure] = {
    _words(name): structure for structure, known in STRUCTURES.items() for name in known.words
}
