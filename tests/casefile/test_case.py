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
    ],
)
def test_a_wrong_case_is_refused_by_field(change, field):
    with pytest.raises(CaseError) as caught:
        parse_case(WHOLE.replace(*change))
    assert caught.value.field == field


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
