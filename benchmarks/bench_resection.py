"""What proposing and choosing specimens costs, and what it finds, for 170 and 1,000 metastases."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.optimize import linear_sum_assignment

from benchmarks.nodule_cost import FULL, MANY_MEDIAN_MM, peak_gib
from clearlung.anatomy import Anatomy, segment_anatomy
from clearlung.evidence import load_evidence
from clearlung.nodules import NoduleTable
from clearlung.phantom import Phantom, PhantomSpec, make_phantom
from clearlung.resection import (
    Excision,
    approximate_segments,
    candidate_costs,
    choose,
    make_candidates,
    prepare_excision,
)
from clearlung.staging import load_protocol

TARGETS_SECONDS = {170: 10.0, 1000: 60.0}


def run() -> None:
    """Cut the phantoms' own nodules, all of them known, and print time, memory and what came out."""
    _warm()
    costs = Table(title="Candidate specimens: cost", title_justify="left")
    for column in ("nodules", "wall s", "target s", "CPU s", "extra GiB", "candidates", "share of each part"):
        costs.add_column(column)
    found = Table(title="Chosen specimens", title_justify="left")
    for column in (
        "nodules",
        "specimens",
        "techniques",
        "lesions in a specimen",
        "tissue ml",
        "of the lungs",
        "unresectable",
        "margin mm (5 %, median)",
        "margin short of 3 mm",
        "closure",
        "proven",
    ):
        found.add_column(column)
    for count, median in ((170, None), (1000, MANY_MEDIAN_MM)):
        spec = PhantomSpec(nodules=count, shape=FULL)
        phantom = make_phantom(spec if median is None else replace(spec, diameter_median_mm=median))
        anatomy = segment_anatomy(phantom.scan)
        nodules = known_nodules(phantom, anatomy)
        row, excision = _cost(phantom, anatomy, nodules)
        costs.add_row(*row)
        found.add_row(*_found(excision, anatomy, nodules))
        if median is None:
            agreement = segment_agreement(phantom, anatomy)
    console = Console(width=200)
    console.print(costs)
    console.print(found)
    console.print(
        f"Approximate segments: {agreement:.0%} of the lung lies in the same territory as with the phantom's"
        " own bronchi."
    )


def segment_agreement(phantom: Phantom, anatomy: Anatomy) -> float:
    """Share of the lung in the same territory by the bronchi found and by the phantom's own, matched best."""
    found, true = (
        approximate_segments(replace(anatomy, airway_tree=tree)).labels.array.ravel()
        for tree in (anatomy.airway_tree, phantom.airway_tree)
    )
    inside = (found > 0) & (true > 0)
    common = np.zeros((int(true.max()) + 1, int(found.max()) + 1))
    np.add.at(common, (true[inside], found[inside]), 1)
    rows, columns = linear_sum_assignment(-common)
    return float(common[rows, columns].sum() / np.count_nonzero(inside))


def known_nodules(phantom: Phantom, anatomy: Anatomy) -> NoduleTable:
    """Return a phantom's nodules with their label map on the anatomy's box."""
    labels = phantom.nodules.crop(anatomy.box)
    array = np.ascontiguousarray(labels.array, dtype=np.int32)
    return phantom.truth.with_columns(labels=labels.with_array(array))


def _warm() -> None:
    """Compile the kernels on a small phantom."""
    phantom = make_phantom(PhantomSpec(nodules=8, shape=(80, 96, 96)))
    anatomy = segment_anatomy(phantom.scan)
    techniques = load_protocol("high-volume").resection.techniques
    prepare_excision(
        known_nodules(phantom, anatomy), anatomy, techniques, load_evidence(), phantom.scan.volume
    )


def _cost(phantom: Phantom, anatomy: Anatomy, nodules: NoduleTable) -> tuple[list[str], Excision]:
    book, techniques = load_evidence(), load_protocol("high-volume").resection.techniques
    before = peak_gib(reset=True)
    wall, cpu = time.perf_counter(), time.process_time()
    excision = prepare_excision(nodules, anatomy, techniques, book, phantom.scan.volume)
    specimens = excision.specimens
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    memory = peak_gib() - before
    parts: dict[str, float] = {}
    for name in techniques:
        began = time.perf_counter()
        make_candidates(nodules, anatomy, [name], book, phantom.scan.volume)
        parts[name] = time.perf_counter() - began
    began = time.perf_counter()
    choose(excision.candidates, candidate_costs(excision.candidates, book))
    parts["choice"] = time.perf_counter() - began
    total = sum(parts.values())
    row = [
        str(len(nodules)),
        f"{wall:.1f}",
        f"{TARGETS_SECONDS[len(nodules)]:g}",
        f"{cpu:.1f}",
        f"{memory:.2f}",
        f"{len(excision.candidates)} for {len(specimens)} chosen",
        ", ".join(f"{name} {100 * seconds / total:.0f} %" for name, seconds in parts.items()),
    ]
    return row, excision


def _found(excision: Excision, anatomy: Anatomy, nodules: NoduleTable) -> list[str]:
    specimens, candidates = excision.specimens, excision.candidates
    margins = np.array([m.margin_mm for k in specimens.candidate for m in candidates.margins[k - 1]])
    lungs = anatomy.lung_ml("right") + anatomy.lung_ml("left")
    total = float(specimens.volume_ml.sum())
    union = candidates.union_ml([int(k) - 1 for k in specimens.candidate], anatomy.lungs.voxel_ml)
    assert abs(union - total) < 1e-6 * max(1.0, total), "the specimens' tissue is not their union"
    low, middle = np.nanpercentile(margins, [5, 50])
    return [
        str(len(nodules)),
        str(len(specimens)),
        _counts(specimens.technique.tolist()),
        _counts(len(group) for group in specimens.lesions),
        f"{total:.0f}",
        f"{100 * total / lungs:.1f} %",
        str(len(specimens.unresectable)),
        f"{low:.1f}, {middle:.1f}",
        str(int((margins < 3).sum())),
        _counts(specimens.closure.tolist()),
        "yes" if excision.choice.proven else f"gap {excision.choice.gap:.2%}",
    ]


def _counts(values: Iterable[object]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in sorted(Counter(values).items()))
