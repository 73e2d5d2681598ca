import numpy as np
import pytest

from clearlung.errors import NoduleListError
from clearlung.nodules import read_nodule_list, write_nodules

LIST = """id,side,lobe,diameter_mm,depth_mm,x_mm,y_mm,z_mm,calcified,vdt_days
7,right,RUL,6.5,12,-60,10,120,yes,64
3,left,LLL,11,0,70,40,-20,no,
"""


@pytest.fixture
def read(tmp_path):
    def read(text, encoding="utf-8"):
        path = tmp_path / "list.csv"
        path.write_bytes(text.encode(encoding))
        return read_nodule_list(path)

    return read


def test_a_list_is_read_with_its_own_numbers(read):
    table = read(LIST)
    assert table.id.tolist() == [7, 3]
    assert table.volume_mm3[0] == pytest.approx(143.8, abs=0.1)
    assert table.calcified.tolist() == [True, False]
    assert table.vdt_days[0] == 64
    assert np.isnan(table.vdt_days[1])
    assert table.probability.tolist() == [1, 1]


@pytest.mark.parametrize("separator", [";", "\t", ", "])
def test_other_separators(read, separator):
    assert len(read(LIST.replace(",", separator))) == 2


def test_a_byte_order_mark_and_windows_line_ends_are_passed_over(read):
    assert len(read(LIST.replace("\n", "\r\n"), encoding="utf-8-sig")) == 2


def test_places_may_be_left_out(read):
    table = read("id,side,lobe,diameter_mm,depth_mm\n1,left,LUL,5,3\n")
    assert np.isnan(table.x_mm).all()


def test_written_nodules_read_back(read, tmp_path):
    table = read(LIST)
    write_nodules(table, tmp_path / "nodules.csv")
    again = read_nodule_list(tmp_path / "nodules.csv")
    for column in ("id", "side", "lobe", "diameter_mm", "depth_mm", "x_mm", "calcified", "vdt_days"):
        np.testing.assert_array_equal(getattr(again, column), getattr(table, column))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (("diameter_mm", "diameter"), "line 1, diameter_mm"),
        (("vdt_days", "vdt_weeks"), "line 1, vdt_weeks"),
        (("x_mm,", "id,"), "line 1"),
        (("7,right", "seven,right"), "line 2, id"),
        (("7,right", "0,right"), "line 2, id"),
        (("3,left", "7,left"), "line 3, id"),
        (("right,RUL", "dexter,RUL"), "line 2, side"),
        (("right,RUL", "right,LUL"), "line 2, lobe"),
        (("right,RUL", "right,upper"), "line 2, lobe"),
        ((",6.5,", ',"6,5",'), "line 2, diameter_mm"),
        ((",6.5,", ",-6.5,"), "line 2, diameter_mm"),
        ((",6.5,", ",nan,"), "line 2, diameter_mm"),
        ((",6.5,", ",6500,"), "line 2, diameter_mm"),
        ((",12,", ",,"), "line 2, depth_mm"),
        ((",6.5,", ",6_5,"), "line 2, diameter_mm"),
        (("7,right", "7_0,right"), "line 2, id"),
        ((",yes,", ",maybe,"), "line 2, calcified"),
        ((",no,", ",no,9,9"), "line 3"),
    ],
)
def test_a_wrong_list_is_refused_by_line_and_column(read, change, field):
    with pytest.raises(NoduleListError) as caught:
        read(LIST.replace(*change, 1))
    assert caught.value.field == field


def test_blank_lines_are_passed_over_and_do_not_shift_the_line_numbers(read):
    with pytest.raises(NoduleListError) as caught:
        read(LIST.replace("3,left", "\n\n3,center"))
    assert caught.value.field == "line 5, side"


def test_places_that_exchange_the_lungs_are_refused(read):
    """RAS coordinates taken for LPS put the right lung's nodules on the left."""
    with pytest.raises(NoduleListError, match="RAS") as caught:
        read(LIST.replace(",-60,", ",60,").replace(",70,", ",-70,"))
    assert caught.value.field == "x_mm"


@pytest.mark.parametrize("text", ["", "id,side,lobe,diameter_mm,depth_mm\n"])
def test_an_empty_list_is_refused(read, text):
    with pytest.raises(NoduleListError):
        read(text)


def test_a_missing_list_and_a_folder_are_refused(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    for name in ("nowhere.csv", "folder.csv"):
        with pytest.raises(NoduleListError, match="cannot be read"):
            read_nodule_list(tmp_path / name)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "list.csv").write_bytes(b"id,side\n\xff\xfe\x00")
    with pytest.raises(NoduleListError, match="UTF-8"):
        read_nodule_list(tmp_path / "list.csv")
