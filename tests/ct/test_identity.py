"""Who the patient is stays out of whatever reading says: errors, warnings, scans, lists of series."""

import json
import zipfile
from dataclasses import fields

import numpy as np
import pytest

from clearlung.cli import main
from clearlung.ct import list_series, read_scan
from clearlung.errors import ScanRejected

from .chests import chest
from .dicom_files import write_series
from .plain_files import write_mha, write_nifti, write_nrrd

SECRETS = {
    "PatientName": "Geheimrat^Ottokar^von",
    "PatientID": "PID-4711-0815",
    "PatientBirthDate": "19420229",
    "PatientBirthName": "Verborgen",
    "PatientMotherBirthName": "Verhohlen",
    "PatientAddress": "Dunkelgasse 13",
    "PatientTelephoneNumbers": "0800-424242",
    "OtherPatientIDs": "ANDERE-99",
    "MilitaryRank": "Oberst-X",
    "EthnicGroup": "Gruppe-X",
    "Occupation": "Spion-X",
    "PatientComments": "heimlich-c",
    "InstitutionName": "Klinik Nirgends",
    "InstitutionAddress": "Nirgendsweg 1",
    "InstitutionalDepartmentName": "Abteilung-N",
    "ReferringPhysicianName": "Zuweiser^Zita",
    "PerformingPhysicianName": "Macher^Max",
    "OperatorsName": "Bediener^Bo",
    "AccessionNumber": "ACC-778899",
    "StudyID": "STID-5566",
    "StudyDescription": "Studie Geheimrat",
    "StationName": "STATION-Q",
    "DeviceSerialNumber": "SER-31337",
    "ProtocolName": "Protokoll Ottokar",
    "ImageComments": "Bild von Geheimrat",
    "RequestedProcedureDescription": "Wunsch Geheimrat",
    "AdditionalPatientHistory": "Vorgeschichte-Z",
}
WORDS = sorted(
    {word for value in SECRETS.values() for word in value.replace("^", " ").split() if len(word) > 3}
)
FILE_NAME = "Geheimrat_Ottokar_19420229_"


def silent(*said):
    """Assert that nothing said holds a word of the patient's."""
    text = " ".join(map(str, said)).lower()
    assert not [word for word in WORDS if word.lower() in text]


def secret(**more):
    def bend(header, i):
        for name, value in (SECRETS | more).items():
            if value is not None:
                setattr(header, name, value)

    return bend


@pytest.fixture(autouse=True)
def private(tmp_path):
    return tmp_path


def study(folder, **options):
    options = {"bend": secret(), "prefix": FILE_NAME, "description": "Thorax nativ"} | options
    return write_series(folder / "study", chest(), **options)


def said_of(scan):
    return [getattr(scan, field.name) for field in fields(scan) if field.name != "volume"] + [
        repr(scan.native)
    ]


@pytest.mark.parametrize("isolated", [True, False])
def test_a_scan_and_its_list_of_series(tmp_path, isolated):
    folder = study(tmp_path)[0].parent
    scan = read_scan(folder, isolated=isolated)
    silent(*said_of(scan), repr(scan)[-3000:])
    silent(*list_series(folder, isolated=isolated))


@pytest.mark.parametrize(
    "description", ["Thorax Geheimrat", "OTTOKAR 1.0", "pid-4711-0815", "von Geheimrat^Ottokar"]
)
def test_a_description_with_the_name_is_withheld(tmp_path, description):
    folder = study(tmp_path, description=description)[0].parent
    scan = read_scan(folder)
    assert "withheld" in scan.series
    silent(*said_of(scan), *list_series(folder))


@pytest.mark.parametrize("name", ["Modality", "PhotometricInterpretation", "RescaleType", "ConvolutionKernel",
                                  "ImageType"])  # fmt: skip
def test_the_name_in_a_field_that_messages_show(tmp_path, name):
    folder = study(tmp_path, bend=secret(**{name: "GEHEIMRAT"}))[0].parent
    try:
        scan = read_scan(folder)
    except ScanRejected as rejected:
        silent(rejected)
    else:
        silent(*said_of(scan))
    silent(*list_series(folder))


def test_control_characters_do_not_reach_a_terminal(tmp_path):
    folder = study(tmp_path, description="Tho\x1b]0;owned\x07rax\x1b[31m\r\n")[0].parent
    (info,) = list_series(folder)
    assert info.description.isprintable()
    assert read_scan(folder).series.isprintable()


def cut(paths):
    paths[3].write_bytes(paths[3].read_bytes()[:900])


def cut_in_pixels(paths):
    paths[3].write_bytes(paths[3].read_bytes()[:-7])


def doubled(paths):
    (paths[3].parent / f"{FILE_NAME}copy.dcm").write_bytes(
        paths[3].read_bytes().replace(b"\x20\x00\x13\x00IS\x02\x004 ", b"\x20\x00\x13\x00IS\x02\x0099")
    )


def missing(paths):
    for path in paths[3:6]:
        path.unlink()


def program(paths):
    paths[3].write_bytes(b"MZ" + paths[3].read_bytes()[2:])


def other_patient(paths):
    raw = paths[3].read_bytes()
    paths[3].write_bytes(raw.replace(b"PID-4711-0815", b"PID-4711-0816"))


def no_class(paths):
    raw = bytearray(paths[3].read_bytes())
    raw[raw.index(b"\x08\x00\x16\x00UI") + 5] = 0xFB
    paths[3].write_bytes(bytes(raw))


SPOILERS = [cut, cut_in_pixels, doubled, missing, program, other_patient, no_class]


@pytest.mark.parametrize("spoil", SPOILERS)
@pytest.mark.parametrize("packed", [False, True])
def test_refusals_of_a_study(tmp_path, spoil, packed, capfd):
    paths = study(tmp_path)
    spoil(paths)
    place = paths[0].parent
    if packed:
        archive = tmp_path / f"{FILE_NAME}.zip"
        with zipfile.ZipFile(archive, "w") as made:
            for path in sorted(place.iterdir()):
                made.write(path, f"Geheimrat/{path.name}")
        place = archive
    said = []
    for read in (read_scan, list_series):
        try:
            said += said_of(read(place)) if read is read_scan else list(map(str, read(place)))
        except ScanRejected as rejected:
            said += [rejected, repr(rejected), vars(rejected)]
    silent(*said, *capfd.readouterr())


@pytest.mark.parametrize(
    "bent",
    [
        {"RescaleSlope": "0"}, {"RescaleType": "OD"}, {"SamplesPerPixel": 3}, {"PixelSpacing": None},
        {"ImageOrientationPatient": ["1", "0", "0", "1", "0", "0"]}, {"SliceThickness": "9"},
        {"Modality": "MR"},
        {"NumberOfFrames": 7}, {"PixelSpacing": ["0.001", "0.001"]}, {"BitsAllocated": 12},
    ],
)  # fmt: skip
def test_refusals_by_header(tmp_path, bent):
    def bend(header, i):
        secret()(header, i)
        for name, value in bent.items():
            if value is None:
                delattr(header, name)
            else:
                setattr(header, name, value)

    folder = study(tmp_path, bend=bend)[0].parent
    try:
        silent(*said_of(read_scan(folder)))
    except ScanRejected as rejected:
        silent(rejected, vars(rejected))
    silent(*list_series(folder))


@pytest.mark.parametrize("as_json", [False, True])
def test_the_series_command(tmp_path, capfd, as_json):
    folder = study(tmp_path, description="Thorax Ottokar")[0].parent
    with pytest.raises(SystemExit) as ended:
        main(["series", str(folder), *(["--json"] if as_json else [])])
    assert not ended.value.code
    out, err = capfd.readouterr()
    silent(out, err)
    assert "withheld" in out
    if as_json:
        assert json.loads(out)


@pytest.mark.parametrize(
    ("write", "suffix"),
    [(write_nifti, ".nii"), (write_nifti, ".nii.gz"), (write_nrrd, ".nrrd"), (write_mha, ".mha")],
)
def test_files_of_volumes(tmp_path, write, suffix):
    path = write(tmp_path / f"{FILE_NAME}{suffix}", chest())
    silent(*said_of(read_scan(path)))
    raw = path.read_bytes()
    for damaged in (b"", raw[:200], raw[: len(raw) // 2], bytes(400), raw[:60] + bytes(60) + raw[120:]):
        path.write_bytes(damaged)
        with pytest.raises(ScanRejected) as caught:
            read_scan(path)
        silent(caught.value, vars(caught.value))


def test_a_scan_that_is_no_scan_by_its_values(tmp_path):
    path = write_nifti(tmp_path / f"{FILE_NAME}.nii", chest().with_array(np.ones((16, 18, 20), np.int16)))
    with pytest.raises(ScanRejected) as caught:
        read_scan(path)
    silent(caught.value)


@pytest.mark.parametrize("name", ["Ono^Yoko", "Tan^Rom", "Hu^Us^Mono"])
def test_a_name_that_is_within_a_term_of_the_standard_does_no_harm(tmp_path, name):
    bend = secret(PatientName=name, ConvolutionKernel="STANDARD")
    scan = read_scan(study(tmp_path, bend=bend)[0].parent)
    assert "Thorax" in scan.series
    assert list_series(tmp_path / "study")[0].kernel in ("", "STANDARD")
