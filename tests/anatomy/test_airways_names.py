from itertools import pairwise

import numpy as np
import pytest

from clearlung.anatomy.airway_names import name_airways
from clearlung.anatomy.tree import BranchTree

# Parent, then points (x, y, z) in mm to the patient's left, back and head, then diameter: drawn after a
# textbook's adult.
CHEST = {
    "trachea": ("", [(0, 0, 100), (0, 20, 0)], 17),
    "right main": ("trachea", [(0, 20, 0), (-20, 20, -16)], 13),
    "right upper lobe": ("right main", [(-20, 20, -16), (-33, 19, -10)], 9),
    "B1": ("right upper lobe", [(-33, 19, -10), (-38, 18, 20)], 5),
    "B2": ("right upper lobe", [(-33, 19, -10), (-50, 35, 5)], 5),
    "B3": ("right upper lobe", [(-33, 19, -10), (-45, -5, -12)], 5),
    "bronchus intermedius": ("right main", [(-20, 20, -16), (-30, 22, -40)], 10),
    "middle lobe": ("bronchus intermedius", [(-30, 22, -40), (-42, 2, -50)], 6),
    "B4": ("middle lobe", [(-42, 2, -50), (-62, -12, -55)], 4),
    "B5": ("middle lobe", [(-42, 2, -50), (-46, -28, -62)], 4),
    "right lower lobe": ("bronchus intermedius", [(-30, 22, -40), (-32, 26, -46)], 8),
    "B6": ("right lower lobe", [(-32, 26, -46), (-44, 52, -42)], 5),
    "basal right": ("right lower lobe", [(-32, 26, -46), (-42, 32, -66)], 7),
    "B8": ("basal right", [(-42, 32, -66), (-62, 14, -92)], 4),
    "B10": ("basal right", [(-42, 32, -66), (-46, 52, -100)], 4),
    "left main": ("trachea", [(0, 20, 0), (42, 26, -30)], 12),
    "left upper lobe": ("left main", [(42, 26, -30), (54, 16, -28)], 9),
    "upper division": ("left upper lobe", [(54, 16, -28), (58, 12, -8)], 7),
    "B1+2": ("upper division", [(58, 12, -8), (62, 24, 22)], 4),
    "LB3": ("upper division", [(58, 12, -8), (66, -14, -2)], 4),
    "lingula": ("left upper lobe", [(54, 16, -28), (66, -8, -44)], 5),
    "left lower lobe": ("left main", [(42, 26, -30), (45, 30, -40)], 9),
    "LB6": ("left lower lobe", [(45, 30, -40), (54, 56, -36)], 5),
    "basal left": ("left lower lobe", [(45, 30, -40), (52, 36, -62)], 7),
    "LB8": ("basal left", [(52, 36, -62), (72, 18, -90)], 4),
    "LB10": ("basal left", [(52, 36, -62), (54, 56, -98)], 4),
}
RUL = {"right upper lobe", "B1", "B2", "B3"}
RML = {"middle lobe", "B4", "B5"}
RLL = {"right lower lobe", "B6", "basal right", "B8", "B10"}
LUL = {"left upper lobe", "upper division", "B1+2", "LB3", "lingula"}
LLL = {"left lower lobe", "LB6", "basal left", "LB8", "LB10"}
LOBE_OF = {
    branch: lobe
    for lobe, own in (("RUL", RUL), ("RML", RML), ("RLL", RLL), ("LUL", LUL), ("LLL", LLL))
    for branch in own
}
NAMED = {
    "trachea",
    "right main",
    "right upper lobe",
    "bronchus intermedius",
    "middle lobe",
    "right lower lobe",
    "left main",
    "left upper lobe",
    "lingula",
    "left lower lobe",
}


def tree_of(chest):
    names = list(chest)
    lines, radius, branch, parent, generation, lengths = [], [], [], [], [], []
    for number, (above, corners, diameter) in enumerate(chest.values()):
        pieces = [np.linspace(a, b, 12) for a, b in pairwise(np.array(corners, dtype=float))]
        line = np.vstack(pieces)
        lines.append(line)
        radius += [diameter / 2] * len(line)
        branch += [number] * len(line)
        parent.append(names.index(above) if above else -1)
        generation.append(generation[parent[-1]] + 1 if above else 0)
        lengths.append(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())
    return BranchTree(
        parent=np.array(parent, dtype=np.int32),
        generation=np.array(generation, dtype=np.int16),
        lobe=np.full(len(names), "", dtype="<U3"),
        name=np.full(len(names), "", dtype="<U24"),
        diameter_mm=np.array([d for *_, d in chest.values()], dtype=np.float32),
        length_mm=np.array(lengths, dtype=np.float32),
        points_mm=np.vstack(lines),
        radius_mm=np.array(radius, dtype=np.float32),
        branch=np.array(branch, dtype=np.int32),
    )


def named(chest):
    """Name and lobe of each branch by the name that it was drawn under."""
    tree = name_airways(tree_of(chest))
    pairs = zip(tree.name.tolist(), tree.lobe.tolist(), strict=True)
    return dict(zip(chest, pairs, strict=True))


def without(*branches):
    gone, chest = set(branches), {}
    for branch, (above, points, diameter) in CHEST.items():
        if branch in gone or above in gone:
            gone.add(branch)
        else:
            chest[branch] = (above, points, diameter)
    return chest


def wrong(found):
    """Branches with a lobe that is not theirs; an empty one is never wrong."""
    return [b for b, (_, lobe) in found.items() if lobe and lobe != LOBE_OF.get(b, "")]


def moved(chest, scale, turn_deg, shift):
    c, s = np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))
    turn = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    return {
        b: (above, [tuple(turn @ (np.array(p) * scale) + shift) for p in points], d)
        for b, (above, points, d) in chest.items()
    }


def test_a_whole_chest_is_named_and_each_branch_has_its_lobe():
    found = named(CHEST)
    for branch, (name, lobe) in found.items():
        assert name == (branch if branch in NAMED else ""), branch
        assert lobe == LOBE_OF.get(branch, ""), branch


@pytest.mark.parametrize("scale", [0.6, 0.85, 1.15])
@pytest.mark.parametrize("turn_deg", [-12, 12])
def test_size_place_and_posture_change_nothing(scale, turn_deg):
    assert named(moved(CHEST, scale, turn_deg, (30, -200, 900))) == named(CHEST)


@pytest.mark.parametrize("gone", sorted(set(LOBE_OF) - RUL - LUL - {"right lower lobe", "left lower lobe"}))
def test_a_branch_that_is_not_seen_makes_no_other_wrong(gone):
    found = named(without(gone))
    assert not wrong(found)
    assert sum(bool(lobe) for _, lobe in found.values()) > 9


@pytest.mark.parametrize(
    ("gone", "left"),
    [
        (("right upper lobe",), {"RML", "RLL", "LUL", "LLL"}),
        (("middle lobe",), {"RUL", "RLL", "LUL", "LLL"}),
        (("right lower lobe",), {"RUL", "LUL", "LLL"}),
        (("left upper lobe",), {"RUL", "RML", "RLL"}),
        (("left lower lobe",), {"RUL", "RML", "RLL"}),
    ],
    ids=lambda lobes: "+".join(sorted(lobes)),
)
def test_without_a_lobe_the_others_are_named(gone, left):
    found = named(without(*gone))
    assert not wrong(found)
    assert left <= {lobe for _, lobe in found.values()}


@pytest.mark.parametrize(("gone", "side"), [("right main", "left"), ("left main", "right")])
def test_one_lung_is_named(gone, side):
    found = named(without(gone))
    assert not wrong(found)
    assert any(name == f"{side} main" for name, _ in found.values())
    assert {lobe for _, lobe in found.values()} - {""} == (
        {"LUL", "LLL"} if side == "left" else {"RUL", "RML", "RLL"}
    )


def test_a_stump_is_no_lobe():
    chest = without("right upper lobe")
    chest["stump"] = ("right main", [(-20, 20, -16), (-24, 20, -14)], 9)
    assert named(chest)["stump"] == ("", "")
    assert not wrong(named(chest))


def test_folds_of_the_wall_decide_nothing():
    chest = dict(CHEST)
    chest["fold of the trachea"] = ("trachea", [(0, 20, 0), (-4, 20, 4)], 3)
    chest["fold of the left main"] = ("left main", [(42, 26, -30), (42, 31, -30)], 3)
    found = named(chest)
    for branch in CHEST:
        assert found[branch] == named(CHEST)[branch]


def test_a_bronchus_from_the_trachea_supplies_the_right_upper_lobe():
    high = [(0, 16, 20), (-18, 18, 26), (-30, 18, 40)]
    chest = {"trachea": ("", [(0, 0, 100), (0, 16, 20)], 17)}
    chest["lower trachea"] = ("trachea", [(0, 16, 20), (0, 20, 0)], 17)
    chest["high"] = ("trachea", high, 6)
    for branch, (above, points, diameter) in list(CHEST.items())[1:]:
        chest[branch] = ("lower trachea" if above == "trachea" else above, points, diameter)
    found = named(chest)
    assert found["high"] == ("tracheal bronchus", "RUL")
    assert found["lower trachea"] == ("trachea", "")
    assert found["right main"][0] == "right main"
    assert found["LB10"][1] == "LLL"


def test_an_upper_lobe_whose_branches_spring_apart_is_one_lobe():
    chest = without("B1", "B2", "B3")
    chest["B1"] = ("right main", [(-20, 20, -16), (-34, 18, 20)], 6)
    chest["B3"] = ("right main", [(-20, 20, -16), (-45, -5, -10)], 6)
    found = named(chest)
    assert found["B1"][1] == found["B3"][1] == "RUL"
    assert not wrong(found)


def test_a_trachea_alone_is_a_trachea():
    assert named({"trachea": CHEST["trachea"]}) == {"trachea": ("trachea", "")}
    assert len(name_airways(BranchTree.empty())) == 0
