"""Which metastasis in which operation: the protocol's limits, the optimizer and its plan."""

from clearlung.staging.assignment import Assignment, read_assignments
from clearlung.staging.compare import Comparison, ComparisonRow, compare
from clearlung.staging.conflicts import (
    Conflict,
    LimitGain,
    SmallestChange,
    Wanted,
    explain_conflict,
    limit_gains,
)
from clearlung.staging.done import Done, DoneOperation, FoundLesion, read_done
from clearlung.staging.estimates import Basis, Estimates
from clearlung.staging.explain import LesionExplanation, explain_lesion
from clearlung.staging.figures import Difference
from clearlung.staging.goals import GOALS
from clearlung.staging.limits import LIMITS, Limit, Reached, broken_limits
from clearlung.staging.maxima import allowed, maxima_of
from clearlung.staging.one_perfusion import (
    NO_UNSEEN,
    UNSEEN_WORDS,
    UnseenCount,
    UnseenPerfused,
    unseen_perfused,
)
from clearlung.staging.perfused import perfused_weeks
from clearlung.staging.perfusion_record import (
    Expected,
    LobeUnseen,
    LungUnseen,
    PerfusionChoice,
    PerfusionWay,
    PlannedPerfusion,
)
from clearlung.staging.plan import (
    Goal,
    Interval,
    MeasuredFunction,
    Operation,
    Plan,
    PlannedLesion,
    PlannedSpecimen,
    PredictedFunction,
    RiskVerdict,
    Unassigned,
    sides_of,
)
from clearlung.staging.problem import StagingProblem
from clearlung.staging.problem_choice import candidate_parts
from clearlung.staging.problem_file import parse_problem, problem_json, read_problem
from clearlung.staging.problem_record import ProblemRecord
from clearlung.staging.protocol import Protocol, load_protocol, parse_protocol, shipped_protocols
from clearlung.staging.replan import replan
from clearlung.staging.replan_record import LesionChange, OperationChange, Replan
from clearlung.staging.rest import rest_problem
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
from clearlung.staging.targets import aimed_as, perfusion_points, regimen_for, targets_of
from clearlung.staging.together import choose_together
from clearlung.staging.tradeoff import trade_off
from clearlung.staging.tradeoff_points import Tradeoff, TradeoffAnswer, TradeoffOptions, TradeoffPoint
from clearlung.staging.under import under
from clearlung.staging.unseen import Unseen
from clearlung.staging.unseen_left import UNSEEN_LEFT_WORDS, UnseenLeft, unseen_left

__all__ = [
    "GOALS",
    "LIMITS",
    "NO_UNSEEN",
    "UNSEEN_LEFT_WORDS",
    "UNSEEN_WORDS",
    "Assignment",
    "Basis",
    "Comparison",
    "ComparisonRow",
    "Conflict",
    "Difference",
    "Done",
    "DoneOperation",
    "Estimates",
    "Expected",
    "FoundLesion",
    "Goal",
    "Interval",
    "LesionChange",
    "LesionExplanation",
    "Limit",
    "LimitGain",
    "LobeUnseen",
    "LungUnseen",
    "MeasuredFunction",
    "Operation",
    "OperationChange",
    "PerfusionChoice",
    "PerfusionWay",
    "Plan",
    "PlannedLesion",
    "PlannedPerfusion",
    "PlannedSpecimen",
    "PredictedFunction",
    "ProblemRecord",
    "Protocol",
    "Reached",
    "Replan",
    "RiskVerdict",
    "RobustPlan",
    "RobustRecord",
    "SmallestChange",
    "Spread",
    "StagingProblem",
    "StressOptions",
    "StressRecord",
    "Tradeoff",
    "TradeoffAnswer",
    "TradeoffOptions",
    "TradeoffPoint",
    "Unassigned",
    "Unseen",
    "UnseenCount",
    "UnseenLeft",
    "UnseenPerfused",
    "Wanted",
    "aimed_as",
    "allowed",
    "broken_limits",
    "candidate_parts",
    "choose_together",
    "compare",
    "explain_conflict",
    "explain_lesion",
    "limit_gains",
    "load_protocol",
    "maxima_of",
    "parse_problem",
    "parse_protocol",
    "perfused_weeks",
    "perfusion_points",
    "plan_with_reserve",
    "problem_json",
    "read_assignments",
    "read_done",
    "read_problem",
    "regimen_for",
    "replan",
    "rest_problem",
    "shipped_protocols",
    "sides_of",
    "solve_plan",
    "spreads_of",
    "stress_test",
    "targets_of",
    "trade_off",
    "under",
    "unseen_left",
    "unseen_perfused",
]
