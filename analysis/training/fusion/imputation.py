"""Missing values by chained equations (MICE), several times over; prediction needs numpy alone.

`sklearn.impute.IterativeImputer` with draws from each regression's posterior fills the training table several
times (van Buuren & Groothuis-Oudshoorn 2011, J Stat Softw 45(3)). The regressions are linear and normal, so
what they know is a mean and a covariance; these are kept instead of a pickled imputer. A new subject's
missing values are drawn from the normal distribution given the known ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.training.fusion.inputs import LARGEST_Z, Inputs

FloatArray = NDArray[np.float64]
RIDGE = 1e-3
"""Added to the covariance's diagonal, which predictors that nearly repeat one another would make singular."""


@dataclass(frozen=True, slots=True, eq=False)
class Imputer:
    """Mean (p,) and covariance (p, p) of standardised predictors."""

    mean: FloatArray
    covariance: FloatArray

    @classmethod
    def of(cls, inputs: Inputs, draws: int, seed: int, rounds: int = 5) -> Imputer:
        """Learn it from the mean over `draws` completed tables of the training subjects."""
        from sklearn.experimental import enable_iterative_imputer  # noqa: F401
        from sklearn.impute import IterativeImputer

        table = np.where(inputs.known > 0, inputs.values, np.nan).astype(np.float64)
        means, seconds = [], []
        for draw in range(draws):
            imputer = IterativeImputer(
                sample_posterior=True,
                max_iter=rounds,
                n_nearest_features=min(12, table.shape[1]),
                random_state=seed + draw,
                keep_empty_features=True,
                min_value=-LARGEST_Z,
                max_value=LARGEST_Z,
            )
            completed = imputer.fit_transform(table)
            means.append(completed.mean(axis=0))
            seconds.append(np.cov(completed, rowvar=False))
        return cls(np.mean(means, axis=0), np.mean(seconds, axis=0))

    @classmethod
    def from_json(cls, written: Mapping[str, Any]) -> Imputer:
        """What `to_json` wrote."""
        return cls(np.array(written["mean"]), np.array(written["covariance"]))

    def to_json(self) -> dict[str, Any]:
        """Plain lists, five digits."""
        return {"mean": self.mean.round(5).tolist(), "covariance": self.covariance.round(5).tolist()}

    def fill(self, inputs: Inputs, seed: int | None) -> Inputs:
        """Fill missing values with a draw, or with the expected value if `seed` is None.

        What was known stays marked: a network may learn from the fact that something is missing.
        """
        rng = None if seed is None else np.random.default_rng(seed)
        values = inputs.values.astype(np.float64)
        patterns, which = np.unique(inputs.known > 0, axis=0, return_inverse=True)
        for number, known in enumerate(patterns):
            if known.all():
                continue
            rows = np.flatnonzero(which.ravel() == number)
            values[np.ix_(rows, ~known)] = self._missing(values[np.ix_(rows, known)], known, rng)
        clipped = np.clip(values, -LARGEST_Z, LARGEST_Z).astype(np.float32)
        return replace(inputs, values=clipped)

    def _missing(
        self, there: FloatArray, known: NDArray[np.bool_], rng: np.random.Generator | None
    ) -> FloatArray:
        covariance = self.covariance + RIDGE * np.eye(len(self.mean))
        between = covariance[np.ix_(~known, known)]
        if known.any():
            weights = np.linalg.solve(covariance[np.ix_(known, known)], between.T).T
            rest = covariance[np.ix_(~known, ~known)] - weights @ between.T
        else:
            weights, rest = between, covariance[np.ix_(~known, ~known)]
        filled = self.mean[~known] + (there - self.mean[known]) @ weights.T
        if rng is not None:
            root = np.linalg.cholesky((rest + rest.T) / 2 + 1e-6 * np.eye(len(rest)))
            filled = filled + rng.standard_normal(filled.shape) @ root.T
        return np.asarray(filled)
