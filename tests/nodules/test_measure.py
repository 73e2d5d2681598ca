import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearlung.errors import FieldError
from clearlung.evidence import load_evidence
from clearlung.nodules.malignancy import malignant_chance
from clearlung.nodules.measure import measure_nodules, repeat_interval
from clearlung.nodules.measure_shape import Voxels, diameters, find_faces, sphericity
from clearlung.nodules.table import sphere_volume_mm3
from tests.nodules.drawn import LUNG_HU, SOFT_HU, Block

SPACING = (0.8, 0.7, 0.7)


def shape_of(mask, spacing=SPACING):
    labels = mask.astype(np.int32)
    voxels = Voxels.of(labels)
    faces = find_faces(labels, voxels)
    spacing = np.array(spacing)
    return diameters(faces, spacing, 1), sphericity(labels, voxels, faces, spacing)[0]


def egg(diameters_mm, spacing=SPACING, off=0.2):
    """A digital ellipsoid with diameters along z, y and x."""
    n = [int(1.3 * max(diameters_mm) / s) + 5 for s in spacing]
    axes = [
        2 * (np.arange(k) - k / 2 + off) * s / d for k, s, d in zip(n, spacing, diameters_mm, strict=True)
    ]
    z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
    return z**2 + y**2 + x**2 < 1


@pytest.mark.parametrize("spacing", [SPACING, (1.0, 1.0, 1.0)])
@pytest.mark.parametrize("diameter", [4.0, 6.0, 10.0, 20.0, 30.0])
def test_a_ball_has_its_diameter_in_every_way_and_is_round(spacing, diameter):
    sizes, round_ = shape_of(egg((diameter,) * 3, spacing), spacing)
    voxel = max(spacing)
    assert sizes.longest_axial_mm[0] == pytest.approx(diameter, abs=0.9 * voxel)
    assert sizes.short_axial_mm[0] == pytest.approx(diameter, abs=0.9 * voxel)
    assert sizes.longest_mm[0] == pytest.approx(diameter, abs=0.9 * voxel)
    assert sizes.perpendicular_mm[0] == pytest.approx(diameter, abs=0.9 * voxel)
    assert 0.96 <= round_ <= 1.0


def test_an_ellipsoid_has_its_diameters():
    sizes, round_ = shape_of(egg((30.0, 12.0, 20.0)))
    assert sizes.longest_axial_mm[0] == pytest.approx(20.0, abs=0.7)
    assert sizes.short_axial_mm[0] == pytest.approx(12.0, abs=0.7)
    assert sizes.longest_mm[0] == pytest.approx(30.0, abs=0.8)
    assert sizes.perpendicular_mm[0] == pytest.approx(20.0, abs=0.8)
    # Thomsen's formula, exact to 1 %.
    a, b, c, p = 15.0, 6.0, 10.0, 1.6075
    area = 4 * np.pi * (((a * b) ** p + (a * c) ** p + (b * c) ** p) / 3) ** (1 / p)
    volume = 4 / 3 * np.pi * a * b * c
    assert round_ == pytest.approx(np.pi ** (1 / 3) * (6 * volume) ** (2 / 3) / area, abs=0.03)


@settings(max_examples=25)
@given(st.tuples(*[st.floats(3.0, 15.0)] * 3), st.floats(-0.5, 0.5))
def test_diameters_keep_their_order(sizes, off):
    found, round_ = shape_of(egg(sizes, off=off))
    assert found.short_axial_mm <= found.longest_axial_mm + 1e-9
    assert found.perpendicular_mm <= found.longest_mm + 1e-9
    assert found.longest_axial_mm <= found.longest_mm + 1e-9
    assert 0 < round_ <= 1


@given(st.floats(0.1, 1e5))
def test_the_interval_contains_the_volume(volume):
    low, high = repeat_interval(np.array([volume]))
    assert 0 < low[0] < volume < high[0]


def test_the_interval_is_the_published_one():
    low, high = repeat_interval(np.array([100.0, 1000.0]))
    assert low == pytest.approx([83.6, 749.0])
    assert high == pytest.approx([114.6, 1289.0])


@pytest.fixture(scope="module")
def drawn():
    """A solid ball, one with a cavity, a calcified one at the pleura, one of ground glass, one half solid."""
    block = Block((60.0, 30.0, 30.0), (0.8, 0.7, 0.7))
    block.outside[block.slab(24.0)] = True
    block.draw(block.outside)
    vessel = block.draw(block.tube((-20.0, -7.4), 4.0))
    places = [(-20.0, 0, 0), (-6.0, 0, 0), (19.0, 0, 0), (6.0, 0, -7.0), (7.0, 0, 7.0)]
    labels = np.zeros(block.hu.shape, dtype=np.int32)
    for k, place in enumerate(places, start=1):
        labels[block.draw(block.ball(place, 12.0 if k < 4 else 10.0), SOFT_HU if k < 4 else -600.0)] = k
    block.draw(block.ball(places[1], 7.0), -1000.0)
    block.draw(block.ball(places[2], 6.0), 800.0)
    block.draw(block.ball(places[4], 6.0), SOFT_HU)
    coarse = np.zeros(block.shape, dtype=np.int32)
    for k in range(1, 6):
        coarse[block.coarse(labels == k) >= 0.5] = k
    return block, coarse, np.array(places), vessel


@pytest.fixture(scope="module")
def table(drawn):
    block, labels, _, vessel = drawn
    return measure_nodules(block.scan(), block.anatomy(vessel), labels)


def test_places_and_volumes(table, drawn):
    _, labels, places, _ = drawn
    assert table.id.tolist() == [1, 2, 3, 4, 5]
    assert np.array_equal(table.labels.array, labels)
    assert table.points_mm == pytest.approx(places, abs=0.2)
    assert table.volume_mm3 == pytest.approx(sphere_volume_mm3([12, 12, 12, 10, 10]), rel=0.02)
    assert table.fleischner_mm == pytest.approx([12, 12, 12, 10, 10], abs=0.7)


def test_densities(table):
    assert table.texture.tolist() == ["solid", "solid", "solid", "ground-glass", "part-solid"]
    assert table.cavity_share[1] == pytest.approx((7 / 12) ** 3, abs=0.08)
    assert table.cavity_share[[0, 2]] == pytest.approx(0.0)
    assert table.calcified.tolist() == [False, False, True, False, False]
    assert table.calcified_share[2] == pytest.approx((6 / 12) ** 3, abs=0.06)
    # Blur takes a little of the mass over the rim.
    assert table.mass_mg[0] == pytest.approx(table.volume_mm3[0] * 1.04, rel=0.15)
    assert (table.mean_hu > LUNG_HU).all()


def test_contacts(table):
    # A cap of height h on a ball has the share h / d of its surface; the pleura is touched over a disk.
    assert table.pleura_contact[2] == pytest.approx(1 / 12, abs=0.08)
    assert table.pleura_contact[[0, 1, 3, 4]] == pytest.approx(0.0)
    assert table.vessel_contact[0] > 0
    assert table.vessel_contact[1:] == pytest.approx(0.0)


def test_without_vessels_nothing_is_said_of_them(drawn):
    block, labels, _, _ = drawn
    assert np.isnan(measure_nodules(block.scan(), block.anatomy(), labels).vessel_contact).all()


def test_labels_in_any_order_and_with_gaps(table, drawn):
    block, labels, _, vessel = drawn
    number = np.array([0, 70, 3, 12, 5, 40])
    other = measure_nodules(
        block.scan(), block.anatomy(vessel), number[labels].astype(np.int32), probability=np.arange(5) / 10
    )
    assert other.id.tolist() == [3, 5, 12, 40, 70]
    assert other.volume_mm3 == pytest.approx(table.volume_mm3[[1, 3, 2, 4, 0]])
    assert other.probability == pytest.approx(np.arange(5) / 10)


def test_numbers_are_given_by_height_where_the_lobe_is_the_same(drawn):
    block, labels, _, _ = drawn
    found = measure_nodules(
        block.scan(), block.anatomy(), labels, renumber=True, volume_mm3=np.arange(5) + 1.0
    )
    assert found.id.tolist() == [1, 2, 3, 4, 5]
    assert (np.diff(found.z_mm) <= 0.5).all()
    for row, place in enumerate(found.points_mm):
        at = np.rint(found.labels.indices(place[None])[0]).astype(int)
        assert found.labels.array[tuple(at)] == row + 1
    assert sorted(found.volume_mm3) == [1, 2, 3, 4, 5]


def test_nothing_labelled_gives_an_empty_table(drawn):
    block, labels, _, _ = drawn
    assert len(measure_nodules(block.scan(), block.anatomy(), np.zeros_like(labels))) == 0


def test_columns_of_another_length_are_refused(drawn):
    block, labels, _, _ = drawn
    with pytest.raises(FieldError, match="5 labels"):
        measure_nodules(block.scan(), block.anatomy(), labels, probability=np.ones(4))


def test_a_chance_of_malignancy_only_where_it_is_published(table):
    assert np.isnan(malignant_chance(table, "melanoma").chance).all()
    assert np.isnan(malignant_chance(table, None).chance).all()
    known = malignant_chance(table, "Osteosarcoma")
    assert known.chance == pytest.approx(np.full(5, (234 + 109) / (283 + 204)), abs=1e-3)
    assert (known.low < known.chance).all()
    assert (known.chance < known.high).all()
    assert all(key in load_evidence() for key in known.evidence)
