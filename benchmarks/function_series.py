"""The published readings of FEV1 and DLCO after operations on the lung, and what was cut in each series.

The series give numbers of patients and of specimens, and no volumes, so each operation is stood for by what
its report says and by the few sizes below. They were chosen before the fit and are the same for every series.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from clearlung.evidence import EvidenceBook, load_evidence
from clearlung.resection import FunctionModel, Measure

WEEKS_PER_MONTH = 365.25 / 12 / 7
LUNG_ML = 5000.0
_BOOK = load_evidence()
_RIM_MM = _BOOK.value("technique.laser.rim", unit="mm")

# A metastasis of 10 mm, the size at which most are taken out, and the laser's rim around it: 4.2 ml.
ENUCLEATION_ML = math.pi / 6 * (10 + 2 * _RIM_MM) ** 3 / 1000
# The stapler takes 30.6 ml more than the laser for the same metastasis.
WEDGE_ML = ENUCLEATION_ML + _BOOK.value("margin.laser.tissue_saved", unit="ml")
# The mean lobe, the mean segment and the mean lung.
LOBE_ML, SEGMENT_ML, HALF_ML = LUNG_ML / 5, LUNG_ML / 19, LUNG_ML / 2
# Between the sides of a bilateral metastasectomy: the middle of the usual three to six weeks.
_BETWEEN = _BOOK["protocol.weeks.other_side"]
SIDES_MONTHS = ((_BETWEEN.low or 0.0) + (_BETWEEN.high or 0.0)) / 2 / WEEKS_PER_MONTH


@dataclass(frozen=True)
class Cut:
    """What stands for one operation, or for the share of a series that had it.

    Parameters
    ----------
    tissue_ml, anatomical_ml
        Taken around beds, and by the segment or lobe.
    perfused
        Whether the lung was perfused.
    months_before
        How long before the last operation.
    share
        Share of the patients who had it.
    """

    tissue_ml: float = 0.0
    anatomical_ml: float = 0.0
    perfused: bool = False
    months_before: float = 0.0
    share: float = 1.0


@dataclass(frozen=True)
class Reading:
    """One published mean and what stands for its series.

    Parameters
    ----------
    name, measure
        Series and measure.
    months
        After the last operation.
    evidence
        The entry that holds it: a loss, or, where its id says "left", what is left.
    patients
        Behind the mean: its weight in the fit.
    cuts
        The operations.
    unfitted
        Why the fit leaves it out; "" where it does not.
    """

    name: str
    measure: Measure
    months: float
    evidence: str
    patients: int
    cuts: tuple[Cut, ...]
    unfitted: str = ""

    def published(self, book: EvidenceBook = _BOOK) -> float:
        """Return the published change, percent of the value before: negative is a loss."""
        value = book.value(self.evidence, unit="%")
        return value - 100 if "_left_" in self.evidence else -value

    def predicted(self, model: FunctionModel) -> float:
        """Return the model's change, percent of the value before."""
        change = 0.0
        for cut in self.cuts:
            loss = model.loss(
                cut.tissue_ml + cut.anatomical_ml, perfused=cut.perfused, anatomical_ml=cut.anatomical_ml
            )
            week = (self.months + cut.months_before) * WEEKS_PER_MONTH
            change += cut.share * (model.percent([(0.0, loss)], week) / model.baseline_percent - 1)
        return 100 * change


def model_of(measure: Measure, book: EvidenceBook = _BOOK) -> FunctionModel:
    """Return the model of a patient with lungs of :data:`LUNG_ML`."""
    return FunctionModel.from_evidence(
        book, measure, percent=100.0, predicted=2.8, lung_ml=LUNG_ML, confidence=0.95
    )


def _laser(count: int) -> tuple[Cut, ...]:
    return (Cut(tissue_ml=count * ENUCLEATION_ML),)


# Welter 2016: 271 metastases of 31 patients over two sides, each taken for a wedge of its own.
_BILATERAL_ML = 271 / 31 / 2 * WEDGE_ML
_BOTH_SIDES = (Cut(_BILATERAL_ML, months_before=SIDES_MONTHS), Cut(_BILATERAL_ML))
# Welter 2012: 77 of 117 had wedges (two are assumed), 27 a segment, 13 a lobe; 33 had both sides.
_MIXED = (
    Cut(2 * WEDGE_ML * 77 / 117, (27 * SEGMENT_ML + 13 * LOBE_ML) / 117),
    Cut(2 * WEDGE_ML, months_before=SIDES_MONTHS, share=33 / 117),
)
_PERFUSED = (Cut(3 * ENUCLEATION_ML, perfused=True),)
_LOBE, _HALF = (Cut(anatomical_ml=LOBE_ML),), (Cut(anatomical_ml=HALF_ML),)
_WEDGE = (Cut(WEDGE_ML),)
_NO_TIME = "the time after the operation is not stated; compared at six months"
_CONTRADICTED = "contradicts the larger laser series in the same measure"


def _readings(
    name: str,
    measure: Measure,
    patients: int,
    cuts: tuple[Cut, ...],
    when: Sequence[tuple[float, str]],
    unfitted: str = "",
) -> list[Reading]:
    return [Reading(name, measure, months, key, patients, cuts, unfitted) for months, key in when]


# Patients of a series that states the total of several groups are shared out: 45 over three kinds, 200 over
# lobectomies and fewer pneumonectomies. Where none are stated, 30 stands.
READINGS: tuple[Reading, ...] = (
    *_readings(
        "perfusion, phase II",
        "fev1",
        50,
        _PERFUSED,
        [(1, "course.perfused.fev1_month1"), (12, "course.perfused.fev1_month12")],
    ),
    *_readings(
        "laser, Baum",
        "fev1",
        126,
        _laser(3),
        [(0, "course.laser.loss_early")] + [(m, f"course.laser.loss_month{m}") for m in (3, 6, 12)],
    ),
    *_readings(
        "wedge, Mori",
        "fev1",
        29,
        _WEDGE,
        [(m, f"course.wedge.fev1_loss_month{m}") for m in (3, 6, 12)],
    ),
    *_readings(
        "enucleation, Hoetzenecker", "fev1", 15, _laser(1), [(3, "course.kind.enucleation_fev1_month3")]
    ),
    *_readings("wedge, Hoetzenecker", "fev1", 15, _WEDGE, [(3, "course.kind.wedge_fev1_month3")]),
    *_readings("lobectomy, Hoetzenecker", "fev1", 15, _LOBE, [(3, "course.kind.lobectomy_fev1_month3")]),
    *_readings("both sides, Welter 2016", "fev1", 31, _BOTH_SIDES, [(3, "loss.bilateral.fev1_month3")]),
    *_readings("second side, Welter 2016", "fev1", 15, _BOTH_SIDES, [(0, "loss.bilateral.fev1_nadir")]),
    *_readings("mixed, Welter 2012", "fev1", 117, _MIXED, [(3.4, "loss.mixed.fev1_month3")]),
    *_readings(
        "lobectomy, Brunelli",
        "fev1",
        170,
        _LOBE,
        [(1, "loss.lobectomy.fev1_left_month1"), (3, "loss.lobectomy.fev1_left_month3")],
    ),
    *_readings("lobectomy, Win", "fev1", 30, _LOBE, [(12, "loss.lobectomy.fev1_month12")]),
    *_readings(
        "pneumonectomy, Brunelli",
        "fev1",
        30,
        _HALF,
        [(1, "loss.pneumonectomy.fev1_left_month1"), (3, "loss.pneumonectomy.fev1_left_month3")],
    ),
    *_readings("pneumonectomy, Win", "fev1", 30, _HALF, [(12, "loss.pneumonectomy.fev1_month12")]),
    *_readings("laser, Hassan", "fev1", 61, _laser(2), [(3, "loss.laser.fev1_month3")], _CONTRADICTED),
    *_readings(
        "three resections",
        "fev1",
        66,
        (Cut(3 * WEDGE_ML),),
        [(54.5 / 7 / WEEKS_PER_MONTH, "loss.extent.fev1")],
        "whether the 54.5 days run to the reading is ambiguous",
    ),
    *_readings(
        "1-2 segments, Macke",
        "fev1",
        30,
        (Cut(anatomical_ml=1.5 * SEGMENT_ML),),
        [(6, "loss.segmentectomy.fev1_two")],
        _NO_TIME,
    ),
    *_readings(
        "3-5 segments, Macke",
        "fev1",
        30,
        (Cut(anatomical_ml=4 * SEGMENT_ML),),
        [(6, "loss.segmentectomy.fev1_five")],
        _NO_TIME,
    ),
    *_readings("deep wedge", "fev1", 30, _WEDGE, [(6, "loss.deep.wedge_fev1")], _NO_TIME),
    *_readings(
        "deep segmentectomy",
        "fev1",
        30,
        (Cut(anatomical_ml=SEGMENT_ML),),
        [(6, "loss.deep.segment_fev1")],
        _NO_TIME,
    ),
    *_readings(
        "perfusion, phase II",
        "dlco",
        50,
        _PERFUSED,
        [(1, "course.perfused.dlco_month1"), (12, "course.perfused.dlco_month12")],
    ),
    *_readings("both sides, Welter 2016", "dlco", 31, _BOTH_SIDES, [(3, "loss.bilateral.dlco_month3")]),
    *_readings("mixed, Welter 2012", "dlco", 117, _MIXED, [(3.4, "loss.mixed.dlco_month3")]),
    *_readings("laser, Hassan", "dlco", 61, _laser(2), [(3, "loss.laser.dlco_month3")]),
    *_readings(
        "lobectomy, Brunelli",
        "dlco",
        170,
        _LOBE,
        [(1, "loss.lobectomy.dlco_left_month1"), (3, "loss.lobectomy.dlco_left_month3")],
    ),
    *_readings(
        "pneumonectomy, Brunelli",
        "dlco",
        30,
        _HALF,
        [(1, "loss.pneumonectomy.dlco_left_month1"), (3, "loss.pneumonectomy.dlco_left_month3")],
    ),
)
"""Every published reading of the two measures, in the order in which it is printed."""
