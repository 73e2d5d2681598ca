"""Label maps in one file: NIfTI with names in its header, MetaImage, NRRD, and 3D Slicer's .seg.nrrd."""

from __future__ import annotations

import math
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy.sources.names import Code, Segment
from clearlung.anatomy.sources.parts import FileContent, Layer, Piece, meaning_of, shown
from clearlung.ct import Volume, read_volume
from clearlung.errors import AnatomyError

LABEL_MAP_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd")
# Names of a few hundred structures take some 30 kB.
MAX_HEADER_BYTES = 1 << 20
# Deflate packs at most 1032 to 1.
MAX_PACKING_RATIO = 1100
# Enough for any label; Python refuses to read numbers of thousands of digits.
MAX_DIGITS = 5
# Overlapping segments need a layer each; a file with more is not a chest's.
MAX_LAYERS = 200
_NIFTI_HEADER = 348
_LABEL = re.compile(
    rb"<Label\b[^>]*\bKey=\"(\d+)\"[^>]*>\s*(?:<!\[CDATA\[(.*?)\]\]>|([^<]*))\s*</Label>", re.S
)
_SEGMENT = re.compile(r"^Segment(\d+)_(Name|ID|LabelValue|Layer|Tags):=(.*)$")
_NRRD_TYPES = {
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("short", "short int", "signed short", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
}
_NRRD_TO_LPS = {
    **dict.fromkeys(("left-posterior-superior", "lps"), (1.0, 1.0, 1.0)),
    **dict.fromkeys(("right-anterior-superior", "ras"), (-1.0, -1.0, 1.0)),
}


def read_label_map(path: Path) -> FileContent:
    """Read a NIfTI, NRRD or MetaImage label map with the names that it carries.

    Raises
    ------
    AnatomyError
        If its segments are not parts of the lungs, or contradict themselves.
    ScanRejected
        If the file is damaged or does not say how it lies in the patient.
    """
    layers = read_layers(path)
    named = [(number, label) for number, layer in enumerate(layers) for label in layer.segments]
    if not named:
        return FileContent(tuple(Piece(layer.volume, None) for layer in layers))
    segments = {place: layers[number].segments[label] for place, (number, label) in enumerate(named)}
    meaning = meaning_of(segments, shown(path))
    pieces = []
    for number, layer in enumerate(layers):
        here = {
            label: meaning[place]
            for place, (which, label) in enumerate(named)
            if which == number and place in meaning
        }
        if here:
            pieces.append(Piece(layer.volume, here))
    nifti = path.name.lower().endswith((".nii", ".nii.gz"))
    told_by = "names in the NIfTI header" if nifti else "segments of 3D Slicer"
    return FileContent(tuple(pieces), told_by, numbered=len(layers) == 1)


def read_layers(path: Path) -> tuple[Layer, ...]:
    """Read the label maps of a NIfTI, NRRD or MetaImage file, whatever their labels are.

    Raises
    ------
    AnatomyError
        If it has layers that cannot be told apart or read.
    ScanRejected
        If the file is damaged or does not say how it lies in the patient.
    """
    name = path.name.lower()
    if name.endswith((".nii", ".nii.gz")):
        return (Layer(read_volume(path)[0], _nifti_names(path)),)
    if name.endswith(".nrrd"):
        return _read_nrrd(path)
    return (Layer(read_volume(path)[0]),)


def _nifti_names(path: Path) -> dict[int, Segment]:
    """Names of the labels in a NIfTI header extension, as TotalSegmentator and Connectome Workbench write."""
    with path.open("rb") as file:
        raw = file.read(MAX_HEADER_BYTES)
    if path.name.lower().endswith(".gz"):
        try:
            raw = zlib.decompressobj(31).decompress(raw, MAX_HEADER_BYTES)
        except zlib.error:
            return {}  # the reader of the voxels says what is wrong
    if len(raw) < _NIFTI_HEADER + 4 or not raw[_NIFTI_HEADER]:
        return {}
    order = "<" if struct.unpack_from("<i", raw)[0] == _NIFTI_HEADER else ">"
    (offset,) = struct.unpack_from(order + "f", raw, 108)
    extensions = raw[_NIFTI_HEADER + 4 : int(offset) if np.isfinite(offset) and offset > 0 else 0]
    return {
        int(key): Segment(label=(text or plain).decode("utf-8", errors="replace").strip())
        for key, text, plain in _LABEL.findall(extensions)
        if len(key) <= MAX_DIGITS
    }


def _read_nrrd(path: Path) -> tuple[Layer, ...]:
    """Read a .nrrd or .seg.nrrd file with one layer of labels or several."""
    fields, lines, data_from = _nrrd_header(path)
    described = _described(lines)
    if fields.get("dimension") != "4":
        return (Layer(read_volume(path)[0], {label: s for (_, label), s in described.items()}),)
    volumes = _read_layers(path, fields, data_from)
    if not described:
        raise AnatomyError(
            shown(path), "it has several layers and names none of them. Export it from 3D Slicer again."
        )
    return tuple(
        Layer(volume, {label: s for (which, label), s in described.items() if which == number})
        for number, volume in enumerate(volumes)
    )


def _nrrd_header(path: Path) -> tuple[dict[str, str], list[str], int]:
    """Return the fields, all lines, and the byte after the empty line that ends the header."""
    with path.open("rb") as file:
        raw = file.read(MAX_HEADER_BYTES)
    end = re.search(rb"\r?\n\r?\n", raw)
    if not raw.startswith(b"NRRD") or end is None:
        raise AnatomyError(shown(path), "it is no NRRD file, or its header does not end. Export it again.")
    lines = raw[: end.start()].decode("utf-8", errors="replace").splitlines()[1:]
    pairs = (line.split(": ", 1) for line in lines if ": " in line and ":=" not in line and line[0] != "#")
    return {key.strip().lower(): value.strip() for key, value in pairs}, lines, end.end()


def _described(lines: list[str]) -> dict[tuple[int, int], Segment]:
    """Return the segments of a .seg.nrrd header by layer and label.

    Files of 3D Slicer before 4.11 have a layer for each segment and say neither layer nor label.
    """
    keys: dict[int, dict[str, str]] = {}
    for line in lines:
        if (match := _SEGMENT.match(line)) and len(match[1]) <= MAX_DIGITS:
            keys.setdefault(int(match[1]), {})[match[2]] = match[3].strip()
    segments = {}
    for number, said in sorted(keys.items()):
        place = (_whole(said.get("Layer"), number), _whole(said.get("LabelValue"), 1))
        terms = _terminology(said.get("Tags", ""))
        segments[place] = Segment(said.get("Name") or said.get("ID", ""), *terms)
    return segments


def _whole(text: str | None, otherwise: int) -> int:
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,9}", text) else otherwise


def _terminology(tags: str) -> tuple[Code, Code, Code, Code]:
    """Return type, modifier, region and its modifier of 3D Slicer's terminology entry.

    It reads ``context~category~type~modifier~context~region~modifier``, each term
    ``scheme^value^meaning``; other tags stand before or after it, parted by ``|``.
    """
    for tag in tags.split("|"):
        if tag.startswith("TerminologyEntry:"):
            terms = [Code(*[*term.split("^"), "", "", ""][:3]) for term in tag.split("~")]
            terms += [Code()] * (7 - len(terms))
            return terms[2], terms[3], terms[5], terms[6]
    return Code(), Code(), Code(), Code()


def _read_layers(path: Path, fields: dict[str, str], data_from: int) -> list[Volume]:
    """Read the layers of a four-dimensional NRRD: one list axis and three in space."""
    try:
        sizes = [int(size) for size in fields["sizes"].split()]
        dtype = np.dtype(
            (">" if fields.get("endian") == "big" else "<") + _NRRD_TYPES[fields["type"].lower()]
        )
        layered = fields.get("kinds", "list domain domain domain").lower().split().index("list")
        affine = _nrrd_affine(fields)
    except (KeyError, ValueError, IndexError) as error:
        raise AnatomyError(
            shown(path),
            "its header names no type of whole numbers, no list of layers or no orientation. Export it from "
            "3D Slicer again.",
        ) from error
    if len(sizes) != 4 or not 1 <= sizes[layered] <= MAX_LAYERS or min(sizes) < 1:
        raise AnatomyError(shown(path), f"its size {sizes} is not that of at most {MAX_LAYERS} layers.")
    raw = _payload(path, data_from, fields.get("encoding", "").lower(), math.prod(sizes) * dtype.itemsize)
    array: NDArray[Any] = np.frombuffer(raw, dtype).reshape(sizes[::-1])
    layers = np.moveaxis(array, 3 - layered, 0)
    turned = affine[:, [2, 1, 0, 3]]
    native = dtype.newbyteorder("=")
    return [Volume.canonical(np.ascontiguousarray(layer, dtype=native), turned)[0] for layer in layers]


def _nrrd_affine(fields: dict[str, str]) -> NDArray[np.float64]:
    """Affine (i, j, k, 1) to LPS mm."""
    affine = np.eye(4)
    vectors = [_vector(text) for text in re.findall(r"\(([^)]*)\)", fields["space directions"])]
    affine[:3, :3] = np.array(vectors).T
    affine[:3, 3] = _vector(re.findall(r"\(([^)]*)\)", fields["space origin"])[0])
    return np.diag([*_NRRD_TO_LPS[fields["space"].lower()], 1.0]) @ affine


def _vector(text: str) -> NDArray[np.float64]:
    vector = np.array([float(value) for value in text.split(",")])
    if vector.shape != (3,) or not np.isfinite(vector).all():
        raise ValueError(f"not three numbers: {text}")
    return vector


def _payload(path: Path, data_from: int, encoding: str, needed: int) -> bytes:
    """Return the voxels' bytes, whole or not at all."""
    packed = encoding in ("gzip", "gz")
    room = path.stat().st_size - data_from
    if not packed and encoding != "raw":
        raise AnatomyError(shown(path), f"its encoding {encoding!r} is not read. Export it as raw or gzip.")
    if needed > room * (MAX_PACKING_RATIO if packed else 1):
        raise AnatomyError(
            shown(path), f"its header asks for {needed} bytes and {room} are there. Export it again."
        )
    with path.open("rb") as file:
        file.seek(data_from)
        raw = file.read()
    if packed:
        unpacker = zlib.decompressobj(31)
        try:
            raw = unpacker.decompress(raw, needed)
            unpacker.decompress(unpacker.unconsumed_tail, 1)  # verifies the checksum behind the last byte
        except zlib.error as error:
            raise AnatomyError(shown(path), "its voxels are damaged. Copy or export it again.") from error
    if len(raw) < needed or (packed and not unpacker.eof):
        raise AnatomyError(
            shown(path), f"it ends after {len(raw)} of {needed} bytes of voxels. Export it again."
        )
    return raw[:needed]
