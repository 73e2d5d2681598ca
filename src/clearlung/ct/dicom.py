"""A DICOM series: chosen, checked, decoded."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from clearlung.ct.checks import MIN_SAMPLES, Grid, check_grid, check_slices
from clearlung.ct.dicom_headers import (
    DicomImage,
    FolderContents,
    SeriesInfo,
    grouped,
    read_folder,
    series_infos,
)
from clearlung.ct.dicom_stack import Stack, check_stack
from clearlung.ct.files import READABLE, suffix_of
from clearlung.ct.hounsfield import AIR_HU, MAX_HU, to_hounsfield
from clearlung.ct.scan import Scan
from clearlung.ct.volume import SAME_GRID_TOLERANCE_MM, Volume
from clearlung.errors import ScanRejected


def read_dicom_scan(folder: Path, *, series: str | None, allow_thick: bool) -> Scan:
    """Read and check the CT series of a folder.

    Parameters
    ----------
    folder
        Searched with its subfolders.
    series
        Which series, where several suit: see :func:`~clearlung.ct.read_scan`.
    allow_thick
        Read slices above 5 mm with a warning.

    Raises
    ------
    ScanRejected
        With one of :data:`~clearlung.ct.REJECTION_CODES`.
    """
    contents = read_folder(folder)
    info, images = _choose(contents, series, folder)
    where = f"series {info.number}" if info.number is not None else "series without number"
    stack = check_stack(images, where)
    check_grid(stack.grid, where)
    thickness = max((image.thickness_mm or 0.0 for image in stack.images), default=0.0) or None
    coarsest = float(stack.grid.spacing_mm.max())
    warnings = [
        *check_slices(coarsest, thickness, allow_thick=allow_thick, where=where),
        *_warnings(contents, images),
    ]
    hu = _decode(stack, where)
    volume, order = Volume.canonical(hu, stack.grid.affine)
    return Scan(
        volume=volume,
        native=order,
        source="dicom",
        series=f"{where}, {info.description!r}, {info.slices} slices of {info.columns} x {info.rows}",
        input_sha256=_sha256(stack.images),
        warnings=tuple(warnings),
        slice_thickness_mm=thickness,
    )


def _choose(
    contents: FolderContents, series: str | None, folder: Path
) -> tuple[SeriesInfo, tuple[DicomImage, ...]]:
    """Return the series asked for, or the only one that suits."""
    infos = series_infos(contents)
    groups = dict(zip(infos, grouped(contents.images), strict=True))
    ct = [info for info in infos if info.is_ct]
    if not ct:
        _refuse_without_ct(contents, infos, folder)
    if series is not None:
        chosen = _matching(ct, series.strip())
    else:
        # a short CT series is a scout or a bolus tracker; alone it is still judged
        chosen = [info for info in ct if info.slices >= MIN_SAMPLES or _is_multiframe(groups[info])] or ct
    if len(chosen) == 1:
        return chosen[0], groups[chosen[0]]
    listed = "; ".join(str(info) for info in (chosen or ct))
    if not chosen:
        raise ScanRejected(
            "series_not_found",
            f"series {series}",
            f"No CT series has this number, UID or place. There are: {listed}.",
        )
    raise ScanRejected(
        "mixed_series",
        f"{len(chosen)} series",
        f"Several CT series suit; choose one by its number, its UID or its place in this list "
        f"(--series): {listed}.",
    )


def _is_multiframe(images: tuple[DicomImage, ...]) -> bool:
    return any(image.frames > 1 for image in images)


def _matching(ct: Sequence[SeriesInfo], series: str) -> list[SeriesInfo]:
    by_uid = [info for info in ct if info.uid == series]
    by_number = [info for info in ct if info.number is not None and str(info.number) == series]
    by_place = [info for info in ct if str(info.place) == series]
    return by_uid or by_number or by_place


def _refuse_without_ct(contents: FolderContents, infos: tuple[SeriesInfo, ...], folder: Path) -> None:
    modalities = sorted({info.modality or "unknown" for info in infos})
    if modalities and "CT" not in modalities:
        raise ScanRejected(
            "not_ct",
            f"Modality {', '.join(modalities)}",
            "The folder holds images of another modality. Give the folder of the chest CT.",
        )
    volumes = folder.is_dir() and any(suffix_of(path) in READABLE for path in folder.iterdir())
    raise ScanRejected(
        "no_ct_series",
        f"{len(contents.images)} DICOM images, {contents.skipped_files} other files",
        "The folder and its subfolders hold no CT images in DICOM (localizers and captures do not count). "
        + ("Give the volume file in it itself." if volumes else "Give the folder of the chest CT."),
    )


def _warnings(contents: FolderContents, images: tuple[DicomImage, ...]) -> list[str]:
    others = len(contents.images) - len(images)
    warnings = []
    if others:
        warnings.append(f"{others} DICOM images of other series, or localizers, were passed over.")
    if contents.skipped_files or contents.skipped_objects:
        warnings.append(
            f"{contents.skipped_files} files that are not DICOM and {contents.skipped_objects} DICOM "
            "objects without "
            "images were passed over."
        )
    if len({(image.slope, image.intercept) for image in images}) > 1:
        warnings.append(
            "The images differ in rescale slope or intercept: if a slice is brighter or darker than its"
            " neighbors, its header is wrong."
        )
    if any(image.lossy for image in images):
        warnings.append("The images were compressed with loss: small nodules and densities may have changed.")
    return warnings


def _decode(stack: Stack, where: str) -> NDArray[np.int16]:
    """Return the values in HU, shape (slices, rows, columns)."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(image.path) for image in stack.images])
    rescale = {(image.slope, image.intercept) for image in stack.images}
    if len(rescale) > 1 or any(value is not None and value % 1 for pair in rescale for value in pair):
        # the first file decides the type of all: whole numbers would cut the fractions of the others
        reader.SetOutputPixelType(sitk.sitkFloat64)
    chatty = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        decoded = reader.Execute()
    except RuntimeError as error:
        raise ScanRejected(
            "unreadable",
            where,
            "The images cannot be decoded: they are damaged, or compressed in a way that is not read. "
            "Export them again, uncompressed.",
        ) from error
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(chatty)
    _check_decoded(decoded, stack.grid, where)
    # a view, valid while `decoded` lives: the only copy is the one in HU
    array = sitk.GetArrayViewFromImage(decoded)
    paddings = {padding for image in stack.images if (padding := _high_padding(image)) is not None}
    if paddings:
        array = np.where(np.isin(array, list(paddings)), AIR_HU, array)
    return to_hounsfield(array, where)


def _check_decoded(image: sitk.Image, grid: Grid, where: str) -> None:
    """Refuse if the decoder stacked the slices otherwise than their headers say."""
    far = np.subtract(grid.shape, 1)
    same = image.GetSize() == grid.shape[::-1] and image.GetNumberOfComponentsPerPixel() == 1
    for index in ((0, 0, 0), (far[0], 0, 0), (0, far[1], 0), (0, 0, far[2])):
        if same:
            decoded = image.TransformIndexToPhysicalPoint([int(i) for i in index[::-1]])
            stated = (grid.affine @ [*index, 1])[:3]
            same = bool(np.abs(decoded - stated).max() < 10 * SAME_GRID_TOLERANCE_MM)
    if not same:
        raise ScanRejected(
            "contradictory_orientation",
            where,
            "The decoded images do not lie where their headers say. Export the series again as plain CT "
            "images.",
        )


def _high_padding(image: DicomImage) -> float | None:
    """Return the padding in HU if it is above the scale: it means air. Low padding is clipped to air."""
    if image.padding is None or image.slope is None or image.intercept is None:
        return None
    padding = image.padding * image.slope + image.intercept
    return padding if padding > MAX_HU else None


def _sha256(images: Sequence[DicomImage]) -> str:
    digest = hashlib.sha256()
    for image in images:
        digest.update(image.path.read_bytes())
    return digest.hexdigest()
