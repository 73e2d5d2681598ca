"""What can be perfused: a lung, or the lobes of the patent."""

import pytest

from clearlung.anatomy import LOBES
from clearlung.errors import PerfusionError
from clearlung.evidence import load_evidence
from clearlung.perfusion import TARGETS, find_target


def test_every_target_lies_in_one_lung_and_names_itself():
    for name, target in TARGETS.items():
        assert target.name == name
        assert {lobe[0] for lobe in target.lobes} == {target.side[0].upper()}
        assert list(target.lobes) == [lobe for lobe in LOBES if lobe in target.lobes]
        assert all(key in load_evidence() for key in target.evidence)
        assert target.whole_lung == (name in ("right", "left"))


def test_the_lobes_of_the_patent():
    assert TARGETS["left-upper"].lobes == ("LUL",)
    assert TARGETS["right-upper-middle"].lobes == ("RUL", "RML")


def test_a_side_means_its_lung_and_may_repeat_what_a_target_says():
    assert find_target(side="right") is TARGETS["right"]
    assert find_target("left-upper", "left") is TARGETS["left-upper"]


@pytest.mark.parametrize(
    ("name", "side", "says"),
    [
        (None, None, "say what is perfused"),
        ("left-upper", "right", "lies in the left lung"),
        ("left-lower", None, "is not one of"),
        (None, "both", "neither right nor left"),
    ],
)
def test_what_is_not_one_target_is_refused(name, side, says):
    with pytest.raises(PerfusionError, match=says):
        find_target(name, side)
