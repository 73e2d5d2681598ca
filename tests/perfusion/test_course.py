"""Courses against analytic limits, an independent integrator, published bounds, and what must follow."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from clearlung.errors import EvidenceError, PerfusionError
from clearlung.evidence import load_evidence
from clearlung.perfusion import PatientFactors, make_regimen, perfuse, reference_lungs
from clearlung.perfusion.circuit import set_up
from clearlung.perfusion.simulation import simulate

BOOK = load_evidence()
LUNGS = reference_lungs(BOOK)
MELPHALAN = make_regimen("antwerp-melphalan-45", BOOK)
CISPLATIN = make_regimen("petrov-cisplatin-135", BOOK, body_surface_m2=1.9)


def changed(regimen, **update):
    return regimen.model_copy(update=update)


DOXORUBICIN = changed(MELPHALAN, drug="doxorubicin", dose_mg=76.0, minutes=20.0)
DRUGS = {"melphalan": MELPHALAN, "cisplatin": CISPLATIN, "doxorubicin": DOXORUBICIN}


def course(regimen=MELPHALAN, lungs=LUNGS, book=BOOK, **more):
    return perfuse(regimen, lungs, book, **more)


@pytest.fixture(scope="module")
def plain():
    return course()


# --- Conservation and independent solutions -------------------------------------------------------------


@pytest.mark.parametrize("target", ["left", "right", "left-upper", "right-upper-middle"])
@pytest.mark.parametrize("drug", DRUGS)
def test_every_milligram_is_somewhere(drug, target):
    regimen = changed(DRUGS[drug], target=target)
    found = course(regimen)
    assert found.mass_balance_error < 1e-10
    assert sum(found.amounts_mg.values()) == pytest.approx(regimen.dose_mg, rel=1e-10)
    assert min(found.amounts_mg.values()) >= 0
    assert [key for key in found.amounts_mg if key.startswith("lung_")] == [f"lung_{x}" for x in found.lobes]


@pytest.mark.parametrize("drug", DRUGS)
def test_the_perfusion_agrees_with_equations_written_down_again(drug):
    """Circuit, vessels, water, bound, body and its second compartment, hydrolyzed and eliminated, by hand."""
    regimen = changed(DRUGS[drug], target="left-upper")
    setup = set_up(regimen, LUNGS, BOOK)
    k, body = setup.kinetics, setup.kinetics.body
    circuit, vessels, water = setup.circuit_ml, setup.vessels_ml[0], setup.water_ml[0]
    flow, leak, loss = setup.flow_ml_per_min, setup.leak_ml_per_min, setup.hydrolysis_perfused_per_min

    def slopes(_, y):
        level = y[1] / vessels
        around = flow * (y[0] / circuit - level)
        slowed = 1 + 1000 * level / k.saturates_mg_per_l
        taken = k.exchange_per_min * (water * level / slowed - y[2])
        bound = k.release_per_min * (k.bound_over_free * y[2] - y[3])
        out = body.outward_per_min * y[4] - body.inward_per_min * y[5]
        return [
            -around - loss * y[0],
            around - taken - leak * level - loss * y[1],
            taken - bound - loss * y[2],
            bound,
            leak * level - out - body.elimination_per_min * y[4],
            out,
            loss * (y[0] + y[1] + y[2]),
            body.elimination_per_min * y[4],
        ]

    start = [regimen.dose_mg, *[0.0] * 7]
    exact = solve_ivp(slopes, (0, regimen.minutes), start, method="LSODA", rtol=1e-11, atol=1e-13).y[:, -1]
    found, at = simulate(setup), setup.places
    inside = (at.circuit, at.vessels[0], at.water[0], at.bound[0], at.body, at.body_second)
    end = found.amounts_mg[found.perfused, [*inside, at.hydrolyzed, at.eliminated]]
    # The first second of the saturating uptake is the hardest.
    assert end == pytest.approx(exact, rel=1e-5 if drug == "doxorubicin" else 1e-6, abs=1e-9)


@pytest.mark.parametrize("drug", ["melphalan", "cisplatin"])
def test_all_phases_agree_with_matrix_exponentials(drug):
    """Also the follow-up, whose steps are near the bound of stability."""
    setup = set_up(DRUGS[drug], LUNGS, BOOK, (0.2, 1.0, 20.0))
    found, size = simulate(setup), setup.places.count
    exact = np.zeros(2 * size)
    exact[setup.places.circuit] = setup.dose_mg
    for flows, minutes in (
        (setup.perfusing(), setup.perfusion_minutes),
        (setup.washing_out(), setup.washout_minutes),
        (setup.reconnected(), setup.follow_up_minutes),
    ):
        both = np.zeros((2 * size, 2 * size))
        both[:size, :size], both[size:, :size] = flows.matrix(size), np.eye(size)
        exact = expm(minutes * both) @ exact
    assert found.minutes[-1] == 420
    assert found.amounts_mg[-1] == pytest.approx(exact[:size], rel=1e-5, abs=1e-9 * setup.dose_mg)
    assert found.areas_mg_min[-1] == pytest.approx(exact[size:], rel=1e-5, abs=1e-9 * setup.dose_mg)


def test_all_phases_of_doxorubicin_agree_with_an_independent_integrator():
    setup = set_up(DOXORUBICIN, LUNGS, BOOK, (1.0, 20.0))
    found, amounts = simulate(setup), np.zeros(setup.places.count)
    amounts[setup.places.circuit] = setup.dose_mg
    for flows, minutes in (
        (setup.perfusing(), setup.perfusion_minutes),
        (setup.washing_out(), setup.washout_minutes),
        (setup.reconnected(), setup.follow_up_minutes),
    ):
        sources, sinks = np.array(flows.sources), np.array(flows.sinks)
        rates, halves = np.array(flows.rates_per_min), np.array(flows.halves_mg)
        assert np.isfinite(halves).sum() == 2

        def slopes(_, y, sources=sources, sinks=sinks, rates=rates, halves=halves):
            moved = rates * y[sources] / (1 + y[sources] / halves)
            return np.bincount(sinks, moved, y.size) - np.bincount(sources, moved, y.size)

        amounts = solve_ivp(slopes, (0, minutes), amounts, method="LSODA", rtol=1e-10, atol=1e-13).y[:, -1]
    assert found.amounts_mg[-1] == pytest.approx(amounts, rel=1e-5, abs=1e-9 * setup.dose_mg)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(sorted(DRUGS)),
    st.sampled_from(["left", "right", "left-upper", "right-upper-middle"]),
    st.sampled_from(["saline", "ringer", "glucose", "culture", "plasma"]),
    st.builds(
        dict,
        dose_mg=st.floats(0.01, 2000),
        temperature_c=st.floats(20, 43),
        minutes=st.floats(1, 200),
        prime_ml=st.floats(200, 5000),
        flow_l_per_min=st.floats(0.05, 3),
        washout_minutes=st.just(0.0) | st.floats(1, 60),
        washout_ml=st.floats(0, 5000),
    ),
    st.builds(
        PatientFactors,
        circuit_volume=st.floats(0.3, 3),
        lung_volume=st.floats(0.3, 3),
        uptake=st.floats(0, 3),
        tumor_uptake=st.just(0.0) | st.floats(0.01, 7),
        leak=st.floats(0, 20),
        hydrolysis=st.floats(0, 3),
        body_volume=st.floats(0.3, 3),
    ),
)
def test_whatever_is_perfused_nothing_is_lost_and_nothing_is_negative(drug, target, medium, numbers, patient):
    regimen = changed(DRUGS[drug], target=target, medium=medium, **numbers)
    found = course(regimen, patient=patient)
    assert found.mass_balance_error < 1e-9
    for levels in (
        found.perfusate_mg_per_l,
        found.lung_mg_per_l,
        found.systemic_mg_per_l,
        found.nodules_mg_per_l,
    ):
        assert np.isfinite(levels).all()
        assert levels.min() >= -1e-12 * regimen.dose_mg
    assert 0 <= found.leak_fraction < 1
    assert 0 <= found.hydrolyzed_fraction < 1
    assert found.nodule_share.max() <= 1 + 1e-6


def test_without_uptake_and_leak_only_hydrolysis_is_left():
    alone = course(changed(MELPHALAN, medium="saline"), patient=PatientFactors(uptake=0, leak=0))
    lost = 1 - 0.9 ** (30 / 36)
    # What is rinsed out of the vessels later falls apart a little longer.
    assert alone.hydrolyzed_fraction == pytest.approx(lost, abs=0.003)
    setup = set_up(changed(MELPHALAN, medium="saline"), LUNGS, BOOK, (), PatientFactors(uptake=0, leak=0))
    found = simulate(setup)
    share = found.amounts_mg[found.perfused, setup.places.hydrolyzed] / MELPHALAN.dose_mg
    assert share == pytest.approx(lost, rel=1e-6)


def test_with_infinite_exchange_everything_is_well_mixed():
    fast = BOOK.overriding(
        {"kinetics.cisplatin.exchange_half_time": 0.01, "kinetics.cisplatin.bound_over_free": 0}
    )
    regimen = changed(CISPLATIN, flow_l_per_min=20.0)
    setup = set_up(regimen, LUNGS, fast, (), PatientFactors(leak=0))
    found = simulate(setup)
    mixed = regimen.dose_mg / (setup.circuit_ml + setup.vessels_ml.sum() + setup.water_ml.sum()) * 1000
    assert found.perfusate_mg_per_l()[found.perfused] == pytest.approx(mixed, rel=1e-3)
    in_lung = mixed * BOOK["kinetics.lung.water_share"].value
    assert found.lung_mg_per_l()[found.perfused] == pytest.approx(in_lung, rel=1e-3)


def test_the_body_shows_the_published_half_lives_of_intravenous_melphalan():
    setup = set_up(MELPHALAN, LUNGS, BOOK)
    body = setup.kinetics.body
    rates = np.array(
        [
            [-body.outward_per_min - body.elimination_per_min, body.inward_per_min],
            [body.outward_per_min, -body.inward_per_min],
        ]
    )
    half_lives = sorted(math.log(2) / -np.linalg.eigvals(rates))
    assert half_lives == pytest.approx([7.7, 108.0])
    assert min(body.outward_per_min, body.inward_per_min, body.elimination_per_min) > 0


# --- Published bounds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("drug", DRUGS)
def test_a_typical_circuit_leaks_within_what_was_seen(drug):
    assert 0 < course(DRUGS[drug]).systemic_over_perfusate < 0.15


def test_an_hour_of_cisplatin_gives_the_typical_systemic_level():
    found = course(changed(CISPLATIN, minutes=60.0))
    assert 100 * found.systemic_over_perfusate == pytest.approx(BOOK["circuit.leak.ratto"].value, abs=0.5)


def test_the_lungs_level_does_not_depend_on_flow_at_equal_concentration():
    # A circuit so large that its level stays what it is.
    steady = changed(MELPHALAN, prime_ml=1e6, dose_mg=45e3)
    patient = PatientFactors(leak=0)
    for minutes in (15.0, 30.0, 60.0):
        levels = []
        for flow in (0.3, 0.5, 1.0):
            setup = set_up(
                changed(steady, flow_l_per_min=flow, minutes=minutes), LUNGS, BOOK, patient=patient
            )
            found = simulate(setup)
            levels.append(found.lung_mg_per_l()[found.perfused, 0])
        assert max(levels) / min(levels) < 1.05


# --- What must follow from what -------------------------------------------------------------------------


@pytest.mark.parametrize("drug", ["melphalan", "cisplatin"])
def test_half_the_dose_halves_everything(drug):
    whole, half = course(DRUGS[drug]), course(changed(DRUGS[drug], dose_mg=DRUGS[drug].dose_mg / 2))
    assert 2 * half.perfusate_mg_per_l == pytest.approx(whole.perfusate_mg_per_l, rel=1e-9)
    assert 2 * half.lung_mg_per_l == pytest.approx(whole.lung_mg_per_l, rel=1e-9)
    assert 2 * half.nodules_mg_per_l == pytest.approx(whole.nodules_mg_per_l, rel=1e-9)
    assert 2 * half.tumor_auc_mg_min_per_l.median == pytest.approx(whole.tumor_auc_mg_min_per_l.median)
    assert half.leak_fraction == pytest.approx(whole.leak_fraction, rel=1e-9)
    assert half.hydrolyzed_fraction == pytest.approx(whole.hydrolyzed_fraction, rel=1e-9)


def test_doxorubicin_enters_in_smaller_share_the_more_there_is():
    shares = [course(changed(DOXORUBICIN, dose_mg=mg)).auc_mg_min_per_l.lung / mg for mg in (1, 10, 100)]
    assert shares[0] > 1.1 * shares[1] > 1.1 * 1.5 * shares[2]


@pytest.mark.parametrize(("medium", "percent"), [("saline", 8.4), ("ringer", 12.3), ("culture", 27.0)])
def test_the_perfusion_falls_apart_nearly_as_the_medium_alone(medium, percent):
    found = course(changed(MELPHALAN, medium=medium))
    assert 100 * found.medium_loss_fraction == pytest.approx(percent, abs=0.3)
    assert 0.95 * found.medium_loss_fraction < found.hydrolyzed_fraction < found.medium_loss_fraction


def test_warmer_falls_apart_faster(plain):
    warm = course(changed(MELPHALAN, temperature_c=42.0))
    assert warm.hydrolyzed_fraction > 1.3 * plain.hydrolyzed_fraction
    assert warm.auc_mg_min_per_l.perfusate < plain.auc_mg_min_per_l.perfusate


def test_a_larger_lung_has_a_lower_level(plain):
    large = course(patient=PatientFactors(lung_volume=2.0))
    assert large.peak_mg_per_l.lung < plain.peak_mg_per_l.lung
    right = course(changed(MELPHALAN, target="right"))
    assert right.peak_mg_per_l.lung < plain.peak_mg_per_l.lung


def test_a_longer_washout_leaves_less_for_the_body(plain):
    short, none = (course(changed(MELPHALAN, washout_minutes=m, washout_ml=66.7 * m)) for m in (10.0, 0.0))
    returned = [found.returned_mg for found in (plain, short, none)]
    assert returned == sorted(returned)
    peaks = [found.peak_mg_per_l.systemic for found in (plain, short, none)]
    assert peaks == sorted(peaks)
    assert none.amounts_mg["washed_out"] == 0


def test_nothing_leaks_from_a_tight_circuit_before_reconnection():
    tight = course(patient=PatientFactors(leak=0))
    before = tight.minutes <= tight.phases.reconnection
    assert (tight.systemic_mg_per_l[before] == 0).all()
    assert tight.leak_fraction == 0
    assert tight.leak_alarm_minute is None
    assert tight.systemic_peak_minute > tight.phases.reconnection


def test_the_peak_comes_at_reconnection_where_nothing_is_washed_out():
    found = course(changed(MELPHALAN, washout_minutes=0.0), patient=PatientFactors(leak=0.1))
    assert 0 < found.systemic_peak_minute - found.phases.reconnection < 10


def test_the_alarm_sounds_when_a_tenth_has_leaked(plain):
    assert plain.leak_alarm_minute is None
    assert plain.leak_fraction < 0.1
    leaking = course(patient=PatientFactors(leak=4))
    assert leaking.leak_fraction > 0.1
    assert 5 < leaking.leak_alarm_minute < 15
    # At that minute a shorter perfusion has leaked a tenth.
    setup = set_up(MELPHALAN, LUNGS, BOOK, patient=PatientFactors(leak=4))
    cut = simulate(replace(setup, perfusion_minutes=leaking.leak_alarm_minute))
    assert cut.leaked_mg()[cut.perfused] == pytest.approx(4.5, rel=1e-3)


def test_a_larger_metastasis_gets_no_more_than_a_smaller_one(plain):
    assert (np.diff(plain.nodule_share) < 0).all()
    assert plain.nodule_share[0] == pytest.approx(1, abs=0.01)
    # Small beside the two decades of the prior.
    assert plain.nodule_share[-1] > 0.5
    peaks = plain.nodules_mg_per_l.argmax(axis=0)
    assert (np.diff(peaks) >= 0).all()


def test_lobes_perfused_alone_get_more_of_a_fixed_dose(plain):
    upper = course(changed(MELPHALAN, target="left-upper"))
    assert upper.lobes == ("LUL",)
    assert upper.peak_mg_per_l.lung > plain.peak_mg_per_l.lung


@pytest.mark.parametrize("drug", DRUGS)
def test_two_lobes_are_as_one_of_their_size(drug):
    upper, lower = (lobe for lobe in LUNGS.lobes if lobe.lobe in ("LUL", "LLL"))
    whole = replace(upper, tissue_ml=upper.tissue_ml + lower.tissue_ml)
    one = replace(LUNGS, lobes=(*(lobe for lobe in LUNGS.lobes if lobe not in (upper, lower)), whole))
    parted, joined = course(DRUGS[drug]), course(changed(DRUGS[drug], target="left-upper"), lungs=one)
    assert joined.perfusate_mg_per_l == pytest.approx(parted.perfusate_mg_per_l, rel=1e-9)
    assert joined.systemic_mg_per_l == pytest.approx(parted.systemic_mg_per_l, rel=1e-9)
    assert joined.nodules_mg_per_l == pytest.approx(parted.nodules_mg_per_l, rel=1e-9)
    assert joined.lung_mg_per_l[:, 0] == pytest.approx(parted.lung_mg_per_l[:, 1], rel=1e-9)


def test_plasma_holds_back_what_it_binds(plain):
    bound = course(changed(MELPHALAN, medium="plasma"))
    assert bound.auc_mg_min_per_l.lung < 0.3 * plain.auc_mg_min_per_l.lung
    assert bound.hydrolyzed_fraction < 0.01
    assert bound.doubts


# --- Form -----------------------------------------------------------------------------------------------


def test_the_course_says_what_it_rests_on(plain):
    assert set(plain.assumed) < set(plain.evidence)
    assert {"kinetics.leak", "kinetics.tumor.over_lung", "circuit.leak.alarm"} <= set(plain.assumed)
    assert "pharmacology.iv.half_life_beta" in plain.evidence
    assert not [key for key in plain.evidence if ".rat" in key]
    assert plain.phases.perfusion == 30
    assert plain.minutes[-1] == plain.phases.end
    shape = (plain.minutes.size, 2)
    assert plain.lung_mg_per_l.shape == shape
    assert (np.diff(plain.minutes) > 0).all()
    assert plain.peak_mg_per_l.perfusate == pytest.approx(45)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.inf, math.nan])
def test_a_metastasis_without_size_is_refused(bad):
    with pytest.raises(PerfusionError, match="is no size"):
        course(nodule_diameters_mm=(1.0, bad))


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("kinetics.melphalan.exchange_half_time", 0, "must be above 0"),
        ("kinetics.melphalan.body_volume", 0, "must be above 0"),
        ("kinetics.tumor.vessel_half_time", 0, "must be above 0"),
        ("kinetics.lung.vascular_share", 1, "between 0 and 1"),
        ("kinetics.lung.water_share", 0, "between 0 and 1"),
        ("kinetics.melphalan.slow_share", 2, "between 0 and 1"),
    ],
)
def test_an_assumption_that_nothing_can_run_on_is_refused_by_name(key, value, says):
    with pytest.raises(EvidenceError, match=says) as caught:
        course(book=BOOK.overriding({key: value}))
    assert caught.value.field == key


@pytest.mark.parametrize("factors", [{"leak": -1}, {"uptake": math.nan}, {"lung_volume": 0}])
def test_a_factor_that_no_patient_has_is_refused(factors):
    with pytest.raises(PerfusionError, match="is no factor"):
        PatientFactors(**factors)


def test_a_lobe_without_tissue_is_refused():
    empty = replace(LUNGS, lobes=tuple(replace(lobe, tissue_ml=0.0) for lobe in LUNGS.lobes))
    with pytest.raises(PerfusionError, match="LUL has 0 ml of tissue"):
        course(lungs=empty)


def test_tumor_that_takes_up_nothing_is_exposed_to_nothing():
    found = course(book=BOOK.overriding({"kinetics.tumor.over_lung": 0}))
    assert found.tumor_auc_mg_min_per_l.high == 0
    assert found.nodules_mg_per_l.max() == 0


def test_straight_line_exchange_has_the_mean_time_of_a_sphere():
    """Of a sphere in even surroundings; Crank's series of what is missing, each term over its rate."""
    radius, diffusion = 2.0, BOOK["kinetics.tumor.diffusion"].value
    n = np.arange(1, 100_000)
    of_series = (6 / (np.pi * n) ** 2 * radius**2 / (diffusion * (np.pi * n) ** 2)).sum()
    vessels = math.log(2) / BOOK["kinetics.tumor.vessel_half_time"].value
    follows = set_up(MELPHALAN, LUNGS, BOOK, (2 * radius,)).nodule_follows_per_min[0]
    assert 1 / (follows - vessels) == pytest.approx(of_series)


def test_without_metastases_there_is_still_a_course():
    found = course(nodule_diameters_mm=())
    assert found.nodules_mg_per_l.shape == (found.minutes.size, 0)
    assert found.amounts_mg["nodules"] == 0


def test_tiny_metastases_cost_no_time():
    found = course(nodule_diameters_mm=(0.001, 0.1))
    assert found.nodule_share[0] == pytest.approx(1, abs=0.01)


def test_a_missing_lung_is_refused():
    right_only = replace(LUNGS, lobes=tuple(x for x in LUNGS.lobes if x.lobe.startswith("R")))
    with pytest.raises(PerfusionError, match="nothing to perfuse"):
        course(lungs=right_only)
