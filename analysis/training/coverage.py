"""Do the 90 % intervals hold the risk they speak of? Measured over models of repeated training cohorts.

The risk an interval speaks of is that of the *attainable* model: the same features, learnt from so many
subjects that its own error no longer counts. For a subject with gaps it is the attainable risk at values
drawn from what the known features leave possible, since the interval claims to span those too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from analysis.errors import ConfigurationError
from analysis.results import HORIZONS_YEARS
from analysis.risk.hazard import HORIZON_INDEX, FloatArray, cumulative_incidence
from analysis.risk.model import RiskModel


class Features(Protocol):
    """What coverage needs of a cohort's table."""

    def features(self, names: Sequence[str]) -> FloatArray:
        """Columns, (subjects, names); NaN where unknown."""
        ...


def interval_coverage(
    models: Sequence[RiskModel], attainable: RiskModel, table: Features, rng: np.random.Generator
) -> Mapping[int, Mapping[str, float | int | None]]:
    """Share of subjects and trainings whose interval holds the attainable risk.

    Parameters
    ----------
    models : sequence of RiskModel
        Trained on independent cohorts of one population.
    attainable : RiskModel
        With the same features, trained on very many subjects.
    table : Features
        Subjects that none of them was trained on.
    rng : numpy.random.Generator
        Draws what is unknown.

    Returns
    -------
    mapping
        Horizon in years -> ``coverage``, ``coverage_complete`` and ``coverage_imputed`` (of subjects without
        and with gaps; None where there are none), ``mean_width``, ``below`` and ``above`` (shares of targets
        that lie on either side of the interval), ``subjects``, ``models``.

    Raises
    ------
    ConfigurationError
        If the models do not have the same features.
    """
    names = [feature.name for feature in attainable.features]
    values = table.features(names)
    target = _drawn_risk(attainable, values, rng)
    gaps = np.isnan(values).any(axis=1)
    below, above, width = [], [], []
    for model in models:
        _require_features(model, names)
        interval = model.interval(values)
        below.append(target < interval[..., 0])
        above.append(target > interval[..., 1])
        width.append((interval[..., 1] - interval[..., 0]).mean(axis=0))
    missed_below, missed_above = np.array(below), np.array(above)
    held = ~(missed_below | missed_above)
    return {
        years: {
            "coverage": float(held[..., index].mean()),
            "coverage_complete": _share(held[:, ~gaps, index]),
            "coverage_imputed": _share(held[:, gaps, index]),
            "below": float(missed_below[..., index].mean()),
            "above": float(missed_above[..., index].mean()),
            "mean_width": float(np.mean(width, axis=0)[index]),
            "subjects": len(values),
            "models": len(models),
        }
        for index, years in enumerate(HORIZONS_YEARS)
    }


def _require_features(model: RiskModel, names: list[str]) -> None:
    if [feature.name for feature in model.features] != names:
        raise ConfigurationError(
            f"coverage: model {model.identity.name} {model.identity.version} has other features than the "
            "attainable model; train both on cohorts with the same columns"
        )


def _share(held: np.ndarray) -> float | None:
    return float(held.mean()) if held.size else None


def _drawn_risk(model: RiskModel, values: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Risk at the horizons with every gap filled by one draw from what the known features leave possible."""
    completed = model.completed(values)
    standardised = completed.values.copy()
    for gap in completed.gaps:
        drawn = rng.multivariate_normal(
            np.zeros(len(gap.features)), gap.covariance, size=len(gap.members), method="eigh"
        )
        standardised[np.ix_(gap.members, gap.features)] += drawn
    fracture = model.fracture.cumulative(model.fracture.log_relative(standardised))
    death = model.death.cumulative(model.death.log_relative(completed.values))
    return model.calibration.apply(cumulative_incidence(fracture, death)[:, HORIZON_INDEX])
