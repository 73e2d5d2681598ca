"""A detector from an ONNX file with a contract: over windows, over both lungs, or over candidates."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Anatomy
from clearlung.ct import Scan
from clearlung.errors import DetectorError
from clearlung.nodules.candidates import Candidates, get_detector
from clearlung.nodules.detectors.boxes import strongest
from clearlung.nodules.detectors.contract import (
    CONTRACT,
    Boxes,
    Contract,
    Heatmap,
    Probability,
    read_contract,
)
from clearlung.nodules.detectors.lattice import Lattice, around, lungs_lattice, sample, steps, windows
from clearlung.nodules.detectors.outputs import Found, boxes_of, patch_probabilities, peaks_of
from clearlung.nodules.detectors.places import MAX_PLACES, ROUGH, in_lungs
from clearlung.nodules.detectors.plugged import PluggedDetector
from clearlung.nodules.detectors.session import Session

# 0.5 GB as float32: a network needs many times its input.
MAX_VOXELS = 1 << 27
PATCHES_AT_ONCE = 32
BUILT_IN = "blob"


def load_onnx(folder: Path) -> PluggedDetector:
    """Return the detector in a folder with ``detector.json`` and its ONNX file.

    Raises
    ------
    DetectorError
        If contract or model cannot be used, or contradict each other.
    """
    contract = read_contract(folder)
    model = _Model(contract, Session(folder, contract))
    find = partial(_filtered, model) if contract.output.kind == "probability" else partial(_searched, model)
    return PluggedDetector(
        find,
        "onnx",
        contract.title,
        contract.about.license,
        contract.about.source,
        contract.about.trained_on,
        contract.model.sha256,
    )


@dataclass(frozen=True)
class _Model:
    contract: Contract
    session: Session


def _searched(model: _Model, scan: Scan, anatomy: Anatomy, smallest_mm: float) -> Candidates:
    """Search the lungs window by window, or at once; only one window is in memory."""
    given, output = model.contract.input, model.contract.output
    spacing = np.asarray(anatomy.lungs.spacing_mm)
    found = [Found.nothing()]
    for lattice, bounds in _views(model.contract, anatomy):
        given_out = model.session.run(sample(scan, anatomy, lattice, given))
        step_mm = np.abs(lattice.step) * spacing
        if isinstance(output, Heatmap):
            name = model.session.first_output(output.name)
            here = peaks_of(output, given_out, name, given.layout, lattice.shape, step_mm)
        elif isinstance(output, Boxes):
            here = boxes_of(output, given_out, step_mm)
        else:
            raise TypeError(f"{output.kind} is no search")
        inside = ((here.voxels >= bounds[:, 0]) & (here.voxels < bounds[:, 1])).all(axis=1)
        here = here.take(np.flatnonzero(inside))
        found.append(Found(lattice.indices(here.voxels), here.size_mm, here.score))
    whole = Found.joined(found)
    _check_count(len(whole.score))
    whole = whole.take(np.flatnonzero(in_lungs(anatomy, whole.voxels, whole.diameter_mm)))
    whole = whole.take(strongest(whole.voxels[:, ::-1] * spacing[::-1], whole.size_mm, whole.score))
    whole = whole.take(np.flatnonzero(ROUGH * whole.diameter_mm >= smallest_mm))
    return Candidates(whole.voxels, whole.diameter_mm, whole.score, warnings=_doubts(model.contract, scan))


def _views(contract: Contract, anatomy: Anatomy) -> Iterator[tuple[Lattice, NDArray[np.float64]]]:
    """Yield what the model is to see, and the bounds in it (in its voxels) of what each view answers for."""
    given = contract.input
    whole = lungs_lattice(given, anatomy)
    if given.patch_voxels is None:
        z, y, x = (math.ceil(n / given.multiple_of) * given.multiple_of for n in whole.shape)
        if z * y * x > MAX_VOXELS:
            raise DetectorError(
                f"{CONTRACT}, input.sees",
                f"these lungs have {z * y * x} voxels of the model's size; at most {MAX_VOXELS} are shown at "
                'once. Set it to "windows".',
            )
        yield whole.part((0, 0, 0), (z, y, x)), np.tile([-np.inf, np.inf], (3, 1))
        return
    patch = (given.patch_voxels.z, given.patch_voxels.y, given.patch_voxels.x)
    if math.prod(patch) > MAX_VOXELS:
        raise DetectorError(f"{CONTRACT}, input.patch_voxels", f"a window has more than {MAX_VOXELS} voxels.")
    for first, bounds in windows(whole.shape, patch, given.overlap):
        view = whole.part(first, patch)
        if _has_lung(anatomy, view):
            yield view, bounds - np.asarray(first, dtype=np.float64)[:, None]


def _has_lung(anatomy: Anatomy, view: Lattice) -> bool:
    corners = np.sort(view.indices(np.array([[0, 0, 0], np.subtract(view.shape, 1)])), axis=0)
    first = np.maximum(np.floor(corners[0]), 0).astype(np.intp)
    end = np.maximum(np.ceil(corners[1]) + 1, 0).astype(np.intp)
    z, y, x = (slice(a, b) for a, b in zip(first, end, strict=True))
    return bool(anatomy.lungs.array[z, y, x].any())


def _filtered(model: _Model, scan: Scan, anatomy: Anatomy, smallest_mm: float) -> Candidates:
    """Show the model a patch around each candidate of the built-in detector."""
    given, output = model.contract.input, model.contract.output
    if given.patch_voxels is None or not isinstance(output, Probability):
        raise TypeError("the contract is of no filter")
    proposed = get_detector(BUILT_IN)(scan, anatomy, smallest_mm)
    step = steps(given, anatomy.lungs.spacing_mm)
    patch = (given.patch_voxels.z, given.patch_voxels.y, given.patch_voxels.x)
    at_once = model.session.batch or PATCHES_AT_ONCE
    name = model.session.first_output(output.name)
    parts = [np.empty(0)]
    for start in range(0, len(proposed), at_once):
        centers = proposed.indices[start : start + at_once]
        batch = np.concatenate([sample(scan, anatomy, around(c, step, patch), given) for c in centers])
        missing = at_once - len(batch) if model.session.batch else 0
        batch = np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)])
        parts.append(patch_probabilities(output, model.session.run(batch)[name], len(batch))[: len(centers)])
    probability = np.concatenate(parts)
    keep = np.flatnonzero(probability >= output.threshold)
    keep = keep[np.argsort(-probability[keep], kind="stable")]
    return Candidates(
        proposed.indices[keep],
        proposed.diameter_mm[keep],
        probability[keep],
        warnings=(*proposed.warnings, *_doubts(model.contract, scan)),
    )


def _check_count(count: int) -> None:
    if count > MAX_PLACES:
        raise DetectorError(
            f"{CONTRACT}, output.threshold",
            f"the model finds {count} places, more than {MAX_PLACES}. Raise the threshold.",
        )


def _doubts(contract: Contract, scan: Scan) -> tuple[str, ...]:
    meant = contract.about.slices_mm
    if meant is None or meant[0] - 0.01 <= scan.slice_spacing_mm <= meant[1] + 0.01:
        return ()
    return (
        f"{contract.title} is meant for slices {meant[0]:g} to {meant[1]:g} mm apart; these are "
        f"{scan.slice_spacing_mm:.2g} mm apart.",
    )
