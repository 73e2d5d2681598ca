"""How a plan fares when things turn out otherwise, and plans with reserve for it."""

from clearlung.staging.stress.describe import stress_test
from clearlung.staging.stress.outcome import StressOptions
from clearlung.staging.stress.record import RobustRecord, StressRecord
from clearlung.staging.stress.robust import RobustPlan, plan_with_reserve
from clearlung.staging.stress.spreads import Spread, spreads_of

__all__ = [
    "RobustPlan",
    "RobustRecord",
    "Spread",
    "StressOptions",
    "StressRecord",
    "plan_with_reserve",
    "spreads_of",
    "stress_test",
]
