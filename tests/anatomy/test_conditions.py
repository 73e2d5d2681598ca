import numpy as np
import pytest

from clearlung.anatomy import BranchTree, Fissure
from clearlung.anatomy.air import find_air
from clearlung.anatomy.airways import find_airways
from clearlung.anatomy.conditions import CONDITIONS, find_conditions
from clearlung.anatomy.lungs import lung_box, survey_lungs
from clearlung.anatomy.morphology import bounding_box
from tests.anatomy.bodies import Body, cropped


def conditions_of(scan, **known):
    air = find_air(scan)
    box = lung_box(air, scan.volume.shape)
    hu = scan.volume.array[box]
    airways = find_airways(hu, scan.volume.spacing_mm, box, air)
    lungs = survey_lungs(hu, scan.volume.spacing_mm, box, air, airways)
    found = find_conditions(scan, box, lungs.labels, beside=lungs.beside, **known)
    assert all(condition.code in CONDITIONS for condition in found)
    return {(condition.code, condition.side): condition for condition in found}


STAPLES = (((70, 10, 20), (78, -15, 30)),)


@pytest.mark.parametrize(
    ("body", "code", "side", "low", "high"),
    [
        (Body(lungs=(-1,)), "one_lung", "left", 0.0, 0.0),
        (Body(fluid_behind_mm=15.0), "effusion", "left", 80, 160),
        (Body(lung_hu=-970.0), "emphysema", "right", 90, 100),
        (Body(lung_hu=-700.0), "expiratory", None, -710, -690),
        (Body(balls=[(55, 0, 0, 45, 40)]), "dense_lung", "left", 35, 50),
        (Body(balls=[(65, -20, 0, 40, -1000)]), "gas", "left", 20, 34),
        (Body(staples=STAPLES), "staple_line", "left", 1, 1),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_condition_is_found_on_its_side_and_alone(body, code, side, low, high):
    found = conditions_of(body.scan())
    assert low <= found[code, side].value <= high
    expected = {(code, "right"), (code, "left")} if code == "emphysema" else {(code, side)}
    assert set(found) == expected


@pytest.mark.parametrize(
    ("part", "sides", "words"),
    [
        ({"z": slice(50, None)}, {"right", "left"}, "towards the feet"),
        ({"z": slice(None, 110)}, {"right", "left"}, "towards the head"),
        ({"x": slice(None, 195)}, {"left"}, "on the left"),
        ({"x": slice(45, None)}, {"right"}, "on the right"),
    ],
    ids=["feet", "head", "left", "right"],
)
def test_a_scan_that_stops_short_says_where(part, sides, words):
    found = conditions_of(cropped(Body().scan(), **part))
    assert set(found) == {("cut_off", side) for side in sides}
    for condition in found.values():
        assert words in condition.text
        assert condition.value > 30
        assert "nodules" in condition.missing


def test_nothing_is_reported_of_healthy_lungs(healthy):
    assert conditions_of(Body().scan()) == {}
    assert conditions_of(healthy.scan) == {}


def test_airways_that_were_not_found_are_reported():
    scan = Body().scan()
    air = find_air(scan)
    shape = scan.volume.array[lung_box(air, scan.volume.shape)].shape
    assert set(conditions_of(scan, airways=np.zeros(shape, dtype=np.bool_))) == {("no_airways", None)}


def tree_to(*lobes):
    n = 5 * len(lobes)
    empty = BranchTree.empty()
    return BranchTree(
        parent=np.full(n, -1, dtype=np.int32),
        generation=np.full(n, 3, dtype=np.int16),
        lobe=np.repeat(np.array(lobes), 5),
        name=np.full(n, "", dtype="<U24"),
        diameter_mm=np.full(n, 5.0, dtype=np.float32),
        length_mm=np.full(n, 10.0, dtype=np.float32),
        points_mm=empty.points_mm,
        radius_mm=empty.radius_mm,
        branch=empty.branch,
    )


def test_a_lobe_without_a_bronchus_is_missing_only_where_more_speaks_for_it():
    without = tree_to("RUL", "RML", "RLL", "LLL")
    stapled = conditions_of(Body(staples=STAPLES).scan(), airway_tree=without)
    missing = stapled["earlier_lobectomy", "left"]
    assert missing.lobes == ("LUL",)
    assert "staple" in missing.text
    assert conditions_of(Body().scan(), airway_tree=without) == {}, "a bronchus may be plugged"
    assert conditions_of(Body().scan(), airway_tree=BranchTree.empty()) == {}


def test_a_lobe_of_an_unusual_size_shifts_a_fissure_that_was_seen():
    scan = Body().scan()
    air = find_air(scan)
    box = lung_box(air, scan.volume.shape)
    hu = scan.volume.array[box]
    no_airways = np.zeros(hu.shape, dtype=np.bool_)
    lungs = survey_lungs(hu, scan.volume.spacing_mm, box, air, no_airways).labels
    z = bounding_box(lungs > 0, scan.volume.spacing_mm, 0.0)[0]
    high = np.arange(hu.shape[0])[:, None, None] > z.start + 0.9 * (z.stop - z.start)
    lobes = np.where(lungs == 2, np.where(high, 4, 5), 0).astype(np.uint8)
    for seen_share, expected in ((0.9, {("shifted_fissure", "left")}), (0.1, set())):
        fissures = (Fissure("left oblique", ("LUL", "LLL"), seen_share),)
        found = find_conditions(scan, box, lungs, lobes=lobes, fissures=fissures)
        assert {(c.code, c.side) for c in found} == expected
    assert find_conditions(scan, box, lungs, lobes=lobes) == ()


def test_every_kind_says_what_it_is_and_means():
    for kind in CONDITIONS.values():
        assert kind.what.endswith(".")
        assert kind.means.endswith(".")
