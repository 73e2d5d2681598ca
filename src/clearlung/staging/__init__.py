"""Which metastasis in which operation: the protocol's limits, the optimizer and its plan."""

from clearlung.staging.plan import Operation, Plan, PlannedLesion, PlannedSpecimen, Unassigned
from clearlung.staging.protocol import Protocol, load_protocol, parse_protocol, shipped_protocols

__all__ = [
    "Operation",
    "Plan",
    "PlannedLesion",
    "PlannedSpecimen",
    "Protocol",
    "Unassigned",
    "load_protocol",
    "parse_protocol",
    "shipped_protocols",
]
