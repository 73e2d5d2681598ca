"""Label maps of anything at all, for those who look for other things than lungs: nodules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy.sources.dicom_seg import is_dicom, read_dicom_layers
from clearlung.anatomy.sources.label_maps import LABEL_MAP_SUFFIXES, read_layers
from clearlung.anatomy.sources.parts import Layer, on_grid, shown, whole_numbers
from clearlung.ct import Volume
from clearlung.errors import AnatomyError, ScanRejected


def holds_labels(path: Path) -> bool:
    """Whether a path looks like a file that :func:`read_labels` reads: by suffix, or DICOM by content."""
    if not path.is_file():
        return False
    try:
        return path.name.lower().endswith((*LABEL_MAP_SUFFIXES, ".dcm")) or is_dicom(path)
    except OSError:
        return False


def read_labels(path: Path, grid: Volume) -> tuple[tuple[NDArray[np.integer], dict[int, str]], ...]:
    """Read the label maps of a file onto a grid, whatever their labels are.

    Parameters
    ----------
    path
        A .nii, .nii.gz, .nrrd, .seg.nrrd, .mha or .mhd label map, or a DICOM SEG file.
    grid
        The grid that is wanted; its values are not looked at.

    Returns
    -------
    tuple
        For each layer the labels on that grid, by nearest neighbor, and the names of those that have one.
        Segments that overlap are in different layers.

    Raises
    ------
    AnatomyError
        If the file is damaged, holds no labels, or does not say how it lies in the patient.
    """
    try:
        named = path.name.lower().endswith(LABEL_MAP_SUFFIXES)
        layers = read_layers(path) if named else read_dicom_layers(path)
    except ScanRejected as error:
        raise AnatomyError(shown(path), str(error)) from error
    except OSError as error:
        raise AnatomyError(shown(path), "it cannot be opened. Check its rights.") from error
    return tuple(_on(layer, grid, shown(path)) for layer in layers)


def _on(layer: Layer, grid: Volume, where: str) -> tuple[NDArray[np.integer], dict[int, str]]:
    names = {label: segment.label for label, segment in layer.segments.items()}
    return on_grid(whole_numbers(layer.volume, where), grid), names
