"""`Case`: what is known of the patient besides the scan, read from TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from clearlung.anatomy import Lobe, Side
from clearlung.errors import CaseError
from clearlung.resection import EarlierResection, EarlierTechnique, Exercise, operated


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
    """Lung function and exercise tests before the first operation of the plan."""

    fev1_l: float | None = Field(default=None, gt=0.2, le=10, description="Measured FEV1, liters.")
    fev1_predicted_l: float | None = Field(default=None, gt=0.2, le=10, description="Predicted FEV1, liters.")
    fev1_percent: float | None = Field(default=None, gt=5, le=200, description="Percent of predicted.")
    dlco: float | None = Field(
        default=None, gt=0.5, le=80, description="Measured DLCO, in mmol/(min kPa) or ml/(min mmHg)."
    )
    dlco_predicted: float | None = Field(
        default=None, gt=0.5, le=80, description="Predicted DLCO, in the same unit."
    )
    dlco_percent: float | None = Field(default=None, gt=5, le=200, description="Percent of predicted.")
    vo2_ml_kg_min: float | None = Field(default=None, gt=2, le=100, description="Peak oxygen uptake.")
    vo2_percent: float | None = Field(
        default=None, gt=5, le=250, description="Peak oxygen uptake, percent of predicted."
    )
    stair_climb_m: float | None = Field(default=None, ge=0, le=100, description="Height climbed, m.")
    shuttle_walk_m: float | None = Field(default=None, ge=0, le=2000, description="Distance walked, m.")

    @model_validator(mode="after")
    def _agree(self) -> FunctionTest:
        _check_percent("fev1_l / fev1_predicted_l", self.fev1_l, self.fev1_predicted_l, self.fev1_percent)
        _check_percent("dlco / dlco_predicted", self.dlco, self.dlco_predicted, self.dlco_percent)
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

    @property
    def dlco_percent_known(self) -> float | None:
        """DLCO in percent of predicted, given or computed; None where neither is possible."""
        if self.dlco_percent is None and self.dlco and self.dlco_predicted:
            return 100 * self.dlco / self.dlco_predicted
        return self.dlco_percent

    @property
    def exercise(self) -> Exercise:
        """The exercise tests."""
        return Exercise(self.vo2_ml_kg_min, self.vo2_percent, self.stair_climb_m, self.shuttle_walk_m)


def _check_percent(
    words: str, measured: float | None, predicted: float | None, percent: float | None
) -> None:
    """Refuse a measured and a predicted value that do not make the percentage, or an impossible one."""
    if not (measured and predicted):
        return
    computed = 100 * measured / predicted
    if percent is not None and abs(computed - percent) > 2:
        raise ValueError(f"{words} is {computed:.0f} %, and {percent:g} % is given")
    if not 5 < computed <= 200:
        raise ValueError(f"{words} is {computed:.0f} %, outside 5 to 200 %")


class Earlier(_Part):
    """What was taken out of a lung before; one entry for each specimen or operation."""

    side: Side
    technique: EarlierTechnique
    lobe: Lobe | None = Field(default=None, description="The lobe, where one is known.")
    segments: float | None = Field(default=None, gt=0, le=5, description="Segments of nineteen.")
    removed_ml: float | None = Field(default=None, gt=0, le=4000, description="Tissue taken out, ml.")
    weeks_ago: float | None = Field(
        default=None, ge=0, le=5200, description="Weeks before the first operation of the plan."
    )
    perfused: bool = Field(default=False, description="Whether the lung was perfused.")

    @model_validator(mode="after")
    def _possible(self) -> Earlier:
        self.resection()
        if self.lobe is None and self.segments is not None:
            raise ValueError("segments need the lobe that they were taken of")
        if self.lobe is None and self.technique == "lobectomy":
            raise ValueError("a lobectomy needs its lobe")
        return self

    def resection(self) -> EarlierResection:
        """Return it as lung function counts it."""
        return EarlierResection(**self.model_dump())


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
    earlier: tuple[Earlier, ...] = ()

    @property
    def resections(self) -> tuple[EarlierResection, ...]:
        """What was taken out before."""
        return tuple(earlier.resection() for earlier in self.earlier)

    def operated(self, side: Side) -> bool:
        """Return whether a chest has been opened before: adhesions are to be expected."""
        return operated(self.resections, side)


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
