"""Fits of the evaluation: the ladder of feature sets, and the same with a much larger training cohort."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from analysis.cohort.columns import SUBJECT_ID, FloatArray
from analysis.cohort.table import CohortTable
from analysis.results import ModelIdentity
from analysis.risk.calibration import IDENTITY
from analysis.risk.model import RiskModel
from analysis.training.fit import REFITS, Hazards, fit_expected, fit_hazards, refit
from analysis.training.model_sets import BODY, CLINICAL, DENSITIES, MODEL_SETS, ModelSet
from analysis.training.one_model import held_out_risk
from analysis.training.training_data import PreparedCohort, TrainingData
from analysis.training.tuning import Hyperparameters, Plan, tune

LADDER: tuple[ModelSet, ...] = (
    ModelSet("clinical-bmd", "ladder", (*BODY, *DENSITIES, *CLINICAL), ("age_years", "male", *DENSITIES)),
    ModelSet("age-sex-bmd", "ladder", ("age_years", "male", *DENSITIES), ("age_years", "male", *DENSITIES)),
    ModelSet("bmd-only", "ladder", DENSITIES, DENSITIES),
    ModelSet("age-sex", "ladder", ("age_years", "male"), ("age_years", "male")),
)
"""Steps of the ladder that the node has no use for."""

SETS: Mapping[str, ModelSet] = {model.name: model for model in (*MODEL_SETS, *LADDER)}


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """Standardisation, correlation and hyperparameters of the development cohort, for fits on other draws."""

    prepared: PreparedCohort
    hyperparameters: Mapping[str, Hyperparameters]

    def lay_out(self, name: str, table: CohortTable) -> TrainingData:
        """A cohort as training or test data of the model `name`, on the development cohort's scale."""
        own = self.prepared.of_model(SETS[name])
        assert own is not None
        values = table.features([feature.name for feature in own.features])
        for column, feature in enumerate(own.features):
            values[:, column] = feature.standardised(values[:, column])
        return TrainingData(
            own.features,
            values,
            own.correlation,
            (),
            table.follow_up,
            table.frame[SUBJECT_ID].to_numpy(),
            own.fracture_terms,
            own.death_terms,
        )

    def fit(self, name: str, table: CohortTable) -> Hazards:
        """Fit `name` on another cohort, gaps filled by expectation as at prediction."""
        return fit_expected(self.lay_out(name, table), self.hyperparameters[name])

    def tune_and_fit(self, name: str, table: CohortTable, plan: Plan) -> Hazards:
        """As `fit`, with hyperparameters of that cohort's own."""
        data = self.lay_out(name, table)
        return fit_expected(data, tune(data, plan))

    def risk(self, name: str, hazards: Hazards, table: CohortTable) -> FloatArray:
        """Risks of a cohort by such a fit, (subjects, horizons), as they are: not calibrated."""
        return held_out_risk(hazards, self.lay_out(name, table))

    def model(self, name: str, training: CohortTable, refits: int = REFITS) -> RiskModel:
        """Train `name` on another cohort with the development cohort's hyperparameters, intervals and all."""
        data = self.lay_out(name, training)
        data = replace(data, imputed=(data.expected(),))
        hyper = self.hyperparameters[name]
        hazards = fit_hazards(data, hyper)
        rng = np.random.default_rng([training.manifest["seed"], 3])
        stack = refit(data, hyper, hazards, rng=rng, refits=refits)
        return RiskModel(
            identity=ModelIdentity(name, str(training.manifest["seed"]), "", ""),
            features=data.features,
            correlation=data.correlation,
            family_minimum={},
            fracture=hazards.fracture,
            death=hazards.death,
            fracture_refits=stack.fracture,
            death_refits=stack.death,
            calibration=IDENTITY,
            moderate_from=0.0,
            high_from=1.0,
            category_rule="",
        )
