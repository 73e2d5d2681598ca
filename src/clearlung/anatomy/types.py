"""`Anatomy`: what is segmented on a scan, and the names of its parts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy.tree import BranchTree
from clearlung.ct import Box, Volume

Side = Literal["right", "left"]
"""A lung, named by the patient's side."""

Lobe = Literal["RUL", "RML", "RLL", "LUL", "LLL"]
"""A lobe: R(ight) or L(eft), U(pper), M(iddle) or L(ower), L(obe)."""

SIDES: tuple[Side, ...] = ("right", "left")
"""Both lungs, in the order in which everything is listed."""

LUNG_LABELS: dict[Side, int] = {"right": 1, "left": 2}
"""Label of each lung in a label map; 0 is outside."""

LOBES: tuple[Lobe, ...] = ("RUL", "RML", "RLL", "LUL", "LLL")
"""The five lobes: right before left, each lung from the head down."""

LOBE_LABELS: dict[Lobe, int] = {"RUL": 1, "RML": 2, "RLL": 3, "LUL": 4, "LLL": 5}
"""Label of each lobe in a label map; 0 is outside."""

LOBE_OF_LABEL = np.array(["", *LOBE_LABELS], dtype="<U3")
"""Name of the lobe of each label: the inverse of :data:`LOBE_LABELS`, "" outside."""

LOBE_SIDES: dict[Lobe, Side] = {"RUL": "right", "RML": "right", "RLL": "right", "LUL": "left", "LLL": "left"}
"""The lung that each lobe is part of."""


PleuralPart = Literal["costal", "diaphragmatic", "mediastinal", "fissural"]
"""A part of a lobe's surface, named by what it faces."""

PLEURAL_LABELS: dict[PleuralPart, int] = {"costal": 1, "diaphragmatic": 2, "mediastinal": 3, "fissural": 4}
"""Label of each part of the pleural surface in a label map; 0 is not on the surface."""


@dataclass(frozen=True)
class Condition:
    """Something about these lungs that a reader of any result must know.

    Parameters
    ----------
    code
        Which condition: a key of :data:`clearlung.anatomy.CONDITIONS`.
    text
        What was found, in words a report can print.
    side
        The lung that it concerns, None for both or neither.
    lobes
        The lobes that it concerns.
    value, unit
        How much of it, where it can be measured: 180 and "ml" of fluid.
    missing
        What cannot be computed because of it, in words; "" if nothing.
    """

    code: str
    text: str
    side: Side | None = None
    lobes: tuple[Lobe, ...] = ()
    value: float | None = None
    unit: str = ""
    missing: str = ""

    @property
    def sentence(self) -> str:
        """What was found and what is not known because of it, as a warning says it.

        Examples
        --------
        >>> Condition("one_lung", "No left lung.", side="left", missing="lobes of the left lung").sentence
        'No left lung. Not known: lobes of the left lung.'
        """
        return f"{self.text} Not known: {self.missing}." if self.missing else self.text


@dataclass(frozen=True)
class Fissure:
    """How one fissure was found.

    Parameters
    ----------
    name
        "right oblique", "right horizontal" or "left oblique".
    lobes
        The lobes that it parts.
    seen_share
        Share of its surface that is seen on the images, 0 to 1; the rest is bridged.
    """

    name: str
    lobes: tuple[Lobe, ...]
    seen_share: float


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The lungs and what is in them, of one scan, on the lungs' bounding box.

    Parameters
    ----------
    box
        Where the arrays lie in the scan's volume: slices along z, y, x with a margin of a few voxels.
    lungs
        uint8: 0 outside, 1 right, 2 left (:data:`LUNG_LABELS`). Nodules that touch the pleura are inside;
        airways and hilar vessels are outside.
    lobes
        uint8: 0 outside, else :data:`LOBE_LABELS`.
    lobe_confidence
        float32 in [0, 1]: how sure the lobe of each voxel is; 0 outside the lungs.
    depth_mm
        float32: distance of each lung voxel's center from the pleural surface of its lung; 0 outside.
    lobe_method
        How the lobes were found, in words a report can print.
    evidence
        Ids of the evidence entries that the lobes rest on.
    source
        Which registered source it is from: "classical", or a file, or another program.
    lobe_second
        uint8: the lobe across the nearest fissure, the one that a voxel may belong to instead; 0 outside.
        None where the source does not tell.
    airways, vessels
        uint8, 1 inside: the lumina of trachea and bronchi, the vessels of the lungs; None if not sought.
    airway_tree, vessel_tree
        The same as branches with their widths.
    hila_mm
        LPS point of each hilum that was found.
    pleura
        uint8: on the voxels at the surface of a lobe, which part it is (:data:`PLEURAL_LABELS`), else 0.
    fissures
        How each fissure was found.
    conditions
        What is unusual, or could not be computed.
    """

    box: Box
    lungs: Volume
    lobes: Volume
    lobe_confidence: Volume
    depth_mm: Volume
    lobe_method: str
    evidence: tuple[str, ...] = ()
    source: str = "classical"
    lobe_second: Volume | None = None
    airways: Volume | None = None
    vessels: Volume | None = None
    airway_tree: BranchTree = field(default_factory=BranchTree.empty)
    vessel_tree: BranchTree = field(default_factory=BranchTree.empty)
    hila_mm: Mapping[Side, tuple[float, float, float]] = field(default_factory=dict)
    pleura: Volume | None = None
    fissures: tuple[Fissure, ...] = ()
    conditions: tuple[Condition, ...] = ()

    def lung_ml(self, side: Side) -> float:
        """Volume of one lung in ml."""
        return float(np.count_nonzero(self.lungs.array == LUNG_LABELS[side])) * self.lungs.voxel_ml

    def lobe_ml(self, lobe: Lobe) -> float:
        """Volume of one lobe in ml."""
        return float(np.count_nonzero(self.lobes.array == LOBE_LABELS[lobe])) * self.lobes.voxel_ml

    def full_lungs(self, scan_shape: tuple[int, int, int]) -> NDArray[np.uint8]:
        """Return the lungs' label map on the whole scan, shape (z, y, x)."""
        full = np.zeros(scan_shape, dtype=np.uint8)
        full[self.box] = self.lungs.array
        return full
