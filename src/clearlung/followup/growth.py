"""Growth: doubling times, growth rates, and what a lesion will measure on a later day.

References
----------
Schwartz M. A biomathematical approach to clinical tumor growth. Cancer 1961;14:1272.
Mehrara E et al. Specific growth rate versus doubling time. Cancer Res 2007;67:3970.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def doubling_time_days(first_mm: ArrayLike, second_mm: ArrayLike, interval_days: ArrayLike) -> Any:
    """Volume doubling time from two diameters of equal-volume spheres (Schwartz).

    Parameters
    ----------
    first_mm, second_mm
        Diameters on the two days.
    interval_days
        Days between them.

    Returns
    -------
    float or ndarray
        Days; negative for a lesion that shrinks, infinite for one that stays.

    Examples
    --------
    >>> round(float(doubling_time_days(5.0, 10.0, 192)), 1)
    64.0
    """
    doublings = 3 * np.log2(np.asarray(second_mm, dtype=np.float64) / np.asarray(first_mm, dtype=np.float64))
    with np.errstate(divide="ignore"):
        return np.asarray(interval_days, dtype=np.float64) / doublings


def specific_growth_rate_percent_per_day(vdt_days: ArrayLike) -> Any:
    """Specific growth rate, ln 2 / VDT (Mehrara).

    Parameters
    ----------
    vdt_days
        Volume doubling time; NaN where unknown gives NaN.

    Returns
    -------
    float or ndarray
        Percent per day; negative for a lesion that shrinks.

    Examples
    --------
    >>> round(float(specific_growth_rate_percent_per_day(64)), 3)
    1.083
    """
    return 100 * np.log(2) / np.asarray(vdt_days, dtype=np.float64)


def diameter_after_mm(diameter_mm: ArrayLike, vdt_days: ArrayLike, days: ArrayLike) -> Any:
    """Diameter after some days of exponential growth.

    Parameters
    ----------
    diameter_mm
        Diameter today.
    vdt_days
        Volume doubling time; NaN where unknown gives NaN.
    days
        Days from today.

    Returns
    -------
    float or ndarray
        mm.

    Examples
    --------
    >>> round(float(diameter_after_mm(5.0, 64, 192)), 1)
    10.0
    """
    exponent = np.asarray(days, dtype=np.float64) / (3 * np.asarray(vdt_days, dtype=np.float64))
    return np.asarray(diameter_mm, dtype=np.float64) * 2**exponent
