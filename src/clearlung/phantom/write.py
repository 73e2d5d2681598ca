"""Write a phantom: the scan, and the truth beside it."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path

import SimpleITK as sitk

from clearlung.ct import Volume
from clearlung.errors import OutputError
from clearlung.nodules import COLUMNS
from clearlung.phantom.phantom import Phantom

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")
TRUTH_DECIMALS = 4


def write_phantom(phantom: Phantom, path: str | os.PathLike[str]) -> list[Path]:
    """Write the scan to a file, and its truth beside it.

    Beside ``scan.nii.gz`` come ``scan_lungs.nii.gz``, ``scan_lobes.nii.gz``, ``scan_nodules.nii.gz`` and
    ``scan_truth.csv``. Each file appears under its name only when it is complete.

    Parameters
    ----------
    path
        Ends in one of :data:`SUFFIXES`. Files of these names are replaced.

    Returns
    -------
    list of Path
        The files, the scan's first.

    Raises
    ------
    OutputError
        If the name has another ending, its folder does not exist, or a file beside it has the same name but
        for its compression: readers would take one for the other.
    """
    path = Path(path)
    suffix = next((s for s in SUFFIXES if path.name.endswith(s) and path.name != s), None)
    if suffix is None:
        raise OutputError(f"{path.name!r} must end in one of {', '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise OutputError(f"the folder {str(path.parent)!r} does not exist; make it first")
    stem = path.name.removesuffix(suffix)
    volumes = {
        path: phantom.scan.volume,
        path.with_name(f"{stem}_lungs{suffix}"): phantom.lungs,
        path.with_name(f"{stem}_lobes{suffix}"): phantom.lobes,
        path.with_name(f"{stem}_nodules{suffix}"): phantom.nodules,
    }
    for target in volumes:
        _refuse_twin(target, suffix)
    for target, volume in volumes.items():
        _replace(target, suffix, lambda partial, volume=volume: _write_volume(volume, partial))  # type: ignore[misc]
    truth = path.with_name(f"{stem}_truth.csv")
    _replace(truth, ".csv", lambda partial: _write_truth(phantom, partial))
    return [*volumes, truth]


def _refuse_twin(target: Path, suffix: str) -> None:
    twins = {".nii.gz": ".nii", ".nii": ".nii.gz"}
    if suffix in twins:
        twin = target.with_name(target.name.removesuffix(suffix) + twins[suffix])
        if twin.exists():
            raise OutputError(
                f"{str(twin)!r} exists: beside it, {target.name!r} would be read wrongly;"
                " remove it or choose another name"
            )


def _replace(target: Path, suffix: str, write: Callable[[Path], None]) -> None:
    """Write to a temporary name in the same folder, then rename."""
    partial = target.with_name(f".{target.name.removesuffix(suffix)}.{os.getpid()}.partial{suffix}")
    try:
        write(partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _write_volume(volume: Volume, path: Path) -> None:
    sitk.WriteImage(volume.to_sitk(), str(path), useCompression=path.suffix != ".nii")


def _write_truth(phantom: Phantom, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow([*COLUMNS, "touches_pleura", "touches_vessel"])
        touches = zip(phantom.touches_pleura.tolist(), phantom.touches_vessel.tolist(), strict=True)
        for row, touching in zip(phantom.truth.rows(), touches, strict=True):
            values = [round(v, TRUTH_DECIMALS) if isinstance(v, float) else v for v in row.values()]
            writer.writerow([*values, *touching])
