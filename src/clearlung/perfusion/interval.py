"""`Interval`: a low, a middle and a high value; what is uncertain is never shown as one number."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

_QUANTILES = (0.05, 0.5, 0.95)


class Interval(BaseModel):
    """Where a value lies: nine times in ten between low and high, as often above the median as below it.

    Raises
    ------
    ValueError
        If low, median and high are not in order.

    Examples
    --------
    >>> import numpy as np
    >>> Interval.of(np.arange(101.0))
    Interval(low=5.0, median=50.0, high=95.0)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    low: float = Field(description="5th percentile.")
    median: float = Field(description="50th percentile.")
    high: float = Field(description="95th percentile.")

    @model_validator(mode="after")
    def _in_order(self) -> Interval:
        if not self.low <= self.median <= self.high:
            raise ValueError(f"{self.low:g}, {self.median:g}, {self.high:g} are not in order")
        return self

    @classmethod
    def of(cls, draws: Any) -> Interval:
        """Return the interval of equally likely draws, shape (draws,)."""
        low, median, high = np.quantile(np.asarray(draws, dtype=np.float64), _QUANTILES).tolist()
        return cls(low=low, median=median, high=high)
