"""`clearlung perfuse` as a person runs it, on published lungs."""

import json
import re

import jsonschema
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from clearlung import RESEARCH_NOTICE
from clearlung.cli import app, main
from clearlung.manifest import file_sha256
from clearlung.perfusion import DOSE_MODES, MEDIUM_WORDS, REGIMENS, TARGETS
from clearlung.perfusion_record import perfusion_schema

from .lists import write_list

MELPHALAN = ("--regimen", "petrov-melphalan-50")
HEATED = ("--regimen", "petrov-melphalan-45-42c", "--side", "left")
FILES = {"perfusion.json", "sheet.pdf", "sheet.html", "manifest.json"}
CASE = "[patient]\nheight_cm = 178\nweight_kg = 75\n"


def run(*arguments):
    return CliRunner().invoke(app, ["perfuse", *map(str, arguments)], catch_exceptions=False)


def said(*arguments):
    return json.loads(run(*arguments, "--json").stdout)


@pytest.fixture(scope="module")
def left():
    return said(*MELPHALAN, "--side", "left")


def test_the_json_says_dose_course_effect_and_harm(left):
    assert (left["regimen"], left["drug"], left["dose_mg"]) == ("petrov-melphalan-50", "melphalan", 50)
    assert left["mass_balance_error"] < 1e-6
    assert 0.08 < left["hydrolyzed_fraction"] < 0.27
    assert 0 < left["leak_fraction"] < 0.15
    assert sum(left["amounts_mg"].values()) == pytest.approx(50, abs=1e-4)
    area = left["auc_mg_min_per_l"]
    assert area["systemic"] < 0.1 * area["perfusate"]
    assert area["tumor"]["high"] > 10 * area["tumor"]["low"]
    for name in ("edema_risk", "death_risk"):
        assert 0 <= left[name]["low"] <= left[name]["median"] <= left[name]["high"] <= 1
    ids = {entry["id"]: entry["tag"] for entry in left["evidence"]}
    assert left["assumed"] == [key for key, tag in ids.items() if tag == "assumed"]
    assert left["notice"] == RESEARCH_NOTICE
    jsonschema.validate(left, json.loads(perfusion_schema()))


def test_the_left_lung_gets_more_of_a_fixed_dose(left):
    assert left["dose"]["left_over_right"] == pytest.approx(1.155, abs=0.03)
    right = said(*MELPHALAN, "--side", "right")
    levels = [one["dose"]["per_liter"]["mg_per_lung_l"] for one in (left, right)]
    assert levels[0] / levels[1] == pytest.approx(1.155, abs=0.03)
    assert left["volumes"]["source"] == "reference"
    assert any("no scan was given" in warning for warning in left["warnings"])


def test_larger_metastases_are_less_often_sterilized(left):
    expected = [one["sterilized_expected"] for one in left["effect"]]
    assert expected == sorted(expected, reverse=True)


def test_the_curves_begin_with_the_dose_in_the_prime_and_end_the_phases(left):
    curves = left["curves"]
    assert curves["perfusate_mg_per_l"][0] == pytest.approx(1000 * 50 / left["settings"]["prime_ml"])
    assert set(left["phases"].values()) <= set(curves["minutes"])
    assert curves["minutes"] == sorted(set(curves["minutes"]))
    assert set(curves["lung_mg_per_l"]) == set(left["target"]["lobes"])
    lengths = {len(curve) for curve in curves["nodules_mg_per_l"].values()}
    assert lengths == {len(curves["minutes"])}


def test_the_same_seed_gives_the_same_and_another_only_other_draws(left):
    assert said(*MELPHALAN, "--side", "left") == left
    other = said(*MELPHALAN, "--side", "left", "--seed", "1")
    assert other["edema_risk"] != left["edema_risk"]
    assert other["edema_risk"]["median"] == pytest.approx(left["edema_risk"]["median"], abs=0.02)
    assert other["curves"] == left["curves"]


def test_a_hypothesis_is_called_one_wherever_its_dose_is_shown():
    arguments = (*MELPHALAN, "--target", "left-upper", "--dose-mode", "perfused_volume")
    found = said(*arguments)
    assert found["dose"]["hypothesis"]
    assert found["dose"]["derivation"].startswith("Hypothesis")
    assert any("hypothesis" in warning for warning in found["warnings"])
    assert found["dose_mg"] < 25
    table = run(*arguments).stdout
    assert "by a hypothesis" in table
    assert "! The dose goes by perfused volume: a hypothesis" in " ".join(table.split())


def test_the_table_for_people_says_what_it_rests_on(left):
    shown = " ".join(run(*MELPHALAN, "--side", "left").stdout.split())
    for word in ("melphalan 50.0 mg", "LUL, LLL", "1.155 times", "Edema: ", "alarm at 10 %", "are assumed"):
        assert word in shown
    assert "no prediction for one patient" in shown
    assert f"{100 * left['edema_risk']['median']:.1f} %" in shown
    assert RESEARCH_NOTICE in shown
    assert left["unseen"] is None
    assert "not estimated: no nodules are known" in shown


def test_a_folder_is_written_where_one_is_named_and_nowhere_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(*MELPHALAN, "--side", "left")
    assert not list(tmp_path.iterdir())
    shown = said(*MELPHALAN, "--side", "left", "--minutes", "45", "-o", "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    kept = json.loads((tmp_path / "out" / "perfusion.json").read_text())
    assert {"out": "out"} | kept == shown
    jsonschema.validate(kept, json.loads(perfusion_schema()))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert (manifest["command"], manifest["options"]["minutes"]) == ("perfuse", 45)
    assert manifest["outputs"]["perfusion.json"] == file_sha256(tmp_path / "out" / "perfusion.json")
    with pytest.raises(SystemExit) as refused:
        main(["perfuse", *MELPHALAN, "--side", "left", "-o", "out"])
    assert refused.value.code == 7
    assert run(*MELPHALAN, "--side", "left", "-o", "out", "--force").exit_code == 0


def test_the_heated_case_can_be_looked_at_and_warns(left):
    heated = said(*HEATED)
    assert heated["edema_risk"]["median"] > max(0.44, left["edema_risk"]["median"])
    assert any("All three" in warning for warning in heated["warnings"])


def test_a_list_says_what_lies_in_the_target(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_list(tmp_path / "list.csv", 40)
    in_left = [line for line in (tmp_path / "list.csv").read_text().splitlines() if ",left," in line]
    found = said("list.csv", *MELPHALAN, "--side", "left")
    assert found["target"]["nodules"] == len(in_left)
    assert found["out"] == "list-perfusion-left"
    unseen = found["unseen"]
    assert [one["lobe"] for one in unseen["lobes"]] == ["LUL", "LLL"]
    assert unseen["left"]["mean"] < unseen["left_without"]["mean"] < unseen["unseen"]["mean"]
    assert "occult.felt.half" in {entry["id"] for entry in found["evidence"]}
    assert (tmp_path / "list-perfusion-left" / "perfusion.json").is_file()


def test_a_dose_by_body_surface_takes_it_from_the_case(tmp_path):
    (tmp_path / "case.toml").write_text(CASE)
    found = said("--regimen", "petrov-cisplatin-135", "--side", "right", "--case", tmp_path / "case.toml")
    assert found["dose_mg"] == pytest.approx(135 * (178 * 75 / 3600) ** 0.5, abs=0.01)


def test_the_regimen_that_was_given_at_42_degrees_shows_its_risk_and_warns():
    found = said(*HEATED)
    assert found["edema_risk"]["median"] >= 0.44
    assert any("not to be repeated" in words for words in found["warnings"])


def test_the_help_names_everything_that_is_registered():
    options = {option.name: option for option in get_command(app).commands["perfuse"].params}
    for name, registry in {
        "regimen": REGIMENS,
        "target": TARGETS,
        "dose_mode": DOSE_MODES,
        "medium": MEDIUM_WORDS,
    }.items():
        for entry in registry:
            assert re.search(rf"(?<![\w-]){entry}(?![\w-])", options[name].help), (name, entry)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((*MELPHALAN,), 4, "say what is perfused"),
        ((*MELPHALAN, "--side", "left", "--target", "right-upper-middle"), 4, "side left was given"),
        (("--regimen", "petrov", "--side", "left"), 4, "is not one of"),
        ((*MELPHALAN, "--side", "left", "--dose-mg", "51"), 4, "51 mg is above 50 mg"),
        ((*MELPHALAN, "--side", "left", "--temperature-c", "42"), 4, "42 °C is above"),
        ((*HEATED, "--protocol", "high-volume"), 4, "42 °C is above"),
        ((*MELPHALAN, "--side", "left", "--protocol", "conservative"), 4, "above 45 mg"),
        (("--side", "left", "--protocol", "conservative"), 4, "name one with --regimen"),
        (("--regimen", "petrov-cisplatin-135", "--side", "left"), 4, "give height_cm"),
        ((*MELPHALAN, "--side", "left", "--dose-mode", "per_ml"), 4, "was published for per_ml"),
        ((*MELPHALAN, "--side", "left", "--dose-mg", "nan"), 4, "dose_mg"),
        (("nowhere.nii.gz", *MELPHALAN, "--side", "left"), 3, "nowhere"),
        ((*MELPHALAN, "--side", "left", "-o", "no/such/place"), 7, "is not a folder"),
    ],
)
def test_what_cannot_be_done_ends_with_its_code(arguments, code, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["perfuse", *arguments])
    assert ended.value.code == code
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_belongs_to_a_scan_is_wrong_usage_without_one(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert run(*MELPHALAN, "--side", "left", "--series", "2").exit_code == 2
