"""`detector.json`: what a model wants to see and what its output means, so that nothing is guessed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from clearlung.errors import DetectorError

CONTRACT = "detector.json"
"""Name of the file beside the model."""

# A contract is a page of text.
MAX_CONTRACT_BYTES = 1 << 18

Axes = Literal["LPS", "LPI", "LAS", "LAI", "RPS", "RPI", "RAS", "RAI"]
"""The patient's directions (left or right, posterior or anterior, superior or inferior) of x, y and z."""

Channel = Literal["hu", "lungs"]
"""What a channel of the input holds: the windowed density, or 1 inside the lungs and 0 outside."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Millimeters(_Part):
    """Spacing along each axis."""

    x: float = Field(gt=0.05, le=10, description="mm along the patient's left-right axis.")
    y: float = Field(gt=0.05, le=10, description="mm along the patient's front-back axis.")
    z: float = Field(gt=0.05, le=10, description="mm along the patient's head-feet axis.")


class Voxels(_Part):
    """Number of voxels along each axis."""

    x: int = Field(ge=1, le=1024, description="Voxels along the patient's left-right axis.")
    y: int = Field(ge=1, le=1024, description="Voxels along the patient's front-back axis.")
    z: int = Field(ge=1, le=1024, description="Voxels along the patient's head-feet axis.")


class ModelFile(_Part):
    """The model's file and its hash."""

    file: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.onnx$",
        max_length=100,
        description="Name of the ONNX file, in the folder of this contract. Its weights must be inside it.",
    )
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of that file, in lower case.")


class About(_Part):
    """Where the model is from; printed with every result."""

    license: str = Field(min_length=1, max_length=300, description="License of model and weights.")
    source: str = Field(min_length=1, max_length=300, description="Who made it, and where it is described.")
    trained_on: str = Field(min_length=1, max_length=1000, description="The scans that it was trained on.")
    slices_mm: tuple[float, float] | None = Field(
        default=None,
        description="Least and largest distance between slices that it is meant for; others bring a warning.",
    )


class ModelInput(_Part):
    """What the model is shown."""

    name: str | None = Field(default=None, description="Name of the input tensor; null if there is but one.")
    sees: Literal["lungs", "windows", "candidates"] = Field(
        description="The box around both lungs at once; windows that slide over it; or a patch around each "
        "candidate of the built-in detector."
    )
    layout: str = Field(
        pattern="^N[CXYZ]{4}$",
        description="Order of the tensor's axes: N, then C, X, Y and Z in any order, such as NCZYX.",
    )
    axes: Axes = Field(
        description="The patient's direction in which x, y and z grow: LPS as DICOM, RAS as NIfTI and MONAI."
    )
    spacing_mm: Millimeters | Literal["native"] = Field(
        description="Spacing that the scan is resampled to, linearly; native leaves the scan's own."
    )
    patch_voxels: Voxels | None = Field(
        default=None, description="Size of a window or patch; null where it sees the lungs at once."
    )
    overlap: float = Field(
        default=0.25, ge=0, le=0.75, description="Share of a window that the next one covers again."
    )
    multiple_of: int = Field(
        default=1, ge=1, le=128, description="Where it sees the lungs at once: each size is made a multiple."
    )
    channels: tuple[Channel, ...] = Field(
        default=("hu",), min_length=1, max_length=2, description="What each channel holds, in order."
    )
    window_hu: tuple[float, float] = Field(
        description="HU that are mapped to scaled_to; what is beyond is cut."
    )
    scaled_to: tuple[float, float] = Field(default=(0.0, 1.0), description="What the two HU become.")

    @field_validator("layout")
    @classmethod
    def _each_axis_once(cls, layout: str) -> str:
        if sorted(layout) != sorted("NCXYZ"):
            raise ValueError("must have each of N, C, X, Y and Z once")
        return layout

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.window_hu[0] >= self.window_hu[1]:
            raise ValueError("window_hu must be two HU, the lower one first")
        if (self.patch_voxels is None) != (self.sees == "lungs"):
            raise ValueError("patch_voxels must be given unless it sees the lungs at once, and not then")
        if len(set(self.channels)) < len(self.channels):
            raise ValueError("channels must differ")
        return self

    @property
    def order(self) -> str:
        """The spatial axes of the tensor in order, such as ZYX."""
        return self.layout.replace("N", "").replace("C", "")


class _Scores(_Part):
    activation: Literal["none", "sigmoid", "softmax"] = Field(
        default="none", description="What turns the raw output into probabilities: none if it has been done."
    )
    index: int = Field(
        default=0, ge=0, le=99, description="Which channel or class is the nodule, counted from 0."
    )
    threshold: float = Field(ge=0, le=1, description="Findings of a lower probability are left out.")


class Heatmap(_Scores):
    """A probability at each place; its peaks are candidates."""

    kind: Literal["heatmap"]
    name: str | None = Field(default=None, description="Name of the output; null if it is the first one.")
    stride: int = Field(default=1, ge=1, le=16, description="Voxels of the input for each of the output.")
    diameter: str | None = Field(
        default=None,
        description="Name of an output of the same shape, without channels or with one, that holds the "
        "diameter in mm; null takes the width of the peak at half its height.",
    )


class Boxes(_Scores):
    """Boxes and their scores, for each window of its own."""

    kind: Literal["boxes"]
    boxes: str = Field(description="Name of the output with the boxes: (n, 6), or (1, n, 6).")
    scores: str = Field(
        description="Name of the output with the scores: (n), (n, classes), or with a leading 1."
    )
    mode: Literal["cccwhd", "xyzxyz", "zyxzyx"] = Field(
        description="The six numbers: center and size along x, y, z; or two corners, in x, y, z or z, y, x."
    )
    unit: Literal["voxel", "mm"] = Field(description="Whether they count voxels of the window or mm from it.")
    zero: Literal["voxel_center", "voxel_edge"] = Field(
        description="Whether 0 is the center of the first voxel or its outer edge."
    )


class Probability(_Scores):
    """A probability for each candidate that the model was shown."""

    kind: Literal["probability"]
    name: str | None = Field(default=None, description="Name of the output; null if it is the first one.")


class Contract(_Part):
    """Everything that must be known to run a model that finds nodules."""

    format: Literal["clearlung-detector/1"] = Field(description="Version of this description.")
    title: str = Field(min_length=1, max_length=80, description="What the detector is called in results.")
    model: ModelFile = Field(description="The ONNX file.")
    about: About = Field(description="Where it is from.")
    input: ModelInput = Field(description="What the model is shown.")
    output: Annotated[Heatmap | Boxes | Probability, Field(discriminator="kind")] = Field(
        description="What it returns."
    )

    @model_validator(mode="after")
    def _filters_candidates(self) -> Self:
        if (self.input.sees == "candidates") != (self.output.kind == "probability"):
            raise ValueError(
                "a model that sees candidates returns a probability, and no other one does: "
                "change input.sees or output.kind"
            )
        return self


def read_contract(folder: Path) -> Contract:
    """Read the contract of a model's folder.

    Parameters
    ----------
    folder
        Holds ``detector.json`` and the ONNX file.

    Raises
    ------
    DetectorError
        If it cannot be read, or a field is missing, unknown or impossible; ``field`` says which.
    """
    path = folder / CONTRACT
    try:
        if path.stat().st_size > MAX_CONTRACT_BYTES:
            raise DetectorError(CONTRACT, f"has more than {MAX_CONTRACT_BYTES} bytes; a contract is a page.")
        return Contract.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DetectorError(CONTRACT, f"cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise DetectorError(
            f"{CONTRACT}, {field}", f"{first['msg']}. See docs/nodule-detectors.md for the fields."
        ) from error
    except (ValueError, RecursionError) as error:
        raise DetectorError(CONTRACT, "is no JSON in UTF-8. Correct or export it again.") from error


def published_contract() -> str:
    """Return the JSON schema of ``detector.json``, as published in ``docs/detector.schema.json``."""
    schema = Contract.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Clearlung detector"
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
