"""Implants are what their truth says, and leave the rest of the scan alone."""

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scipy.optimize import curve_fit
from scipy.special import erf

from clearlung.errors import FieldError
from clearlung.nodules import sphere_volume_mm3
from clearlung.phantom import Blur, ImplantSpec, implant
from clearlung.phantom.implant_shapes import draw_nodules
from clearlung.phantom.round_shapes import fibonacci_sphere
from tests.phantom.flat_chest import LUNG_HU, TISSUE_HU, chest

BLUR = Blur(1.3, 1.5)
PLAIN = ImplantSpec(
    nodules=12,
    diameter_mm=(4.0, 14.0),
    pleura=0.0,
    vessel=0.0,
    fissure=0.0,
    diaphragm=0.0,
    calcified=0.0,
    cavitated=0.0,
    part_solid=0.0,
    touching=0.0,
    solid_hu=(40.0, 40.0),
)


@pytest.fixture(scope="module")
def flat():
    return chest()


@pytest.fixture(scope="module")
def everything(flat):
    spec = ImplantSpec(nodules=30, seed=4, diameter_mm=(3.0, 12.0), touching=0.3)
    return implant(*flat, spec, blur=BLUR)


def added(scan, implanted):
    """Volume that was added, by the change of attenuation over its contrast."""
    change = implanted.scan.volume.array.astype(float) - scan.volume.array
    return change.sum() * np.prod(scan.volume.spacing_mm) / (TISSUE_HU - LUNG_HU)


def test_the_drawn_shapes_have_the_volume_of_their_diameter():
    directions = fibonacci_sphere(20_000)
    for nodule in draw_nodules(ImplantSpec(nodules=20, seed=3, spiculated=1.0), np.random.default_rng(0)):
        volume = 4 / 3 * np.pi * np.mean(nodule.radii_mm(directions) ** 3)
        assert volume == pytest.approx(sphere_volume_mm3(nodule.diameter_mm), rel=0.01)


@pytest.mark.parametrize("spacing", [(2.0, 1.0, 1.0), (0.7, 0.7, 0.7), (3.0, 0.7, 0.7)])
def test_what_the_scan_gains_is_the_volume_in_the_table(spacing):
    scan, anatomy = chest(spacing, extent=(90.0, 80.0, 150.0))
    implanted = implant(scan, anatomy, dataclasses.replace(PLAIN, nodules=6), blur=BLUR)
    assert added(scan, implanted) == pytest.approx(implanted.truth.volume_mm3.sum(), rel=0.01)


def test_each_volume_is_what_was_asked_for(flat):
    implanted = implant(*flat, PLAIN, blur=BLUR)
    drawn = [n.diameter_mm for n in draw_nodules(PLAIN, np.random.default_rng(PLAIN.seed).spawn(3)[0])]
    assert np.sort(implanted.truth.diameter_mm)[::-1] == pytest.approx(drawn, rel=0.004)


def test_only_the_part_in_the_lung_is_added(flat):
    scan, anatomy = flat
    spec = dataclasses.replace(PLAIN, nodules=8, pleura=1.0, broad=1.0)
    implanted = implant(scan, anatomy, spec, blur=BLUR)
    assert added(scan, implanted) == pytest.approx(implanted.truth.volume_mm3.sum(), rel=0.06)
    brighter = implanted.scan.volume.array > scan.volume.array
    assert implanted.scan.volume.array.max() <= TISSUE_HU + 1
    assert brighter.any()
    assert set(implanted.place) == {"pleura"}


def test_an_edge_is_as_blurred_as_the_scan_and_the_nodule_are(flat):
    spec = dataclasses.replace(
        PLAIN, nodules=1, diameter_mm=(20.0, 20.0), roughness=(0.0, 0.0), spiculated=0.0, edge_mm=(0.5, 0.5)
    )
    scan, anatomy = chest((1.0, 0.7, 0.7))
    implanted = implant(scan, anatomy, spec, blur=BLUR)
    center = scan.volume.indices(implanted.truth.points_mm)[0]
    along = np.linspace(5.0, 15.0, 101)
    at = np.stack([np.full(101, center[0]), np.full(101, center[1]), center[2] + along / 0.7])
    profile = map_coordinates(implanted.scan.volume.array.astype(float), at, order=3)

    def edge(r, radius, sigma):
        return LUNG_HU + (TISSUE_HU - LUNG_HU) * 0.5 * (1 - erf((r - radius) / sigma / np.sqrt(2)))

    (radius, sigma), _ = curve_fit(edge, along, profile, p0=(10.0, 1.0))
    assert radius == pytest.approx(10.0, abs=0.1)
    assert sigma == pytest.approx(np.sqrt((1.3 / 2.3548) ** 2 + 0.5**2 + 0.7**2 / 12), rel=0.06)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(flat, everything):
    again = implant(*flat, ImplantSpec(nodules=30, seed=4, diameter_mm=(3.0, 12.0), touching=0.3), blur=BLUR)
    assert np.array_equal(again.scan.volume.array, everything.scan.volume.array)
    assert np.array_equal(again.truth.volume_mm3, everything.truth.volume_mm3)
    other = implant(*flat, ImplantSpec(nodules=30, seed=5, diameter_mm=(3.0, 12.0)), blur=BLUR)
    assert not np.array_equal(other.scan.volume.array, everything.scan.volume.array)


def test_voxels_away_from_the_implants_stay_bit_for_bit(flat, everything):
    scan, _ = flat
    changed = np.argwhere(scan.volume.array != everything.scan.volume.array)
    points = scan.volume.points_mm(changed)
    truth = everything.truth
    distance = np.linalg.norm(points[:, None] - truth.points_mm[None], axis=2)
    assert (distance < truth.diameter_mm + 5.0).any(axis=1).all()
    assert len(changed) < 0.2 * scan.volume.array.size


def test_every_implant_has_its_label_where_it_is(flat, everything):
    scan, _ = flat
    labels, truth = everything.labels.array, everything.truth
    assert np.array_equal(np.unique(labels), np.arange(31))
    for number in truth.id.tolist():
        middle = scan.volume.points_mm(np.argwhere(labels == number)).mean(axis=0)
        assert np.linalg.norm(middle - truth.points_mm[number - 1]) < 1.3
    filled = np.bincount(labels.ravel())[1:] * np.prod(scan.volume.spacing_mm)
    large = truth.diameter_mm > 6.0
    assert filled[large] == pytest.approx(truth.volume_mm3[large], rel=0.2)


def test_numbers_run_by_lobe_and_from_head_to_feet(everything):
    truth = everything.truth
    rank = np.array([["RUL", "RML", "RLL", "LUL", "LLL"].index(lobe) for lobe in truth.lobe.tolist()])
    assert (np.diff(rank) >= 0).all()
    assert all((np.diff(truth.z_mm[rank == r]) <= 0).all() for r in range(5))


def test_touching_ones_touch(everything):
    truth = everything.truth
    assert everything.touching.sum() in (8, 9)
    radius = 0.5 * truth.diameter_mm
    gap = np.linalg.norm(truth.points_mm[:, None] - truth.points_mm[None], axis=2)
    gap -= radius[:, None] + radius[None]
    np.fill_diagonal(gap, np.inf)
    assert gap[everything.touching].min(axis=1).max() < 3.0


def test_every_place_and_kind_is_made_where_it_says(flat):
    scan, anatomy = flat
    spec = ImplantSpec(
        nodules=40,
        seed=2,
        diameter_mm=(6.0, 8.0),
        pleura=0.25,
        vessel=0.15,
        fissure=0.2,
        diaphragm=0.15,
        calcified=0.25,
        cavitated=0.25,
        part_solid=0.25,
        spiculated=0.0,
    )
    implanted = implant(scan, anatomy, spec, blur=BLUR)
    truth, radius = implanted.truth, 0.5 * implanted.truth.diameter_mm
    assert set(implanted.place) == {"free", "pleura", "vessel", "fissure", "diaphragm"}
    assert set(implanted.kind) == {"solid", "calcified", "cavitated", "part-solid"}
    pleural = np.isin(implanted.place, ("pleura", "diaphragm"))
    assert (truth.depth_mm[pleural] < radius[pleural] + 2.5).all()
    assert (truth.depth_mm[implanted.place == "free"] > radius[implanted.place == "free"]).all()
    to_vessel = anatomy.vessel_tree.nearest(truth.points_mm)[0] - 1.5
    assert (np.abs(to_vessel - radius)[implanted.place == "vessel"] < 2.0).all()
    plane = 0.5 * scan.volume.shape[0] * 2.0 - 1.0 + 300.0
    assert (np.abs(truth.z_mm - plane)[implanted.place == "fissure"] < 5.5).all()
    assert (truth.z_mm[implanted.place == "diaphragm"] < plane).all()
    assert (truth.max_hu[implanted.kind == "calcified"] > 130).all()
    assert (
        truth.mean_hu[implanted.kind == "cavitated"] < truth.mean_hu[implanted.kind == "solid"].mean()
    ).all()
    assert (truth.texture == "part-solid").tolist() == (implanted.kind == "part-solid").tolist()
    assert (truth.cavity_share > 0).tolist() == (implanted.kind == "cavitated").tolist()


def test_nothing_is_put_on_what_is_there(flat):
    scan, anatomy = flat
    known = scan.volume.points_mm(np.argwhere(anatomy.lungs.array == 1).mean(axis=0)[None])
    implanted = implant(scan, anatomy, PLAIN, avoid_mm=known, avoid_diameter_mm=np.array([50.0]), blur=BLUR)
    distance = np.linalg.norm(implanted.truth.points_mm - known, axis=1)
    assert (distance > 25.0 + 0.5 * implanted.truth.diameter_mm).all()


def test_a_mirrored_scan_gains_as_much():
    one = implant(*chest(), PLAIN, blur=BLUR)
    other = implant(*chest(flip=True), PLAIN, blur=BLUR)
    assert np.sort(one.truth.volume_mm3) == pytest.approx(np.sort(other.truth.volume_mm3), rel=0.01)


def test_the_noise_inside_is_the_scans():
    scan, anatomy = chest((1.0, 1.0, 1.0), noise_hu=20.0)
    spec = dataclasses.replace(PLAIN, nodules=4, diameter_mm=(18.0, 18.0), edge_mm=(0.0, 0.0))
    implanted = implant(scan, anatomy, spec, blur=BLUR)
    for center in np.rint(scan.volume.indices(implanted.truth.points_mm)).astype(int):
        box = tuple(slice(c - 4, c + 5) for c in center)
        inside = implanted.scan.volume.array[box].astype(float)
        assert inside.std() == pytest.approx(20.0, rel=0.25)
        assert inside.mean() == pytest.approx(40.0, abs=6.0)
        neighbors = np.corrcoef(inside[:, :, 1:].ravel(), inside[:, :, :-1].ravel())[0, 1]
        assert neighbors == pytest.approx(0.58, abs=0.15)


def test_too_many_are_refused_with_what_to_reduce(flat):
    with pytest.raises(FieldError, match="reduce nodules"):
        implant(*flat, dataclasses.replace(PLAIN, nodules=40, diameter_mm=(25.0, 28.0)), blur=BLUR)


def test_what_the_anatomy_lacks_is_named(flat):
    scan, anatomy = flat
    bare = dataclasses.replace(anatomy, pleura=None)
    with pytest.raises(FieldError, match="diaphragm"):
        implant(scan, bare, dataclasses.replace(PLAIN, diaphragm=1.0), blur=BLUR)
    with pytest.raises(FieldError, match="avoid_diameter_mm"):
        implant(scan, anatomy, PLAIN, avoid_mm=np.zeros((2, 3)), avoid_diameter_mm=np.ones(1), blur=BLUR)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("nodules", -1),
        ("diameter_mm", (5.0, 3.0)),
        ("distribution", "normal"),
        ("pleura", 1.5),
        ("calcified", 0.95),
        ("edge_mm", (-1.0, 0.0)),
        ("vessel", 0.9),
    ],
)
def test_impossible_wishes_are_refused(field, value):
    with pytest.raises(FieldError):
        ImplantSpec(**{field: value})


def test_none_is_none(flat):
    scan, anatomy = flat
    implanted = implant(scan, anatomy, dataclasses.replace(PLAIN, nodules=0), blur=BLUR)
    assert len(implanted.truth) == 0
    assert np.array_equal(implanted.scan.volume.array, scan.volume.array)
