"""What is connected to what in a perfusion: volumes, flows, and how they change from phase to phase."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from clearlung.anatomy import Lobe
from clearlung.errors import PerfusionError
from clearlung.evidence import EvidenceBook
from clearlung.perfusion.chemistry import hydrolysis
from clearlung.perfusion.compartments import FloatArray, Flows
from clearlung.perfusion.kinetics import Asked, Kinetics, kinetics_of
from clearlung.perfusion.lungs import LungVolumes
from clearlung.perfusion.regimen import Regimen
from clearlung.perfusion.target import TARGETS

ML_PER_L = 1000.0

# Of a sphere in even surroundings: the rate whose straight-line exchange has the sphere's own mean time.
_SPHERE = 15.0

# Nodules that follow faster than within 6 s are taken to follow in that time: no level changes as fast.
_FASTEST_NODULE_PER_MIN = 10.0


@dataclass(frozen=True)
class PatientFactors:
    """How one patient differs from a typical one: factors, 1 is typical.

    Parameters
    ----------
    circuit_volume
        On the volume that the drug is first dissolved in.
    lung_volume
        On the tissue and blood of every perfused lobe.
    uptake
        On what lung takes up from the perfusate at equilibrium.
    tumor_uptake
        On what tumor takes up from the lung around it.
    leak
        On the leak into the body.
    hydrolysis
        On the rate at which the drug falls apart.
    body_volume
        On the volume of the body's first compartment.

    Raises
    ------
    PerfusionError
        If a factor is negative or not finite, or one on a volume is 0.
    """

    circuit_volume: float = 1.0
    lung_volume: float = 1.0
    uptake: float = 1.0
    tumor_uptake: float = 1.0
    leak: float = 1.0
    hydrolysis: float = 1.0
    body_volume: float = 1.0

    def __post_init__(self) -> None:
        for name, factor in vars(self).items():
            if not 0 <= factor < math.inf or (factor == 0 and name.endswith("_volume")):
                raise PerfusionError(f"patient.{name}", f"{factor:g} is no factor: 1 is typical")


TYPICAL = PatientFactors()
"""The patient that the evidence's values describe."""


@dataclass(frozen=True)
class Places:
    """Where each compartment lies among the amounts: its index, or those of each lobe or nodule."""

    circuit: int
    washed_out: int
    hydrolyzed: int
    body: int
    body_second: int
    eliminated: int
    vessels: range
    water: range
    bound: range
    nodules: range

    @classmethod
    def of(cls, lobes: int, nodules: int) -> Places:
        """Return the places for so many lobes and nodules."""
        ends = [6, 6 + lobes, 6 + 2 * lobes, 6 + 3 * lobes, 6 + 3 * lobes + nodules]
        return cls(0, 1, 2, 3, 4, 5, *(range(a, b) for a, b in pairwise(ends)))

    @property
    def count(self) -> int:
        """How many compartments there are."""
        return self.nodules.stop


@dataclass(frozen=True, eq=False)
class Setup:
    """One perfusion as volumes (ml), flows (ml/min) and rates (1/min); arrays by lobe or by nodule."""

    dose_mg: float
    perfusion_minutes: float
    washout_minutes: float
    follow_up_minutes: float
    circuit_ml: float
    flow_ml_per_min: float
    leak_ml_per_min: float
    washout_ml_per_min: float
    lobes: tuple[Lobe, ...]
    vessels_ml: FloatArray
    water_ml: FloatArray
    tissue_ml: FloatArray
    blood_flow_ml_per_min: FloatArray
    nodule_ml: FloatArray
    nodule_follows_per_min: FloatArray
    nodule_over_lung: float
    uptake: float
    free_in_perfusate: float
    hydrolysis_perfused_per_min: float
    hydrolysis_after_per_min: float
    kinetics: Kinetics
    places: Places
    evidence: tuple[str, ...]
    doubts: tuple[str, ...] = ()

    @property
    def lobe_shares(self) -> FloatArray:
        """Share of each lobe in what is perfused, by tissue: it gets this share of every flow."""
        return np.asarray(self.tissue_ml / self.tissue_ml.sum())

    def perfusing(self) -> Flows:
        """Return the flows of the perfusion: round through the circuit, with the leak."""
        flows = Flows()
        at, share = self.places, self.lobe_shares
        for j, vessels in enumerate(at.vessels):
            clearance = self.flow_ml_per_min * share[j]
            flows.exchange(at.circuit, vessels, clearance, self.circuit_ml, self.vessels_ml[j])
            flows.add(vessels, at.body, self.leak_ml_per_min * share[j] / self.vessels_ml[j])
        flows.add(at.circuit, at.hydrolyzed, self.hydrolysis_perfused_per_min)
        self._add_lung(flows, self.free_in_perfusate, self.hydrolysis_perfused_per_min)
        self._add_body(flows)
        return flows

    def washing_out(self) -> Flows:
        """Return the flows of the washout: fresh fluid once through the lung; the circuit is shut off."""
        flows = Flows()
        at, share = self.places, self.lobe_shares
        for j, vessels in enumerate(at.vessels):
            flows.add(vessels, at.washed_out, self.washout_ml_per_min * share[j] / self.vessels_ml[j])
            flows.add(vessels, at.body, self.leak_ml_per_min * share[j] / self.vessels_ml[j])
        self._add_lung(flows, self.free_in_perfusate, self.hydrolysis_after_per_min)
        self._add_body(flows)
        return flows

    def reconnected(self) -> Flows:
        """Return the flows once blood runs through the lung again: what is left in it goes to the body."""
        flows = Flows()
        at, body_ml = self.places, self.kinetics.body.volume_l * ML_PER_L
        for j, vessels in enumerate(at.vessels):
            flows.exchange(vessels, at.body, self.blood_flow_ml_per_min[j], self.vessels_ml[j], body_ml)
        self._add_lung(flows, self.kinetics.free_in_plasma, self.hydrolysis_after_per_min)
        self._add_body(flows)
        return flows

    def _add_lung(self, flows: Flows, free: float, hydrolysis_per_min: float) -> None:
        """Add vessels to lung water and back, binding, nodules, and hydrolysis of what is not bound."""
        drug, at, share = self.kinetics, self.places, self.lobe_shares
        for j, (vessels, water, bound) in enumerate(zip(at.vessels, at.water, at.bound, strict=True)):
            follows = drug.exchange_per_min
            inward = follows * self.water_ml[j] / self.vessels_ml[j] * free * self.uptake
            flows.add(vessels, water, inward, drug.saturates_mg_per_l * self.vessels_ml[j] / ML_PER_L)
            flows.add(water, vessels, follows)
            flows.add(water, bound, drug.release_per_min * drug.bound_over_free)
            flows.add(bound, water, drug.release_per_min)
            for i, nodule in enumerate(at.nodules):
                own = self.nodule_follows_per_min[i] * share[j]
                flows.add(water, nodule, own * self.nodule_over_lung * self.nodule_ml[i] / self.water_ml[j])
                flows.add(nodule, water, own)
        for place in (*at.vessels, *at.water, *at.nodules):
            flows.add(place, at.hydrolyzed, hydrolysis_per_min)

    def _add_body(self, flows: Flows) -> None:
        body, at = self.kinetics.body, self.places
        flows.add(at.body, at.body_second, body.outward_per_min)
        flows.add(at.body_second, at.body, body.inward_per_min)
        flows.add(at.body, at.eliminated, body.elimination_per_min)


def set_up(
    regimen: Regimen,
    lungs: LungVolumes,
    book: EvidenceBook,
    nodule_diameters_mm: Sequence[float] = (),
    patient: PatientFactors = TYPICAL,
) -> Setup:
    """Return the volumes, flows and rates of one perfusion.

    Every flow is shared among the lobes by their tissue. A nodule of each diameter lies in the perfused lung,
    in each lobe by the same share. It takes up drug from the lung around it over its own vessels, at one rate
    for all sizes, and by diffusion through its surface: 15 D / r^2 is the rate of straight-line exchange
    whose mean time is that of a sphere's series [1]_, so that the area under the curve of its mean level is
    right for surroundings that change slowly, and its first minutes are too slow.

    Raises
    ------
    PerfusionError
        If none of the target's lobes is there, or one has no tissue.
    EvidenceError
        If an assumption was set to a value that nothing can run on.

    References
    ----------
    .. [1] Glueckauf E, Trans Faraday Soc 1955;51:1540.
    """
    asked = Asked(book)
    target = lungs.of(TARGETS[regimen.target])
    for lobe in target:
        if not lobe.tissue_ml > 0:
            raise PerfusionError("target", f"{lobe.lobe} has {lobe.tissue_ml:g} ml of tissue")
    drug, falls_apart = kinetics_of(regimen.drug, book), hydrolysis(regimen.drug, regimen.medium, book)
    if patient.body_volume != 1:
        drug = _with_body_volume(drug, patient.body_volume)
    tissue_ml = patient.lung_volume * np.array([lobe.tissue_ml for lobe in target])
    vessels_ml = asked.share("kinetics.lung.vascular_share") * tissue_ml
    # Of all lobes, perfused or not: the blood that runs through these after reconnection.
    all_tissue_ml = patient.lung_volume * sum(lobe.tissue_ml for lobe in lungs.lobes)
    blood_ml_per_min = asked.value("kinetics.lung.blood_flow", "l/min") * ML_PER_L
    radius_mm = np.asarray(nodule_diameters_mm, dtype=np.float64) / 2
    follows_per_min = _SPHERE * asked.value("kinetics.tumor.diffusion", "mm2/min") / radius_mm**2
    follows_per_min += math.log(2) / asked.positive("kinetics.tumor.vessel_half_time", "min")
    return Setup(
        dose_mg=regimen.dose_mg,
        perfusion_minutes=regimen.minutes,
        washout_minutes=regimen.washout_minutes,
        follow_up_minutes=60 * asked.value("kinetics.follow_up", "h"),
        circuit_ml=regimen.prime_ml * patient.circuit_volume,
        flow_ml_per_min=regimen.flow_l_per_min * ML_PER_L,
        leak_ml_per_min=patient.leak * asked.value("kinetics.leak", "%/min") / 100 * regimen.prime_ml,
        washout_ml_per_min=regimen.washout_ml / regimen.washout_minutes if regimen.washout_minutes else 0.0,
        lobes=tuple(lobe.lobe for lobe in target),
        vessels_ml=vessels_ml,
        water_ml=asked.share("kinetics.lung.water_share") * (tissue_ml - vessels_ml),
        tissue_ml=tissue_ml - vessels_ml,
        blood_flow_ml_per_min=blood_ml_per_min * tissue_ml / all_tissue_ml,
        nodule_ml=4 / 3 * math.pi * radius_mm**3 / ML_PER_L,
        nodule_follows_per_min=np.minimum(follows_per_min, _FASTEST_NODULE_PER_MIN),
        nodule_over_lung=asked.value("kinetics.tumor.over_lung", "1") * patient.tumor_uptake,
        uptake=patient.uptake,
        free_in_perfusate=drug.free_in_plasma if regimen.medium == "plasma" else 1.0,
        hydrolysis_perfused_per_min=patient.hydrolysis * falls_apart.rate_per_min(regimen.temperature_c),
        hydrolysis_after_per_min=patient.hydrolysis
        * falls_apart.rate_per_min(asked.value("kinetics.body_temperature", "degC")),
        kinetics=drug,
        places=Places.of(len(target), len(radius_mm)),
        evidence=(*falls_apart.evidence, *drug.evidence, *asked.ids),
        doubts=(falls_apart.doubt,) if falls_apart.doubt else (),
    )


def _with_body_volume(drug: Kinetics, factor: float) -> Kinetics:
    return replace(drug, body=replace(drug.body, volume_l=drug.body.volume_l * factor))
