"""Make a synthetic patient, stage by stage."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from clearlung.ct import AxisOrder, Scan, Volume
from clearlung.phantom.body import make_body
from clearlung.phantom.contents import paint_patient
from clearlung.phantom.crossing import add_crossing
from clearlung.phantom.damage import damage_body
from clearlung.phantom.fissures import make_sheets, uneven_sheet
from clearlung.phantom.labels import label_lungs, paint_metastases
from clearlung.phantom.metastases import make_metastases
from clearlung.phantom.operations import OPERATIONS
from clearlung.phantom.painting import Canvas
from clearlung.phantom.phantom import Phantom, truth_table
from clearlung.phantom.scanner import scan_canvas
from clearlung.phantom.septa import Septum, draw_septa
from clearlung.phantom.spec import AIR_HU, PhantomSpec
from clearlung.phantom.trees import make_trees
from clearlung.phantom.truths import Patient
from clearlung.phantom.variety import draw_variety

Progress = Callable[[str, float], None]
"""Called with the stage that begins and the share that is done, 0 to 1."""

# New ones go to the end: each has a random stream by its place.
STAGES = (
    "body",
    "trees",
    "metastases",
    "paint",
    "labels",
    "scan",
    "variety",
    "fissures",
    "crossing",
    "realism",
    "damage",
)


def make_phantom(spec: PhantomSpec, progress: Progress | None = None) -> Phantom:
    """Make the patient that a specification describes.

    The same specification gives the same bits; each stage draws from a random stream of its own.

    Parameters
    ----------
    spec
        What to make.
    progress
        Called as each stage begins, and at the end.

    Returns
    -------
    Phantom
        The scan in HU and LPS, with the truth about lungs, lobes and metastases.

    Raises
    ------
    ValueError
        If the nodules that were asked for do not fit into the lungs.

    Examples
    --------
    >>> phantom = make_phantom(PhantomSpec(nodules=3, shape=(64, 64, 64)))
    >>> phantom.truth.id
    array([1, 2, 3], dtype=int32)
    """
    tell = progress or (lambda stage, done: None)
    rngs = dict(zip(STAGES, np.random.default_rng(spec.seed).spawn(len(STAGES)), strict=True))
    tell("body", 0.0)
    variety = draw_variety(spec.variety, rngs["variety"])
    operation = OPERATIONS[spec.operation]
    body = make_body(rngs["body"], variety, spec.breath, operation)
    body, damage = damage_body(body, spec, rngs["damage"])
    sheets = make_sheets(
        body.lungs,
        body.fissures,
        body.frame,
        spec.fissure_completeness,
        rngs["fissures"],
        operation.missing,
    )
    septa: list[Septum] = []
    if spec.realistic:
        sheets = tuple(uneven_sheet(sheet, rngs["realism"]) for sheet in sheets)
        septa = draw_septa(body, rngs["realism"])
    tell("trees", 0.15)
    trees = make_trees(body, rngs["trees"], sheets if spec.realistic else ())
    if min(spec.fissure_completeness) < 1.0:
        trees = trees.with_vessels(add_crossing(trees.vessel_nodes, body, sheets, rngs["crossing"]))
    tell("metastases", 0.2)
    metastases = make_metastases(spec, body, trees, rngs["metastases"])
    tell("paint", 0.3)
    canvas = Canvas.blank(spec, AIR_HU)
    paint_patient(canvas, body, sheets, trees, spec, rngs["paint"], damage, septa)
    nodules = paint_metastases(canvas, metastases, body.lungs)
    tell("labels", 0.65)
    lungs, lobes = label_lungs(spec, body, trees)
    tell("scan", 0.75)
    hu = scan_canvas(canvas, spec, rngs["scan"])
    scan = _scan(hu, spec)
    table = truth_table(metastases, hu, nodules)
    tell("done", 1.0)
    return Phantom(
        spec=spec,
        scan=scan,
        lungs=scan.volume.with_array(lungs),
        lobes=scan.volume.with_array(lobes),
        nodules=scan.volume.with_array(nodules),
        truth=table,
        touches_pleura=metastases.touches_pleura,
        touches_vessel=metastases.touches_vessel,
        patient=Patient.of(body, sheets, trees, damage),
    )


def _scan(hu: NDArray[np.int16], spec: PhantomSpec) -> Scan:
    volume = Volume.at(hu, spec.spacing_mm, spec.origin_mm)
    digest = hashlib.sha256(repr(sorted(asdict(spec).items())).encode()).hexdigest()
    series = f"phantom, {spec.nodules} nodules, seed {spec.seed}"
    return Scan(volume, AxisOrder(), "phantom", series, digest)
