"""A zip of a study: judged by its directory before anything is unpacked, unpacked under numbers.

A member's name is looked at to refuse the archive and is never used: it neither becomes a path nor is it
shown, since it may hold the patient's name. Messages say "member 17".
"""

from __future__ import annotations

import io
import shutil
import stat
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from clearlung.ct.kind import DICOM_MAGIC_AT, HEAD_BYTES, check_preamble, kind_of
from clearlung.ct.limits import IntakeLimits
from clearlung.errors import ScanRejected

# Room for 50,000 members with long names; zipfile reads the directory at once, unchecked.
MAX_DIRECTORY_BYTES = 32 << 20
# Longer than any path that a system unpacks.
MAX_NAME_CHARACTERS = 1024
CHUNK_BYTES = 1 << 20
# Signature and fixed part of a member's own header.
_LOCAL_HEADER_BYTES = 30
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_SUFFIXES = {"dicom": ".dcm", "nifti": ".nii", "nrrd": ".nrrd", "metaimage": ".mha", "gzip": ".nii.gz"}
_DAMAGED = (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError, RuntimeError)
_WHERE = "the archive"


@dataclass(frozen=True)
class Unpacked:
    """What an archive held.

    Parameters
    ----------
    dicom
        Folder with its DICOM files, numbered; None if there are none.
    volumes
        Its other volumes, one file each.
    skipped
        Number of members that are neither.
    """

    dicom: Path | None
    volumes: tuple[Path, ...]
    skipped: int


def unpack(path: Path, room: Path, limits: IntakeLimits) -> Unpacked:
    """Unpack the images of a zip archive to numbered files in a private folder.

    Parameters
    ----------
    path
        The archive.
    room
        An empty folder that nobody else reads; the caller removes it.
    limits
        On members, size and ratio.

    Raises
    ------
    ScanRejected
        ``unsafe_archive``, ``too_large``, ``unsupported_format`` (encrypted, or packed in another way) or
        ``unreadable``.
    """
    try:
        with _CarefulFile(path, "rb") as file, zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            check_members(members, archive.start_dir, path.stat().st_size, limits)
            _check_room(sum(member.file_size for member in members), room)
            return _unpack(archive, members, room)
    except _DAMAGED as error:
        raise ScanRejected(
            "unreadable", _WHERE, "The archive is damaged or cut short. Make or download it again."
        ) from error


class _CarefulFile(io.FileIO):
    """A file that is not read in pieces larger than an honest directory."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_DIRECTORY_BYTES:
            raise _too_large(f"a directory of {size} bytes", f"{MAX_DIRECTORY_BYTES} bytes")
        return super().read(-1 if size is None else size) or b""


def check_members(
    members: Sequence[zipfile.ZipInfo], directory_at: int, archive_bytes: int, limits: IntakeLimits
) -> None:
    """Refuse an archive by its directory alone.

    Parameters
    ----------
    members
        What the directory lists.
    directory_at
        Byte at which the directory begins: the members lie before it.
    archive_bytes
        Size of the archive.
    limits
        On members, size and ratio.

    Raises
    ------
    ScanRejected
        ``unsafe_archive``, ``too_large`` or ``unsupported_format``.
    """
    if len(members) > limits.members:
        raise _too_large(f"{len(members)} members", f"{limits.members}")
    for number, member in enumerate(members, start=1):
        _check_member(member, f"member {number}")
    names = [member.orig_filename for member in members]
    if len(set(names)) < len(names):
        raise _unsafe("two members", "have the same name: programs disagree on which of them counts")
    _check_apart(members, directory_at)
    unpacked = sum(member.file_size for member in members)
    if unpacked > limits.unpacked_bytes:
        raise _too_large(f"{unpacked} bytes unpacked", f"{limits.unpacked_bytes} bytes")
    if unpacked > limits.ratio_free_bytes and unpacked > limits.ratio * archive_bytes:
        raise _unsafe(
            _WHERE, f"would unpack to {unpacked / archive_bytes:.0f} times its size, as a zip bomb does"
        )


def _check_member(member: zipfile.ZipInfo, where: str) -> None:
    name = member.orig_filename
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or parts[0] == "" or ":" in parts[0] or len(name) > MAX_NAME_CHARACTERS:
        raise _unsafe(where, "has a name that leads out of the folder into which it would be unpacked")
    if any(ord(character) < ord(" ") for character in name):
        raise _unsafe(where, "has a name with control characters")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _unsafe(where, "is a link or a device, not a file")
    if member.flag_bits & _ENCRYPTED:
        raise ScanRejected(
            "unsupported_format", where, "The archive is encrypted. Unpack it and give the folder."
        )
    if member.compress_type not in _PACKINGS:
        raise ScanRejected(
            "unsupported_format",
            where,
            "It is packed in a way that is not read (only stored and deflated are). Pack it again as .zip, "
            "or give the folder.",
        )


def _check_apart(members: Sequence[zipfile.ZipInfo], directory_at: int) -> None:
    """Refuse members that share bytes: a few kilobytes would unpack to terabytes."""
    placed = sorted((member.header_offset, member.compress_size) for member in members)
    ends = [0] + [offset + _LOCAL_HEADER_BYTES + size for offset, size in placed]
    begins = [offset for offset, _ in placed] + [directory_at]
    if any(end > begin for end, begin in zip(ends, begins, strict=True)):
        raise _unsafe("two members", "share the same bytes of the archive, as in a zip bomb")


def _check_room(needed: int, room: Path) -> None:
    free = shutil.disk_usage(room).free
    if needed > free:
        raise ScanRejected(
            "too_large",
            _WHERE,
            f"It unpacks to {needed} bytes, and {free} are free on the disk for temporary files. Make room, "
            "or set TMPDIR to a folder on a larger disk.",
        )


def _unpack(archive: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo], room: Path) -> Unpacked:
    images, volumes = room / "dicom", room / "volumes"
    images.mkdir()
    volumes.mkdir()
    skipped = 0
    for number, member in enumerate(members, start=1):
        if member.is_dir():
            continue
        with archive.open(member) as packed:
            head = packed.read(HEAD_BYTES)
            kind = kind_of(head)
            if kind == "dicom":
                check_preamble(head[:DICOM_MAGIC_AT], f"member {number}")
            if kind not in _SUFFIXES:
                skipped += 1
                continue
            target = (images if kind == "dicom" else volumes) / f"{number:06d}{_SUFFIXES[kind]}"
            _write(target, head, packed, member.file_size, f"member {number}")
    found = tuple(sorted(volumes.iterdir()))
    return Unpacked(images if any(images.iterdir()) else None, found, skipped)


def _write(target: Path, head: bytes, packed: IO[bytes], size: int, where: str) -> None:
    """Unpack one member, no more and no less than the directory said."""
    written = 0
    piece = head
    with target.open("wb") as file:
        while piece:
            written += len(piece)
            if written > size:
                break
            file.write(piece)
            piece = packed.read(CHUNK_BYTES)
    if written != size:
        raise _unsafe(where, "is not of the size that the archive's directory says")


def _unsafe(where: str, what: str) -> ScanRejected:
    return ScanRejected(
        "unsafe_archive",
        where,
        f"{where[0].upper()}{where[1:]} {what}. Nothing was kept of it. Get the study from its source again.",
    )


def _too_large(what: str, limit: str) -> ScanRejected:
    return ScanRejected(
        "too_large",
        _WHERE,
        f"The archive has {what}; the limit is {limit}. Give only the series that is needed, or unpack it "
        "and give its folder.",
    )
