"""How a drug passes between perfusate, lung and body; nearly all of it assumed, each with its evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass

from clearlung.errors import EvidenceError
from clearlung.evidence import EvidenceBook
from clearlung.perfusion.registry import Drug


class Asked:
    """Hands out values that a model can run on, and remembers which entries were asked for."""

    def __init__(self, book: EvidenceBook) -> None:
        self.book = book
        self.ids: list[str] = []

    def value(self, key: str, unit: str) -> float:
        """Return a number from 0."""
        self.ids.append(key)
        return self.book.value(key, unit=unit)

    def positive(self, key: str, unit: str) -> float:
        """Return a number above 0.

        Raises
        ------
        EvidenceError
            If it was set to 0.
        """
        value = self.value(key, unit)
        if value <= 0:
            raise EvidenceError(key, f"is {value:g} {unit}, and must be above 0: set another value")
        return value

    def share(self, key: str, unit: str = "1", *, whole: float = 1.0) -> float:
        """Return a share above 0 and below 1.

        Raises
        ------
        EvidenceError
            If it was set to none or all of it.
        """
        value = self.value(key, unit)
        if not 0 < value < whole:
            raise EvidenceError(key, f"is {value:g} {unit}, and must lie between 0 and {whole:g}")
        return value / whole


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

    Raises
    ------
    EvidenceError
        If an assumption was set to a value that nothing can run on.

    References
    ----------
    .. [1] Minchin RF et al., 1984.
    """
    asked = Asked(book)
    own = f"kinetics.{drug}"
    intravenous = "pharmacology.iv" if drug == "melphalan" else own
    bound = "chemistry.protein.bound" if drug == "melphalan" else f"{own}.bound"
    saturates = math.inf
    if drug == "doxorubicin":
        nmol_per_ml = asked.value("pharmacology.uptake.saturates", "nmol/ml")
        saturates = nmol_per_ml * asked.positive(f"{own}.molar_mass", "g/mol") / 1000
    body = Body.of(
        asked.positive(f"{own}.body_volume", "l"),
        asked.positive(f"{intravenous}.half_life_alpha", "min"),
        asked.positive(f"{intravenous}.half_life_beta", "min"),
        asked.share(f"{own}.slow_share"),
    )
    return Kinetics(
        exchange_per_min=math.log(2) / asked.positive(f"{own}.exchange_half_time", "min"),
        bound_over_free=asked.value(f"{own}.bound_over_free", "1"),
        release_per_min=math.log(2) / asked.positive(f"{own}.release_half_time", "min"),
        free_in_plasma=1 - asked.share(bound, "%", whole=100),
        saturates_mg_per_l=saturates,
        body=body,
        evidence=tuple(asked.ids),
    )
