"""The evidence against arithmetic: every derived entry is computed again from the entries it names."""

import math
import re
from importlib.resources import files
from statistics import NormalDist, linear_regression

import pytest

from clearlung.evidence import load_evidence, parse_evidence

BOOK = load_evidence()

UNITS = {
    *("1", "%", "%/day", "%/min", "1/day"),
    *("mm", "cm", "m", "m2", "mm2/min", "mm3", "1/mm3", "ml", "l", "l/min", "ml/kg/min", "ml/g"),
    *("min", "h", "day", "week", "month", "year"),
    *("mg", "mg/m2", "mg/kg", "mg/l", "ug/ml", "ug/g", "ng/ml", "nmol/ml", "umol", "umol/l"),
    *("g/mol", "g/cm3"),
    *("degC", "kcal/mol", "mmHg", "mbar", "W", "HU"),
    *("nodule", "segment", "patient", "operation", "perfusion", "cell"),
}
"""Every unit that an entry may have; one spelling each."""

FACTS = {
    *("burden", "chemistry", "circuit", "complication", "course", "detection", "finding", "growth", "loss"),
    *("margin", "measurement", "perfused", "pharmacology", "prognosis", "segment", "staged", "survival"),
    *("threshold", "tolerated", "toxicity"),
}
"""Files that record what was published; the others hold what the program runs on, and are tested apart."""

GAS = 1.98720e-3
"""kcal/(mol K)."""


def kelvin_gap(cold_c: float, warm_c: float) -> float:
    return 1 / (cold_c + 273.15) - 1 / (warm_c + 273.15)


class Reader:
    """Hands out values and remembers which entries were asked for."""

    def __init__(self):
        self.read = set()

    def __call__(self, key):
        self.read.add(key)
        return BOOK[key].value

    def low(self, key):
        self.read.add(key)
        return BOOK[key].low


def wilson(events, total, z=1.959964):
    share, spread = events / total, z**2 / total
    centre = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / total + spread / (4 * total))
    return 100 * (centre - half), 100 * (centre + half)


# --- How each derived entry follows from others ---------------------------------------------------------

DERIVED = {}
RATES = {
    "toxicity.edema37.rate": (
        ("toxicity.edema37.interstitial", "toxicity.edema37.lobar"),
        "toxicity.edema37.perfusions",
    ),
    "toxicity.edema42.rate": (("toxicity.edema42.events",), "toxicity.edema42.perfusions"),
    "toxicity.edema_ratto.rate": (("toxicity.edema_ratto.events",), "toxicity.edema_ratto.patients"),
    "toxicity.edema_leiden.rate": (("toxicity.edema_leiden.events",), "toxicity.edema_leiden.patients"),
    "toxicity.death_petrov.per_patient": (
        ("toxicity.death_petrov.events",),
        "toxicity.death_petrov.patients",
    ),
    "toxicity.death_petrov.per_perfusion": (
        ("toxicity.death_petrov.events",),
        "toxicity.death_petrov.perfusions",
    ),
    "toxicity.death_antwerp.per_patient": (
        ("toxicity.death_antwerp.events",),
        "toxicity.death_antwerp.patients",
    ),
}


def derive(key):
    def keep(function):
        DERIVED[key] = function
        return function

    return keep


def share_lost(after, before):
    return lambda v: 100 * (1 - v(after) / v(before))


def ratio(top, bottom, times=1.0):
    return lambda v: times * v(top) / v(bottom)


for when in ("early", "month3", "month6", "month12"):
    DERIVED[f"course.laser.loss_{when}"] = share_lost(f"course.laser.fev1_{when}", "course.laser.fev1_before")
for what in ("fev1", "vc"):
    for when in ("month3", "month6", "month12"):
        DERIVED[f"course.wedge.{what}_loss_{when}"] = share_lost(
            f"course.wedge.{what}_{when}", f"course.wedge.{what}_before"
        )


@derive("course.wedge.tau")
def _(v):
    floor = v("course.wedge.fev1_loss_month12")
    fall = (v("course.wedge.fev1_loss_month3") - floor) / (v("course.wedge.fev1_loss_month6") - floor)
    return 3 / math.log(fall)


RIGHT, LEFT = ("RUL", "RML", "RLL"), ("LUL", "LLL")


def segments(*lobes):
    return lambda v: 100 * sum(v(f"segment.count.{lobe}") for lobe in lobes) / v("segment.total")


DERIVED["segment.total"] = lambda v: sum(v(f"segment.count.{lobe}") for lobe in RIGHT + LEFT)
for lobe in RIGHT + LEFT:
    DERIVED[f"segment.share.{lobe}"] = segments(lobe)
DERIVED["segment.share.right"] = segments(*RIGHT)
DERIVED["segment.share.left"] = segments(*LEFT)

for key, (events, total) in RATES.items():
    DERIVED[key] = lambda v, events=events, total=total: 100 * sum(v(e) for e in events) / v(total)

DERIVED["staged.index.per_operation"] = ratio("staged.index.metastases", "staged.index.operations")
CAP = "protocol.conservative.nodules_per_operation"
DERIVED["staged.index.operations_at_10"] = lambda v: math.ceil(v("staged.index.metastases") / v.low(CAP))
DERIVED["staged.index.operations_at_15"] = lambda v: math.ceil(v("staged.index.metastases") / v(CAP))
DERIVED["staged.record.minutes_gross"] = ratio("staged.record.hours", "staged.record.metastases", 60)
DERIVED["staged.kodama.per_patient"] = ratio("staged.kodama.laser_metastases", "staged.kodama.laser_patients")


@derive("staged.record.minutes_net")
def _(v):
    minutes = 60 * v("staged.record.hours") - v("time.access") - v("time.perfusion")
    return minutes / v("staged.record.metastases")


def straight_line(count):
    return lambda v: (v("time.access") + v(count) * v("time.nodule.deep")) / 60


DERIVED["burden.linear.hours_28"] = straight_line("staged.index.per_operation")
DERIVED["burden.linear.hours_42"] = straight_line("staged.record.metastases")
DERIVED["burden.linear.hours_50"] = straight_line("protocol.high_volume.nodules_per_operation")
DERIVED["burden.welter.per_patient"] = ratio("burden.welter.metastases", "burden.welter.patients")
DERIVED["burden.soft_tissue.per_thoracotomy"] = ratio(
    "burden.soft_tissue.metastases", "burden.soft_tissue.thoracotomies"
)


def satellite_line(v):
    """Return intercept and slope of the logarithms of three quantiles on the normal quantiles."""
    shares = {"q68": 0.6827, "q95": 0.9545, "q997": 0.9973}
    line = linear_regression(
        [NormalDist().inv_cdf(share) for share in shares.values()],
        [math.log(v(f"margin.satellite.{name}")) for name in shares],
    )
    return line.intercept, line.slope


DERIVED["margin.satellite.log_mean"] = lambda v: satellite_line(v)[0]
DERIVED["margin.satellite.log_sd"] = lambda v: satellite_line(v)[1]

RIZZOLI = "detection.rizzoli"
DERIVED["detection.heaton.ratio"] = ratio("detection.heaton.found", "detection.heaton.ct")
DERIVED["detection.gao.ratio"] = ratio("detection.gao.found", "detection.gao.ct")
DERIVED["detection.rizzoli.ratio"] = ratio(f"{RIZZOLI}.metastases", f"{RIZZOLI}.ct_metastases")
DERIVED["detection.rizzoli.ct_malignant"] = ratio(f"{RIZZOLI}.ct_metastases", f"{RIZZOLI}.ct", 100)
DERIVED["detection.rizzoli.missed"] = share_lost(f"{RIZZOLI}.ct", f"{RIZZOLI}.palpated")
DERIVED["detection.picci.malignant"] = ratio("detection.picci.metastases", "detection.picci.nodules", 100)
DERIVED["finding.ellis.ratio"] = ratio("finding.ellis.found_malignant", "finding.ellis.ct_malignant")


@derive("detection.rizzoli.missed_malignant")
def _(v):
    metastases = v(f"{RIZZOLI}.metastases") - v(f"{RIZZOLI}.ct_metastases")
    return 100 * metastases / (v(f"{RIZZOLI}.palpated") - v(f"{RIZZOLI}.ct"))


def doublings(name, days=None, count=None, per=1):
    """Return the growth over some days, or the days of some doublings."""
    vdt = f"growth.{name}.doubling"
    return (lambda v: 2 ** (days / (per * v(vdt)))) if days else (lambda v: count * v(vdt))


for name in ("fast", "slow"):
    DERIVED[f"growth.{name}.rate"] = lambda v, n=name: 100 * math.log(2) / v(f"growth.{n}.doubling")
    for days in (21, 28, 42):
        DERIVED[f"growth.{name}.volume_{days}d"] = doublings(name, days)
        DERIVED[f"growth.{name}.diameter_{days}d"] = doublings(name, days, per=3)
    DERIVED[f"growth.{name}.one_to_five_mm"] = doublings(name, count=3 * math.log2(5))
    DERIVED[f"growth.{name}.five_to_ten_mm"] = doublings(name, count=3)


def cubed(key, sign):
    return lambda v: sign * 100 * ((1 + sign * v(key) / 100) ** 3 - 1)


def cube_root(key, sign):
    return lambda v: sign * 100 * ((1 + sign * v(key) / 100) ** (1 / 3) - 1)


def sphere(key):
    return lambda v: math.pi / 6 * v(key) ** 3


SPHERE = "measurement.sphere"
DERIVED[f"{SPHERE}.progression_volume"] = cubed("measurement.recist.progression", 1)
DERIVED[f"{SPHERE}.response_volume"] = cubed("measurement.recist.response", -1)
DERIVED[f"{SPHERE}.growth_diameter"] = cube_root("measurement.growth.volume", 1)
DERIVED[f"{SPHERE}.shrinkage_diameter"] = cube_root("measurement.growth.volume", -1)
DERIVED[f"{SPHERE}.small_volume"] = sphere("measurement.fleischner.small_diameter")
DERIVED[f"{SPHERE}.large_volume"] = sphere("measurement.fleischner.large_diameter")
DERIVED[f"{SPHERE}.measurable_volume"] = sphere("measurement.recist.measurable")

DERIVED["circuit.leak.ratto"] = lambda v: 100 / v("circuit.leak.ratto_ratio")
DERIVED["circuit.leak.demmy_ratio"] = ratio("circuit.leak.demmy_lung", "circuit.leak.demmy_systemic")
DERIVED["circuit.lobar.left_upper"] = ratio("anatomy.lobe_share.LUL", "segment.supine.left", 100)


@derive("circuit.lobar.right_upper_middle")
def _(v):
    return 100 * (v("anatomy.lobe_share.RUL") + v("anatomy.lobe_share.RML")) / v("segment.supine.right")


MEDIA = ("saline", "ringer", "glucose")


def half_life(medium):
    return lambda v: v(f"chemistry.{medium}.t10_37c") * math.log(2) / math.log(1 / 0.9)


def lost_in_half_an_hour(medium):
    return lambda v: 100 * (1 - 0.9 ** (0.5 / v(f"chemistry.{medium}.t10_37c")))


def activation(medium):
    def energy(v):
        rise = math.log(v(f"chemistry.{medium}.t10_20c") / v(f"chemistry.{medium}.t10_37c"))
        return GAS * rise / kelvin_gap(20, 37)

    return energy


def heated(medium):
    return lambda v: math.exp(v(f"chemistry.{medium}.activation") / GAS * kelvin_gap(37, 42))


for medium in MEDIA:
    DERIVED[f"chemistry.{medium}.half_life_37c"] = half_life(medium)
    DERIVED[f"chemistry.{medium}.lost_30min"] = lost_in_half_an_hour(medium)
    DERIVED[f"chemistry.{medium}.activation"] = activation(medium)
CULTURE = "chemistry.culture.half_life_37c"
DERIVED["chemistry.culture.lost_30min"] = lambda v: 100 * (1 - 2 ** (-30 / v(CULTURE)))
DERIVED["chemistry.heat.plasma"] = heated("plasma")
DERIVED["chemistry.heat.saline"] = heated("saline")
DERIVED["chemistry.melphalan.dose_umol"] = ratio(
    "regimen.antwerp-melphalan-45.dose_mg", "chemistry.melphalan.molar_mass", 1000
)

DERIVED["tolerated.limb.arm_per_liter"] = ratio("tolerated.limb.arm_dose", "tolerated.limb.arm_volume")
DERIVED["tolerated.limb.leg_per_liter"] = ratio("tolerated.limb.leg_dose", "tolerated.limb.leg_volume")
DERIVED["tolerated.fixed.left_over_right"] = ratio("segment.supine.right", "segment.supine.left")
DERIVED["tolerated.fixed.circuit_start"] = ratio(
    "regimen.petrov-melphalan-50.dose_mg", "circuit.prime.volume"
)


def in_tissue(side):
    def level(v):
        tissue_ml = v("segment.tissue.both") * v(f"segment.supine.{side}") / 100
        return 1000 * v("regimen.antwerp-melphalan-45.dose_mg") / tissue_ml

    return level


DERIVED["tolerated.fixed.right_tissue"] = in_tissue("right")
DERIVED["tolerated.fixed.left_tissue"] = in_tissue("left")
DERIVED["pharmacology.rat.ratio"] = ratio("pharmacology.rat.lung_perfused", "pharmacology.rat.lung_iv")
DERIVED["pharmacology.rat.cisplatin_ratio"] = ratio(
    "pharmacology.rat.cisplatin_lung_perfused", "pharmacology.rat.cisplatin_lung_iv"
)
DERIVED["pharmacology.dog.doxorubicin_ratio"] = ratio(
    "pharmacology.dog.doxorubicin_lung", "pharmacology.dog.doxorubicin_perfusate"
)


def printed(number):
    """Half a unit of the last digit that is written, and a little for the halves."""
    digits = f"{number:g}".partition(".")[2]
    return 0.51 * 10.0 ** -len(digits)


def in_new_files(tag):
    return sorted(key for key, entry in BOOK.items() if entry.tag == tag and key.split(".")[0] in FACTS)


@pytest.mark.parametrize("key", in_new_files("derived"))
def test_a_derived_entry_follows_from_the_entries_that_its_source_names(key):
    reader, entry = Reader(), BOOK[key]
    assert DERIVED[key](reader) == pytest.approx(entry.value, abs=printed(entry.value))
    named = set(re.findall(r"`([\w.-]+)`", entry.source))
    assert named == reader.read, "the source names what it rests on, and nothing else"


def test_no_formula_is_left_over():
    assert set(DERIVED) == set(in_new_files("derived"))


@pytest.mark.parametrize("key", RATES)
def test_an_interval_of_a_rate_is_wilsons(key):
    events, total = RATES[key]
    low, high = wilson(sum(BOOK[e].value for e in events), BOOK[total].value)
    assert (BOOK[key].low, BOOK[key].high) == (pytest.approx(low, abs=0.051), pytest.approx(high, abs=0.051))


def test_wilson_against_published_intervals():
    assert wilson(8, 53) == (pytest.approx(7.9, abs=0.05), pytest.approx(27.1, abs=0.05))
    assert wilson(3, 3) == (pytest.approx(43.9, abs=0.06), pytest.approx(100, abs=0.05))


# --- Identities between entries, and entries that were there before -------------------------------------


def values(prefix, *names):
    return [BOOK[f"{prefix}.{name}"].value for name in names]


def test_commanders_two_medians_give_the_minutes_of_access_and_of_a_deep_metastasis():
    few, short, many, long = values(
        "staged.commander",
        "simultaneous_metastases",
        "simultaneous_minutes",
        "staged_metastases",
        "staged_minutes",
    )
    per_nodule = (long - short) / (many - few)
    access = (short - few * per_nodule) / 2
    assert (access, per_nodule) == (BOOK["time.access"].value, BOOK["time.nodule.deep"].value)
    # 42 metastases by the straight line: 1,155 minutes; 1,080 were reported with the perfusion.
    assert access + 42 * per_nodule == 1155
    assert BOOK["staged.record.hours"].value * 60 == pytest.approx(1155, rel=0.2)


def test_the_function_lost_at_once_is_near_that_of_the_laser_series_alone():
    (early,) = values("course.laser", "loss_early")
    # Less the tissue's share of a median of three metastases.
    assert BOOK["function.fev1.access"].value == pytest.approx(early - 0.5, abs=1)


def test_the_error_of_dlco_is_that_of_fev1_over_the_reference():
    liters = BOOK["function.reference.fev1_predicted_l"].value
    for name in ("bias", "sd"):
        assert BOOK[f"function.ppo.dlco_{name}"].value == pytest.approx(
            BOOK[f"function.ppo.{name}_ml"].value / (10 * liters), abs=0.05
        )


def test_the_registrys_counts_add_up():
    groups = values("prognosis.irlm", "interval_short", "interval_middle", "interval_long")
    assert sum(groups) == 5206 == BOOK["prognosis.irlm.patients"].value
    assert sum(values("prognosis.irlm", "epithelial", "sarcoma", "germ_cell", "melanoma")) < 5206
    assert BOOK["prognosis.irlm.complete"].value / 5206 == pytest.approx(0.88, abs=0.005)


def test_segments_are_nineteen_and_agree_with_volume_within_four_points():
    assert BOOK["segment.total"].value == 19
    assert sum(values("segment.share", "right", "left")) == pytest.approx(100)
    assert sum(values("segment.share", *RIGHT)) == pytest.approx(BOOK["segment.share.right"].value, abs=0.1)
    for lobe in RIGHT + LEFT:
        by_volume = BOOK[f"anatomy.lobe_share.{lobe}"].value
        assert BOOK[f"segment.share.{lobe}"].value == pytest.approx(by_volume, abs=4)


def test_the_lobes_add_up_to_the_lungs_of_the_same_people():
    for side, lobes in (("right", RIGHT), ("left", LEFT)):
        assert sum(values("anatomy.lobe_share", *lobes)) == pytest.approx(
            BOOK[f"segment.supine.{side}"].value, abs=0.2
        )
    for posture in ("supine", "standing"):
        assert sum(values(f"segment.{posture}", "right", "left")) == pytest.approx(100)


def test_function_predicted_by_segments():
    left = 2.5 * (1 - BOOK["segment.count.RLL"].value / BOOK["segment.total"].value)
    assert left == pytest.approx(1.842, abs=0.001)


def test_half_life_is_the_time_to_lose_a_tenth_times_a_constant():
    assert math.log(2) / math.log(1 / 0.9) == pytest.approx(6.579, abs=0.001)


def test_the_time_at_25_degrees_lies_between_those_at_20_and_37():
    t20, t25, t37 = values("chemistry.saline", "t10_20c", "t10_25c", "t10_37c")
    share = kelvin_gap(20, 25) / kelvin_gap(20, 37)
    assert t20 * (t37 / t20) ** share == pytest.approx(t25, rel=0.05)
    # Glucose does not fit one activation energy; its entry says so.
    t20, t25, t37 = values("chemistry.glucose", "t10_20c", "t10_25c", "t10_37c")
    assert t20 * (t37 / t20) ** share == pytest.approx(0.9, abs=0.05)
    assert t25 < 0.9
    assert "0.9 h" in BOOK["chemistry.glucose.t10_25c"].note


def test_satellites_of_the_fitted_curve_lie_near_the_published_quantiles():
    mean, sd = values("margin.satellite", "log_mean", "log_sd")
    for name, share in (("q68", 0.6827), ("q95", 0.9545), ("q997", 0.9973)):
        fitted = math.exp(mean + sd * NormalDist().inv_cdf(share))
        assert fitted == pytest.approx(BOOK[f"margin.satellite.{name}"].value, rel=0.03)
    assert math.exp(mean + sd**2 / 2) == pytest.approx(1.43, abs=0.01)


def test_schwartz_gives_back_the_doubling_time():
    days = BOOK["growth.slow.five_to_ten_mm"].value
    assert days * math.log(2) / (3 * math.log(10 / 5)) == pytest.approx(BOOK["growth.slow.doubling"].value)


def test_printed_shares_agree_with_their_counts():
    for share, part, whole in (
        ("detection.heaton.more", 56, 161),
        ("detection.heaton.more_viable", 34, 161),
        ("detection.gao.more", 36, 96),
        ("margin.local.recurrence", 12, 65),
        ("perfused.petrov.alive", 53, 74),
        ("perfused.petrov.progression", 43, 74),
        ("perfused.petrov.perfused_lung", 30, 74),
        ("toxicity.petrov.anemia", 10, 53),
        ("toxicity.petrov.nausea", 4, 53),
        ("toxicity.petrov.fibrillation", 2, 53),
        ("toxicity.petrov.bleeding", 1, 53),
        ("complication.erlangen.death", 2, 281),
    ):
        assert BOOK[share].value == pytest.approx(100 * part / whole, abs=0.06), share


def test_burden_classes_cover_all_patients():
    classes = values("burden.nodules", "below_10", "from_10_to_50", "above_50")
    assert sum(classes) == pytest.approx(100, abs=0.2)


def test_order_of_loss_and_order_of_edema():
    small, middle, large = (
        BOOK[f"course.kind.{kind}_fev1_month3"].value for kind in ("enucleation", "wedge", "lobectomy")
    )
    assert small < middle < large
    assert BOOK["toxicity.edema42.rate"].low > BOOK["toxicity.edema37.rate"].high


# --- Form -----------------------------------------------------------------------------------------------


def test_ids_are_unique_over_all_files():
    count = 0
    for file in files("clearlung.evidence").iterdir():
        if file.name.endswith(".toml"):
            count += len(parse_evidence(file.read_text(encoding="utf-8"), file.name.removesuffix(".toml")))
    assert count == len(BOOK)


def test_no_number_is_written_down_twice():
    seen = {}
    for key, entry in BOOK.items():
        if key.split(".")[0] in FACTS:
            assert seen.setdefault((entry.title, entry.source), key) == key


def test_units_are_spelled_one_way():
    assert {key: entry.unit for key, entry in BOOK.items() if entry.unit not in UNITS} == {}


def test_published_entries_say_how_many_and_rest_on_no_memory():
    for key, entry in BOOK.items():
        if entry.tag == "published":
            assert entry.n, key
            assert not re.search("from memory|no source was found", entry.source, re.IGNORECASE), key


def test_facts_say_why_they_are_assumed_and_what_kind_their_interval_is():
    for key, entry in BOOK.items():
        if key.split(".")[0] in FACTS:
            if entry.tag == "assumed":
                assert re.search("no source was found", entry.source, re.IGNORECASE), key
            if entry.tag == "derived":
                assert "`" in entry.source, key
            if entry.low is not None or entry.high is not None:
                assert entry.note or "Wilson" in entry.source, key


def test_a_number_that_rests_on_an_assumed_one_says_so():
    for key in in_new_files("derived"):
        reader = Reader()
        DERIVED[key](reader)
        if any(BOOK[name].tag == "assumed" for name in reader.read):
            assert "assumed" in (BOOK[key].note or ""), key


def test_animals_and_limbs_are_named_where_they_could_be_taken_for_a_persons_lung():
    for key, entry in BOOK.items():
        name = key.split(".")[1]
        if key.startswith("pharmacology.") and re.match("rat|dog|pig|limb|liver", name):
            assert re.search("rat|dog|pig|limb|liver", entry.note, re.IGNORECASE), key
        if re.search(r", (rat|dog|pig)\b", entry.title):
            assert re.search("rat|dog|pig", entry.note, re.IGNORECASE), key
