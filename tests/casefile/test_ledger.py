import pytest

from clearlung.casefile.ledger import chain, read_ledger
from clearlung.errors import CaseConflict

ENTRIES = [("found", n, {"diameter_mm": 4.0 + n}) for n in range(1, 6)]


def write(path, events):
    path.write_text("".join(event.line() + "\n" for event in events), encoding="utf-8")


def test_a_ledger_reads_back_as_it_was_written(tmp_path):
    events = chain(ENTRIES)
    write(tmp_path / "ledger.jsonl", events)
    assert read_ledger(tmp_path / "ledger.jsonl") == events


def test_a_ledger_grows_at_its_end():
    first = chain(ENTRIES[:3])
    assert chain(ENTRIES[3:], after=first) == chain(ENTRIES)


@pytest.mark.parametrize("tamper", ["change", "drop", "swap", "insert"])
def test_tampering_shows(tmp_path, tamper):
    path = tmp_path / "ledger.jsonl"
    write(path, chain(ENTRIES))
    lines = path.read_text().splitlines()
    if tamper == "change":
        lines[1] = lines[1].replace("6.0", "2.0")
    elif tamper == "drop":
        del lines[2]
    elif tamper == "swap":
        lines[1], lines[2] = lines[2], lines[1]
    else:
        lines.insert(2, lines[1])
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(CaseConflict, match=r"line [23] of the ledger"):
        read_ledger(path)
