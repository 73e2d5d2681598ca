"""The ways in which a detector is plugged in, as plain data, and what the command line makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from clearlung.anatomy import holds_labels
from clearlung.errors import DetectorError
from clearlung.nodules.candidates import detector_names, get_detector
from clearlung.nodules.detectors.box_files import SUFFIXES, load_boxes
from clearlung.nodules.detectors.contract import CONTRACT
from clearlung.nodules.detectors.masks import load_mask
from clearlung.nodules.detectors.monai_bundle import is_bundle, load_bundle
from clearlung.nodules.detectors.plugged import PluggedDetector
from clearlung.nodules.detectors.source import FRAMES, DetectorSource, Frame, KindName

OPTION = "--detector"


@dataclass(frozen=True)
class DetectorKind:
    """One way to plug in a detector.

    Parameters
    ----------
    asked_by
        What stands after ``--detector``.
    title
        What it is, in words.
    judges
        Whose probability the findings have.
    notes
        What its user must know.
    accepts
        Whether a path is of this kind.
    load
        Makes the detector, or says what is wrong with it.
    """

    asked_by: str
    title: str
    judges: str
    notes: str
    accepts: Callable[[Path], bool]
    load: Callable[[DetectorSource], PluggedDetector]


def parse_detector(
    text: str | None, *, frame: str | None = None, labels: str | None = None
) -> DetectorSource:
    """Return the detector that a command line asks for.

    Parameters
    ----------
    text
        A registered name, or a path; None for the built-in detector. Write ``./blob`` for a file of that
        name.
    frame
        "LPS" or "RAS": the frame of a boxes file that does not say so itself.
    labels
        Which labels of a mask are nodules: "1,2".

    Raises
    ------
    DetectorError
        If there is no such name or path, the path is nothing that is understood, or an option does not go
        with it.

    Examples
    --------
    >>> parse_detector(None).name
    'blob'
    >>> parse_detector("nothing.xyz")
    Traceback (most recent call last):
    ...
    clearlung.errors.DetectorError: --detector: there is no detector and no file 'nothing.xyz'. ...
    """
    if text == "":
        raise DetectorError(OPTION, "it is empty. Name a detector, file or folder, or leave the option out.")
    if text is None or text in detector_names():
        source = DetectorSource(name=text or DetectorSource.name)
    else:
        path = Path(text)
        source = DetectorSource(_kind_of(path), "", path)
    return replace(source, frame=_frame(frame, source), labels=_labels(labels, source))


def resolve_detector(source: DetectorSource) -> PluggedDetector:
    """Return a detector that is ready to run; all that can be checked without a scan is checked.

    Parameters
    ----------
    source
        From :func:`parse_detector`.

    Returns
    -------
    PluggedDetector
        Call it as any :data:`~clearlung.nodules.Detector`.

    Raises
    ------
    DetectorError
        If the file or folder cannot be used; the field names the entry, the message the remedy.
    """
    return DETECTOR_KINDS[source.kind].load(source)


def detector_listing() -> str:
    """Return what can be asked for, for a message or a help text."""
    ways = "; ".join(f"{kind.asked_by} ({kind.title})" for kind in DETECTOR_KINDS.values())
    return f"Names are {', '.join(detector_names())}. Accepted are: {ways}."


def _kind_of(path: Path) -> KindName:
    if not path.exists():
        raise DetectorError(OPTION, f"there is no detector and no file {str(path)!r}. {detector_listing()}")
    for name, kind in DETECTOR_KINDS.items():
        if kind.accepts(path):
            return name
    what = "folder" if path.is_dir() else "file"
    raise DetectorError(OPTION, f"the {what} is nothing that is understood. {detector_listing()}")


def _frame(text: str | None, source: DetectorSource) -> Frame | None:
    if text is None:
        return None
    if source.kind != "boxes":
        raise DetectorError("--detector-frame", "it is the frame of a boxes file, and none is given.")
    for frame in FRAMES:
        if text.upper() == frame:
            return frame
    raise DetectorError("--detector-frame", f"takes {' or '.join(FRAMES)}, not {text!r}.")


def _labels(text: str | None, source: DetectorSource) -> tuple[int, ...]:
    if text is None:
        return ()
    if source.kind != "mask":
        raise DetectorError("--detector-labels", "it chooses labels of a mask, and none is given.")
    numbers = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and 0 < len(part) <= 5 for part in numbers):
        raise DetectorError("--detector-labels", f"takes whole numbers such as 1,2, not {text!r}.")
    return tuple(sorted({int(part) for part in numbers} - {0}))


def _load_registered(source: DetectorSource) -> PluggedDetector:
    return PluggedDetector(get_detector(source.name), "registered", f"detector {source.name}")


def _load_onnx(source: DetectorSource) -> PluggedDetector:
    from clearlung.nodules.detectors.onnx_model import load_onnx  # ONNX Runtime takes a while to import

    path = source.file
    return load_onnx(path.parent if path.name == CONTRACT else path)


def _has_contract(path: Path) -> bool:
    return (path / CONTRACT).is_file() or (path.name == CONTRACT and path.is_file())


DETECTOR_KINDS: Mapping[KindName, DetectorKind] = {
    "registered": DetectorKind(
        "NAME",
        "a detector that is registered in Python",
        "its own, or Clearlung's network where it gives none",
        "blob is built in.",
        lambda _: False,
        _load_registered,
    ),
    "onnx": DetectorKind(
        "FOLDER with detector.json",
        "an ONNX model with its contract",
        "its own",
        "Run by ONNX Runtime on the processor; nothing else of the folder is executed.",
        _has_contract,
        _load_onnx,
    ),
    "monai": DetectorKind(
        "FOLDER with configs/metadata.json",
        "a MONAI bundle such as lung_nodule_ct_detection",
        "its own",
        "MONAI and PyTorch are the user's own install. A bundle is a program and has the user's rights.",
        is_bundle,
        load_bundle,
    ),
    "mask": DetectorKind(
        "FILE.nii.gz, .nrrd, .seg.nrrd, .mha or DICOM SEG",
        "outlines from a label map or mask",
        "Clearlung's network",
        "Outlines are kept as they are.",
        holds_labels,
        load_mask,
    ),
    "boxes": DetectorKind(
        "FILE.csv or FILE.json",
        "places or boxes from a list",
        "the list's, or Clearlung's network where it gives none",
        "The frame, LPS or RAS, is declared and never guessed.",
        lambda path: path.is_file() and path.suffix.lower() in SUFFIXES,
        load_boxes,
    ),
}
"""The ways to plug in a detector, in the order in which a path is tried."""
