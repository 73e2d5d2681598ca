"""Lung function of one patient, from the case file, the scan and what the evidence assumes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import SIDES, Anatomy
from clearlung.casefile import Case
from clearlung.ct import Scan
from clearlung.evidence import EvidenceBook
from clearlung.resection import (
    DENSITY_EVIDENCE,
    FunctionModel,
    LungFunction,
    Measure,
    PatientFunction,
    functional_ml,
    lobe_volumes,
    lobes_on_scan,
    published_right_share,
    with_history,
)
from clearlung.staging import MeasuredFunction, Protocol

FUNCTION_WORDS: dict[MeasuredFunction, str] = {
    "fev1_percent": "FEV1 before the first operation",
    "fev1_predicted_l": "predicted FEV1",
    "lung_ml": "volume of the lungs",
    "dlco_percent": "DLCO before the first operation",
}
"""What of lung function may have to be assumed, in words."""


def function_model(
    case: Case,
    anatomy: Anatomy | None,
    protocol: Protocol,
    book: EvidenceBook,
    scan: Scan | None = None,
) -> tuple[PatientFunction, tuple[MeasuredFunction, ...], tuple[str, ...]]:
    """Return the patient's lung function, what in it is assumed, and the evidence of those assumptions.

    Parameters
    ----------
    case
        What is known besides the scan: tests, and earlier resections.
    anatomy
        Lungs and lobes; None where there is no scan, and volumes and shares are the published ones.
    protocol
        For the confidence at which the limits hold.
    book
        The protocol's evidence.
    scan
        The scan that the anatomy was segmented on, for functional volume by density.
    """
    assumed: list[MeasuredFunction] = []
    evidence: list[str] = []

    def known(value: float | None, field: MeasuredFunction, unit: str) -> float:
        if value is not None:
            return value
        assumed.append(field)
        evidence.append(f"function.reference.{field}")
        return book.value(evidence[-1], unit=unit)

    test = case.function
    fev1_percent = known(test.percent, "fev1_percent", "%")
    fev1_predicted_l = known(test.predicted_l, "fev1_predicted_l", "l")
    lung_ml = known(
        None if anatomy is None else sum(anatomy.lung_ml(side) for side in SIDES), "lung_ml", "ml"
    )
    dlco_percent = known(test.dlco_percent_known, "dlco_percent", "%")

    def model(measure: Measure, percent: float, predicted: float | None) -> FunctionModel:
        constants = {"lung_ml": lung_ml, "confidence": protocol.function.confidence}
        fresh = FunctionModel.from_evidence(book, measure, percent=percent, predicted=predicted, **constants)
        return with_history(fresh, case.resections)

    lobe_ml, functional = _lobes(anatomy, scan, lung_ml, book)
    if functional is not None:
        evidence += DENSITY_EVIDENCE
    right_share = published_right_share(book) if anatomy is None else anatomy.lung_ml("right") / lung_ml
    patient = PatientFunction(
        lungs=LungFunction(
            fev1=model("fev1", fev1_percent, fev1_predicted_l),
            dlco=model("dlco", dlco_percent, test.dlco_predicted),
            right_share=right_share,
            share_method="published" if anatomy is None else "ct volume",
        ),
        lobe_ml=lobe_ml,
        functional_ml=functional,
        dlco_known="dlco_percent" not in assumed,
        earlier=case.resections,
        exercise=test.exercise,
    )
    if anatomy is None:
        patient = patient.without_gone(book)
    return patient, tuple(assumed), tuple(evidence)


def _lobes(
    anatomy: Anatomy | None, scan: Scan | None, lung_ml: float, book: EvidenceBook
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return the volume of each lobe, and the part of it that is functional where a scan tells."""
    if anatomy is None:
        return lobe_volumes(lung_ml, book), None
    lobe_ml, known = lobes_on_scan(anatomy, book)
    if scan is None or not known:
        return lobe_ml, None
    return lobe_ml, functional_ml(scan.volume.array[anatomy.box], anatomy.lobes, book)
