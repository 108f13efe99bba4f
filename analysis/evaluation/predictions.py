"""What a model or comparator says of every subject of a cohort."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.cohort.columns import FloatArray
from analysis.errors import ConfigurationError
from analysis.evaluation.observed import BoolArray
from analysis.results import HORIZONS_YEARS


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Risks, or only a ranking, of every subject.

    Attributes
    ----------
    name : str
    risk : ndarray, (subjects, 4), or None
        Probability of a fracture within each of `analysis.results.HORIZONS_YEARS`; NaN where there is none.
    score : ndarray, (subjects,), or None
        For a ranking without probabilities; higher means more at risk; NaN where there is none.
    thresholds : tuple of float
        10-year probabilities at which the moderate and the high tier begin, fixed on training data.
    interval : (ndarray, ndarray) or None
        Lower and upper bounds of `risk`, of the same shape.
    interval_level : float
        Their nominal coverage of the true risk.
    imputed : int or None
        Subjects with a predictor that was missing and had to be imputed.
    comparator : bool
        Published elsewhere, not fitted here.
    note : str
        What must be said with it: source, licence, disclaimer, what it was made to predict.
    """

    name: str
    risk: FloatArray | None = None
    score: FloatArray | None = None
    thresholds: tuple[float, ...] = ()
    interval: tuple[FloatArray, FloatArray] | None = None
    interval_level: float = 0.90
    imputed: int | None = None
    comparator: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        if (self.risk is None) == (self.score is None):
            raise ConfigurationError(f"predictions {self.name}: give either risks or a score")
        if self.risk is not None:
            self._check_risk(self.risk)

    def _check_risk(self, risk: FloatArray) -> None:
        if risk.ndim != 2 or risk.shape[1] != len(HORIZONS_YEARS):
            raise ConfigurationError(
                f"predictions {self.name}: risks must have shape (subjects, {len(HORIZONS_YEARS)}), "
                f"have {risk.shape}"
            )
        if np.any((risk < 0.0) | (risk > 1.0)):
            raise ConfigurationError(f"predictions {self.name}: risks must lie between 0 and 1")

    def __len__(self) -> int:
        return len(self.risk if self.risk is not None else self.score)  # type: ignore[arg-type]

    def risk_at(self, years: int) -> FloatArray | None:
        """Risks at a horizon, or None if this does not give any."""
        if self.risk is None:
            return None
        column = self.risk[:, HORIZONS_YEARS.index(years)]
        return column if bool(np.isfinite(column).any()) else None

    def ranking_at(self, years: float) -> FloatArray:
        """What orders subjects for a time: the risk at the next horizon that is given, else the score."""
        if self.score is not None:
            return self.score
        given = {horizon: self.risk_at(horizon) for horizon in HORIZONS_YEARS}
        risks = [(horizon, risk) for horizon, risk in given.items() if risk is not None]
        if not risks:
            raise ConfigurationError(f"predictions {self.name}: no subject has a risk")
        return next((risk for horizon, risk in risks if horizon >= years), risks[-1][1])

    @property
    def available(self) -> BoolArray:
        """Who has a value at every horizon that is given at all."""
        if self.score is not None:
            return np.asarray(np.isfinite(self.score), dtype=np.bool_)
        given = [self.risk_at(horizon) for horizon in HORIZONS_YEARS]
        columns = [column for column in given if column is not None]
        if not columns:
            return np.zeros(len(self), dtype=np.bool_)
        return np.asarray(np.all(np.isfinite(columns), axis=0), dtype=np.bool_)


def common_subjects(several: Sequence[Predictions]) -> BoolArray:
    """Who has a value in all of several predictions."""
    return np.asarray(np.all([part.available for part in several], axis=0), dtype=np.bool_)
