"""Train the network that ships: ``python -m training FOLDER ... [--cases DIR] [--steps N] [--out DIR]``.

Each FOLDER holds a scan ``ct.nii.gz`` and its tumor ``tumour_majority.nii.gz``. Scans that are kept for
evaluation must not be given.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import time
from dataclasses import asdict
from pathlib import Path

import onnxruntime
import torch

import clearlung
from clearlung.nodules.network import (
    CARD_FILE,
    MODEL_FILE,
    Curve,
    NetworkCard,
    OnnxNetwork,
    open_session,
)
from training.calibrate import calibrate, calibration_error, find_on, operating_points, probabilities
from training.cases import IMPLANTS, PHANTOM_NODULES, Case, all_cases
from training.export import export
from training.fit import Curve as FitCurve
from training.fit import Fitting, fit
from training.samples import gather

SHIPPED = Path(clearlung.__file__).parent / "nodules" / "network"
# A scan of this collection measures what the network is worth: it must never teach it.
EVALUATION = "LIDC"
LIMITS = (
    "It learned from three real scans of 3 mm slices and from synthetic patients: no real thin slices.",
    "Ground glass without a solid part is not looked for; all part-solid nodules that it saw were implants.",
    "Its probabilities hold for scans with as many nodules as those that calibrated it, about 60 to 200. In a"
    " patient with few nodules they are too high.",
    "Scars, staples, mucus in bronchi, lymph nodes in the lung and granulomas look like metastases to it.",
)


def main() -> None:
    """Make the cases, fit, calibrate, and write model and card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--cases", type=Path, default=Path("out/cases"))
    parser.add_argument("--steps", type=int, default=Fitting.steps)
    parser.add_argument("--out", type=Path, default=SHIPPED)
    wanted = parser.parse_args()
    for folder in wanted.folders:
        if EVALUATION in folder.name:
            parser.error(f"{folder.name} is kept for evaluation and must not be learned from")
    start = time.perf_counter()
    cases = [Case.load(path) for path in all_cases(wanted.folders, wanted.cases)]
    _tell(f"{len(cases)} cases, {time.perf_counter() - start:.0f} s")
    learned = [case for case in cases if not case.held_out]
    held_out = [case for case in cases if case.held_out]
    how = Fitting(steps=wanted.steps)
    start = time.perf_counter()
    network, curve = fit(learned, how, _tell)
    minutes = (time.perf_counter() - start) / 60
    wanted.out.mkdir(parents=True, exist_ok=True)
    export(network, wanted.out / MODEL_FILE)
    card = describe(wanted.out / MODEL_FILE, learned, held_out, how, curve, minutes)
    text = json.dumps(card.model_dump(mode="json"), indent=1) + "\n"
    (wanted.out / CARD_FILE).write_text(text, encoding="utf-8")
    for point in card.operating_points:
        _tell(f"{point.false_per_scan:g} false a scan: {point.sensitivity:.3f} from {point.probability:.3f}")


def describe(
    model: Path, learned: list[Case], held_out: list[Case], how: Fitting, curve: FitCurve, minutes: float
) -> NetworkCard:
    """Calibrate a model on the held-out cases and write down all that made it.

    Parameters
    ----------
    model
        The ONNX file.
    learned, held_out
        What it learned from, and what it has never seen.
    how, curve, minutes
        How it was fitted, and how that went.
    """
    content = model.read_bytes()
    found = find_on(OnnxNetwork(open_session(content)), held_out)
    calibration = calibrate(found)
    probability = probabilities(calibration, found)
    samples = gather(learned)
    return NetworkCard(
        model_sha256=hashlib.sha256(content).hexdigest(),
        purpose="Tells lung nodules of 2 mm and more from vessels and everything else in a chest CT, among"
        " the candidates of Clearlung's own first stage. For research.",
        limits=LIMITS,
        learned_from=tuple(case.name for case in learned),
        held_out=tuple(case.name for case in held_out),
        never_seen="No scan of LIDC-IDRI, and no phantom with a seed below 200.",
        candidates={
            "nodules": int(samples.positive.sum()),
            "others": int((~samples.positive).sum()),
            "nodules_of_a_phantom": PHANTOM_NODULES,
            "implants_of_a_scan": IMPLANTS,
        },
        fitting={key: float(value) for key, value in asdict(how).items()},
        minutes=round(minutes, 1),
        versions={
            "clearlung": clearlung.__version__,
            "torch": torch.__version__,
            "onnxruntime": onnxruntime.__version__,
            "python": platform.python_version(),
        },
        curve=Curve(step=tuple(curve.step), judgment=tuple(curve.judgment), place=tuple(curve.place)),
        calibration=calibration,
        calibration_error=round(calibration_error(probability, found.true), 4),
        operating_points=operating_points(probability, found),
    )


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
