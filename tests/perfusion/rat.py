"""A rat's left lung for the one comparison that people do not offer: perfused against intravenous."""

from dataclasses import replace

import numpy as np

from clearlung.perfusion.chemistry import hydrolysis
from clearlung.perfusion.circuit import Places, Setup
from clearlung.perfusion.compartments import Flows, run
from clearlung.perfusion.kinetics import Body, kinetics_of


def rat_setup(book, **changes):
    """The rat's circuit, lung and body; how drug passes into lung is as in people, which is assumed."""

    def value(name, unit):
        return book.value(f"kinetics.rat.{name}", unit=unit)

    human = kinetics_of("melphalan", book)
    body = Body.of(
        value("body_volume", "l"), 7.7, 108.0, book.value("kinetics.melphalan.slow_share", unit="1")
    )
    drug = replace(human, body=body, free_in_plasma=value("free_in_plasma", "%") / 100)
    tissue = np.array([value("lung_tissue", "ml")])
    vessels = book.value("kinetics.lung.vascular_share", unit="1") * tissue
    flow = 1000 * value("flow", "l/min")
    warm = hydrolysis("melphalan", "saline", book).rate_per_min(37)
    return replace(
        Setup(
            dose_mg=value("dose", "mg"),
            perfusion_minutes=value("minutes", "min"),
            washout_minutes=value("washout_minutes", "min"),
            follow_up_minutes=60.0,
            circuit_ml=value("perfusate", "ml"),
            flow_ml_per_min=flow,
            leak_ml_per_min=0.0,
            washout_ml_per_min=flow,
            lobes=("LUL",),
            vessels_ml=vessels,
            water_ml=book.value("kinetics.lung.water_share", unit="1") * (tissue - vessels),
            tissue_ml=tissue - vessels,
            # Nearly a third of a rat's 60 to 100 ml/min.
            blood_flow_ml_per_min=np.array([25.0]),
            nodule_ml=np.zeros(0),
            nodule_follows_per_min=np.zeros(0),
            nodule_over_lung=1.0,
            uptake=1.0,
            free_in_perfusate=1.0,
            hydrolysis_perfused_per_min=warm,
            hydrolysis_after_per_min=warm,
            kinetics=drug,
            places=Places.of(1, 0),
            evidence=(),
        ),
        **changes,
    )


def level_in_series(setup, places):
    """Level in the lung's tissue at the end of a single pass through so many stirred places in a row, mg/l.

    Many places are vessels that fluid travels through; one is the well-stirred lung of the model. Nothing
    runs back into the reservoir.
    """
    drug, flow = setup.kinetics, setup.flow_ml_per_min
    vessels_ml, water_ml = setup.vessels_ml[0] / places, setup.water_ml[0] / places
    inward = drug.exchange_per_min * water_ml / vessels_ml * setup.free_in_perfusate * setup.uptake
    reservoir, drained, hydrolyzed = range(3)
    flows = Flows()
    flows.add(reservoir, hydrolyzed, setup.hydrolysis_perfused_per_min)
    before, before_ml, lung = reservoir, setup.circuit_ml, []
    for vessels in range(3, 3 + 3 * places, 3):
        water, bound = vessels + 1, vessels + 2
        flows.add(before, vessels, flow / before_ml)
        flows.add(vessels, water, inward)
        flows.add(water, vessels, drug.exchange_per_min)
        flows.add(water, bound, drug.release_per_min * drug.bound_over_free)
        flows.add(bound, water, drug.release_per_min)
        for place in (vessels, water):
            flows.add(place, hydrolyzed, setup.hydrolysis_perfused_per_min)
        before, before_ml, lung = vessels, vessels_ml, [*lung, water, bound]
    flows.add(before, drained, flow / before_ml)
    start = np.zeros(3 + 3 * places)
    start[reservoir] = setup.dose_mg
    end = run(start, flows, setup.perfusion_minutes, 1.0).amounts_mg[-1]
    return 1000 * end[lung].sum() / setup.tissue_ml[0]
