"""Review of nodules: accept, reject, add, merge, split, redraw, relabel, with who, when and why, and undo."""

from clearlung.nodules.review.actions import (
    ACTION_KINDS,
    Accept,
    Action,
    Add,
    Detected,
    Entry,
    Merge,
    Redraw,
    Reject,
    Relabel,
    Snapshot,
    Split,
    Undo,
)
from clearlung.nodules.review.carry import Carried, Conflict, carry_over
from clearlung.nodules.review.edit import accept, add, merge, redraw, reject, relabel, split
from clearlung.nodules.review.masks import Mask
from clearlung.nodules.review.record import Record, append_entries, locked, parse_record, read_record
from clearlung.nodules.review.replay import apply_review
from clearlung.nodules.review.review import Review
from clearlung.nodules.review.state import Item, ReviewState

__all__ = [
    "ACTION_KINDS",
    "Accept",
    "Action",
    "Add",
    "Carried",
    "Conflict",
    "Detected",
    "Entry",
    "Item",
    "Mask",
    "Merge",
    "Record",
    "Redraw",
    "Reject",
    "Relabel",
    "Review",
    "ReviewState",
    "Snapshot",
    "Split",
    "Undo",
    "accept",
    "add",
    "append_entries",
    "apply_review",
    "carry_over",
    "locked",
    "merge",
    "parse_record",
    "read_record",
    "redraw",
    "reject",
    "relabel",
    "split",
]
