import math

import pytest

from clearlung.anatomy import LOBES
from clearlung.errors import EvidenceError
from clearlung.evidence import load_evidence, parse_evidence

ENTRY = """
[subject.quantity]
title = "A quantity"
value = 5
low = 4
high = 6
unit = "mm"
n = "12 patients"
source = "Somebody 2001"
tag = "published"
"""


def test_an_entry_is_read_whole():
    entry = parse_evidence(ENTRY, "file")["file.subject.quantity"]
    assert (entry.value, entry.low, entry.high, entry.unit, entry.tag) == (5, 4, 6, "mm", "published")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("value = 5", "value = 9"), "outside its range"),
        (('n = "12 patients"', ""), "published number needs its n"),
        (('tag = "published"', 'tag = "guessed"'), "tag"),
        (('unit = "mm"', ""), "unit"),
        (('unit = "mm"', 'unit = "mm"\ncolor = "red"'), "color"),
    ],
)
def test_a_malformed_entry_is_refused_by_name(change, says):
    with pytest.raises(EvidenceError, match=says) as caught:
        parse_evidence(ENTRY.replace(*change), "file")
    assert caught.value.field == "file.subject.quantity"


def test_a_number_is_only_handed_out_in_its_own_unit():
    book = load_evidence()
    with pytest.raises(EvidenceError, match="is in mm"):
        book.value("technique.laser.rim", unit="cm")


def test_only_assumptions_can_be_set():
    book = load_evidence()
    changed = book.overriding({"time.nodule.superficial": 8})
    assert changed.value("time.nodule.superficial", unit="min") == 8
    assert changed["time.nodule.superficial"].overridden
    assert book.value("time.nodule.superficial", unit="min") == 5
    with pytest.raises(EvidenceError, match="only assumed"):
        book.overriding({"technique.laser.rim": 1})


def test_every_shipped_entry_is_finite_and_has_words_for_its_source():
    book = load_evidence()
    assert len(book) > 40
    for entry in book.values():
        assert math.isfinite(entry.value)
        assert len(entry.source) > 10, entry.id


def test_lobe_shares_add_up_to_the_lungs():
    book = load_evidence()
    shares = {name: book.value(f"anatomy.lobe_share.{name}", unit="%") for name in LOBES}
    assert sum(shares.values()) == pytest.approx(100, abs=0.5)
    right = shares["RUL"] + shares["RML"] + shares["RLL"]
    # The same 32 people: 53.6 / 46.4 %; a fixed dose gives the left lung 15.5 % more per volume.
    assert right == pytest.approx(53.6, abs=0.5)
    assert right / (100 - right) == pytest.approx(1.155, abs=0.03)
