"""The people a comparator is asked about: columns of numbers, NaN where unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.config import ClinicalContext

if TYPE_CHECKING:
    from analysis.cohort.table import CohortTable

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

FRAX_MAJOR, FRAX_HIP = "site.frax_major_percent", "site.frax_hip_percent"
GARVAN_ANY, GARVAN_HIP = "site.garvan_any_percent", "site.garvan_hip_percent"
"""Ten-year risks in per cent that the site computed elsewhere and typed in."""
FEMORAL_NECK_T = "site.femoral_neck_t_score"
"""T-score of the femoral neck from the site's own hip scan."""
CURRENT_OESTROGEN = "site.current_oestrogen"
"""1 for women on oestrogen now."""
QFRACTURE_PREFIX = "qfracture."
"""``qfracture.b_cvd`` and so on: QFracture's own inputs; where a site has them they win."""


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Columns of predictors.

    Attributes
    ----------
    size : int
    columns : mapping of str to ndarray of float64, (people,)
        Named as in `analysis.risk.predictors` or as measured; NaN where unknown.
    ethnicity : ndarray of str objects, (people,)
        Lower case; empty where unknown.
    """

    size: int
    columns: Mapping[str, FloatArray]
    ethnicity: NDArray[np.object_]

    def column(self, name: str) -> FloatArray:
        """Values of one predictor; all NaN where there is no such column."""
        found = self.columns.get(name)
        return np.full(self.size, np.nan) if found is None else found

    def is_yes(self, name: str) -> BoolArray:
        """Where a yes/no predictor, dose or count is known to be above zero: unknown counts as no."""
        return np.asarray(self.column(name) > 0, np.bool_)

    @property
    def body_mass_index(self) -> FloatArray:
        """kg/m², as given or by weight and height."""
        given = self.column("bmi_kg_m2")
        return np.where(
            np.isnan(given), self.column("weight_kg") / (self.column("height_mm") / 1000) ** 2, given
        )


def people_of_table(table: CohortTable) -> People:
    """The people of a cohort's table; words of ethnicity are read in lower case."""
    frame = table.frame
    columns: dict[str, FloatArray] = {}
    for name in frame.columns:
        if frame[name].dtype.kind in "biuf":
            columns[str(name)] = frame[name].to_numpy(dtype=np.float64, na_value=np.nan)
    return People(len(frame), columns, _ethnicity(frame))


def person_of_context(
    context: ClinicalContext, further: Mapping[str, float], ethnicity: str | None
) -> People:
    """One person as `People`.

    Parameters
    ----------
    context : ClinicalContext
    further : mapping of str to float
        Predictors that the context does not hold, by name; they win over it.
    """
    entered: dict[str, float | None] = {
        "age_years": context.age_years,
        "male": None if context.sex is None else float(context.sex == "M"),
        "height_mm": context.height_mm,
        "weight_kg": context.weight_kg,
        "clinical.prior_fracture": _number(context.prior_fragility_fracture),
        "clinical.parental_fracture": _number(context.parental_hip_fracture),
        "clinical.current_smoker": _number(context.current_smoker),
        "clinical.glucocorticoid_mg_d": _number(context.glucocorticoids),
    }
    entered |= {**context.predictors, **further}
    columns = {name: np.array([float(value)]) for name, value in entered.items() if value is not None}
    return People(1, columns, np.array([(ethnicity or "").strip().lower()], dtype=object))


def _number(value: bool | None) -> float | None:
    # a dose of 1 for "takes glucocorticoids": comparators ask only whether there is any
    return None if value is None else float(value)


def _ethnicity(frame: Any) -> NDArray[np.object_]:
    from analysis.cohort.columns import ETHNICITY

    if ETHNICITY not in frame.columns:
        return np.full(len(frame), "", dtype=object)
    words = frame[ETHNICITY].astype("object").where(frame[ETHNICITY].notna(), "")
    return np.array([str(word).strip().lower() for word in words], dtype=object)
