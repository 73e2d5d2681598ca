"""A DICOM series: chosen, checked, decoded."""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from clearlung.ct.dicom_directory import is_directory
from clearlung.ct.dicom_headers import FolderContents, read_folder
from clearlung.ct.dicom_image import DicomImage, ImageKind
from clearlung.ct.dicom_pixels import decode_plane, stored_planes
from clearlung.ct.dicom_stack import Stack
from clearlung.ct.files import READABLE, suffix_of
from clearlung.ct.hounsfield import AIR_HU, MAX_HU, to_hounsfield
from clearlung.ct.limits import MAX_VOXELS
from clearlung.ct.scan import Scan
from clearlung.ct.series import choose, name_of
from clearlung.ct.tilt import shift_plane
from clearlung.ct.volume import Volume
from clearlung.errors import ScanRejected

# The machines that this runs on have two cores at least; decoding is all that is done meanwhile.
DECODING_THREADS = 2
HASHED_BYTES = 1 << 20
# Whole slopes and intercepts up to this keep 16-bit values within 32 bits.
MAX_WHOLE = 10_000
_KIND_NAMES: dict[ImageKind, str] = {
    "plane": "images of other CT series",
    "localizer": "localizers",
    "capture": "captures of a screen or dose pages",
    "projection": "projections or renderings",
    "other": "images of other kinds",
}


def read_dicom_scan(path: Path, *, series: str | None, allow_thick: bool) -> Scan:
    """Read and check the CT series of a folder.

    Parameters
    ----------
    path
        A folder, searched with its subfolders; a DICOMDIR, whose folder is read; or a multi-frame file.
    series
        Which series: see :func:`~clearlung.ct.read_scan`. None for the thinnest that suits.
    allow_thick
        Read slices above 5 mm with a warning.

    Raises
    ------
    ScanRejected
        With one of :data:`~clearlung.ct.REJECTION_CODES`.
    """
    folder = path.parent if is_directory(path) and path.is_file() else path
    contents = read_folder(folder)
    if not any(image.is_ct for image in contents.images):
        _refuse_without_ct(contents, folder)
    chosen, reasons = choose(contents, series, allow_thick=allow_thick)
    where, stack, info = name_of(chosen.info), chosen.stack, chosen.info
    _check_size(stack.grid.shape, where)
    hu, sha256 = _decode(stack, where)
    volume, order = Volume.canonical(to_hounsfield(hu, where), stack.grid.affine)
    return Scan(
        volume=volume,
        native=order,
        source="dicom",
        series=f"{where}, {info.description!r}, {info.slices} slices of {info.columns} x {info.rows}",
        input_sha256=sha256,
        warnings=(*chosen.warnings, *stack.warnings, *reasons, *_warnings(contents, stack.present)),
        slice_thickness_mm=chosen.thickness_mm,
        resampled=stack.is_resampled,
    )


def _refuse_without_ct(contents: FolderContents, folder: Path) -> None:
    modalities = sorted({image.modality or "unknown" for image in contents.images})
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
        "The folder and its subfolders hold no CT images in DICOM (localizers, captures of a screen and "
        "projections do not count). "
        + ("Give the volume file in it itself." if volumes else "Give the folder of the chest CT."),
    )


def _check_size(shape: tuple[int, int, int], where: str) -> None:
    if math.prod(shape) > MAX_VOXELS:
        raise ScanRejected(
            "too_large", where, f"It has {math.prod(shape)} voxels; a scan has at most {MAX_VOXELS}."
        )


def _warnings(contents: FolderContents, images: Sequence[DicomImage]) -> list[str]:
    """Return what else to know of the images, and what of the folder was passed over."""
    warnings = []
    if len({(image.slope, image.intercept) for image in images}) > 1:
        warnings.append(
            "The images differ in rescale slope or intercept: if a slice is brighter or darker than its"
            " neighbors, its header is wrong."
        )
    if any(image.lossy for image in images):
        warnings.append("The images were compressed with loss: small nodules and densities may have changed.")
    missing = contents.missing.get(images[0].series_uid, 0)
    if missing:
        warnings.append(
            f"{missing} images of this series that the DICOMDIR names are not there: the scan may stop short."
        )
    elif contents.missing:
        total = sum(contents.missing.values())
        warnings.append(f"{total} images that the DICOMDIR names are not there, none of them of this series.")
    if contents.copies:
        warnings.append(f"{contents.copies} images were there twice, pixel for pixel; one each was read.")
    kinds = Counter(image.kind for image in contents.images)
    kinds["plane"] -= len(images)
    passed = [f"{count} {_KIND_NAMES[kind]}" for kind, count in sorted(kinds.items()) if count]
    if contents.skipped_objects:
        passed.append(f"{contents.skipped_objects} DICOM objects without images")
    if contents.skipped_files:
        passed.append(f"{contents.skipped_files} files that are not DICOM")
    if passed:
        warnings.append(f"Passed over: {', '.join(passed)}.")
    return warnings


def _decode(stack: Stack, where: str) -> tuple[NDArray[np.int16], str]:
    """Return values in HU on the stack's grid, and the hash of the files in slice order."""
    hu = np.empty(stack.grid.shape, dtype=np.int16)
    chatty = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="clearlung-") as room,
            ThreadPoolExecutor(DECODING_THREADS) as pool,
        ):
            digest = pool.submit(_sha256, stack.present)
            done = [pool.submit(_decode_some, job, stack, hu, Path(room)) for job in _jobs(stack)]
            for job in done:
                job.result()
            sha256 = digest.result()
    except (ValueError, OSError) as error:
        raise ScanRejected(
            "unreadable",
            where,
            "The images cannot be decoded: they are damaged, or compressed in a way that is not read. "
            "Export them again, uncompressed.",
        ) from error
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(chatty)
    for place, image in enumerate(stack.images):
        if image is None:
            hu[place] = _mean_plane(hu, stack, place)
    return hu, sha256


def _jobs(stack: Stack) -> Iterable[list[tuple[int, DicomImage]]]:
    """Yield planes that are best decoded together: those of one file, in the order of its frames."""
    planes = [(place, image) for place, image in enumerate(stack.images) if image is not None]
    planes.sort(key=lambda plane: (plane[1].stored.path, plane[1].stored.frame))
    longest = math.ceil(len(planes) / DECODING_THREADS)
    for _, of_file in groupby(planes, key=lambda plane: plane[1].stored.path):
        together = list(of_file)
        for start in range(0, len(together), longest):
            yield together[start : start + longest]


def _decode_some(
    planes: list[tuple[int, DicomImage]], stack: Stack, hu: NDArray[np.int16], room: Path
) -> None:
    """Decode planes of one file to their places in ``hu``."""
    encoded = stored_planes([image.stored for _, image in planes])
    for (place, image), stored in zip(planes, encoded, strict=True):
        plane = hounsfield_plane(image, *decode_plane(image.stored, stored, room))
        if stack.shifts_px.any():
            plane = shift_plane(plane, stack.shifts_px[place], stack.grid.shape[1:])
        hu[place] = plane


def hounsfield_plane(image: DicomImage, values: NDArray[Any], words: NDArray[Any]) -> NDArray[np.int16]:
    """Return a plane in HU, its padding as air, limited only to what int16 holds.

    Parameters
    ----------
    image
        Says what the values mean.
    values, words
        As :func:`~clearlung.ct.dicom_pixels.decode_plane` returns them.
    """
    slope, intercept = image.slope or 1.0, image.intercept or 0.0
    whole = slope.is_integer() and intercept.is_integer() and max(slope, abs(intercept)) <= MAX_WHOLE
    if whole and values.itemsize <= 2:
        hu = values.astype(np.int32)
        hu *= int(slope)
        hu += int(intercept)
    else:
        with np.errstate(over="ignore"):
            hu = np.rint(values * np.float64(slope) + intercept)
    limits = np.iinfo(np.int16)
    plane = np.clip(hu, limits.min, limits.max).astype(np.int16)
    if image.padding is not None:
        _clear_padding(plane, image, values, words)
    return plane


def _clear_padding(
    plane: NDArray[np.int16], image: DicomImage, values: NDArray[Any], words: NDArray[Any]
) -> None:
    """Set to air what the header calls padding.

    Padding that reads as tissue is cleared outside of the circle of reconstruction only: the same value
    within may be tissue.
    """
    bits = image.stored.bits_allocated
    low, high = sorted(_as_stored(value, image) for value in image.padding or ())
    padded = (values >= low) & (values <= high)
    if low == high and words is not values:
        # some write padding to the whole word, beyond the bits that count
        padded |= words == low % (1 << bits)
    slope, intercept = image.slope or 1.0, image.intercept or 0.0
    if not (low * slope + intercept > MAX_HU or high * slope + intercept < AIR_HU):
        padded &= _outside_circle(plane.shape)
    plane[padded] = AIR_HU


def _as_stored(value: int, image: DicomImage) -> int:
    """Return a padding value with the sign that the pixels have: headers write -2000 as 63536 and back."""
    span = 1 << image.stored.bits_allocated
    if image.stored.signed:
        return value - span if value >= span // 2 else value
    return value + span if value < 0 else value


@lru_cache(maxsize=4)
def _outside_circle(shape: tuple[int, int]) -> NDArray[np.bool_]:
    rows, columns = (np.linspace(-1.0, 1.0, size) for size in shape)
    outside: NDArray[np.bool_] = rows[:, None] ** 2 + columns[None, :] ** 2 > 1.0
    return outside


def _mean_plane(hu: NDArray[np.int16], stack: Stack, place: int) -> NDArray[np.int16]:
    """Return the mean of a missing slice's neighbors."""
    mean = np.rint((hu[place - 1].astype(np.float32) + hu[place + 1]) / 2.0)
    plane: NDArray[np.int16] = mean.astype(np.int16)
    return plane


def _sha256(images: Sequence[DicomImage]) -> str:
    digest = hashlib.sha256()
    for path in dict.fromkeys(image.stored.path for image in images):
        with path.open("rb") as file:
            while chunk := file.read(HASHED_BYTES):
                digest.update(chunk)
    return digest.hexdigest()
