"""Names and codes of other programs: understood whole or not at all."""

import pytest

from clearlung.anatomy.sources.names import STRUCTURES, Code, Segment, structure_by_name, structure_of
from clearlung.anatomy.sources.registry import _LOBES

RIGHT, LEFT = Code("SCT", "24028007", "Right"), Code("SCT", "7771000", "Left")
TISSUE = Code("SCT", "85756007", "Tissue")


@pytest.mark.parametrize(
    ("name", "structure"),
    [
        ("lung_upper_lobe_left", "LUL"),
        ("lung_lower_lobe_left", "LLL"),
        ("lung_upper_lobe_right", "RUL"),
        ("lung_middle_lobe_right", "RML"),
        ("lung_lower_lobe_right", "RLL"),
        ("Right upper lobe", "RUL"),
        ("Upper lobe of right lung", "RUL"),
        ("Structure of middle lobe of right lung", "RML"),
        ("middle lobe", "RML"),
        ("LeftLung".replace("tL", "t l"), "left_lung"),
        ("right lung", "right_lung"),
        ("lung_trachea_bronchia", "airways"),
        ("lung_vessels", "vessels"),
        ("trachea", "trachea"),
        ("LLL", "LLL"),
    ],
)
def test_names_are_understood(name, structure):
    assert structure_by_name(name) == structure


@pytest.mark.parametrize(
    "name",
    [
        "nodule in right upper lobe",
        "right upper lobe tumor",
        "left lobe of liver",
        "pulmonary_artery",
        "lung",
        "lungs",
        "upper lobe",
        "left middle lobe",
        "Segment_1",
        "",
        "upper lung zone right",
        "heart_atrium_left",
    ],
)
def test_what_is_not_wholly_understood_is_nothing(name):
    assert structure_by_name(name) is None


@pytest.mark.parametrize(
    ("segment", "structure"),
    [
        (Segment("1", Code("SCT", "42400003")), "RUL"),
        (Segment("1", Code("SCT", "72481006")), "RML"),
        (Segment("1", Code("SCT", "266005")), "RLL"),
        (Segment("1", Code("SCT", "44714003")), "LUL"),
        (Segment("1", Code("SCT", "41224006")), "LLL"),
        (Segment("1", Code("SCT", "45653009"), RIGHT), "RUL"),
        (Segment("1", Code("SCT", "45653009"), LEFT), "LUL"),
        (Segment("1", Code("SCT", "90572001"), RIGHT), "RLL"),
        (Segment("1", Code("SCT", "90572001"), LEFT), "LLL"),
        (Segment("1", Code("SRT", "T-28300")), "RML"),
        (Segment("1", Code("SRT", "T-28820"), Code("SRT", "G-A101")), "LUL"),
        (Segment("1", Code("SNM3", "T-28700")), "LLL"),
        (Segment("1", Code("SCT", "39607008"), RIGHT), "right_lung"),
        (Segment("1", Code("SCT", "44029006")), "left_lung"),
        (Segment("1", TISSUE, Code(), Code("SCT", "266005")), "RLL"),
        # The code leaves the side open, and the name tells it.
        (Segment("left upper lobe", Code("SCT", "45653009")), "LUL"),
        # 3D Slicer's default type says nothing.
        (Segment("right lower lobe", TISSUE), "RLL"),
        (Segment("right lower lobe"), "RLL"),
        # A lobe coded as the lung that it is part of.
        (Segment("right upper lobe", Code("SCT", "39607008"), RIGHT), "RUL"),
    ],
)
def test_codes_are_understood(segment, structure):
    assert structure_of(segment) == structure


@pytest.mark.parametrize(
    "segment",
    [
        Segment("1", Code("SCT", "45653009")),  # an upper lobe of either side
        Segment("1", Code("SCT", "39607008")),  # a lung of either side
        Segment("right upper lobe", Code("SCT", "27925004", "Nodule")),  # a nodule named by its place
        Segment("1", Code("SCT", "27925004", "Nodule"), Code(), Code("SCT", "42400003")),
        Segment("1", Code("99LOCAL", "42400003")),
        Segment("heart", Code("SCT", "80891009")),
    ],
)
def test_other_codes_are_no_structure(segment):
    assert structure_of(segment) is None


@pytest.mark.parametrize(
    "segment",
    [
        Segment("left upper lobe", Code("SCT", "42400003")),
        Segment("left upper lobe", Code("SCT", "45653009"), RIGHT),
        Segment("left lower lobe", Code("SCT", "45653009")),
        Segment("left upper lobe", Code("SCT", "39607008"), RIGHT),
        Segment("1", Code("SCT", "266005"), LEFT),
    ],
)
def test_contradictions_are_refused(segment):
    with pytest.raises(ValueError, match=r"coded|modifier"):
        structure_of(segment)


def test_no_name_or_sideless_code_means_two_structures():
    for table in ("sct", "srt"):
        codes = [code for known in STRUCTURES.values() for code in getattr(known, table)]
        assert len(codes) == len(set(codes))
    sided = [
        (code, known.side) for known in STRUCTURES.values() for code in (*known.sct_sided, *known.srt_sided)
    ]
    assert len(sided) == len(set(sided))
    names = [structure_by_name(word) for known in STRUCTURES.values() for word in known.words]
    assert names == [structure for structure, known in STRUCTURES.items() for _ in known.words]


def test_the_lobes_asked_of_totalsegmentator_are_all_five():
    assert {structure_by_name(name) for name in _LOBES} == {"RUL", "RML", "RLL", "LUL", "LLL"}
