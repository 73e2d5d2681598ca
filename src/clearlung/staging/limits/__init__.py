"""Every limit of a protocol by name, and how a finished plan stands to it.

Nothing here is shared with the optimizer: what a plan reaches is read from the plan alone.
"""

from clearlung.staging.limits import function, operation, perfusion, weeks  # noqa: F401  they register
from clearlung.staging.limits.base import LIMITS, Limit, Reached, broken_limits

__all__ = ["LIMITS", "Limit", "Reached", "broken_limits"]
