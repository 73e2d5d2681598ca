import json

import pytest

from clearlung.exchange import write_slicer_markups
from clearlung.staging import load_protocol
from clearlung.workflow import PlanRequest, make_plan

from ..lists import write_list


@pytest.mark.parametrize("places", [True, False])
def test_markups_hold_every_nodule_that_has_a_place(tmp_path, places):
    source = write_list(tmp_path / "list.csv", 40, places=places)
    result = make_plan(PlanRequest(source=source, protocol=load_protocol("high-volume")))
    write_slicer_markups(result.nodules, result.plan, tmp_path / "nodules.mrk.json")
    (markups,) = json.loads((tmp_path / "nodules.mrk.json").read_text())["markups"]
    assert markups["coordinateSystem"] == "LPS"
    points = markups["controlPoints"]
    assert len(points) == (40 if places else 0)
    operation = {lesion.id: lesion.operation for lesion in result.plan.lesions}
    for row, point in enumerate(points):
        assert point["position"] == pytest.approx(
            [result.nodules.x_mm[row], result.nodules.y_mm[row], result.nodules.z_mm[row]]
        )
        number = operation[int(point["id"])]
        assert point["label"] == f"{point['id']} (op {number})"


def test_a_nodule_that_no_operation_removes_says_so(tmp_path):
    (tmp_path / "list.csv").write_text(
        "id,side,lobe,diameter_mm,depth_mm,x_mm,y_mm,z_mm\n1,right,RUL,5,5,-60,0,0\n2,right,RLL,5,90,-40,0,-80\n"
    )
    result = make_plan(PlanRequest(source=tmp_path / "list.csv", protocol=load_protocol("high-volume")))
    write_slicer_markups(result.nodules, result.plan, tmp_path / "nodules.mrk.json")
    (markups,) = json.loads((tmp_path / "nodules.mrk.json").read_text())["markups"]
    assert [point["label"] for point in markups["controlPoints"]] == ["1 (op 1)", "2 (not removed)"]
    assert [point["selected"] for point in markups["controlPoints"]] == [True, False]
