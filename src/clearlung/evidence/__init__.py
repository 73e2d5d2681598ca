"""Every clinical number, with its unit, n and source; asked for by id."""

from clearlung.evidence.book import Evidence, EvidenceBook, load_evidence, parse_evidence

__all__ = ["Evidence", "EvidenceBook", "load_evidence", "parse_evidence"]
