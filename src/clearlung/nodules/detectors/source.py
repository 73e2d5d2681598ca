"""`DetectorSource`: which detector to use, as a command line or a notebook asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

KindName = Literal["registered", "onnx", "monai", "mask", "boxes"]
"""How a detector is plugged in: a key of :data:`DETECTOR_KINDS`."""

Frame = Literal["LPS", "RAS"]
"""Where coordinates in mm grow to: left, posterior, superior as in DICOM; or right, anterior, superior."""

FRAMES: tuple[Frame, ...] = ("LPS", "RAS")


@dataclass(frozen=True)
class DetectorSource:
    """Which detector to use.

    Parameters
    ----------
    kind
        A key of :data:`DETECTOR_KINDS`.
    name
        The name of a registered detector, for ``registered``.
    path
        The file or folder, for all others.
    frame
        The frame of a boxes file's coordinates; None lets its columns say so.
    labels
        Which labels of a mask are nodules; empty for all.
    """

    kind: KindName = "registered"
    name: str = "blob"
    path: Path | None = None
    frame: Frame | None = None
    labels: tuple[int, ...] = ()

    @property
    def file(self) -> Path:
        """The file or folder.

        Raises
        ------
        ValueError
            If there is none.
        """
        if self.path is None:
            raise ValueError(f"a detector of the kind {self.kind} needs a path")
        return self.path
