"""MONAI's `lung_nodule_ct_detection` from a local folder, run by MONAI itself in a process of its own."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from clearlung.anatomy import Anatomy
from clearlung.ct import Scan, Volume, write_volume
from clearlung.errors import DetectorError
from clearlung.nodules.candidates import Candidates
from clearlung.nodules.detectors.box_files import monai_result
from clearlung.nodules.detectors.places import candidates_at
from clearlung.nodules.detectors.plugged import PluggedDetector
from clearlung.nodules.detectors.source import DetectorSource
from clearlung.programs import run_program

METADATA, INFERENCE = Path("configs", "metadata.json"), Path("configs", "inference.json")
WEIGHTS = Path("models", "model.pt")
# The network takes some ten minutes without a graphics card; one that waits for what is not there must end.
TIME_LIMIT_S = 3600.0
MAX_CONFIG_BYTES = 1 << 22
MAX_RESULT_BYTES = 1 << 23
# The Python in which MONAI is installed, where it is not the one that runs Clearlung.
PYTHON_VARIABLE = "CLEARLUNG_MONAI_PYTHON"
MODULES = ("monai", "torch", "torchvision", "ignite", "nibabel")
RESULT = "clearlung.json"
OUTSIDE_HU = -1024.0
# What is told to stay offline, and proxies that lead nowhere for what is not asked.
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
}
_REMEDY = (
    "Install it in an environment of its own with 'pip install monai[ignite,nibabel] torch torchvision' and "
    f"set {PYTHON_VARIABLE} to its python; or run the bundle elsewhere and give its result by --detector "
    "FILE.json."
)


def is_bundle(path: Path) -> bool:
    """Whether a folder is a MONAI bundle by its files."""
    return (path / METADATA).is_file() and (path / INFERENCE).is_file()


def load_bundle(source: DetectorSource) -> PluggedDetector:
    """Return the detector that runs a bundle.

    Raises
    ------
    DetectorError
        If the folder is no detection bundle, lacks its weights, or MONAI is not installed.
    """
    root = source.file.resolve()
    metadata, config = _json(root / METADATA), _json(root / INFERENCE)
    overrides, spacing = _overrides(config), _spacing(config)
    if not (root / WEIGHTS).is_file():
        raise DetectorError(
            "the bundle", f"its weights {WEIGHTS} are not there, and nothing is downloaded. Get them first."
        )
    python = _python()
    find = partial(_run, root, python, overrides, spacing)
    task, version = metadata.get("task", "detection"), metadata.get("version", "unknown")
    return PluggedDetector(
        find,
        "monai",
        f"MONAI bundle, {task}, version {version}",
        str(metadata.get("license", "")),
        str(metadata.get("authors", "")),
        str(metadata.get("data_source", "")),
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise DetectorError("the bundle", f"{path.name} has more than {MAX_CONFIG_BYTES} bytes.")
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DetectorError("the bundle", f"{path.name} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise DetectorError("the bundle", f"{path.name} is no JSON. Get the bundle again.") from error
    if not isinstance(content, dict):
        raise DetectorError("the bundle", f"{path.name} holds no settings. Get the bundle again.")
    return content


def _overrides(config: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that are replaced whatever the scan is: the boxes' frame, their file.

    The frame is not left to the bundle's default. With ``affine_lps_to_ras`` MONAI turns the affine of
    an image that it has read, which is RAS, into LPS before it takes boxes to mm.
    """
    world = _place(config, ("postprocessing", "transforms"), "AffineBoxToWorldCoordinated")
    boxes = _place(config, ("postprocessing", "transforms"), "ConvertBoxModed")
    saver = _place(config, ("handlers",), "DetectionSaver")
    if "test_datalist" not in config:
        raise DetectorError("the bundle", f"{INFERENCE} has no test_datalist, in which the scan is named.")
    overrides = {
        f"postprocessing#transforms#{world}#affine_lps_to_ras": True,
        f"postprocessing#transforms#{boxes}#dst_mode": "cccwhd",
        f"handlers#{saver}#filename": RESULT,
        f"handlers#{saver}#pred_box_key": "box",
        f"handlers#{saver}#pred_score_key": "label_scores",
        "amp": "$torch.cuda.is_available()",
    }
    if isinstance(config.get("dataloader"), dict):
        overrides["dataloader#num_workers"] = 0
    if "whether_raw_luna16" in config:
        overrides["whether_raw_luna16"] = False
    return overrides


def _place(config: dict[str, Any], keys: tuple[str, ...], target: str) -> int:
    """Return where in a list of the settings a component stands."""
    part: Any = config
    for key in keys:
        part = part.get(key) if isinstance(part, dict) else None
    for number, item in enumerate(part if isinstance(part, list) else []):
        if isinstance(item, dict) and str(item.get("_target_", "")).split(".")[-1] == target:
            return number
    raise DetectorError(
        "the bundle",
        f"{INFERENCE} has no {target} in {'.'.join(keys)}, so what its result means is not known. Bundles "
        "like lung_nodule_ct_detection are run; give others' results as a file.",
    )


def _spacing(config: dict[str, Any]) -> tuple[float, float, float] | None:
    """Return the spacing (z, y, x) in mm that the network was trained at; None if the settings name none."""
    try:
        number = _place(config, ("preprocessing", "transforms"), "Spacingd")
        x, y, z = map(float, config["preprocessing"]["transforms"][number]["pixdim"])
    except (DetectorError, KeyError, TypeError, ValueError):
        return None
    return (z, y, x) if min(x, y, z) > 0 else None


def _python() -> str:
    """Return the Python that has MONAI and what the bundle needs with it."""
    python = os.environ.get(PYTHON_VARIABLE) or sys.executable
    asked = (
        f"import json, importlib.util as u; print(json.dumps([m for m in {MODULES} if not u.find_spec(m)]))"
    )
    said = run_program(
        [python, "-c", asked],
        lambda message: DetectorError("MONAI", message),
        time_limit_s=60,
        remedy=_REMEDY,
    )
    try:
        missing = json.loads(said.strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise DetectorError("MONAI", f"{python} is no Python that answers. {_REMEDY}") from error
    if missing:
        raise DetectorError("MONAI", f"{python} has no {', '.join(missing)}. {_REMEDY}")
    return python


def _run(
    root: Path,
    python: str,
    overrides: dict[str, Any],
    spacing_mm: tuple[float, float, float] | None,
    scan: Scan,
    anatomy: Anatomy,
    smallest_mm: float,
) -> Candidates:
    """Hand the scan over as NIfTI, run the bundle by its documented command, and read its result."""
    config = _json(root / INFERENCE)
    with tempfile.TemporaryDirectory(prefix="clearlung-detector-") as name:
        folder = Path(name)
        write_volume(resampled(scan.volume, spacing_mm), folder / "ct.nii.gz")
        settings = {
            **overrides,
            "bundle_root": str(root),
            "output_dir": str(folder),
            "test_datalist": [{str(config.get("image_key", "image")): str(folder / "ct.nii.gz")}],
        }
        (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        files = [str(root / INFERENCE), str(folder / "settings.json")]
        line = [python, "-m", "monai.bundle", "run"]
        if "run" not in config:
            line.append("evaluating")  # what bundles for MONAI before 1.0 call it
        line += ["--meta_file", str(root / METADATA), "--config_file", str(files)]
        run_program(
            line,
            lambda message: DetectorError("the bundle", message),
            time_limit_s=TIME_LIMIT_S,
            environment=OFFLINE,
            folder=root,
        )
        raw = _result(folder / RESULT)
    found = monai_result(raw, "LPS", "the bundle's result")
    return candidates_at(
        anatomy, found.points_mm, found.diameter_mm, found.probability, smallest_mm, "the bundle's result"
    )


def _result(path: Path) -> bytes:
    if not path.is_file():
        raise DetectorError("the bundle", "it ended without writing its result. Run it by hand to see why.")
    if path.stat().st_size > MAX_RESULT_BYTES:
        raise DetectorError("the bundle", f"its result has more than {MAX_RESULT_BYTES} bytes.")
    return path.read_bytes()


def resampled(volume: Volume, spacing_mm: tuple[float, float, float] | None) -> Volume:
    """Return a CT at another spacing, interpolated linearly, with its first voxel where it was.

    Parameters
    ----------
    volume
        HU.
    spacing_mm
        Along z, y and x; None leaves it as it is.
    """
    if spacing_mm is None or np.allclose(spacing_mm, volume.spacing_mm, rtol=1e-3):
        return volume
    shape = [
        int(np.floor((n - 1) * old / new + 1e-6)) + 1
        for n, old, new in zip(volume.shape, volume.spacing_mm, spacing_mm, strict=True)
    ]
    target = sitk.Image(shape[::-1], sitk.sitkInt16)
    target.SetSpacing(spacing_mm[::-1])
    target.SetOrigin(volume.origin_mm)
    target.SetDirection(tuple(np.ravel(volume.direction[:, ::-1])))
    # As floats: SimpleITK cuts whole numbers off toward zero, which would darken or brighten by half a unit.
    image = sitk.Resample(
        volume.to_sitk(), target, sitk.Transform(), sitk.sitkLinear, OUTSIDE_HU, sitk.sitkFloat32
    )
    array = np.rint(sitk.GetArrayFromImage(image)).astype(np.int16)
    return Volume(array, spacing_mm, volume.origin_mm, volume.direction)
