"""How each condition of the lungs is told from a scan and its anatomy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.ndimage import uniform_filter

from clearlung.anatomy.missing import least_share_percent, share_percent, usual_share_percent
from clearlung.anatomy.survey import Survey
from clearlung.anatomy.types import LOBE_LABELS, LOBE_SIDES, LOBES, LUNG_LABELS, SIDES, Condition
from clearlung.evidence import load_evidence

# The emphysema cut-off was set on slices of about a millimeter.
THIN_SLICE_MM = 1.5
# Airless lung is soft tissue; fat and lung that is half full of air are below.
DENSE_HU = (-50.0, 250.0)
# Vessels and bronchi at the hilum are thinner than twice this.
DENSE_RADIUS_MM = 9.0
# Gas is -1000 HU; averaged over a few voxels even the thinnest emphysema has walls in it.
GAS_BELOW_HU = -982.0
GAS_RADIUS_MM = 5.0
# Fissures that are mostly bridged say nothing about their place.
SEEN_SHARE = 0.4


def _limit(name: str, unit: str) -> float:
    return load_evidence().value(f"condition.{name}", unit=unit)


def look_at_volumes(survey: Survey) -> list[Condition]:
    """One lung only, or one that is smaller than healthy ones are."""
    for side in SIDES:
        share = share_percent(survey.lung_ml, side)
        if share < _limit("one_lung_share", "%"):
            return [
                Condition(
                    "one_lung",
                    f"No {side} lung with air in it: removed, never formed, or opaque.",
                    side=side,
                    value=round(survey.lung_ml[side], 1),
                    unit="ml",
                    missing=f"lobes, depths and nodules of the {side} lung",
                )
            ]
        if share < least_share_percent(side) and not survey.cuts[side]:
            usual, _ = usual_share_percent(side)
            return [
                Condition(
                    "small_lung",
                    f"The {side} lung is {share:.0f} % of both; {usual:.0f} % is usual.",
                    side=side,
                    value=round(share, 1),
                    unit="%",
                )
            ]
    return []


def look_for_lobectomy(survey: Survey) -> list[Condition]:
    """Lobes that an earlier operation took."""
    return [
        Condition(
            "earlier_lobectomy",
            f"The {each.lobe} seems to have been removed: {', '.join(each.signs)}.",
            side=each.side,
            lobes=(each.lobe,),
            missing=f"volume and borders of the {each.lobe}",
        )
        for each in survey.missing_lobes
    ]


def look_for_staples(survey: Survey) -> list[Condition]:
    """Staple lines by lung."""
    found = []
    for side in SIDES:
        lines = [line for line in survey.staple_lines if line.label == LUNG_LABELS[side]]
        if lines:
            lobes = survey.lobes_at([line.center for line in lines])
            where = f" ({', '.join(lobes)})" if lobes else ""
            lengths = ", ".join(f"{line.length_mm:.0f}" for line in lines)
            count = "A staple line" if len(lines) == 1 else f"{len(lines)} staple lines"
            text = f"{count} in the {side} lung{where}, {lengths} mm long."
            found.append(
                Condition("staple_line", text, side=side, lobes=lobes, value=float(len(lines)), unit="1")
            )
    return found


def look_at_fissures(survey: Survey) -> list[Condition]:
    """Lobes whose share of the lungs is far from the published one, where their fissures were seen."""
    if survey.lobes is None:
        return []
    counts = np.bincount(survey.lobes.ravel(), minlength=max(LOBE_LABELS.values()) + 1)
    seen = {lobe for fissure in survey.fissures if fissure.seen_share >= SEEN_SHARE for lobe in fissure.lobes}
    found = []
    for side in SIDES:
        own = [lobe for lobe in LOBES if LOBE_SIDES[lobe] == side]
        total = float(sum(counts[LOBE_LABELS[lobe]] for lobe in own))
        entries = {lobe: load_evidence()[f"anatomy.lobe_share.{lobe}"] for lobe in own}
        whole = sum(entry.value for entry in entries.values())
        if total == 0 or survey.cuts[side] or any(each.side == side for each in survey.missing_lobes):
            continue
        for lobe, entry in entries.items():
            share = 100.0 * counts[LOBE_LABELS[lobe]] / total
            usual = 100.0 * entry.value / whole
            sd = 100.0 * ((entry.high or entry.value) - entry.value) / whole
            if lobe in seen and abs(share - usual) > _limit("lobe_share_sd", "1") * sd:
                text = f"The {lobe} has {share:.0f} % of the {side} lung; {usual:.0f} % is usual."
                value = round(share, 1)
                found.append(
                    Condition("shifted_fissure", text, side=side, lobes=(lobe,), value=value, unit="%")
                )
    return found


def look_for_fluid(survey: Survey) -> list[Condition]:
    """Pleural effusion by side."""
    if survey.beside is None:
        return []
    found = []
    for side in SIDES:
        fluid_ml = survey.beside.fluid_ml[side]
        if fluid_ml >= _limit("effusion_least", "ml"):
            text = f"At least {fluid_ml:.0f} ml of fluid behind the {side} lung."
            missing = f"nodules in the part of the {side} lung that the fluid compresses"
            found.append(Condition("effusion", text, side, value=round(fluid_ml), unit="ml", missing=missing))
    return found


def look_for_emphysema(survey: Survey) -> list[Condition]:
    """Share below the published cut-off, on means of about 2 mm, which noise changes little."""
    below = load_evidence().value("anatomy.emphysema_below", unit="HU")
    found = []
    for side in SIDES:
        values = survey.coarse_hu[survey.coarse_lungs[side]]
        share = 100.0 * float(np.mean(values < below)) if values.size else 0.0
        if share > _limit("emphysema_share", "%"):
            thick = max(survey.spacing_mm)
            caveat = ""
            if thick > THIN_SLICE_MM:
                caveat = f" The cut-off is for thin slices; these are {thick:.3g} mm apart."
            text = f"{share:.0f} % of the {side} lung are below {below:.0f} HU: emphysema.{caveat}"
            found.append(Condition("emphysema", text, side=side, value=round(share, 1), unit="%"))
    return found


def look_for_dense_lung(survey: Survey) -> list[Condition]:
    """Airless lung and masses, by lung."""
    soft = (survey.coarse_hu > DENSE_HU[0]) & (survey.coarse_hu < DENSE_HU[1])
    found = []
    for side in SIDES:
        pieces_ml = survey.thick_pieces_ml(soft & survey.coarse_lungs[side], DENSE_RADIUS_MM)
        dense_ml = sum(ml for ml in pieces_ml if ml >= _limit("dense_least", "ml"))
        if dense_ml > 0:
            text = f"{dense_ml:.0f} ml of the {side} lung hold no air: consolidation, collapse or a mass."
            missing = f"nodules within the airless part of the {side} lung"
            value = round(dense_ml)
            found.append(Condition("dense_lung", text, side=side, value=value, unit="ml", missing=missing))
    return found


def look_for_gas(survey: Survey) -> list[Condition]:
    """Pneumothorax and large bullae, which hold no tissue at all."""
    mean = uniform_filter(survey.coarse_hu.astype(np.float32), 3)
    found = []
    for side in SIDES:
        gas = (mean < GAS_BELOW_HU) & survey.coarse_lungs[side]
        if survey.airways is not None:
            gas &= ~survey.on_coarse(survey.airways)
        gas_ml = sum(
            ml for ml in survey.thick_pieces_ml(gas, GAS_RADIUS_MM) if ml >= _limit("gas_least", "ml")
        )
        if gas_ml > 0:
            text = f"{gas_ml:.0f} ml of gas without lung tissue on the {side}: a pneumothorax or a bulla."
            missing = f"depths below the pleura near the gas on the {side}"
            found.append(Condition("gas", text, side=side, value=round(gas_ml), unit="ml", missing=missing))
    return found


def look_at_edges(survey: Survey) -> list[Condition]:
    """Lungs that the scan does not show whole."""
    found = []
    for side in SIDES:
        for cut in survey.cuts[side]:
            text = (
                f"The scan cuts the {side} lung off {cut.where}: {cut.area_cm2:.0f} cm² there, "
                f"{100 * cut.share:.0f} % of its largest section."
            )
            missing = f"nodules, depths and volume of the {side} lung beyond the scan's edge"
            value = round(cut.area_cm2, 1)
            found.append(Condition("cut_off", text, side=side, value=value, unit="cm2", missing=missing))
    return found


def look_at_breath(survey: Survey) -> list[Condition]:
    """Lungs denser than at inspiration."""
    values = survey.coarse_hu[survey.coarse_lungs["right"] | survey.coarse_lungs["left"]]
    if not values.size:
        return []
    median = float(np.median(values))
    if median <= _limit("expiratory_above", "HU"):
        return []
    text = f"Half of the lungs are denser than {median:.0f} HU: not scanned at full inspiration."
    return [Condition("expiratory", text, value=round(median), unit="HU", missing="emphysema")]


def look_for_airways(survey: Survey) -> list[Condition]:
    """Airways that were sought and not found."""
    if survey.airways is None or survey.airways.any():
        return []
    text = "No trachea was found: the scan may begin below it, or a tube or secretion may hide it."
    return [Condition("no_airways", text, missing="airways, and what is told from them")]


LOOKS: tuple[Callable[[Survey], list[Condition]], ...] = (
    look_at_volumes,
    look_for_lobectomy,
    look_for_staples,
    look_at_fissures,
    look_for_fluid,
    look_for_emphysema,
    look_for_dense_lung,
    look_for_gas,
    look_at_edges,
    look_at_breath,
    look_for_airways,
)
