"""The registered regimens: which drug, how it is dosed, and where their numbers are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from clearlung.perfusion.dose import DoseMode

Drug = Literal["melphalan", "cisplatin", "doxorubicin"]
"""A drug that lungs have been perfused with."""

Medium = Literal["saline", "ringer", "glucose", "culture", "plasma"]
"""What the drug is dissolved in, as far as it matters to how fast it falls apart."""

MEDIUM_WORDS: dict[Medium, str] = {
    "saline": "sodium chloride 0.9 %",
    "ringer": "Ringer's lactate",
    "glucose": "glucose 5 %",
    "culture": "culture medium",
    "plasma": "plasma",
}
"""Each medium in words."""

_DOSE_FIELDS: dict[DoseMode, str] = {
    "fixed": "dose_mg",
    "body_surface": "dose_mg_per_m2",
    "per_ml": "dose_ug_per_ml",
}


@dataclass(frozen=True)
class RegimenEntry:
    """A registered regimen.

    Its own numbers are in ``evidence/regimen.toml`` under its name; what no center has published of its
    circuit is in ``evidence/circuit.toml``, the same for all, and assumed there.

    Parameters
    ----------
    drug
        What is given.
    dose_mode
        How its dose was published.
    title
        Who gave it, in words.
    most
        Entry of the most that is given by its protocol, in the unit of its dose; "" for the dose itself.
    medium
        What the drug is dissolved in. None was published for any of them.
    washout
        Entry of the minutes of washout.
    warning
        What speaks against it; "" for nothing beyond what holds for all.
    """

    drug: Drug
    dose_mode: DoseMode
    title: str
    most: str = ""
    medium: Medium = "ringer"
    washout: str = "circuit.washout.minutes_others"
    warning: str = ""

    def dose_id(self, name: str) -> str:
        """Return the entry of its dose."""
        return f"regimen.{name}.{_DOSE_FIELDS[self.dose_mode]}"

    def most_id(self, name: str) -> str:
        """Return the entry of the most that is given."""
        return self.most or self.dose_id(name)


_PETROV_WASHOUT = "circuit.washout.minutes"

REGIMENS: dict[str, RegimenEntry] = {
    "petrov-melphalan-50": RegimenEntry(
        "melphalan", "fixed", "Petrov center, 24 perfusions of 2007 to 2011", washout=_PETROV_WASHOUT
    ),
    "petrov-melphalan-45": RegimenEntry(
        "melphalan",
        "fixed",
        "Petrov center, 3 perfusions of 2007 to 2011",
        most="regimen.petrov-melphalan-50.dose_mg",
        washout=_PETROV_WASHOUT,
    ),
    "petrov-melphalan-45-42c": RegimenEntry(
        "melphalan",
        "fixed",
        "Petrov center, 3 perfusions at 42 °C",
        washout=_PETROV_WASHOUT,
        warning="All three perfusions at 42 °C were followed by interstitial edema, and one patient was"
        " intubated again: it is here to be compared with, not to be repeated.",
    ),
    "petrov-cisplatin-135": RegimenEntry(
        "cisplatin", "body_surface", "Petrov center, 22 perfusions of 2007 to 2011", washout=_PETROV_WASHOUT
    ),
    "antwerp-melphalan-45": RegimenEntry(
        "melphalan",
        "fixed",
        "Antwerp and Nieuwegein, phase II, 107 patients",
        most="tolerated.melphalan.mtd",
    ),
    "burt-doxorubicin-40": RegimenEntry(
        "doxorubicin",
        "body_surface",
        "Burt 2000, phase I, 8 patients",
        most="tolerated.doxorubicin.mtd",
    ),
    "johnston-doxorubicin-10": RegimenEntry(
        "doxorubicin", "per_ml", "Johnston 1995, 6 of 8 patients, its highest concentration"
    ),
}
"""The regimens by name; a further one is one more entry here and its numbers in the evidence."""
