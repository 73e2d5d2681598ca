"""Places that other programs give, checked against the lungs and made into candidates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clearlung.anatomy import Anatomy
from clearlung.errors import DetectorError
from clearlung.nodules.candidates import Candidates

# Beyond these a number is a slip (a unit, a comma), not a nodule.
SMALLEST_MM, LARGEST_MM = 0.1, 200.0
# A detector's size is rough: what it calls smaller by this much may be as large as asked for.
ROUGH = 1.5
# More places than a scan has nodules and vessels together.
MAX_PLACES = 20_000
# Of places on the scan's own lungs, some lie in the mediastinum or the chest wall by mistake; when it is more
# than half, they are of another scan or in another frame.
LEAST_IN_LUNGS = 0.5
RAS_TO_LPS = np.array([-1.0, -1.0, 1.0])


def in_lungs(
    anatomy: Anatomy, indices: NDArray[np.float64], diameter_mm: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return which places are in a lung, or reach into one; shape (n,).

    Parameters
    ----------
    anatomy
        Whose lungs.
    indices
        Shape (n, 3): (z, y, x) on the anatomy's box; may lie outside it.
    diameter_mm
        Shape (n,).
    """
    lungs = anatomy.lungs.array
    found = np.zeros(len(indices), dtype=np.bool_)
    # The cube within a ball of that diameter.
    reach = diameter_mm[:, None] / (2.0 * np.sqrt(3.0)) / np.asarray(anatomy.lungs.spacing_mm)
    first = np.maximum(np.rint(indices - reach), 0).astype(np.intp)
    end = np.minimum(np.rint(indices + reach) + 1, lungs.shape).astype(np.intp)
    for row in np.flatnonzero((end > first).all(axis=1)):
        z, y, x = (slice(a, b) for a, b in zip(first[row], end[row], strict=True))
        found[row] = bool(lungs[z, y, x].any())
    return found


def candidates_at(
    anatomy: Anatomy,
    points_mm: NDArray[np.float64],
    diameter_mm: NDArray[np.float64],
    probability: NDArray[np.float64] | None,
    smallest_mm: float,
    where: str,
) -> Candidates:
    """Return places given in LPS mm as candidates, without those outside the lungs.

    Parameters
    ----------
    anatomy
        Whose lungs.
    points_mm
        LPS (x, y, z), shape (n, 3).
    diameter_mm, probability
        Shape (n,).
    smallest_mm
        What is clearly smaller is left out.
    where
        What to call the source in an error or a warning.

    Raises
    ------
    DetectorError
        If most places are outside the lungs: the message says whether they are inside with left and right,
        front and back exchanged.
    """
    indices = anatomy.lungs.indices(points_mm)
    inside = in_lungs(anatomy, indices, diameter_mm)
    warnings = check_inside(anatomy, points_mm, diameter_mm, inside, where)
    keep = np.flatnonzero(inside & (ROUGH * diameter_mm >= smallest_mm))
    if probability is not None:
        keep = keep[np.argsort(-probability[keep], kind="stable")]
    return Candidates(
        indices[keep],
        diameter_mm[keep],
        None if probability is None else probability[keep],
        warnings=warnings,
    )


def check_inside(
    anatomy: Anatomy,
    points_mm: NDArray[np.float64],
    diameter_mm: NDArray[np.float64],
    inside: NDArray[np.bool_],
    where: str,
) -> tuple[str, ...]:
    """Refuse places of which most are outside the lungs; return a warning if some are.

    Raises
    ------
    DetectorError
        If fewer than half are inside.
    """
    total, outside = len(inside), int(np.count_nonzero(~inside))
    if not outside:
        return ()
    if outside > (1.0 - LEAST_IN_LUNGS) * total:
        turned = in_lungs(anatomy, anatomy.lungs.indices(points_mm * RAS_TO_LPS), diameter_mm)
        hint = (
            f"With the signs of x and y turned, {np.count_nonzero(turned)} are inside: is the frame (LPS or "
            "RAS) the right one?"
            if np.count_nonzero(turned) > np.count_nonzero(inside)
            else "Were they found on another scan?"
        )
        raise DetectorError(where, f"{outside} of its {total} places are outside the lungs. {hint}")
    return (f"{outside} of {total} places of {where} are outside the lungs and were left out.",)
