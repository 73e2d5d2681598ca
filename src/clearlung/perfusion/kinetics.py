"""How a drug passes between perfusate, lung and body; nearly all of it assumed, each with its evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass

from clearlung.evidence import EvidenceBook
from clearlung.perfusion.registry import Drug


@dataclass(frozen=True)
class Body:
    """Two compartments that a drug in the blood spreads to and leaves from.

    Parameters
    ----------
    volume_l
        Volume of the first compartment, which the blood belongs to.
    outward_per_min, inward_per_min
        Rates from the first to the second compartment and back, 1/min.
    elimination_per_min
        Rate at which it leaves the first for good, by hydrolysis as well, 1/min.
    """

    volume_l: float
    outward_per_min: float
    inward_per_min: float
    elimination_per_min: float

    @classmethod
    def of(cls, volume_l: float, alpha_min: float, beta_min: float, slow_share: float) -> Body:
        """Return the body whose level after an injection falls with two half-lives.

        Parameters
        ----------
        volume_l
            Volume of the first compartment.
        alpha_min, beta_min
            The first and second half-life, minutes.
        slow_share
            Share of the second one in the course of the level, 0 to 1.
        """
        alpha, beta = math.log(2) / alpha_min, math.log(2) / beta_min
        inward = (1 - slow_share) * beta + slow_share * alpha
        elimination = alpha * beta / inward
        return cls(volume_l, alpha + beta - inward - elimination, inward, elimination)


@dataclass(frozen=True)
class Kinetics:
    """How one drug moves.

    Parameters
    ----------
    exchange_per_min
        Rate at which lung water follows free drug in its vessels, 1/min.
    bound_over_free
        Bound over free drug in lung at equilibrium.
    release_per_min
        Rate at which bound drug comes free, 1/min.
    free_in_plasma
        Share of the drug in plasma that is not bound to protein.
    saturates_mg_per_l
        Level in the vessels at which uptake into lung water is half of what it would be; infinite if linear.
    body
        The body.
    evidence
        Ids of the entries that it rests on.
    """

    exchange_per_min: float
    bound_over_free: float
    release_per_min: float
    free_in_plasma: float
    saturates_mg_per_l: float
    body: Body
    evidence: tuple[str, ...]


def kinetics_of(drug: Drug, book: EvidenceBook) -> Kinetics:
    """Return how a drug moves in a person.

    The two half-lives of intravenous melphalan are published; that uptake of doxorubicin into lung saturates
    above 20 nmol/ml is, too [1]_. The rest is assumed.

    References
    ----------
    .. [1] Minchin RF et al., 1984.
    """
    asked: list[str] = []

    def value(key: str, unit: str) -> float:
        asked.append(key)
        return book.value(key, unit=unit)

    own = f"kinetics.{drug}"
    intravenous = "pharmacology.iv" if drug == "melphalan" else own
    bound = "chemistry.protein.bound" if drug == "melphalan" else f"{own}.bound"
    saturates = math.inf
    if drug == "doxorubicin":
        nmol_per_ml = value("pharmacology.uptake.saturates", "nmol/ml")
        saturates = nmol_per_ml * value(f"{own}.molar_mass", "g/mol") / 1000
    body = Body.of(
        value(f"{own}.body_volume", "l"),
        value(f"{intravenous}.half_life_alpha", "min"),
        value(f"{intravenous}.half_life_beta", "min"),
        value(f"{own}.slow_share", "1"),
    )
    return Kinetics(
        exchange_per_min=math.log(2) / value(f"{own}.exchange_half_time", "min"),
        bound_over_free=value(f"{own}.bound_over_free", "1"),
        release_per_min=math.log(2) / value(f"{own}.release_half_time", "min"),
        free_in_plasma=1 - value(bound, "%") / 100,
        saturates_mg_per_l=saturates,
        body=body,
        evidence=tuple(asked),
    )
