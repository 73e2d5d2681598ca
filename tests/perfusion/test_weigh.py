"""What perfusing lobes spares and costs: as one perfusion of them says, and against the whole lung."""

from __future__ import annotations

import numpy as np
import pytest

from clearlung.evidence import load_evidence
from clearlung.perfusion import (
    TARGETS,
    LungVolumes,
    RegimenChanges,
    Seen,
    Target,
    aimed_at,
    detection_curve,
    make_regimen,
    occult_burden,
    perfuse,
    perfusion_harm,
    reference_lungs,
    sterilized,
    tumor_exposure,
    weigh_perfusions,
)

BOOK = load_evidence()
LUNGS = reference_lungs(BOOK)
REGIMEN = make_regimen("petrov-melphalan-50", BOOK)
LOBAR = ("left-upper", "right-upper-middle")
DRAWS = 300


@pytest.fixture(scope="module")
def burden():
    lobes = ["RUL", "RLL", "LUL", "LLL"] * 6
    return occult_burden(
        Seen.listed([3.5, 4.0, 6.0, 9.0] * 6, lobes), detection_curve("reader", BOOK), BOOK, draws=DRAWS
    )


@pytest.fixture(scope="module")
def gain(burden):
    return weigh_perfusions(burden, REGIMEN, LUNGS, BOOK, targets=LOBAR)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("by_share", [False, True])
def test_a_target_is_what_one_perfusion_of_it_is(burden, target, by_share):
    changes = RegimenChanges(dose_mode="lung_share") if by_share and target in LOBAR else None
    alone = make_regimen("petrov-melphalan-50", BOOK, target=target, changes=changes)
    made = weigh_perfusions(burden, REGIMEN, LUNGS, BOOK, targets=LOBAR, dose_by_share=by_share)
    known = {"draws": DRAWS, "seed": burden.seed}
    harm = perfusion_harm(alone, LUNGS, BOOK, **known)
    exposure = tumor_exposure(perfuse(alone, LUNGS, BOOK), LUNGS, BOOK, **known)
    part = made.of(target)
    chance = sterilized(
        part.table_mm, exposure, BOOK, drug=alone.drug, temperature_c=alone.temperature_c, seed=burden.seed
    )
    assert np.allclose(part.edema, harm.edema.draws)
    assert np.allclose(part.death, harm.death.draws)
    assert np.allclose(part.sterilized, chance)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("mode", [None, "lung_share"])
def test_a_regimen_aimed_at_lobes_is_the_one_that_is_made_for_them(target, mode):
    made = make_regimen(
        "petrov-melphalan-50", BOOK, target=target, changes=RegimenChanges(dose_mode=mode) if mode else None
    )
    aimed = aimed_at(REGIMEN, target, LUNGS if mode else None)
    if TARGETS[target].whole_lung:
        assert aimed.dose_mg == made.dose_mg
        return
    assert set(aimed.notes) == set(made.notes)
    assert set(aimed.evidence) == set(made.evidence)
    alike = {"notes": (), "evidence": ()}
    assert aimed.model_copy(update=alike) == made.model_copy(update=alike)


def test_a_regimen_aimed_back_at_the_lung_is_what_it_was():
    assert set(aimed_at(aimed_at(REGIMEN, "right-upper-middle"), "left").notes) == set(REGIMEN.notes)


def test_all_lobes_of_a_lung_are_the_lung(burden, monkeypatch):
    monkeypatch.setitem(TARGETS, "left-both", Target("left-both", "left", ("LUL", "LLL"), "both left lobes"))
    made = weigh_perfusions(burden, REGIMEN, LUNGS, BOOK, targets=["left-both"])
    lobes, lung = made.parts["left-both"], made.lungs["left"]
    for name in ("unseen", "sterilized", "felt", "edema", "death"):
        assert np.array_equal(getattr(lobes, name), getattr(lung, name)), name
    assert np.array_equal(lobes.spared(6, [3]), lung.spared(6, [3]))


def test_lobes_spare_no_more_than_is_unseen_in_them(gain):
    for name in LOBAR:
        part, lung = gain.parts[name], gain.lungs[TARGETS[name].side]
        assert (part.unseen <= lung.unseen).all()
        assert (part.spared(6, [6]) <= part.left(6) + 1e-9).all()


def test_where_all_that_is_unseen_lies_in_the_upper_lobe_its_perfusion_spares_as_much_for_less_function(
    burden,
):
    rows = [row for row, lobe in enumerate(burden.lobes) if lobe != "LUL"]
    by_size = burden.by_size.copy()
    by_size[:, rows] = 0.0
    upper = type(burden)(**{**vars(burden), "by_size": by_size})
    made = weigh_perfusions(upper, REGIMEN, LUNGS, BOOK, targets=LOBAR)
    lobe, lung = made.parts["left-upper"], made.lungs["left"]
    # The lung's dose in half of the lung: each draw has more drug there.
    assert (lobe.spared(4, [2]) >= lung.spared(4, [2]) - 1e-9).all()
    assert lobe.edema.mean() > lung.edema.mean()


def test_a_share_of_the_dose_has_less_edema_and_sterilizes_less(burden, gain):
    less = weigh_perfusions(burden, REGIMEN, LUNGS, BOOK, targets=LOBAR, dose_by_share=True)
    for name in LOBAR:
        side = TARGETS[name].side
        assert less.parts[name].edema.mean() < gain.lungs[side].edema.mean()
        assert (less.parts[name].sterilized <= gain.parts[name].sterilized + 1e-12).all()


def test_a_perfusion_that_was_done_acts_in_its_lobes_alone(gain):
    after = gain.after([(-3.0, "left-upper")])
    assert np.array_equal(after.lobes["LLL"].unseen, gain.lobes["LLL"].unseen)
    assert np.array_equal(after.lungs["right"].unseen, gain.lungs["right"].unseen)
    assert after.lobes["LUL"].unseen.sum() < gain.lobes["LUL"].unseen.sum()
    both = after.lobes["LUL"].unseen + after.lobes["LLL"].unseen
    assert np.allclose(after.lungs["left"].unseen, both)
    assert np.allclose(after.parts["left-upper"].unseen, after.lobes["LUL"].unseen)


def test_a_target_that_is_not_there_is_left_out(burden):
    there = LungVolumes(tuple(one for one in LUNGS.lobes if one.lobe != "LUL"), source="scan")
    made = weigh_perfusions(burden, REGIMEN, there, BOOK, targets=LOBAR)
    assert not made.holds("left-upper")
    assert made.holds("left")
