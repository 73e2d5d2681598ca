"""Where anatomy can come from: our own method, a file, or another program that is asked to run."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from clearlung.anatomy.air import CoarseAir
from clearlung.anatomy.sources.files import read_anatomy_file
from clearlung.anatomy.sources.names import Group
from clearlung.anatomy.sources.parts import Parts
from clearlung.ct import Scan, write_volume
from clearlung.errors import AnatomyError
from clearlung.programs import run_program

SourceName = Literal["classical", "file", "totalsegmentator", "lungmask"]
"""A registered source of anatomy."""

# A network on a processor without a graphics card takes minutes; one that waits for a network that is not
# there must end.
TIME_LIMIT_S = 3600.0


@dataclass(frozen=True)
class Program:
    """How another program is called.

    Parameters
    ----------
    command, module
        The command that its package installs, and the module that does the same with ``python -m``.
    package
        What to install.
    labels
        The convention of its label numbers, where its file does not name them.
    models
        For each model that can be asked for, the arguments after input and output; the first is the default.
    line
        Makes the command line of input, output and those arguments.
    weights
        Whether the weights that a model needs are on this machine.
    environment
        Makes what is added to the environment, given a folder for the run.
    """

    command: str
    module: str
    package: str
    labels: Mapping[str, str | None]
    models: Mapping[str, tuple[str, ...]]
    line: Callable[[str, str, tuple[str, ...]], list[str]]
    weights: Callable[[str], bool]
    environment: Callable[[Path], dict[str, str]]


@dataclass(frozen=True)
class Source:
    """A registered source of anatomy.

    Parameters
    ----------
    title
        What it is, in words.
    provides
        What it gives; all else is still computed by our own method from its lungs.
    license
        Of program and weights.
    notes
        What its user must know.
    program
        How it is called; None where no other program is needed.
    """

    title: str
    provides: tuple[Group, ...]
    license: str
    notes: str
    program: Program | None = None

    @property
    def installed(self) -> bool:
        """Whether it can be used on this machine (its weights may still have to be downloaded)."""
        return self.program is None or _command(self.program) is not None


@dataclass(frozen=True)
class AnatomySource:
    """Which source to take the anatomy from.

    Parameters
    ----------
    name
        A key of :data:`SOURCES`.
    path
        The file or folder, for ``file``.
    labels
        Whose label numbers the file has: a key of :data:`CONVENTIONS`; None lets the file say.
    model
        Which of the program's models; None for the first.
    offline
        Refuse to run a program that would have to download its weights.
    """

    name: SourceName = "classical"
    path: Path | None = None
    labels: str | None = None
    model: str | None = None
    offline: bool = False


def parse_source(text: str | None, labels: str | None = None, *, offline: bool = False) -> AnatomySource:
    """Return the source that a command line asks for.

    Parameters
    ----------
    text
        A registered name, a name with a model (``"lungmask:lungs"``), or a path; None for our own method.
        Write ``./lungmask`` for a folder of that name.
    labels
        Whose label numbers a file has.
    offline
        Refuse to run a program that would have to download its weights.

    Raises
    ------
    AnatomyError
        If the text is empty, a model is unknown, or label numbers are named for what is no file.

    Examples
    --------
    >>> parse_source("totalsegmentator:fast").model
    'fast'
    >>> parse_source("lobes.nii.gz").name
    'file'
    """
    if text == "":
        raise AnatomyError("--anatomy", "it is empty. Name a file or program, or leave the option out.")
    if text is None and labels is not None:
        raise AnatomyError("--anatomy-labels", "it tells the numbers of a file apart, and no file is given.")
    name, _, model = (text or "classical").partition(":")
    if name in SOURCES and name != "file":
        program = SOURCES[name].program  # type: ignore[index]
        models = () if program is None else tuple(program.models)
        if model and model not in models:
            raise AnatomyError(
                "--anatomy", f"{name} has no model {model!r}; it has {', '.join(models) or 'none'}."
            )
        if labels is not None:
            raise AnatomyError(
                "--anatomy-labels", f"it tells the numbers of a file apart, and {name} is none."
            )
        return AnatomySource(name, model=model or None, offline=offline)  # type: ignore[arg-type]
    return AnatomySource("file", Path(text or ""), labels, offline=offline)


def find_parts(source: AnatomySource, scan: Scan, *, air: CoarseAir | None = None) -> Parts | None:
    """Return what a source gives of the anatomy; None for our own method, which gives all of it later.

    Parameters
    ----------
    source
        Which source. Asking for a program by its name is the consent to its downloading weights on first
        use, unless ``source.offline``.
    scan
        A checked scan.
    air
        The scan's air, where it was already found.

    Raises
    ------
    AnatomyError
        If a program is not installed, fails, or gives what cannot be these lungs.
    """
    if source.name == "classical":
        return None
    if source.name == "file":
        if source.path is None:
            raise AnatomyError("--anatomy", "a file is asked for, and none is named.")
        return read_anatomy_file(source.path, scan, source.labels, air=air)
    return _run(source, scan, air)


def _run(source: AnatomySource, scan: Scan, air: CoarseAir | None) -> Parts:
    """Run another program on the scan and read what it writes."""
    program = SOURCES[source.name].program
    command = None if program is None else _command(program)
    if program is None or command is None:
        raise AnatomyError(source.name, f"it is not installed. {_remedy(source.name)}")
    model = source.model or next(iter(program.models))
    if source.offline and not program.weights(model):
        raise AnatomyError(
            source.name,
            f"its weights for the model {model!r} are not on this machine, and nothing may be downloaded. "
            "Run it once without --offline, or copy the weights here.",
        )
    with tempfile.TemporaryDirectory(prefix="clearlung-anatomy-") as folder:
        ct, result = Path(folder, "ct.nii.gz"), Path(folder, "labels.nii.gz")
        write_volume(scan.volume, ct)
        line = [*command, *program.line(str(ct), str(result), program.models[model])]
        run_program(
            line,
            lambda message: AnatomyError(source.name, message),
            time_limit_s=TIME_LIMIT_S,
            environment=program.environment(Path(folder)),
            remedy=_remedy(source.name),
        )
        if not result.is_file():
            raise AnatomyError(
                source.name, "it ended without writing its label map. Run it by hand to see why."
            )
        parts = read_anatomy_file(result, scan, program.labels[model], air=air)
    title = f"by {SOURCES[source.name].title}, model {model}"
    return replace(parts, source=source.name, title=title)


def _command(program: Program) -> list[str] | None:
    """Return how to start a program: its command here, on the path, or its module."""
    beside = shutil.which(program.command, path=str(Path(sys.executable).parent))
    found = beside or shutil.which(program.command)
    if found:
        return [found]
    try:
        known = importlib.util.find_spec(program.module.split(".")[0]) is not None
    except (ImportError, ValueError):
        known = False
    return [sys.executable, "-m", program.module] if known else None


def _remedy(name: str) -> str:
    program = SOURCES[name].program  # type: ignore[index]
    package = "" if program is None else program.package
    return (
        f"Install it with 'pip install {package}' (it brings PyTorch and downloads its weights on first "
        "use), or run it elsewhere and give its file by --anatomy FILE."
    )


def _totalsegmentator_weights() -> Path:
    home = os.environ.get("TOTALSEG_HOME_DIR") or str(Path.home() / ".totalsegmentator")
    return Path(os.environ.get("TOTALSEG_WEIGHTS_PATH") or Path(home, "nnunet", "results"))


def _totalsegmentator_environment(folder: Path) -> dict[str, str]:
    """Keep the user's weights, and send no usage statistics from a patient's scan."""
    weights = _totalsegmentator_weights()
    weights.mkdir(parents=True, exist_ok=True)
    settings = Path(folder, "totalsegmentator")
    settings.mkdir()
    Path(settings, "config.json").write_text(
        '{"totalseg_id": "clearlung", "send_usage_stats": false, "prediction_counter": 0, '
        '"statistics_disclaimer_shown": true}',
        encoding="utf-8",
    )
    return {"TOTALSEG_HOME_DIR": str(settings), "TOTALSEG_WEIGHTS_PATH": str(weights)}


def _torch_checkpoints() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("TORCH_HOME") or Path(cache, "torch"), "hub", "checkpoints")


_LOBES = (
    "lung_upper_lobe_left",
    "lung_lower_lobe_left",
    "lung_upper_lobe_right",
    "lung_middle_lobe_right",
    "lung_lower_lobe_right",
)
# Of the task total's five networks at 1.5 mm the one of the organs holds the lobes, and the one at 6 mm finds
# where they are; the fast model is the one at 3 mm.
_TOTAL_WEIGHTS = {"total": ("Dataset*organs", "Dataset*6mm"), "fast": ("Dataset*3mm", "Dataset*6mm")}
_LUNGMASK_WEIGHTS = {"lobes": ("unet_ltrclobes", "unet_r231"), "lungs": ("unet_r231",)}

SOURCES: Mapping[SourceName, Source] = {
    "classical": Source(
        "Clearlung's own method",
        ("lobes", "lungs", "airways", "vessels"),
        "Apache-2.0, no weights",
        "The default: needs no download and no graphics card.",
    ),
    "file": Source(
        "a file or folder of masks",
        ("lobes", "lungs", "airways", "vessels"),
        "that of the program it is from",
        "Label maps, .seg.nrrd and DICOM SEG of any program whose names, codes or numbers are understood.",
    ),
    "totalsegmentator": Source(
        "TotalSegmentator",
        ("lobes",),
        "Apache-2.0, program and weights of the task total",
        "Downloads some hundred MB on first use. Its usage statistics are switched off for the run. Minutes "
        "without a graphics card; the model fast is coarser, 3 mm.",
        Program(
            "TotalSegmentator",
            "totalsegmentator.bin.TotalSegmentator",
            "TotalSegmentator",
            {"total": None, "fast": None},
            {"total": (), "fast": ("--fast",)},
            lambda ct, result, extra: ["-i", ct, "-o", result, "--ml", *extra, "--roi_subset", *_LOBES],
            lambda model: all(any(_totalsegmentator_weights().glob(f"{w}*")) for w in _TOTAL_WEIGHTS[model]),
            _totalsegmentator_environment,
        ),
    ),
    "lungmask": Source(
        "lungmask",
        ("lobes",),
        "its package and weights state none: read its repository before you rely on it",
        "Downloads some hundred MB on first use. The model lobes fuses LTRCLobes with R231; lungs is R231 "
        "alone, on which our own method then finds the lobes.",
        Program(
            "lungmask",
            "lungmask",
            "lungmask",
            {"lobes": "lungmask", "lungs": "lungs"},
            {"lobes": ("--modelname", "LTRCLobes_R231"), "lungs": ("--modelname", "R231")},
            lambda ct, result, extra: [ct, result, *extra],
            lambda model: all(any(_torch_checkpoints().glob(f"{w}*.pth")) for w in _LUNGMASK_WEIGHTS[model]),
            lambda _: {},
        ),
    ),
}
"""The registered sources by name."""
