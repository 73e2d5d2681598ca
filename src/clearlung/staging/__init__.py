"""Which metastasis in which operation: the protocol's limits, the optimizer and its plan."""

from clearlung.staging.compare import Comparison, ComparisonRow, compare
from clearlung.staging.limits import LIMITS, Limit, Reached, broken_limits
from clearlung.staging.plan import (
    Interval,
    MeasuredFunction,
    Operation,
    Plan,
    PlannedLesion,
    PlannedSpecimen,
    PredictedFunction,
    RiskVerdict,
    Unassigned,
)
from clearlung.staging.problem import StagingProblem
from clearlung.staging.protocol import Protocol, load_protocol, parse_protocol, shipped_protocols
from clearlung.staging.solve import solve_plan

__all__ = [
    "LIMITS",
    "Comparison",
    "ComparisonRow",
    "Interval",
    "Limit",
    "MeasuredFunction",
    "Operation",
    "Plan",
    "PlannedLesion",
    "PlannedSpecimen",
    "PredictedFunction",
    "Protocol",
    "Reached",
    "RiskVerdict",
    "StagingProblem",
    "Unassigned",
    "broken_limits",
    "compare",
    "load_protocol",
    "parse_protocol",
    "shipped_protocols",
    "solve_plan",
]
