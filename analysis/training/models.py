"""From a measured cohort to model files: which features each model uses, and how a fit is written down."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from analysis import __version__
from analysis.results import HORIZONS_YEARS
from analysis.risk.model import CATEGORY_HORIZON_YEARS, SCHEMA
from analysis.risk.registry import REGISTRY_FILE
from analysis.training.cohort import FEATURE_UNITS, Cohort
from analysis.training.evaluation import evaluate, evaluate_groups
from analysis.training.fit import Fit, FloatArray, FollowUp, fit_calibrated
from analysis.training.model_card import model_card

MODEL_FEATURES: Mapping[str, tuple[str, ...]] = {
    "radius-calibrated": (
        "age_years",
        "male",
        "one_third.bmd_g_cm2",
        "ultradistal.bmd_g_cm2",
        "morphometry.cortical_thickness_mm",
        "texture.variogram_sill",
    ),
    "radius-t-scores": ("age_years", "male", "one_third.t_score", "ultradistal.t_score"),
    "radius-one-third-t-score": ("age_years", "male", "one_third.t_score"),
}
"""Model name -> features, most preferred model first.

Densitometers differ in g/cm², so numbers that come from a vendor enter as T-scores; only calibrated pixels
enter as densities."""

TEST_SHARE = 0.25
CATEGORY_PERCENTILES = (50, 80)
"""Percentiles of the training part's 10-year risk at which "moderate" and "high" begin."""

DIGITS = 8
"""Significant digits written: enough for 1e-6 in probability, few enough to be the same on every machine."""

EVALUATION_FILE = "evaluation.json"
MODEL_CARD_FILE = "model-card.md"


@dataclass(frozen=True, slots=True, eq=False)
class _Split:
    train: np.ndarray
    test: np.ndarray


def train_models(cohort: Cohort, directory: Path) -> None:
    """Fit every model, evaluate it on held-out subjects, and write the files into `directory`.

    Writes one JSON file per model, ``registry.json`` with their SHA-256, ``evaluation.json`` and
    ``model-card.md``. The same cohort gives the same bytes.

    Parameters
    ----------
    cohort : Cohort
    directory : Path
        Created if needed; files of the same names are replaced.

    Raises
    ------
    ConfigurationError
        If the cohort is too small.
    """
    directory.mkdir(parents=True, exist_ok=True)
    entries, contents, evaluations = [], {}, {}
    split = _split(cohort)
    for name, features in MODEL_FEATURES.items():
        content, evaluation = _train_one(cohort, split, name, features)
        raw = _write_json(directory / f"{name}.json", content)
        entries.append({"file": f"{name}.json", "sha256": hashlib.sha256(raw).hexdigest()})
        contents[name], evaluations[name] = content, evaluation
    _write_json(directory / REGISTRY_FILE, {"schema": SCHEMA, "models": entries})
    summary = {
        "training_data": training_data(cohort),
        "seed": cohort.seed,
        "subjects_drawn": cohort.drawn,
        "subjects_not_measurable": cohort.drawn - len(cohort.log_hazard),
        "subjects_train": len(split.train),
        "subjects_test": len(split.test),
        "models": evaluations,
    }
    _write_json(directory / EVALUATION_FILE, summary)
    card = model_card(_rounded(contents), _rounded(summary))  # the card shows what the files hold
    (directory / MODEL_CARD_FILE).write_text(card, encoding="utf-8")


def training_data(cohort: Cohort) -> str:
    """What a model was trained on, in the words that travel with every result."""
    return (
        f"simulated cohort of {cohort.drawn} subjects, seed {cohort.seed}, engine {__version__}; "
        "trained on simulated data, research use only"
    )


def _split(cohort: Cohort) -> _Split:
    """Held-out test part, stratified by ending and by the horizons between which it came.

    The intercept of each horizon rests on the few who fracture before it: both parts get their share of them.
    """
    rng = np.random.default_rng([cohort.seed, 1])
    interval = np.searchsorted(HORIZONS_YEARS, cohort.follow_up.years)
    stratum = cohort.follow_up.ending * (len(HORIZONS_YEARS) + 1) + interval
    in_test = np.zeros(len(stratum), dtype=bool)
    for kind in np.unique(stratum):
        members = rng.permutation(np.flatnonzero(stratum == kind))
        in_test[members[: round(TEST_SHARE * len(members))]] = True
    return _Split(np.flatnonzero(~in_test), np.flatnonzero(in_test))


def _train_one(
    cohort: Cohort, split: _Split, name: str, features: tuple[str, ...]
) -> tuple[dict[str, Any], dict[str, Any]]:
    table = np.column_stack([cohort.features[feature] for feature in features])
    train = table[split.train]
    follow_up: FollowUp = cohort.follow_up
    rng = np.random.default_rng([cohort.seed, 2])
    fit = fit_calibrated(train, follow_up.take(split.train), rng)
    content = _model_content(cohort, name, features, train, fit)
    log_odds, held_out = fit.predictor.log_odds(table[split.test]), follow_up.take(split.test)
    return content, {
        "cross_fitted_calibration_slope": fit.calibration_slope,
        "horizons": evaluate(log_odds, cohort.log_hazard[split.test], held_out, rng),
        "groups_10_years": evaluate_groups(log_odds[:, -1], _groups(cohort, split.test), held_out),
    }


def _groups(cohort: Cohort, index: np.ndarray) -> dict[str, np.ndarray]:
    male, age = cohort.features["male"][index] == 1, cohort.features["age_years"][index]
    return {"women": ~male, "men": male, "under 65 years": age < 65, "65 years and over": age >= 65}


def _model_content(
    cohort: Cohort, name: str, features: tuple[str, ...], train: FloatArray, fit: Fit
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "name": name,
        "version": f"{__version__}-n{cohort.drawn}-s{cohort.seed}",
        "training_data": training_data(cohort),
        "horizons_years": list(HORIZONS_YEARS),
        "intercepts": fit.predictor.intercepts,
        "features": [
            {
                "name": feature,
                "unit": FEATURE_UNITS[feature],
                "training_mean": train[:, column].mean(),
                "training_range": [train[:, column].min(), train[:, column].max()],
                "coefficient": fit.predictor.coefficients[column],
            }
            for column, feature in enumerate(features)
        ],
        "category": _category(train, fit),
        "ensemble": {
            "intercepts": np.array([refit.intercepts for refit in fit.ensemble]),
            "coefficients": np.array([refit.coefficients for refit in fit.ensemble]),
        },
    }


def _category(train: FloatArray, fit: Fit) -> dict[str, float | str]:
    horizon = HORIZONS_YEARS.index(CATEGORY_HORIZON_YEARS)
    risk = 1.0 / (1.0 + np.exp(-fit.predictor.log_odds(train)[:, horizon]))
    moderate, high = (round(float(level), 3) for level in np.percentile(risk, CATEGORY_PERCENTILES))
    below, above = CATEGORY_PERCENTILES
    return {
        "moderate_from": moderate,
        "high_from": high,
        "rule": (
            f"{CATEGORY_HORIZON_YEARS}-year risk below {moderate:.1%} low, from {moderate:.1%} moderate, "
            f"from {high:.1%} high ({below}th and {above}th percentile of the simulated training cohort)"
        ),
    }


def _write_json(path: Path, content: Mapping[str, Any]) -> bytes:
    raw = (json.dumps(_rounded(content), indent=1, ensure_ascii=False) + "\n").encode()
    path.write_bytes(raw)
    return raw


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | np.ndarray):
        return [_rounded(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(f"{float(value):.{DIGITS}g}")
    return value
