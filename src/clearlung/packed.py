"""Arrays in one compressed file: what a result folder keeps so that it need not be computed again."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearlung.atomic import write_file
from clearlung.errors import OutputError

# Label maps pack to a hundredth at any level, and the lowest is the fastest.
LEVEL = 1
_WORDS = "words"


def write_packed(path: Path, arrays: Mapping[str, NDArray[Any]], words: Mapping[str, Any]) -> None:
    """Write arrays and plain data into one file, whole or not at all.

    Parameters
    ----------
    path
        The file, a NumPy ``.npz``; an existing one is replaced.
    arrays
        By name; no objects.
    words
        Anything that JSON can hold.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    text = np.frombuffer(json.dumps(words, sort_keys=True).encode(), dtype=np.uint8)

    def write(part: Path) -> None:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
            for name, array in {**arrays, _WORDS: text}.items():
                # A date of its own would make the same content another file.
                info = zipfile.ZipInfo(f"{name}.npy")
                info.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(info, "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)

    try:
        write_file(path, write)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error


def read_packed(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read what :func:`write_packed` wrote.

    Raises
    ------
    OutputError
        If the file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        words = json.loads(arrays.pop(_WORDS).tobytes())
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise OutputError(f"{path} is missing or damaged: make the folder anew") from error
    return arrays, words
