"""`Case`: what is known of the patient besides the scan, read from TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from clearlung.errors import CaseError


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Patient(_Part):
    """What doses and predictions depend on. No name, no number."""

    height_cm: float | None = Field(default=None, ge=40, le=250)
    weight_kg: float | None = Field(default=None, ge=2, le=350)

    @property
    def body_surface_m2(self) -> float | None:
        """Body surface after Mosteller (N Engl J Med 1987;317:1098), or None without height and weight."""
        if self.height_cm is None or self.weight_kg is None:
            return None
        return float((self.height_cm * self.weight_kg / 3600.0) ** 0.5)


class FunctionTest(_Part):
    """Lung function before the first operation."""

    fev1_l: float | None = Field(default=None, gt=0.2, le=10, description="Measured FEV1, liters.")
    fev1_predicted_l: float | None = Field(default=None, gt=0.2, le=10, description="Predicted FEV1, liters.")
    fev1_percent: float | None = Field(default=None, gt=5, le=200, description="Percent of predicted.")

    @model_validator(mode="after")
    def _agree(self) -> FunctionTest:
        if self.fev1_l and self.fev1_predicted_l and self.fev1_percent:
            percent = 100 * self.fev1_l / self.fev1_predicted_l
            if abs(percent - self.fev1_percent) > 2:
                raise ValueError(
                    f"fev1_l / fev1_predicted_l is {percent:.0f} %, fev1_percent {self.fev1_percent:g} %"
                )
        if self.percent is not None and not 5 < self.percent <= 200:
            raise ValueError(f"fev1_l / fev1_predicted_l is {self.percent:.0f} %, outside 5 to 200 %")
        return self

    @property
    def percent(self) -> float | None:
        """FEV1 in percent of predicted, given or computed; None where neither is possible."""
        if self.fev1_percent is None and self.fev1_l and self.fev1_predicted_l:
            return 100 * self.fev1_l / self.fev1_predicted_l
        return self.fev1_percent

    @property
    def predicted_l(self) -> float | None:
        """Predicted FEV1 in liters, given or computed; None where neither is possible."""
        if self.fev1_predicted_l is None and self.fev1_l and self.fev1_percent:
            return 100 * self.fev1_l / self.fev1_percent
        return self.fev1_predicted_l


class Case(_Part):
    """One patient, as far as the plan needs to know.

    Examples
    --------
    >>> case = Case(function=FunctionTest(fev1_l=2.94, fev1_predicted_l=3.5))
    >>> round(case.function.percent)
    84
    """

    patient: Patient = Patient()
    function: FunctionTest = FunctionTest()


def load_case(path: str | Path) -> Case:
    """Read a case file.

    Raises
    ------
    CaseError
        If the file is missing or cannot be read, or has an unknown key or an impossible value; ``field``
        names it.
    """
    path = Path(path)
    if not path.is_file():
        raise CaseError("case", f"there is no file {path.name!r}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise CaseError("file", f"is not UTF-8 text ({error.reason} at byte {error.start})") from error
    except OSError as error:
        raise CaseError("file", f"{path.name!r} cannot be read: {error.strerror}") from error
    return parse_case(text)


def parse_case(text: str) -> Case:
    """Read a case from the text of a TOML file.

    Raises
    ------
    CaseError
        As for :func:`load_case`.
    """
    try:
        return Case.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise CaseError("file", f"is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "case"
        raise CaseError(field, f"{first['msg']}, not {first['input']!r}") from error
