"""Every limit by name: how a finished plan stands to it, how it gives, and what scenarios make of it.

Nothing here is shared with the optimizer: what a plan reaches is read from the plan alone.
"""

from clearlung.staging.limits import (  # noqa: F401  they register
    assignments,
    function,
    operation,
    perfusion,
    scans,
    total,
    weeks,
)
from clearlung.staging.limits.base import LIMITS, NOISE, Limit, Reached, broken_limits

__all__ = ["LIMITS", "NOISE", "Limit", "Reached", "broken_limits"]
