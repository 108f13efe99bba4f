"""The line from features to models: reliable features, screen, LASSO, Radscore, logistic regression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ConfigurationError
from analysis.training.radiomics_line.model import (
    CLINICAL,
    RADSCORE,
    Logistic,
    Part,
    RadiomicsModel,
    Variant,
)
from analysis.training.radiomics_line.odds_ratios import OddsRatio, multivariable, univariable
from analysis.training.radiomics_line.outcomes import OutcomeName, outcome_of
from analysis.training.radiomics_line.screening import Screened, screen
from analysis.training.radiomics_line.selection import METHODS

if TYPE_CHECKING:
    from analysis.cohort.table import CohortTable

FEWEST_CASES = 20
"""Fewer subjects with, or without, the outcome cannot carry a model: assumption."""

PRIOR_SD = 3.0
"""SD of a coefficient's Gaussian prior, log-odds per SD of the predictor: assumption, above any effect."""

CANDIDATES = (
    "age_years",
    "male",
    "bmi_kg_m2",
    "clinical.prior_fracture",
    "clinical.parental_fracture",
    "clinical.glucocorticoid_mg_d",
    "clinical.rheumatoid_arthritis",
    "clinical.current_smoker",
    "clinical.alcohol_units_d",
    "clinical.type2_diabetes",
    "clinical.falls_past_year",
    "ultradistal.bmd_g_cm2",
    "one_third.bmd_g_cm2",
)
"""What the odds-ratio tables show beside the Radscore, where the cohort has it."""

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Subjects:
    """Subjects with known outcome and complete radiomic features.

    Attributes
    ----------
    names : tuple of str
        Of the features.
    features : ndarray, (subjects, features)
    clinical : ndarray, (subjects, 2)
        `CLINICAL`.
    outcome, weight : ndarray, (subjects,)
        0 or 1, and its IPCW weight.
    candidates : mapping of str to ndarray, (subjects,)
        Further predictors for the odds-ratio tables; NaN where unknown.
    """

    names: tuple[str, ...]
    features: FloatArray
    clinical: FloatArray
    outcome: FloatArray
    weight: FloatArray
    candidates: Mapping[str, FloatArray]

    def take(self, index: NDArray[np.int_] | NDArray[np.bool_]) -> Subjects:
        """The subjects at `index`."""
        return Subjects(
            self.names,
            self.features[index],
            self.clinical[index],
            self.outcome[index],
            self.weight[index],
            {name: values[index] for name, values in self.candidates.items()},
        )


@dataclass(frozen=True, slots=True, eq=False)
class FittedLine:
    """The models and how they came about.

    Attributes
    ----------
    model : RadiomicsModel
    offered, reliable : int
        Features before and after the ICC rule.
    screened : tuple of Screened
        Tests of all reliable features.
    chosen : mapping of str to mapping of str to float
        Method -> feature -> weight; ``LASSO`` makes the Radscore.
    univariable, multivariable : tuple of OddsRatio
    """

    model: RadiomicsModel
    offered: int
    reliable: int
    screened: tuple[Screened, ...]
    chosen: Mapping[str, Mapping[str, float]]
    univariable: tuple[OddsRatio, ...]
    multivariable: tuple[OddsRatio, ...]

    @property
    def passed(self) -> tuple[str, ...]:
        """Features that passed the screen."""
        return tuple(feature.name for feature in self.screened if feature.passed)


def subjects_of(table: CohortTable, features: Sequence[str], outcome: OutcomeName) -> Subjects:
    """Those of a cohort whom the line can use.

    Parameters
    ----------
    features : sequence of str
        Radiomic columns.

    Raises
    ------
    ConfigurationError
        If too few have the outcome.
    """
    values, clinical = table.features(list(features)), table.features(list(CLINICAL))
    known, weight = outcome_of(table, outcome)
    usable = np.isfinite(values).all(axis=1) & np.isfinite(clinical).all(axis=1) & np.isfinite(known)
    present = [name for name in CANDIDATES if name in table.frame.columns]
    candidates = dict(zip(present, table.features(present).T, strict=True))
    everybody = Subjects(tuple(features), values, clinical, known, weight, candidates)
    subjects = everybody.take(usable)
    cases = int(subjects.outcome.sum())
    if min(cases, len(subjects.outcome) - cases) < FEWEST_CASES:
        raise ConfigurationError(
            f"{cases} of {len(subjects.outcome)} usable subjects have the outcome {outcome!r}; the radiomics "
            f"line needs {FEWEST_CASES} with and without it: give it a larger cohort"
        )
    return subjects


def fit_line(
    subjects: Subjects,
    reliable: Sequence[str],
    outcome: OutcomeName,
    *,
    seed: int = 0,
    methods: Sequence[str] = tuple(METHODS),
    training: str = "",
) -> FittedLine:
    """Fit the line.

    Parameters
    ----------
    reliable : sequence of str
        Features that passed the ICC rule; those that `subjects` lack are passed over.
    methods : sequence of str
        Ways of selection, keys of `METHODS`; ``LASSO`` is always among them.
    training : str
        Added to what the model says of its training data.
    """
    names = tuple(name for name in subjects.names if name in set(reliable))
    values = subjects.features[:, [subjects.names.index(name) for name in names]]
    screened = screen(names, values, subjects.outcome)
    kept = [i for i, feature in enumerate(screened) if feature.passed]
    passed, values = [names[i] for i in kept], values[:, kept]
    mean, sd = values.mean(axis=0), values.std(axis=0, ddof=1)
    z = (values - mean) / sd
    chosen = {
        name: _chosen(passed, METHODS[name](z, subjects.outcome, subjects.weight, seed) if kept else z[:0])
        for name in dict.fromkeys(["LASSO", *methods])
    }
    parts = tuple(
        Part(name, float(mean[i]), float(sd[i]), chosen["LASSO"][name])
        for i, name in enumerate(passed)
        if name in chosen["LASSO"]
    )
    score = RadiomicsModel(outcome, parts, {}).radscore_of(
        values[:, [passed.index(part.name) for part in parts]]
    )
    said = RadiomicsModel(outcome, parts, _models(subjects, score))
    model = RadiomicsModel(outcome, parts, said.models, f"{said.training} {training}".strip())
    columns = dict(subjects.candidates) | {"Radscore": score}
    single = univariable(tuple(columns), np.column_stack(list(columns.values())), subjects.outcome)
    return FittedLine(
        model, len(subjects.names), len(names), screened, chosen, single, _together(single, columns, subjects)
    )


def _chosen(names: Sequence[str], importance: FloatArray) -> dict[str, float]:
    return {name: float(weight) for name, weight in zip(names, importance.ravel(), strict=False) if weight}


def _together(
    single: Sequence[OddsRatio], columns: Mapping[str, FloatArray], subjects: Subjects
) -> tuple[OddsRatio, ...]:
    """Multivariable table of what was significant alone."""
    significant = [row.name for row in single if row.p < 0.05]
    if not significant:
        return ()
    values = np.column_stack([columns[name] for name in significant])
    return multivariable(significant, values, subjects.outcome)


def _models(subjects: Subjects, radscore: FloatArray) -> dict[Variant, Logistic]:
    clinical = dict(zip(CLINICAL, subjects.clinical.T, strict=True))
    score = {RADSCORE: radscore}
    sets: dict[Variant, dict[str, FloatArray]] = {
        "clinical": clinical,
        "radiomics": score,
        "combined": clinical | score,
    }
    return {
        variant: logistic(columns, subjects.outcome, subjects.weight) for variant, columns in sets.items()
    }


def logistic(columns: Mapping[str, FloatArray], outcome: FloatArray, weight: FloatArray) -> Logistic:
    """Weighted logistic regression on z-scores with a very weak penalty; what does not vary gets 0.

    The penalty (`PRIOR_SD` on log-odds per SD) is without effect in a cohort and keeps coefficients finite
    where a predictor separates a small one.
    """
    from sklearn.linear_model import LogisticRegression

    varying = [name for name, values in columns.items() if np.ptp(values) > 0]
    raw = np.column_stack([np.zeros(len(outcome)), *(columns[name] for name in varying)])
    mean, sd = raw.mean(axis=0), np.where(np.ptp(raw, axis=0) > 0, raw.std(axis=0, ddof=1), 1.0)
    fit = LogisticRegression(C=PRIOR_SD**2, tol=1e-8, max_iter=1000)
    fit.fit((raw - mean) / sd, outcome.astype(int), sample_weight=weight / weight.mean())
    slopes = fit.coef_[0] / sd
    found = dict.fromkeys(columns, 0.0) | dict(zip(varying, map(float, slopes[1:]), strict=True))
    return Logistic(float(fit.intercept_[0] - (slopes * mean).sum()), found)
