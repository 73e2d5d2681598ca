"""Approximate segments against blocks of lung with straight bronchi, whose partings are known planes."""

from dataclasses import replace

import numpy as np
import pytest

from clearlung.anatomy import LOBE_LABELS, LOBES, Anatomy, BranchTree
from clearlung.ct import Volume
from clearlung.evidence import load_evidence
from clearlung.resection import approximate_segments

SHAPE = (40, 50, 60)
SPACING = (2.0, 2.0, 2.0)
BOOK = load_evidence()


def line(start, end):
    start, end = np.array(start, dtype=float), np.array(end, dtype=float)
    steps = max(2, round(float(np.linalg.norm(end - start))) + 1)
    return start + np.linspace(0, 1, steps)[:, None] * (end - start)


def tree_of(*branches):
    """Branches as (parent, lobe, start, end), points (x, y, z) in mm."""
    lines = [line(start, end) for _, _, start, end in branches]
    parent = np.array([parent for parent, *_ in branches], dtype=np.int32)
    generation = np.zeros(len(branches), dtype=np.int16)
    for branch, above in enumerate(parent):
        generation[branch] = generation[above] + 1 if above >= 0 else 0
    return BranchTree(
        parent=parent,
        generation=generation,
        lobe=np.array([lobe for _, lobe, *_ in branches]),
        name=np.full(len(branches), "", dtype="<U24"),
        diameter_mm=np.full(len(branches), 4, dtype=np.float32),
        length_mm=np.array([np.linalg.norm(points[-1] - points[0]) for points in lines], dtype=np.float32),
        points_mm=np.concatenate(lines),
        radius_mm=np.full(sum(map(len, lines)), 2, dtype=np.float32),
        branch=np.repeat(np.arange(len(lines), dtype=np.int32), list(map(len, lines))),
    )


def block(tree, lobes=None):
    """Return a lung with one middle lobe, or with the label map of lobes given."""
    if lobes is None:
        lobes = np.zeros(SHAPE, dtype=np.uint8)
        lobes[2:-2, 2:-2, 2:-2] = LOBE_LABELS["RML"]
    grid = lobes if isinstance(lobes, Volume) else Volume.at(lobes, SPACING)
    lobes = grid.array
    return Anatomy(
        box=tuple(slice(0, n) for n in lobes.shape),
        lungs=grid.with_array((lobes > 0).astype(np.uint8)),
        lobes=grid,
        lobe_confidence=grid.with_array((lobes > 0).astype(np.float32)),
        depth_mm=grid.with_array(np.zeros(lobes.shape, dtype=np.float32)),
        lobe_method="blocks",
        airway_tree=tree,
    )


# A trunk that parts into two bronchi along x, one at z = 20 and one at z = 50: they part at z = 35.
FORK = (
    (-1, "RML", (10, 50, 35), (20, 50, 35)),
    (0, "RML", (20, 50, 35), (22, 50, 20)),
    (1, "RML", (22, 50, 20), (112, 50, 20)),
    (0, "RML", (20, 50, 35), (22, 50, 50)),
    (3, "RML", (22, 50, 50), (112, 50, 50)),
)


def heights(anatomy):
    z = np.indices(anatomy.lobes.shape)[0]
    return z * anatomy.lobes.spacing_mm[0]


def test_the_plane_between_two_bronchi_is_halfway():
    anatomy = block(tree_of(*FORK))
    segments = approximate_segments(anatomy, BOOK)
    assert segments.names == ("RML a", "RML b")
    assert segments.lobe == ("RML", "RML")
    inside = anatomy.lobes.array > 0
    assert (segments.labels.array[inside & (heights(anatomy) > 35)] == 1).all()
    assert (segments.labels.array[inside & (heights(anatomy) < 35)] == 2).all()


def test_what_a_bronchus_leads_to_goes_with_it():
    """A twig of the lower bronchus that runs high up takes its surroundings along."""
    twig = ((2, "RML", (100, 50, 20), (100, 80, 70)),)
    segments = approximate_segments(block(tree_of(*FORK, *twig)), BOOK)
    z, y, x = 34, 40, 50  # at (100, 80, 68) mm
    assert segments.labels.array[z, y, x] == segments.labels.array[10, 25, 30]


def test_a_mirror_changes_nothing_but_sides():
    twig = ((2, "RML", (90, 50, 20), (90, 80, 64)),)
    anatomy = block(tree_of(*FORK, *twig))
    width = (SHAPE[2] - 1) * SPACING[2]
    points = anatomy.airway_tree.points_mm * (-1, 1, 1) + (width, 0, 0)
    mirrored = block(
        replace(anatomy.airway_tree, points_mm=points), np.ascontiguousarray(anatomy.lobes.array[:, :, ::-1])
    )
    here, there = (approximate_segments(a, BOOK).labels.array for a in (anatomy, mirrored))
    # Voxels as near to one part as to the other may go to either.
    assert np.mean(here != there[:, :, ::-1]) < 0.02


def test_the_largest_territory_is_split_until_there_are_enough():
    """The upper bronchus parts into a short and a long fork, but a middle lobe has two segments only."""
    more = (
        (4, "RML", (112, 50, 50), (112, 90, 60)),
        (4, "RML", (112, 50, 50), (112, 20, 60)),
    )
    assert len(approximate_segments(block(tree_of(*FORK, *more)), BOOK)) == 2
    as_upper = tree_of(*[(parent, "RUL", *ends) for parent, _, *ends in FORK + more])
    lobes = np.zeros(SHAPE, dtype=np.uint8)
    lobes[2:-2, 2:-2, 2:-2] = LOBE_LABELS["RUL"]
    segments = approximate_segments(block(as_upper, lobes), BOOK)
    assert segments.names == ("RUL a", "RUL b", "RUL c")


def test_two_lobes_are_parted_by_their_own_bronchi_alone():
    lobes = np.zeros(SHAPE, dtype=np.uint8)
    lobes[2:-2, 2:-2, 2:30] = LOBE_LABELS["RML"]
    lobes[2:-2, 2:-2, 30:-2] = LOBE_LABELS["RLL"]
    other = [
        (parent + 5 if parent >= 0 else -1, "RLL", (x0 + 2, y0 + 10, z0), (x1, y1 + 10, z1))
        for parent, _, (x0, y0, z0), (x1, y1, z1) in FORK
    ]
    segments = approximate_segments(block(tree_of(*FORK, *other), lobes), BOOK)
    assert set(segments.lobe) == {"RML", "RLL"}
    lobe_of = np.array([0, *(LOBE_LABELS[lobe] for lobe in segments.lobe)])
    assert (lobe_of[segments.labels.array] == lobes).all()


@pytest.mark.parametrize(
    "tree", [BranchTree.empty(), tree_of(FORK[0]), tree_of(*[(p, "LUL", *ends) for p, _, *ends in FORK])]
)
def test_a_lobe_whose_tree_is_too_short_has_none_and_says_so(tree):
    segments = approximate_segments(block(tree), BOOK)
    assert len(segments) == 0
    assert not segments.labels.array.any()
    assert "RML" in segments.method


def test_a_bud_on_the_wall_makes_no_segment():
    bud = (FORK[0], (0, "RML", (20, 50, 35), (112, 50, 35)), (0, "RML", (20, 50, 35), (20, 50, 39)))
    assert len(approximate_segments(block(tree_of(*bud)), BOOK)) == 0


def test_a_phantom_has_the_standard_count_and_every_voxel_is_in_one_of_its_lobe(healthy):
    anatomy = block(healthy.airway_tree, healthy.lobes)
    segments = approximate_segments(anatomy, BOOK)
    lobe_of = np.array([0, *(LOBE_LABELS[lobe] for lobe in segments.lobe)])
    assert (lobe_of[segments.labels.array] == anatomy.lobes.array).all()
    counts = {lobe: segments.lobe.count(lobe) for lobe in LOBES}
    assert counts == {lobe: BOOK.value(f"segment.count.{lobe}", unit="segment") for lobe in LOBES}
    assert len(np.unique(segments.labels.array)) == len(segments) + 1
