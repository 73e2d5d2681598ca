"""Which series of a folder is read: the thinnest that suits, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from clearlung.ct.checks import check_grid, check_slices
from clearlung.ct.dicom_headers import FolderContents, SeriesInfo, series_of
from clearlung.ct.dicom_image import DicomImage
from clearlung.ct.dicom_stack import Stack, check_stack
from clearlung.ct.kernel import is_sharp
from clearlung.errors import ScanRejected
from clearlung.evidence import load_evidence

# Differences of slice thickness below this are those of a header, not of what can be seen.
THICKNESS_DIGITS = 1
# The cosine of 45 degrees: slices that lean more from across the body are sagittal or coronal.
AXIAL_COSINE = 0.7
# A stack that shows this part of what the largest shows lacks no lung, but a slice or two at its ends.
NEARLY_WHOLE = 0.9
# Series in a message; the list command shows all.
MAX_LISTED = 6


@dataclass(frozen=True, eq=False)
class Candidate:
    """A series that can be read.

    Parameters
    ----------
    info
        As lists show it.
    stack
        Its planes on their grid.
    thickness_mm
        The thickest slice that its headers state; None if they state none.
    warnings
        About its slices.
    """

    info: SeriesInfo
    stack: Stack
    thickness_mm: float | None
    warnings: tuple[str, ...]

    @property
    def worst_mm(self) -> float:
        """Slice thickness or distance, whichever is coarser."""
        return max(float(self.stack.grid.spacing_mm.max()), self.thickness_mm or 0.0)

    @property
    def extents_mm(self) -> tuple[float, float]:
        """Height along the body, and width or depth across it, whichever is less."""
        grid = self.stack.grid
        along_xyz = np.abs(grid.affine[:3, :3]) @ np.asarray(grid.shape)
        return float(along_xyz[2]), float(min(along_xyz[:2]))

    @property
    def is_reformatted(self) -> bool:
        """Whether it was computed from other images, or is not stacked along the body."""
        normal = self.stack.grid.affine[:3, 0] / self.stack.grid.spacing_mm[0]
        return self.stack.present[0].is_reformatted or abs(float(normal[2])) < AXIAL_COSINE


def name_of(info: SeriesInfo) -> str:
    """Return what messages call a series."""
    number = "series without number" if info.number is None else f"series {info.number}"
    return f"{number} ({info.part})" if info.part else number


def choose(
    contents: FolderContents, series: str | None, *, allow_thick: bool
) -> tuple[Candidate, tuple[str, ...]]:
    """Return the series asked for, or the thinnest that suits.

    Parameters
    ----------
    contents
        What the folder holds; at least one CT image.
    series
        UID, number or place in the list of the series to read; None for the thinnest.
    allow_thick
        Whether slices above 5 mm suit.

    Returns
    -------
    candidate, warnings
        The series, and which it is of how many and why, where there was a choice.

    Raises
    ------
    ScanRejected
        ``series_not_found`` or ``mixed_series``; if no series suits, the reason of the largest.
    """
    listed = [(info, images) for info, images in series_of(contents) if info.is_ct]
    _check_one_patient(listed)
    if series is not None:
        chosen = _asked_for(listed, series.strip())
        return _judge(*chosen, allow_thick=allow_thick), ()
    suiting: list[Candidate] = []
    refused: list[tuple[SeriesInfo, ScanRejected]] = []
    for info, images in listed:
        try:
            suiting.append(_judge(info, images, allow_thick=allow_thick))
        except ScanRejected as rejected:
            refused.append((info, rejected))
    if not suiting:
        raise max(refused, key=lambda pair: pair[0].slices)[1]
    _check_one_day(suiting)
    return _thinnest(suiting, refused)


def _check_one_patient(listed: Sequence[tuple[SeriesInfo, tuple[DicomImage, ...]]]) -> None:
    patients = {image.patient for _, images in listed for image in images} - {None}
    if len(patients) > 1:
        raise ScanRejected(
            "mixed_series",
            "PatientID",
            f"The folder holds CT images of {len(patients)} patients. Give the folder of one.",
        )


def _check_one_day(suiting: Sequence[Candidate]) -> None:
    days = {candidate.stack.present[0].day for candidate in suiting} - {None}
    if len(days) > 1:
        raise ScanRejected(
            "mixed_series",
            f"{len(days)} days",
            "CT series of several days suit, and a plan is made from one of them. Give the folder of one "
            f"day's study, or choose by number, UID or place in this list (--series): "
            f"{_list(candidate.info for candidate in suiting)}.",
        )


def _asked_for(
    listed: Sequence[tuple[SeriesInfo, tuple[DicomImage, ...]]], series: str
) -> tuple[SeriesInfo, tuple[DicomImage, ...]]:
    for matches in (
        [pair for pair in listed if pair[0].uid == series],
        [pair for pair in listed if pair[0].number is not None and str(pair[0].number) == series],
        [pair for pair in listed if str(pair[0].place) == series],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            _refuse_ambiguous([info for info, _ in matches])
    raise ScanRejected(
        "series_not_found",
        "the series asked for",
        "No CT series has this number, UID or place in the list. There are: "
        f"{_list(info for info, _ in listed)}.",
    )


def _refuse_ambiguous(infos: Sequence[SeriesInfo]) -> NoReturn:
    raise ScanRejected(
        "mixed_series",
        f"{len(infos)} series",
        "Several CT series are called so; choose one by its UID or its place in this list (--series): "
        f"{_list(infos)}.",
    )


def _judge(info: SeriesInfo, images: tuple[DicomImage, ...], *, allow_thick: bool) -> Candidate:
    """Refuse a series by its headers unless it can be read as a volume."""
    where = name_of(info)
    stack = check_stack(images, where)
    check_grid(stack.grid, where)
    thickness = max((image.thickness_mm or 0.0 for image in stack.present), default=0.0) or None
    coarsest = float(stack.grid.spacing_mm.max())
    warnings = check_slices(coarsest, thickness, allow_thick=allow_thick, where=where)
    return Candidate(info, stack, thickness, warnings)


def _thinnest(
    suiting: Sequence[Candidate], refused: Sequence[tuple[SeriesInfo, ScanRejected]]
) -> tuple[Candidate, tuple[str, ...]]:
    """Return the best candidate and why."""
    enough = load_evidence().value("scan.lungs_extent", unit="mm")
    needed = [min(enough, NEARLY_WHOLE * max(c.extents_mm[axis] for c in suiting)) for axis in (0, 1)]

    def merits(candidate: Candidate) -> tuple[tuple[float, str], ...]:
        height, width = candidate.extents_mm
        return (
            (height < needed[0] or width < needed[1], "it shows the lungs whole"),
            (candidate.is_reformatted, "it is original, not reformatted"),
            (round(candidate.worst_mm, THICKNESS_DIGITS), "its slices are the thinnest"),
            (round(candidate.stack.grid.spacing_mm[0], THICKNESS_DIGITS), "its slices lie closest together"),
            (
                is_sharp(candidate.info.kernel),
                "of those as thin its kernel is not one that sharpens, and distorts, edges",
            ),
            (-round(height), "of those as thin it shows most of the body"),
            (candidate.info.place, "it comes first of those that are equal"),
        )

    ranked = sorted(suiting, key=lambda candidate: [value for value, _ in merits(candidate)])
    best = ranked[0]
    sentences = []
    if len(ranked) > 1:
        both = zip(merits(best), merits(ranked[1]), strict=True)
        reason = next(why for (mine, why), (other, _) in both if mine != other)
        sentences.append(
            f"{_title(best.info)} was taken of {len(ranked)} CT series that suit, because {reason}; choose "
            f"another with --series: {_list(candidate.info for candidate in ranked[1:])}."
        )
    if refused:
        reasons = Counter(rejected.code for _, rejected in refused)
        codes = ", ".join(f"{count} {code}" for code, count in sorted(reasons.items()))
        names = "; ".join(f"{info} ({rejected.code})" for info, rejected in refused[:MAX_LISTED])
        sentences.append(
            f"{_title(best.info)} was taken; {len(refused)} CT series do not suit ({codes}): {names}."
            if len(ranked) == 1
            else f"{len(refused)} CT series do not suit ({codes}): {names}."
        )
    if best.is_reformatted:
        sentences.append(
            "The images were reformatted from others: what the scanner measured is smoothed in them. Give "
            "the original axial series if it can be had."
        )
    return best, tuple(sentences)


def _title(info: SeriesInfo) -> str:
    name = name_of(info)
    spacing = "" if info.slice_spacing_mm is None else f", {info.slice_spacing_mm:.3g} mm apart"
    return f"{name[0].upper()}{name[1:]} ({info.description!r}, {info.slices} slices{spacing})"


def _list(infos: Iterable[SeriesInfo]) -> str:
    names = [str(info) for info in infos]
    more = f"; and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return "; ".join(names[:MAX_LISTED]) + more
