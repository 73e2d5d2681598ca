"""Protocols: what is read, what is refused, and that the shipped ones rest on the evidence."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest

from clearlung.errors import ProtocolError
from clearlung.evidence import load_evidence
from clearlung.staging import load_protocol, parse_protocol, shipped_protocols

TEXT = (files("clearlung.staging") / "protocols" / "conservative.toml").read_text(encoding="utf-8")


def changed(old: str, new: str) -> str:
    assert old in TEXT
    return TEXT.replace(old, new)


@pytest.mark.parametrize("name", shipped_protocols())
def test_every_limit_of_a_shipped_protocol_comes_from_the_evidence(name):
    protocol = load_protocol(name)
    book = load_evidence()
    for part_name, part_field in type(protocol).model_fields.items():
        part = getattr(protocol, part_name)
        if not hasattr(type(part), "model_fields"):
            continue
        for key, field in type(part).model_fields.items():
            unit = (field.json_schema_extra or {}).get("unit")
            value = getattr(part, key)
            if unit is None or value in (None, 0):
                continue
            entry = book[protocol.evidence[f"{part_name}.{key}"]]
            assert entry.value == value
            assert entry.unit == unit, part_field


def test_a_number_may_be_plain_or_with_its_unit():
    line = 'minutes_max = { evidence = "protocol.conservative.minutes" }'
    for given in ("minutes_max = 300", 'minutes_max = "300 min"', "minutes_max = 300.0"):
        protocol = parse_protocol(changed(line, given))
        assert protocol.per_operation.minutes_max == 300
        assert "per_operation.minutes_max" not in protocol.evidence


def test_weeks_may_be_written_in_the_plural():
    protocol = parse_protocol(changed('# total_max = "104 weeks"', 'total_max = "104 weeks"'))
    assert protocol.weeks.total_max == 104


SET = "# [assumptions]"
NODULES = 'nodules_max = { evidence = "protocol.conservative.nodules_per_operation" }'


@pytest.mark.parametrize(
    ("old", "new", "field", "message"),
    [
        (NODULES, "nodule_max = 15", "per_operation.nodule_max", "did you mean nodules_max"),
        (NODULES, 'nodules_max = "15 min"', "per_operation.nodules_max", "wrong unit: takes 1"),
        (NODULES, "nodules_max = 0", "per_operation.nodules_max", "greater than or equal to 1, not 0"),
        (NODULES, "nodules_max = 2.5", "per_operation.nodules_max", "2.5"),
        (NODULES, "nodules_max = true", "per_operation.nodules_max", "takes a number"),
        (NODULES, 'nodules_max = "many 1"', "per_operation.nodules_max", "not a number"),
        (NODULES, "nodules_max = nan", "per_operation.nodules_max", "nan"),
        (NODULES, "", "per_operation.nodules_max", "Field required"),
        (NODULES, 'nodules_max = { evidence = "time.access" }', "per_operation.nodules_max", "is in min"),
        (NODULES, 'nodules_max = { evidence = "no.such" }', "per_operation.nodules_max", "no such entry"),
        (NODULES, "nodules_max = { value = 3 }", "per_operation.nodules_max", "takes a number in 1"),
        ("per_lung_max = 0", "per_lung_max = -1", "perfusion.per_lung_max", "-1"),
        ("[nodules]", "[nodule]", "nodule", "did you mean nodules"),
        ('name = "conservative"', 'name = "Two words"', "name", "pattern"),
        ("# [assumptions]", '[assumptions]\n"laser" = 3', "assumptions.laser", "no such entry"),
        (
            "# [assumptions]",
            '[assumptions]\n"technique.laser.rim" = 3',
            "assumptions.technique.laser.rim",
            "published",
        ),
        ("# [assumptions]", '[assumptions]\n"time.access" = 3', "assumptions.time.access", "derived"),
        (
            "# [assumptions]",
            '[evidence]\n"weeks.other_side_min" = "x"',
            "evidence",
            "filled in by the program",
        ),
        ("[nodules]", "[nodules", "file", "not TOML"),
    ],
)
def test_refusals_name_the_field(old, new, field, message):
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(changed(old, new))
    assert caught.value.field == field
    assert message in str(caught.value)


def test_an_assumption_may_be_set():
    protocol = parse_protocol(changed(SET, '[assumptions]\n"time.nodule.superficial" = 8'))
    entry = protocol.book()["time.nodule.superficial"]
    assert (entry.value, entry.overridden) == (8.0, True)


@pytest.mark.parametrize("value", ["nan", "inf", "-8"])
def test_an_impossible_assumption_is_refused(value):
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(changed(SET, f'[assumptions]\n"time.nodule.superficial" = {value}'))
    assert caught.value.field == "assumptions.time.nodule.superficial"


def test_a_byte_order_mark_is_passed_over_and_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(changed('name = "conservative"', 'name = "mine"'), encoding="utf-8-sig")
    assert load_protocol(path).name == "mine"
    path.write_bytes(b"# Fr\xfchling")
    with pytest.raises(ProtocolError, match="UTF-8"):
        load_protocol(path)


def test_a_file_is_read_by_path_and_a_missing_one_refused(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(changed('name = "conservative"', 'name = "mine"'), encoding="utf-8")
    assert load_protocol(path).name == "mine"
    with pytest.raises(ProtocolError, match="conservative, high-volume"):
        load_protocol(tmp_path / "other.toml")


def test_the_comments_of_a_shipped_protocol_are_toml():
    assert tomllib.loads(TEXT)["name"] == "conservative"


def test_the_rule_set_is_a_registered_one():
    assert parse_protocol(changed("accp-2013", "bts-2010")).function.rule_set == "bts-2010"
    with pytest.raises(ProtocolError, match="must be one of accp-2013, ers-ests-2009") as caught:
        parse_protocol(changed('rule_set = "accp-2013"', 'rule_set = "dice"'))
    assert caught.value.field == "function.rule_set"


BLOCKED = "# blocked = [[5, 6]]        # weeks in which nobody operates, counted from the first operation"


def test_blocked_weeks_are_read_in_order():
    weeks = parse_protocol(changed(BLOCKED, "blocked = [[9, 12], [4, 4]]")).weeks
    assert weeks.blocked == ((4, 4), (9, 12))
    assert [weeks.free_from(week) for week in (3, 4, 10, 13)] == [3, 5, 13, 13]


@pytest.mark.parametrize("given", ["[[0, 3]]", "[[6, 5]]", "[[5, 2000]]", "[[5]]", '"spring"'])
def test_blocked_weeks_that_are_none_are_refused(given):
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(changed(BLOCKED, f"blocked = {given}"))
    assert caught.value.field.startswith("weeks.blocked")
