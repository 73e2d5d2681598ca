"""What a reader must know before relying on a plan or on specimens."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clearlung.anatomy import Anatomy
from clearlung.ct import Scan
from clearlung.function_of_case import FUNCTION_WORDS
from clearlung.nodules import NoduleTable
from clearlung.resection import SURELY_CLEAR, SpecimenSet
from clearlung.staging import MeasuredFunction


def plan_warnings(
    scan: Scan | None,
    anatomy: Anatomy | None,
    nodules: NoduleTable,
    assumed: Sequence[MeasuredFunction],
    specimens: SpecimenSet,
    *,
    reviewed: bool,
) -> tuple[str, ...]:
    """Return what a reader must know before relying on anything made of these nodules.

    Parameters
    ----------
    scan, anatomy
        Both None for a radiologist's list.
    nodules, specimens
        What is to be removed, and in which pieces.
    assumed
        What of lung function is not measured.
    reviewed
        Whether somebody has looked at every nodule.
    """
    warnings = list(scan.warnings) if scan is not None else []
    if assumed:
        words = ", ".join(FUNCTION_WORDS[field] for field in assumed)
        warnings.append(f"Not given and therefore assumed: {words}.")
    if anatomy is None:
        warnings.append(
            "Planned from a list without a scan: specimens are spheres below a flat pleura, and tissue shared"
            " by neighboring specimens is counted in each."
        )
    elif not reviewed and (nodules.review != "").any():
        warnings.append(
            f"{int((nodules.review == '').sum())} of the {len(nodules)} planned nodules are not reviewed:"
            " some may be vessels or scars."
        )
    elif not reviewed:
        warnings.append(
            "The nodules were found by the program and nobody has reviewed them: some are vessels or scars,"
            " and some nodules are missing."
        )
    warnings += nodules.warnings
    if anatomy is not None:
        warnings += [condition.sentence for condition in anatomy.conditions]
        unsure = int(nodules.lobe_unsure.sum())
        if unsure:
            warnings.append(
                f"The lobe of {unsure} of {len(nodules)} nodules is uncertain ({anatomy.lobe_method})."
            )
    unknown = int((specimens.closure == "untested").sum())
    sutured = unknown + int((specimens.closure == "suture").sum())
    if sutured:
        warnings.append(
            f"{sutured} {'bed needs' if sutured == 1 else 'beds need'} a suture to be airtight; {unknown} of"
            " them deeper than any that were tested."
        )
    unsure_cuts = int((specimens.clear < SURELY_CLEAR).sum())
    if unsure_cuts:
        warnings.append(
            f"With a chance above {100 * (1 - SURELY_CLEAR):.0f} % the cut may run through a tumor in"
            f" {unsure_cuts} of {len(specimens)} specimens: margins there are as narrow as the outline's"
            " error."
        )
    warnings += _anatomical(specimens)
    return tuple(warnings)


def _anatomical(specimens: SpecimenSet) -> list[str]:
    """Name the lesions for which a segment or a lobe goes, and why nothing smaller does."""
    found = []
    for row in np.flatnonzero(specimens.anatomical).tolist():
        forcing = [i for i in specimens.lesions[row] if i in specimens.forced]
        if forcing:
            ids, why = ", ".join(map(str, forcing)), specimens.forced[forcing[0]]
            what = "A segment of" if specimens.technique[row] == "segmentectomy" else "The whole of"
            found.append(
                f"{what} the {specimens.lobe[row]} goes ({specimens.volume_ml[row]:.0f} ml) because nothing"
                f" smaller takes lesion {ids}: {why}."
            )
    return found
