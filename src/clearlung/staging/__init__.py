"""Which metastasis in which operation: the protocol's limits, the optimizer and its plan."""

from clearlung.staging.compare import Comparison, ComparisonRow, compare
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
from clearlung.staging.problem_record import ProblemRecord, parse_problem, problem_json, read_problem
from clearlung.staging.protocol import Protocol, load_protocol, parse_protocol, shipped_protocols
from clearlung.staging.solve import solve_plan
from clearlung.staging.stress import (
    RobustPlan,
    RobustRecord,
    Spread,
    StressOptions,
    StressRecord,
    plan_with_reserve,
    spreads_of,
    stress_test,
)

__all__ = [
    "Comparison",
    "ComparisonRow",
    "Interval",
    "MeasuredFunction",
    "Operation",
    "Plan",
    "PlannedLesion",
    "PlannedSpecimen",
    "PredictedFunction",
    "ProblemRecord",
    "Protocol",
    "RiskVerdict",
    "RobustPlan",
    "RobustRecord",
    "Spread",
    "StagingProblem",
    "StressOptions",
    "StressRecord",
    "Unassigned",
    "compare",
    "load_protocol",
    "parse_problem",
    "parse_protocol",
    "plan_with_reserve",
    "problem_json",
    "read_problem",
    "shipped_protocols",
    "solve_plan",
    "spreads_of",
    "stress_test",
]
