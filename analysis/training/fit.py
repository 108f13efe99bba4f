"""Fit one model: hazards of fracture and death on each imputed data set, pooled, with bootstrap refits.

Coefficients are averaged over the imputed data sets (Rubin 1987). Each refit counts the subjects by a
bootstrap draw, takes the next imputed data set, and draws the centre of the ridge from the prior ("randomise,
then optimise", Bardsley et al. 2014, SIAM J Sci Comput 36:A1895): without the last, the spread of a shrunken
estimate would leave out what the shrinkage itself gets wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from analysis.cohort.columns import DEATH, FRACTURE, FollowUp
from analysis.errors import ConfigurationError
from analysis.risk.hazard import FloatArray, Hazard, Term, design
from analysis.training.hazard_fit import (
    SHORTEST_YEARS,
    FittedHazard,
    fit_hazard,
    observe,
    spline_knots,
)
from analysis.training.training_data import TrainingData
from analysis.training.tuning import Hyperparameters

REFITS = 100
MINIMUM_FRACTURES = 40
"""Fewer fractures cannot carry a model's coefficients and their folds, assumption."""

DEATH_PRIOR_SD = 0.3
DEATH_INNER_KNOTS = 0
"""Death's hazard is smooth and its features few: a Weibull hazard with a fixed ridge, assumption."""


NO_HAZARD = 50.0
"""Minus the log-hazard of death in a cohort in which nobody dies."""


@dataclass(frozen=True, slots=True, eq=False)
class Hazards:
    """Hazards of fracture and of death, single or stacked refits."""

    fracture: Hazard
    death: Hazard


def require_fractures(follow_up: FollowUp) -> None:
    """Refuse a cohort that cannot carry a model.

    Raises
    ------
    ConfigurationError
        With the number of fractures, what is needed, and the cure.
    """
    fractures = int((follow_up.ending == FRACTURE).sum())
    if fractures < MINIMUM_FRACTURES:
        raise ConfigurationError(
            f"training cohort: {fractures} fractures among {len(follow_up.years)} subjects, at least "
            f"{MINIMUM_FRACTURES} are needed; take a larger cohort (--size of 'dicom-node simulate-cohort') "
            "or longer follow-up"
        )


def fit_hazards(data: TrainingData, hyper: Hyperparameters) -> Hazards:
    """Fit fracture and death on every imputed data set and average (Rubin's pooled estimate)."""
    fits = [_Fitter.of(data, complete, hyper).fit() for complete in data.imputed]
    return Hazards(_mean([fit.fracture for fit in fits]), _mean([fit.death for fit in fits]))


def fit_expected(data: TrainingData, hyper: Hyperparameters) -> Hazards:
    """Fit with gaps filled by expectation, without a look at the outcome: for cross-validation."""
    return _Fitter.of(data, data.expected(), hyper).fit()


def refit(
    data: TrainingData,
    hyper: Hyperparameters,
    centre: Hazards,
    *,
    rng: np.random.Generator,
    refits: int = REFITS,
) -> Hazards:
    """Bootstrap refits as two stacks of hazards."""
    fitters = [_Fitter.of(data, complete, hyper) for complete in data.imputed]
    _, member = np.unique(data.subjects, return_inverse=True)
    subjects = int(member.max()) + 1
    drawn = []
    for number in range(refits):
        weight = rng.multinomial(subjects, np.full(subjects, 1.0 / subjects)).astype(np.float64)
        prior_mean = rng.normal(0.0, hyper.term_priors(data))
        fitter = fitters[number % len(fitters)]
        drawn.append(fitter.fit(weight[member.ravel()], prior_mean, centre))
    return Hazards(_stack([draw.fracture for draw in drawn]), _stack([draw.death for draw in drawn]))


@dataclass(frozen=True, slots=True, eq=False)
class _Cause:
    """One ending, its laid-out terms, and what is believed beforehand."""

    ending: int
    terms: tuple[Term, ...]
    columns: FloatArray
    prior_sd: FloatArray
    inner_knots: int
    frailty_variance: float


@dataclass(frozen=True, slots=True, eq=False)
class _Fitter:
    """Both hazards of one complete data set; the design is laid out once."""

    follow_up: FollowUp
    fracture: _Cause
    death: _Cause

    @classmethod
    def of(cls, data: TrainingData, complete: FloatArray, hyper: Hyperparameters) -> _Fitter:
        fracture, death = data.fracture_terms, data.death_terms
        return cls(
            data.follow_up,
            _Cause(
                FRACTURE,
                fracture,
                design(complete, fracture),
                hyper.term_priors(data),
                hyper.inner_knots,
                hyper.frailty_variance,
            ),
            _Cause(
                DEATH,
                death,
                design(complete, death),
                np.full(len(death), DEATH_PRIOR_SD),
                DEATH_INNER_KNOTS,
                0.0,
            ),
        )

    def fit(
        self,
        weight: FloatArray | None = None,
        prior_mean: FloatArray | None = None,
        start: Hazards | None = None,
    ) -> Hazards:
        counted = np.ones(len(self.follow_up.years)) if weight is None else weight
        return Hazards(
            _fit_cause(self.fracture, self.follow_up, counted, prior_mean, start.fracture if start else None),
            _fit_cause(self.death, self.follow_up, counted, None, start.death if start else None),
        )


def _fit_cause(
    cause: _Cause,
    follow_up: FollowUp,
    weight: FloatArray,
    prior_mean: FloatArray | None,
    start: Hazard | None,
) -> Hazard:
    event = follow_up.ending == cause.ending
    if not event.any():
        knots = np.log([SHORTEST_YEARS, follow_up.years.max()])
        return Hazard(cause.terms, np.zeros(len(cause.terms)), knots, np.array([-NO_HAZARD, 1.0]))
    knots = spline_knots(follow_up.years, event, cause.inner_knots)
    fitted = fit_hazard(
        cause.columns,
        observe(follow_up.years, event, knots).weighted(weight),
        cause.prior_sd,
        frailty_variance=cause.frailty_variance,
        prior_mean=prior_mean,
        start=FittedHazard(start.coefficients, start.baseline) if start else None,
    )
    return Hazard(cause.terms, fitted.coefficients, knots, fitted.baseline, cause.frailty_variance)


def _mean(hazards: list[Hazard]) -> Hazard:
    return replace(
        hazards[0],
        coefficients=np.mean([hazard.coefficients for hazard in hazards], axis=0),
        baseline=np.mean([hazard.baseline for hazard in hazards], axis=0),
    )


def _stack(hazards: list[Hazard]) -> Hazard:
    return replace(
        hazards[0],
        coefficients=np.array([hazard.coefficients for hazard in hazards]),
        baseline=np.array([hazard.baseline for hazard in hazards]),
    )
