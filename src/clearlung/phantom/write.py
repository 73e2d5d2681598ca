"""Write a phantom: the scan, and the truth beside it."""

from __future__ import annotations

import os
from pathlib import Path

from clearlung.atomic import write_file
from clearlung.ct import check_volume_target, write_volume
from clearlung.errors import OutputError
from clearlung.nodules import write_nodules
from clearlung.phantom.phantom import Phantom

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")


def write_phantom(phantom: Phantom, path: str | os.PathLike[str]) -> list[Path]:
    """Write the scan to a file, and its truth beside it.

    Beside ``scan.nii.gz`` come ``scan_lungs.nii.gz``, ``scan_lobes.nii.gz``, ``scan_nodules.nii.gz`` and
    ``scan_truth.csv``. Each file appears under its name only when it is complete.

    Parameters
    ----------
    phantom
        What to write.
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
    scan, lungs, lobes, nodules, truth = check_phantom_target(path)
    volumes = {
        scan: phantom.scan.volume,
        lungs: phantom.lungs,
        lobes: phantom.lobes,
        nodules: phantom.nodules,
    }
    for target, volume in volumes.items():
        write_volume(volume, target)
    more = {"touches_pleura": phantom.touches_pleura, "touches_vessel": phantom.touches_vessel}
    write_file(truth, lambda part: write_nodules(phantom.truth, part, more))
    return [*volumes, truth]


def check_phantom_target(path: str | os.PathLike[str]) -> tuple[Path, Path, Path, Path, Path]:
    """Refuse a name under which no phantom can be written, before one is made.

    Returns
    -------
    tuple of Path
        The files that will be written: scan, lungs, lobes, nodules, truth.

    Raises
    ------
    OutputError
        As for :func:`write_phantom`.
    """
    path = Path(path)
    suffix = next((s for s in SUFFIXES if path.name.endswith(s) and path.name != s), None)
    if suffix is None:
        raise OutputError(f"{path.name!r} must end in one of {', '.join(SUFFIXES)}")
    stem = path.name.removesuffix(suffix)
    lungs, lobes, nodules = (
        path.with_name(f"{stem}_{part}{suffix}") for part in ("lungs", "lobes", "nodules")
    )
    for target in (path, lungs, lobes, nodules):
        check_volume_target(target)
    return path, lungs, lobes, nodules, path.with_name(f"{stem}_truth.csv")
