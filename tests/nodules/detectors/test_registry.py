"""One table feeds command line, documents and errors."""

import hashlib
import json
import re
from pathlib import Path

import jsonschema
import pytest

from clearlung.errors import DetectorError
from clearlung.nodules.detectors import (
    DETECTOR_KINDS,
    Contract,
    DetectorSource,
    detector_listing,
    parse_detector,
    resolve_detector,
)
from clearlung.nodules.detectors.contract import published_contract, read_contract
from tests.nodules.detectors import bundles, chest

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "nodule-detectors.md").read_text()


def test_names_and_paths_are_told_apart(tmp_path):
    assert parse_detector(None) == DetectorSource()
    assert parse_detector("blob").kind == "registered"
    (tmp_path / "detector.json").write_text("{}")
    assert parse_detector(str(tmp_path)).kind == "onnx"
    assert parse_detector(str(tmp_path / "detector.json")).kind == "onnx"
    assert parse_detector(str(bundles.write(tmp_path / "bundle"))).kind == "monai"
    for name, kind in (("a.nii.gz", "mask"), ("a.seg.nrrd", "mask"), ("a.csv", "boxes"), ("a.json", "boxes")):
        (tmp_path / name).write_text("")
        assert parse_detector(str(tmp_path / name)).kind == kind
    assert parse_detector(str(tmp_path / "a.csv"), frame="ras").frame == "RAS"
    assert parse_detector(str(tmp_path / "a.nii.gz"), labels="2, 1").labels == (1, 2)


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        ("", {}, "--detector: it is empty"),
        ("bolb", {}, "--detector: there is no detector and no file 'bolb'. Names are blob"),
        ("{folder}", {}, "--detector: the folder is nothing that is understood"),
        ("{folder}/a.txt", {}, "--detector: the file is nothing that is understood"),
        ("blob", {"frame": "RAS"}, "--detector-frame: it is the frame of a boxes file"),
        ("blob", {"labels": "1"}, "--detector-labels: it chooses labels of a mask"),
        ("{folder}/a.csv", {"frame": "XYZ"}, "--detector-frame: takes LPS or RAS, not 'XYZ'"),
        ("{folder}/a.nrrd", {"labels": "1-3"}, "--detector-labels: takes whole numbers"),
    ],
)
def test_anything_else_is_refused_with_what_is_accepted(tmp_path, text, options, told):
    for name in ("a.txt", "a.csv", "a.nrrd"):
        (tmp_path / name).write_text("nothing")
    with pytest.raises(DetectorError, match=told):
        parse_detector(text.format(folder=tmp_path), **options)


def test_a_registered_detector_runs():
    found = resolve_detector(parse_detector("blob"))(chest.scan(), chest.anatomy(), 3.0)
    assert len(found) >= 3


def test_document_errors_and_table_agree():
    rows = re.findall(r"^\| `--detector ([^`]+)` \| ([^|]+) \| ([^|]+) \|$", DOCUMENT, flags=re.MULTILINE)
    assert rows == [(kind.asked_by, kind.title, kind.judges) for kind in DETECTOR_KINDS.values()]
    for name, kind in DETECTOR_KINDS.items():
        assert kind.asked_by in detector_listing()
        assert kind.title in detector_listing()
        assert kind.notes in DOCUMENT.replace("\n", " "), name
    assert set(DetectorSource.__dataclass_fields__) == {"kind", "name", "path", "frame", "labels"}


def test_the_published_schema_is_the_programs():
    assert (ROOT / "docs" / "detector.schema.json").read_text() == published_contract()


def test_every_field_of_a_contract_is_described():
    def check(part):
        for name, field in part.get("properties", {}).items():
            assert field.get("description") or field.get("const") or "$ref" in field, name

    schema = Contract.model_json_schema()
    for part in (schema, *schema["$defs"].values()):
        check(part)


def test_the_contract_in_the_document_is_accepted(tmp_path):
    (example,) = re.findall(r"```json\n(.*?)```", DOCUMENT, flags=re.DOTALL)
    (tmp_path / "detector.json").write_text(example)
    assert read_contract(tmp_path).input.order == "ZYX"
    jsonschema.validate(json.loads(example), json.loads(published_contract()))
    (tmp_path / "nodules.onnx").write_bytes(b"other")
    with pytest.raises(DetectorError, match=hashlib.sha256(b"other").hexdigest()):
        resolve_detector(parse_detector(str(tmp_path)))
