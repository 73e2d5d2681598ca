import pytest

from clearlung.casefile import load_case, parse_case
from clearlung.errors import CaseError

WHOLE = """
[patient]
height_cm = 180
weight_kg = 80

[function]
fev1_l = 3.0
fev1_predicted_l = 4.0
"""


def test_a_case_gives_surface_and_percent():
    case = parse_case(WHOLE)
    assert case.patient.body_surface_m2 == pytest.approx(2.0)  # Mosteller: sqrt(180 × 80 / 3600)
    assert case.function.percent == pytest.approx(75)
    assert case.function.predicted_l == 4.0


def test_predicted_liters_follow_from_measured_liters_and_percent():
    case = parse_case("[function]\nfev1_l = 3.0\nfev1_percent = 75")
    assert case.function.predicted_l == pytest.approx(4.0)


def test_what_is_not_given_stays_unknown():
    case = parse_case("")
    assert case.function.percent is None
    assert case.function.predicted_l is None
    assert case.patient.body_surface_m2 is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (("height_cm = 180", "height_m = 1.8"), "patient.height_m"),
        (("height_cm = 180", "height_cm = 1.8"), "patient.height_cm"),
        (("weight_kg = 80", "weight_kg = nan"), "patient.weight_kg"),
        (("fev1_l = 3.0", "fev1_l = 3000"), "function.fev1_l"),
        (("fev1_predicted_l = 4.0", "fev1_predicted_l = 4.0\nfev1_percent = 90"), "function"),
        (("fev1_predicted_l = 4.0", "fev1_predicted_l = 0.5"), "function"),
        (("[patient]", "[patient"), "file"),
        (("fev1_l = 3.0", "fev1_l = 3.0\ndlco = 8\ndlco_predicted = 10\ndlco_percent = 60"), "function"),
        (("fev1_l = 3.0", "fev1_l = 3.0\ndlco = 2\ndlco_predicted = 60"), "function"),
        (("fev1_l = 3.0", "fev1_l = 3.0\nvo2_ml_kg_min = 0"), "function.vo2_ml_kg_min"),
        (("fev1_l = 3.0", "fev1_l = 3.0\nshuttle_walk_m = -1"), "function.shuttle_walk_m"),
    ],
)
def test_a_wrong_case_is_refused_by_field(change, field):
    with pytest.raises(CaseError) as caught:
        parse_case(WHOLE.replace(*change))
    assert caught.value.field == field


EARLIER = """
[[earlier]]
side = "right"
technique = "wedge"
lobe = "RLL"
removed_ml = 35
weeks_ago = 30

[[earlier]]
side = "right"
technique = "lobectomy"
lobe = "RUL"
"""


def test_earlier_resections_are_read():
    case = parse_case(EARLIER)
    assert case.operated("right")
    assert not case.operated("left")
    wedge, lobe = case.resections
    assert (wedge.removed_ml, wedge.weeks_ago, wedge.anatomical) == (35, 30, False)
    assert (lobe.lobe, lobe.weeks_ago, lobe.anatomical) == ("RUL", None, True)
    assert parse_case("").resections == ()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (('side = "right"', 'side = "both"'), "earlier.0.side"),
        (('technique = "wedge"', 'technique = "saw"'), "earlier.0.technique"),
        (('lobe = "RLL"', 'lobe = "LLL"'), "earlier.0"),
        (("removed_ml = 35", "removed_ml = 0"), "earlier.0.removed_ml"),
        (("removed_ml = 35", "segments = 6"), "earlier.0.segments"),
        (("weeks_ago = 30", "weeks_ago = -3"), "earlier.0.weeks_ago"),
        (("weeks_ago = 30", "years_ago = 3"), "earlier.0.years_ago"),
        (('lobe = "RLL"\nremoved_ml = 35', "segments = 1"), "earlier.0"),
        (('lobe = "RUL"\n', ""), "earlier.1"),
    ],
)
def test_a_wrong_earlier_resection_is_refused_by_field(change, field):
    with pytest.raises(CaseError) as caught:
        parse_case(EARLIER.replace(*change))
    assert caught.value.field == field


def test_dlco_and_exercise_are_read():
    case = parse_case("[function]\ndlco = 8\ndlco_predicted = 10\nstair_climb_m = 22\nvo2_percent = 60")
    assert case.function.dlco_percent_known == pytest.approx(80)
    assert case.function.exercise.stair_climb_m == 22
    assert case.function.exercise.vo2_percent == 60
    assert case.function.exercise.shuttle_walk_m is None
    assert parse_case("[function]\ndlco_percent = 70").function.dlco_percent_known == 70
    assert parse_case("").function.dlco_percent_known is None


def test_a_byte_order_mark_is_passed_over_and_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "case.toml"
    path.write_text(WHOLE, encoding="utf-8-sig")
    assert load_case(path) == parse_case(WHOLE)
    path.write_bytes(b"# Gr\xf6\xdfe")
    with pytest.raises(CaseError, match="UTF-8"):
        load_case(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CaseError, match="there is no file"):
        load_case(tmp_path / "case.toml")
