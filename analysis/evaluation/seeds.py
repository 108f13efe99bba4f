"""How much a model depends on the seed of its training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from analysis.errors import ConfigurationError
from analysis.evaluation.discrimination import weighted_auc
from analysis.evaluation.observed import Observed
from analysis.evaluation.predictions import Predictions, common_subjects
from analysis.evaluation.results import SeedSpread


def seed_spread(name: str, seeds: Sequence[Predictions], everybody: Observed) -> SeedSpread:
    """AUC and O:E by seed, and the mean spread of one subject's risk.

    Raises
    ------
    ConfigurationError
        With fewer than two seeds, or predictions without probabilities.
    """
    years = int(everybody.years)
    columns = [part.risk_at(years) for part in seeds]
    if len(seeds) < 2 or any(column is None for column in columns):
        raise ConfigurationError(f"seed variance of {name} needs the risks of two or more trainings")
    known = common_subjects(seeds)
    observed = everybody.take(known)
    risks = np.stack([column[known] for column in columns if column is not None])
    incidence = observed.incidence
    return SeedSpread(
        name,
        years,
        tuple(weighted_auc(risk, observed).estimate.value for risk in risks),
        tuple(incidence / float(risk.mean()) for risk in risks),
        float(risks.std(axis=0, ddof=1).mean()),
    )
