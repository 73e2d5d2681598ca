"""Exposure of tumor and lung as draws: one imagined patient each."""

from __future__ import annotations

import numpy as np

from clearlung.errors import PerfusionError
from clearlung.evidence import EvidenceBook
from clearlung.perfusion.compartments import FloatArray
from clearlung.perfusion.course import Course, perfuse
from clearlung.perfusion.lungs import LungVolumes
from clearlung.perfusion.regimen import Regimen
from clearlung.perfusion.tumor import lung_factors, tumor_factors


def tumor_exposure(
    course: Course | Regimen,
    lungs: LungVolumes,
    book: EvidenceBook,
    *,
    diameter_mm: float | None = None,
    draws: int = 2000,
    seed: int = 0,
) -> FloatArray:
    """Return the area under the drug's level in tumor, mg*min/l, shape (draws,).

    The free drug of the course's lung, times a ratio of tumor to lung that is drawn from a prior of nearly
    two decades, times the patient's spread; see :mod:`clearlung.perfusion.tumor` for why. The dose still
    scales it, as half the dose cannot leave the same level, but among patients the spread hides the dose.

    Parameters
    ----------
    course
        The course, or the regimen to simulate one of.
    lungs
        The patient's; looked at only where a regimen is given.
    book
        The evidence.
    diameter_mm
        Of the metastasis: a larger one follows the lung later and gets less of a short perfusion. None: one
        so small that it follows at once. Small next to the spread. Between the course's sizes it goes by a
        straight line over the logarithm of the diameter; beyond them it is that of the last.
    draws, seed
        How many, and which.

    Raises
    ------
    PerfusionError
        If the diameter is not above 0, or the course followed no metastasis.
    """
    if isinstance(course, Regimen):
        course = perfuse(course, lungs, book)
    share = 1.0 if diameter_mm is None else _share_of_size(course, diameter_mm)
    factors = tumor_factors(book, draws=draws, seed=seed)
    return course.free_in_lung_auc_mg_min_per_l * share * factors


def _share_of_size(course: Course, diameter_mm: float) -> float:
    sizes = course.nodule_diameters_mm
    if not 0 < diameter_mm < np.inf:
        raise PerfusionError("diameter_mm", f"{diameter_mm:g} mm is no size: give above 0")
    if sizes.size == 0:
        raise PerfusionError("diameter_mm", "the course followed no metastasis: perfuse with some sizes")
    order = np.argsort(sizes)
    return float(np.interp(np.log(diameter_mm), np.log(sizes[order]), course.nodule_share[order]))


def lung_exposure(course: Course, book: EvidenceBook, *, draws: int = 2000, seed: int = 0) -> FloatArray:
    """Return the area under the drug's level in perfused lung, mg*min/l, shape (draws,).

    The course's own, times the spread between patients that the published share of it that the dose explains
    leaves over. Row i is the same patient as in :func:`tumor_exposure`.
    """
    return course.auc_mg_min_per_l.lung * lung_factors(book, draws=draws, seed=seed)
