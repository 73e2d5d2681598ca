"""The case: what is known of the patient, and the ledger of every lesion."""

from clearlung.casefile.case import Case, load_case, parse_case
from clearlung.casefile.ledger import Event, open_ledger, read_ledger

__all__ = ["Case", "Event", "load_case", "open_ledger", "parse_case", "read_ledger"]
