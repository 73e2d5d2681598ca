"""`weigh_perfusions`: what perfusing each lung, or lobes of it, would spare, and what it may cost."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from clearlung.anatomy import LOBE_SIDES, SIDES
from clearlung.evidence import EvidenceBook
from clearlung.perfusion.benefit import WORTH_EVIDENCE, Benefit, Floats, LungBenefit, Worth
from clearlung.perfusion.course import Course, perfuse
from clearlung.perfusion.effect import sterilized
from clearlung.perfusion.exposure import tumor_exposure
from clearlung.perfusion.harm import perfusion_harm
from clearlung.perfusion.lungs import LungVolumes
from clearlung.perfusion.occult import OccultBurden
from clearlung.perfusion.regimen import Regimen, aimed_at
from clearlung.perfusion.sensitivity_prior import EFFECT_EVIDENCE
from clearlung.perfusion.target import TARGETS

# Sizes between which chances are read; below and above them nothing changes any more.
_TABLE_MM, _TABLE_POINTS = (0.02, 60.0), 81


def weigh_perfusions(
    burden: OccultBurden,
    regimen: Regimen | None,
    lungs: LungVolumes,
    book: EvidenceBook,
    *,
    body_surface_m2: float | None = None,
    weeks_since_ct: float = 0.0,
    targets: Collection[str] = (),
    dose_by_share: bool = False,
) -> Benefit:
    """Return what perfusing each lung would spare, as a whole or some lobes of it, and what it may cost.

    Parameters
    ----------
    burden
        What the CT does not show; its draws are the imagined patients.
    regimen
        The perfusion, at the same dose for either lung; None where no lung is perfused, and only the hand
        finds what is unseen.
    lungs
        The patient's volumes, or the reference ones.
    book
        The evidence, with the protocol's own assumptions.
    body_surface_m2
        For drugs whose risk goes by it.
    weeks_since_ct
        Weeks from the CT to week 0.
    targets
        Names of what is perfused besides whole lungs, as far as it is there.
    dose_by_share
        Whether lobes get their share of the lung's dose by volume, and not all of it.

    Raises
    ------
    CaseError, PerfusionError
        As for :func:`~clearlung.perfusion.edema_risk`.

    Examples
    --------
    >>> from clearlung.evidence import load_evidence
    >>> from clearlung.perfusion import Seen, detection_curve, make_regimen, occult_burden, reference_lungs
    >>> book = load_evidence()
    >>> seen = Seen.listed([3.5, 4.0, 6.0, 9.0] * 5, ["RUL", "LLL"] * 10)
    >>> burden = occult_burden(seen, detection_curve("reader", book), book, draws=200)
    >>> regimen = make_regimen("petrov-melphalan-50", book)
    >>> left = weigh_perfusions(burden, regimen, reference_lungs(book), book).lungs["left"]
    >>> bool(left.spared(6, [6]).mean() > 0)
    True
    """
    evidence: list[str] = [*burden.evidence]
    table = np.geomspace(*_TABLE_MM, _TABLE_POINTS)
    felt = burden.felt(table)

    def part(name: str) -> LungBenefit:
        if regimen is None:
            none = np.zeros(burden.draws)
            effect = _Effect(np.zeros((burden.draws, len(table))), none, none, ())
        else:
            own = aimed_at(regimen, name, lungs if dose_by_share else None)
            effect = _effect(own, table, burden, lungs, book, body_surface_m2)
        evidence.extend(effect.evidence)
        rows = [row for row, lobe in enumerate(burden.lobes) if lobe in TARGETS[name].lobes]
        return LungBenefit(
            side=TARGETS[name].side,
            diameters_mm=burden.diameters_mm,
            unseen=burden.by_size[:, rows].sum(axis=1),
            growth_per_day=burden.growth_per_day,
            table_mm=table,
            felt=felt,
            sterilized=effect.sterilized,
            edema=effect.edema,
            death=effect.death,
            weeks_since_ct=weeks_since_ct,
        )

    there = {lobe.lobe for lobe in lungs.lobes}
    found = {side: part(side) for side in SIDES if any(LOBE_SIDES[lobe] == side for lobe in there)}
    lobar = [name for name in dict.fromkeys(targets) if name not in SIDES]
    parts = {name: part(name) for name in lobar if there.intersection(TARGETS[name].lobes)}
    lobes = {
        lobe: found[LOBE_SIDES[lobe]].changed(unseen=burden.by_size[:, row])
        for row, lobe in enumerate(burden.lobes)
    }
    return Benefit(found, Worth.of(book), tuple(dict.fromkeys(evidence)), lobes, parts)


def sterilized_by(
    course: Course, diameters_mm: Floats, burden: OccultBurden, lungs: LungVolumes, book: EvidenceBook
) -> Floats:
    """Return the chance that a perfusion leaves no clonogenic cell of a metastasis, in each imagined patient.

    Parameters
    ----------
    course
        Of the drug in that perfusion.
    diameters_mm
        Sizes, shape (sizes,).
    burden
        Whose draws are the imagined patients.
    lungs, book
        The patient's lungs and the evidence.

    Returns
    -------
    array
        Shape (draws, sizes).

    Raises
    ------
    PerfusionError
        As for :func:`~clearlung.perfusion.sterilized`.
    """
    regimen, draws, seed = course.regimen, burden.draws, burden.seed
    exposure = tumor_exposure(course, lungs, book, draws=draws, seed=seed)
    temperature_c = regimen.temperature_c
    return sterilized(diameters_mm, exposure, book, drug=regimen.drug, temperature_c=temperature_c, seed=seed)


class _Effect(NamedTuple):
    """What perfusing one target does, as in :class:`LungBenefit`, and what that rests on."""

    sterilized: Floats
    edema: Floats
    death: Floats
    evidence: tuple[str, ...]


def _effect(
    own: Regimen,
    table_mm: Floats,
    burden: OccultBurden,
    lungs: LungVolumes,
    book: EvidenceBook,
    body_surface_m2: float | None,
) -> _Effect:
    draws, seed = burden.draws, burden.seed
    course = perfuse(own, lungs, book)
    harm = perfusion_harm(own, lungs, book, body_surface_m2=body_surface_m2, draws=draws, seed=seed)
    chance = sterilized_by(course, table_mm, burden, lungs, book)
    evidence = (*own.evidence, *course.evidence, *harm.evidence, *EFFECT_EVIDENCE, *WORTH_EVIDENCE)
    return _Effect(chance, harm.edema.draws, harm.death.draws, evidence)
