"""The occult burden obeys the laws that any estimate must, and refuses what makes no sense."""

from dataclasses import replace

import numpy as np
import pytest

from clearlung.anatomy import LOBES
from clearlung.followup import lesions_of_first_scan
from clearlung.perfusion.occult import Findings, Seen, detection_curve, occult_burden
from clearlung.perfusion.occult.prior import Spread

RIGHT = ("RUL", "RML", "RLL")


def scaled(curve, factor):
    return replace(curve, half_mm=curve.half_mm.times(factor))


def test_draws_are_whole_numbers_by_lobe_and_size(burden):
    assert burden.by_size.shape == (2000, 5, len(burden.diameters_mm))
    assert (burden.by_size == np.rint(burden.by_size)).all()
    assert (burden.by_size >= 0).all()
    total = sum(burden.count(lobe) for lobe in LOBES)
    assert (burden.count() == total).all()
    assert (burden.count("right") + burden.count("left") == total).all()
    assert (burden.count(("RUL", "LLL")) == burden.count("RUL") + burden.count("LLL")).all()
    interval = burden.interval("LLL")
    assert interval.low <= interval.median <= interval.high


def test_it_is_a_distribution_that_says_what_it_rests_on(burden, book):
    assert burden.interval().low < burden.interval().high
    assert set(burden.assumed) <= set(burden.evidence) <= set(book)
    assert "occult.law.last" in burden.assumed
    assert any("assumptions" in sentence for sentence in burden.words)


def test_the_same_seed_gives_the_same_draws_and_another_seed_the_same_distribution(seen, curve, book, burden):
    again = occult_burden(seen, curve, book)
    other = occult_burden(seen, curve, book, seed=5)
    assert (again.by_size == burden.by_size).all()
    assert np.median(other.count()) == pytest.approx(np.median(burden.count()), rel=0.25)


def test_the_order_of_the_nodules_changes_nothing(seen, curve, book):
    chance = np.linspace(0.2, 1.0, len(seen))
    order = np.random.default_rng(2).permutation(len(seen))
    first = occult_burden(Seen(seen.diameter_mm, seen.lobe, chance), curve, book)
    mixed = Seen(seen.diameter_mm[order], seen.lobe[order], chance[order])
    assert (occult_burden(mixed, curve, book).by_size == first.by_size).all()


def test_a_better_ct_leaves_fewer_unseen(seen, curve, book, burden):
    better = occult_burden(seen, scaled(curve, 0.7), book).count().mean()
    worse = occult_burden(seen, scaled(curve, 1.4), book).count().mean()
    assert np.median(better) < np.median(burden.count()) < np.median(worse)


def test_more_visible_small_ones_mean_more_unseen(seen, curve, book, burden):
    small = Seen.listed([*seen.diameter_mm, *np.geomspace(2.0, 4.0, 15)], [*seen.lobe, *LOBES * 3])
    large = Seen.listed([*seen.diameter_mm, *np.geomspace(8.0, 16.0, 15)], [*seen.lobe, *LOBES * 3])
    with_small, with_large = (np.median(occult_burden(s, curve, book).count()) for s in (small, large))
    assert with_small > np.median(burden.count())
    assert with_small > with_large


def test_findings_that_are_hardly_metastases_mean_fewer_unseen(seen, curve, book, burden):
    doubtful = occult_burden(Seen(seen.diameter_mm, seen.lobe, np.full(len(seen), 0.2)), curve, book)
    assert np.median(doubtful.count()) < 0.5 * np.median(burden.count())


def test_a_lobe_without_a_visible_metastasis_still_has_some_chance(curve, book):
    rng = np.random.default_rng(3)
    seen = Seen.listed(5 * np.exp(0.5 * rng.standard_normal(40)), ["RUL"] * 40)
    burden = occult_burden(seen, curve, book)
    assert 0.02 < np.mean(burden.count("LLL") > 0) < 0.9
    assert burden.count("LLL").mean() < burden.count("RUL").mean()


def test_mirrored_lungs_give_the_mirrored_answer(seen, curve, book):
    lobes, mirrored = ("RUL", "RLL", "LUL", "LLL"), ("LUL", "LLL", "RUL", "RLL")
    swap = dict(zip(lobes, mirrored, strict=True))
    rows = seen.lobe != "RML"
    lobe = np.where(seen.lobe[rows] == "LLL", "RLL", seen.lobe[rows])
    one = Seen(seen.diameter_mm[rows], lobe)
    other = Seen(seen.diameter_mm[rows], np.array([swap[x] for x in lobe.tolist()]))
    volumes = {"RUL": 2.0, "RLL": 3.0, "LUL": 1.5, "LLL": 2.5}
    first = occult_burden(one, curve, book, lobes=lobes, volumes=[volumes[x] for x in lobes])
    flipped = occult_burden(other, curve, book, lobes=mirrored, volumes=[volumes[x] for x in lobes])
    for place in lobes:
        assert (first.count(place) == flipped.count(swap[place])).all()


def test_nothing_seen_means_probably_nothing_there(curve, book):
    burden = occult_burden(Seen.listed([], []), curve, book)
    assert burden.interval().median == 0
    assert burden.interval("right").low == 0


def test_all_visible_and_all_certain_leaves_next_to_none(seen, book):
    """With an eye that sees everything the truth is known: nothing is unseen."""
    curve = detection_curve("reader", book)
    all_seeing = replace(
        curve,
        half_mm=Spread(1e-3, 1e-3, 1e-3),
        width=Spread(0.1, 0.1, 0.1),
        most=Spread(1 - 1e-9, 1 - 1e-9, 1 - 1e-9),
    )
    assert occult_burden(seen, all_seeing, book).count().max() == 0


def test_growth_follows_the_doubling_times_that_are_known(seen, curve, book):
    known = Seen(seen.diameter_mm, seen.lobe, vdt_days=np.full(len(seen), 64.0))
    burden = occult_burden(known, curve, book)
    # Specific growth rate of a doubling time of 64 days: 1.083 % a day.
    assert np.median(burden.growth_per_day) == pytest.approx(0.01083, rel=0.05)
    doubled = burden.diameters_on(192.0) / burden.diameters_mm
    assert np.median(doubled) == pytest.approx(2.0, rel=0.05)
    unknown = occult_burden(seen, curve, book).growth_per_day
    assert np.quantile(unknown, [0.16, 0.84]) == pytest.approx([0.01083, 0.03466], rel=0.1)


def test_shrinking_lesions_grow_as_slowly_as_can_be(seen, curve, book):
    burden = occult_burden(Seen(seen.diameter_mm, seen.lobe, vdt_days=np.full(len(seen), -50.0)), curve, book)
    assert np.median(burden.growth_per_day) == pytest.approx(np.log(2) / 400, rel=0.1)


def test_what_makes_no_sense_is_refused(seen, curve, book, burden):
    with pytest.raises(ValueError, match="nodules in"):
        occult_burden(seen, curve, book, lobes=("RUL", "RML"))
    with pytest.raises(ValueError, match="a volume above 0"):
        occult_burden(seen, curve, book, volumes=[1, 2, 3])
    with pytest.raises(ValueError, match="there are"):
        burden.count(("RUL", "XXX"))
    with pytest.raises(ValueError, match="above 0 mm"):
        Seen.listed([np.nan], ["RUL"])
    with pytest.raises(ValueError, match="lobe must be"):
        Seen.listed([3.0], ["lingula"])
    with pytest.raises(ValueError, match="0 to 1"):
        Seen.listed([3.0], ["RUL"], chance=[1.2])
    with pytest.raises(ValueError, match="columns differ"):
        Seen.listed([3.0], ["RUL", "RML"])
    assert len(Findings(day=0, found=dict.fromkeys(RIGHT, 0)).found) == 3


def test_tables_of_nodules_and_lesions_are_taken_as_they_are(curve, book, nodule_table):
    seen = Seen.of_nodules(nodule_table)
    # One is a nodule by 0.5 and malignant by 0.8; of the other nothing is known but that it is a nodule.
    assert seen.chance.tolist() == [0.4, 1.0]
    lesions = lesions_of_first_scan(nodule_table)
    assert Seen.of_lesions(lesions).chance.tolist() == [1.0, 1.0]
    from_table = occult_burden(nodule_table, curve, book, draws=100)
    assert (from_table.by_size == occult_burden(seen, curve, book, draws=100).by_size).all()
    assert occult_burden(lesions, curve, book, draws=100).draws == 100


def test_a_value_that_a_protocol_sets_is_certain(seen, book):
    """Without its range, the smallest that counts and the law follow what was set."""
    changed = book.overriding({"occult.smallest": 1.0, "occult.law.last": 4.0})
    burden = occult_burden(seen, detection_curve("reader", changed), changed)
    assert burden.edges_mm[0] == pytest.approx(1.0)
    wide = occult_burden(seen, detection_curve("reader", book), book).interval()
    assert burden.interval().high < wide.high
