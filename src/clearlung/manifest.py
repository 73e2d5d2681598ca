"""The manifest: all that is needed to get the same result again."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from clearlung import RESEARCH_NOTICE, __version__
from clearlung.errors import OutputError
from clearlung.output import MANIFEST
from clearlung.progress import PhaseTime

LIBRARIES = ("numpy", "scipy", "SimpleITK", "numba", "scikit-image", "pydicom", "matplotlib", "typst")


class InputFile(BaseModel):
    """What was read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    sha256: str = Field(
        description="Of the file's bytes; of a DICOM series or a folder, of its files in order."
    )


class PhaseCost(BaseModel):
    """What one phase cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    phase: str
    seconds: float
    peak_mb: float


class Manifest(BaseModel):
    """Versions, options, hashes of inputs, seeds and timings of one run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str = "clearlung-manifest/1"
    notice: str = RESEARCH_NOTICE
    clearlung: str = __version__
    python: str
    libraries: dict[str, str]
    created: str = Field(description="UTC, ISO 8601.")
    command: str
    options: dict[str, Any]
    inputs: tuple[InputFile, ...]
    seed: int
    phases: tuple[PhaseCost, ...]
    outputs: dict[str, str] = Field(description="SHA-256 of each file beside this one.")


def write_manifest(
    folder: Path,
    *,
    command: str,
    created: str,
    options: dict[str, Any],
    inputs: Sequence[InputFile],
    seed: int,
    times: Sequence[PhaseTime],
) -> None:
    """Describe a run whose results are already in a folder, beside them."""
    manifest = Manifest(
        python=platform.python_version(),
        libraries={name: version(name) for name in LIBRARIES},
        created=created,
        command=command,
        options=options,
        inputs=tuple(inputs),
        seed=seed,
        phases=tuple(
            PhaseCost(phase=t.phase, seconds=round(t.seconds, 3), peak_mb=round(t.peak_mb)) for t in times
        ),
        outputs=_outputs(folder),
    )
    _store(manifest, folder)


def inputs_of(
    scan_kind: str,
    scan_sha256: str,
    anatomy_file: Path | None = None,
    detector_file: Path | None = None,
) -> tuple[InputFile, ...]:
    """Return a scan's entry, and those of the files or folders that anatomy and nodules came from."""
    entries = [InputFile(kind=scan_kind, sha256=scan_sha256)]
    for kind, place in (("anatomy", anatomy_file), ("detector", detector_file)):
        if place is not None:
            entries.append(InputFile(kind=kind, sha256=_sha256_of(place)))
    return tuple(entries)


def _sha256_of(place: Path) -> str:
    """Digest of a file, or of the digests of all files of a folder."""
    files = sorted(file for file in place.rglob("*") if file.is_file()) if place.is_dir() else [place]
    digests = [file_sha256(file) for file in files]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _store(manifest: Manifest, folder: Path) -> None:
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a result folder.

    Raises
    ------
    OutputError
        If the folder holds no result.
    """
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OutputError(f"{folder} holds no result: name a folder that clearlung wrote") from error


def renew_manifest(folder: Path, inputs: Sequence[InputFile] = ()) -> None:
    """Bring a folder's manifest up to date with its files.

    Parameters
    ----------
    folder
        With its manifest as it was; command, options, seed and timings stay.
    inputs
        What was read besides; takes the place of earlier entries of the same kind.
    """
    manifest = read_manifest(folder)
    kinds = {entry.kind for entry in inputs}
    kept = tuple(entry for entry in manifest.inputs if entry.kind not in kinds)
    new = {"inputs": (*kept, *inputs), "outputs": _outputs(folder)}
    _store(manifest.model_copy(update=new), folder)


def _outputs(folder: Path) -> dict[str, str]:
    return {
        path.name: file_sha256(path)
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != MANIFEST
    }


def published_schema(
    model: type[BaseModel], title: str, *, mode: Literal["serialization", "validation"] = "serialization"
) -> str:
    """Return a JSON schema as it is published in ``docs``: of what is written, or of what is read."""
    schema = model.model_json_schema(mode=mode)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = title
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
