"""Lesions over time: identity and growth."""

from clearlung.followup.growth import (
    diameter_after_mm,
    doubling_time_days,
    specific_growth_rate_percent_per_day,
)
from clearlung.followup.lesions import LesionTable, lesions_of_first_scan

__all__ = [
    "LesionTable",
    "diameter_after_mm",
    "doubling_time_days",
    "lesions_of_first_scan",
    "specific_growth_rate_percent_per_day",
]
