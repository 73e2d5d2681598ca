"""What ``clearlung nodules`` leaves on disk, and how a review changes it.

The truth is what was found (``found-N.npz``, one per detection) and the record of the review
(``review.jsonl``). Everything else is derived from them and is written anew after each action; what a crash
left behind the record is brought up to date by the next command.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from clearlung.anatomy import Anatomy
from clearlung.anatomy_cache import read_anatomy_cache, write_anatomy_cache
from clearlung.atomic import write_file
from clearlung.ct import Scan, write_volume
from clearlung.errors import OutputError, ReviewError
from clearlung.manifest import Manifest, file_sha256, inputs_of, write_manifest
from clearlung.nodule_found import Found, read_found, write_found
from clearlung.nodule_record import describe_nodules, nodules_json
from clearlung.nodule_tiles import cut_tiles, picture_pages, read_tiles, write_tiles
from clearlung.nodules import write_nodules
from clearlung.nodules.review import (
    Action,
    Detected,
    Review,
    append_entries,
    locked,
    read_record,
)
from clearlung.output import MANIFEST, folder_all_or_nothing
from clearlung.progress import Stopwatch

NODULE_PHASES = ("scan", "anatomy", "nodules", "files", "picture")
"""The phases of finding the nodules of a scan and writing them, in order."""

RECORD = "review.jsonl"
ANATOMY = "anatomy.npz"
TILES = "tiles.npz"
TABLE, LABELS, PLAIN = "nodules.csv", "nodules.nii.gz", "nodules.json"


@dataclass(frozen=True, eq=False)
class NoduleFolder:
    """The nodules of a scan with their review, as a folder holds them.

    Parameters
    ----------
    path
        The folder.
    found
        What was found, by the latest detection.
    review
        What a reader did to it.
    """

    path: Path
    found: Found
    review: Review

    @property
    def torn(self) -> str:
        """Beginning of an action whose writing a crash cut off; "" as a rule. It was never done."""
        return self.review.record.torn

    @property
    def unreviewed(self) -> int:
        """Number of nodules that nobody has looked at."""
        return int((self.review.state.nodules.review == "").sum())

    @property
    def conflicts(self) -> tuple[str, ...]:
        """What the last detection left for the reader to settle."""
        detections = [e.action for e in self.review.record.entries if isinstance(e.action, Detected)]
        return detections[-1].conflicts if detections else ()

    @property
    def how(self) -> dict[str, Any]:
        """Options of the first detection, from the manifest."""
        return _manifest(self.path).options

    def anatomy(self) -> Anatomy:
        """Return the anatomy that the nodules were found on.

        Raises
        ------
        OutputError
            If its file is missing or damaged.
        """
        return read_anatomy_cache(self.path / ANATOMY)


def write_nodule_folder(
    found: Found,
    scan: Scan,
    anatomy: Anatomy,
    folder: Path,
    *,
    options: dict[str, Any],
    anatomy_file: Path | None = None,
    detector_file: Path | None = None,
    replace_earlier: bool = False,
    watch: Stopwatch | None = None,
) -> NoduleFolder:
    """Write what was found into a folder, all or nothing.

    Parameters
    ----------
    found, scan, anatomy
        What was found, and on what; the anatomy as :func:`clearlung.anatomy_cache.settled` returns it.
    folder
        Becomes the result: ``nodules.csv``, ``nodules.nii.gz`` on the scan's own grid, ``nodules.json``,
        ``nodules.png``, ``review.jsonl`` (empty), ``manifest.json``, and for the review ``found-1.npz``,
        ``anatomy.npz`` and ``tiles.npz``.
    options, anatomy_file, detector_file
        For the manifest: how it was made, and the file or folder that parts of the anatomy came from.
    replace_earlier
        Whether an earlier result may be replaced, with its review.
    watch
        Times the phases.

    Raises
    ------
    OutputError
        If the folder must not be written.
    """
    watch = watch or Stopwatch()
    created = datetime.now(UTC).replace(microsecond=0)
    with folder_all_or_nothing(folder, replace=replace_earlier) as work:
        with watch.phase("files"):
            (work / RECORD).touch()
            write_found(found, work / _found_name(1))
            write_anatomy_cache(anatomy, work / ANATOMY)
            made = NoduleFolder(work, found, Review(found.nodules))
            write_tiles(cut_tiles(made.review.state, scan, anatomy), work / TILES)
            _write_tables(made)
        with watch.phase("picture"):
            _write_pictures(made)
        write_manifest(
            work,
            command="nodules find",
            created=created.isoformat(),
            options=options,
            inputs=inputs_of(scan.source, scan.input_sha256, anatomy_file, detector_file),
            seed=0,
            times=watch.times,
        )
    return replace(made, path=folder)


def open_nodule_folder(folder: Path, *, heal: bool = True) -> NoduleFolder:
    """Read a folder of nodules and their review.

    Parameters
    ----------
    folder
        As :func:`write_nodule_folder` left it.
    heal
        Bring tables, label map and picture up to date where a crash or a hand left them behind the record.

    Raises
    ------
    OutputError
        If it is no such folder, or what it rests on is missing or damaged.
    CaseConflict
        If the record was changed by hand.
    """
    _check_is_ours(folder)
    opened = _read(folder)
    if heal and _behind(opened):
        with locked(folder):
            opened = _read(folder)
            if _behind(opened):
                _refresh(opened)
    return opened


def act(
    folder: Path,
    make: Callable[[Review], Action],
    *,
    who: str,
    why: str = "",
    scan: Scan | None = None,
    anatomy: Anatomy | None = None,
) -> NoduleFolder:
    """Do one action in a folder; it is on disk when this returns.

    Parameters
    ----------
    folder
        As :func:`write_nodule_folder` left it. Another process that acts in it is waited for.
    make
        Makes the action from the review as it then is.
    who, why
        The reader's initials or role, and the reason. Neither may name the patient.
    scan, anatomy
        Of actions that draw: what to cut the new picture from.

    Raises
    ------
    ReviewError, ReviewDependence
        If the action cannot be done; nothing is changed.
    OutputError, CaseConflict
        As for :func:`open_nodule_folder`.
    """
    _check_is_ours(folder)
    with locked(folder):
        before = _read(folder)
        review = before.review.done(make(before.review), who, why)
        _append(before, review)
        after = replace(before, review=replace_torn(review))
        if scan is not None and anatomy is not None:
            _add_tiles(after, scan, anatomy)
        _refresh(after)
    return after


def carry_into(
    folder: Path,
    found: Found,
    make: Callable[[Review], tuple[Found, Detected]],
    *,
    who: str,
    why: str,
    scan: Scan,
    anatomy: Anatomy,
) -> NoduleFolder:
    """Put a later detection into a folder; the review goes on with it.

    Parameters
    ----------
    folder
        As :func:`write_nodule_folder` left it.
    found
        The later detection, under its own numbers.
    make
        Gives it the earlier one's numbers, and says in the record what happened.
    who, why, scan, anatomy
        As for :func:`act`.

    Raises
    ------
    OutputError, CaseConflict
        As for :func:`open_nodule_folder`.
    """
    _check_is_ours(folder)
    with locked(folder):
        before = _read(folder)
        carried, action = make(before.review)
        # What was found before the line that names it: a crash between them leaves the earlier one valid.
        path = folder / _found_name(_detections(before.review) + 1)
        write_found(carried, path)
        action = action.model_copy(update={"found_sha256": file_sha256(path)})
        review = before.review.done(action, who, why)
        _append(before, review)
        after = NoduleFolder(folder, carried, Review(carried.nodules, replace_torn(review).record))
        _add_tiles(after, scan, anatomy)
        _refresh(after)
    return after


def replace_torn(review: Review) -> Review:
    """Return the review without the torn end, which appending has set aside."""
    if not review.record.torn:
        return review
    return replace(review, record=replace(review.record, torn=""))


def _read(folder: Path) -> NoduleFolder:
    record = read_record(folder / RECORD)
    detections = [entry.action for entry in record.entries if isinstance(entry.action, Detected)]
    path = folder / _found_name(len(detections) + 1)
    if detections and (not path.is_file() or file_sha256(path) != detections[-1].found_sha256):
        raise OutputError(f"{path} is missing or is not what the review was carried over to: put it back")
    found = read_found(path)
    return NoduleFolder(folder, found, Review(found.nodules, record))


def _check_is_ours(folder: Path) -> None:
    if not (folder / RECORD).is_file() or not (folder / MANIFEST).is_file():
        raise OutputError(f"{folder} holds no nodules: make it with clearlung nodules find SCAN -o {folder}")


def _detections(review: Review) -> int:
    return 1 + sum(isinstance(entry.action, Detected) for entry in review.record.entries)


def _found_name(detection: int) -> str:
    return f"found-{detection}.npz"


def _append(before: NoduleFolder, after: Review) -> None:
    entries = after.record.entries[len(before.review.record) :]
    append_entries(before.path / RECORD, before.review.record, entries)


def _add_tiles(folder: NoduleFolder, scan: Scan, anatomy: Anatomy) -> None:
    tiles = read_tiles(folder.path / TILES)
    write_tiles(cut_tiles(folder.review.state, scan, anatomy, tiles), folder.path / TILES)


def _manifest(folder: Path) -> Manifest:
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError) as error:
        raise OutputError(f"{folder / MANIFEST} is missing or damaged: put it back") from error


def _behind(folder: NoduleFolder) -> bool:
    """Whether a file is not what the manifest says, or the manifest is older than the record."""
    outputs = _manifest(folder.path).outputs
    names = {RECORD, TABLE, LABELS, PLAIN, *(p.name for p in folder.path.glob("nodules*.png"))}
    return any(
        not (path := folder.path / name).is_file() or file_sha256(path) != outputs.get(name)
        for name in names | {name for name in outputs if name.startswith("nodules")}
    )


def _refresh(folder: NoduleFolder) -> None:
    """Write everything derived anew; the manifest, which vouches for the rest, last."""
    _write_tables(folder)
    _write_pictures(folder)
    outputs = {
        path.name: file_sha256(path)
        for path in sorted(folder.path.iterdir())
        if path.is_file() and path.name != MANIFEST and not path.name.startswith(".")
    }
    manifest = _manifest(folder.path).model_copy(update={"outputs": outputs})
    write_file(
        folder.path / MANIFEST,
        lambda part: part.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8"),
    )


def _write_tables(folder: NoduleFolder) -> None:
    state = folder.review.state
    nodules = state.nodules
    write_file(folder.path / TABLE, lambda part: write_nodules(nodules, part))
    if nodules.labels is None:
        raise ReviewError("nodules", "have no outlines")
    write_volume(folder.found.on_scan(nodules.labels), folder.path / LABELS, folder.found.native)
    text = nodules_json(describe_nodules(folder.found, folder.review))
    write_file(folder.path / PLAIN, lambda part: part.write_text(text, encoding="utf-8"))


def _write_pictures(folder: NoduleFolder) -> None:
    """Draw the contact sheet: ``nodules.png``, and ``nodules-2.png`` and so on where there are very many."""
    pages = picture_pages(folder.review.state, read_tiles(folder.path / TILES))
    names = ["nodules.png", *(f"nodules-{page}.png" for page in range(2, len(pages) + 1))]
    for name, page in zip(names, pages, strict=True):
        write_file(folder.path / name, lambda part, page=page: part.write_bytes(page))  # type: ignore[misc]
    for old in folder.path.glob("nodules-*.png"):
        if old.name not in names:
            old.unlink()
