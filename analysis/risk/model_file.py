"""The file of a risk model: one JSON object of numbers, schema 2. Nothing in it can be executed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from analysis.errors import ConfigurationError
from analysis.results import HORIZONS_YEARS, ModelIdentity
from analysis.risk.calibration import parse_map
from analysis.risk.features import TRANSFORMS, ModelFeature
from analysis.risk.hazard import FloatArray, Hazard, Term
from analysis.risk.inputs import is_known_feature
from analysis.risk.model import RiskModel
from analysis.risk.predictors import FAMILIES

SCHEMA = "2"


def parse_model(content: Mapping[str, Any], *, file: str, sha256: str) -> RiskModel:
    """Build a model from the JSON object of its file.

    Raises
    ------
    ConfigurationError
        Naming file, key and rule, for a wrong schema, an unknown feature, unequal lengths, values that are
        not finite numbers, or a calibration that could fall.
    """
    try:
        return _parse(content, sha256)
    except KeyError as error:
        raise _unusable(file, f"has no key {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise _unusable(file, str(error)) from error


def model_content(model: RiskModel, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object of a model's file, not yet rounded.

    Parameters
    ----------
    model : RiskModel
        Its SHA-256 is that of the file and does not enter it.
    provenance : mapping
        What the model was made of and how: digests, versions, hyperparameters, figures.
    """
    names = [feature.name for feature in model.features]
    return {
        "schema": SCHEMA,
        "name": model.identity.name,
        "version": model.identity.version,
        "training_data": model.identity.training_data,
        "provenance": dict(provenance),
        "horizons_years": list(HORIZONS_YEARS),
        "features": [
            {
                "name": feature.name,
                "unit": feature.unit,
                "transform": feature.transform,
                "mean": feature.mean,
                "deviation": feature.deviation,
                "training_range": list(feature.training_range),
                "required": feature.required,
            }
            for feature in model.features
        ],
        "family_minimum": dict(model.family_minimum),
        "correlation": [list(row[: index + 1]) for index, row in enumerate(model.correlation)],
        "fracture": _hazard_content(model.fracture, names),
        "death": _hazard_content(model.death, names),
        "calibration": {"kind": model.calibration.kind, "parameters": list(model.calibration.parameters)},
        "category": {
            "moderate_from": model.moderate_from,
            "high_from": model.high_from,
            "rule": model.category_rule,
        },
        "refits": {
            "fracture_coefficients": model.fracture_refits.coefficients,
            "fracture_baseline": model.fracture_refits.baseline,
            "death_coefficients": model.death_refits.coefficients,
            "death_baseline": model.death_refits.baseline,
        },
    }


def _hazard_content(hazard: Hazard, names: Sequence[str]) -> dict[str, Any]:
    return {
        "terms": [[names[position] for position in term] for term in hazard.terms],
        "coefficients": list(hazard.coefficients),
        "knots_log_years": list(hazard.knots),
        "baseline": list(hazard.baseline),
        "frailty_variance": hazard.frailty_variance,
    }


def _parse(content: Mapping[str, Any], sha256: str) -> RiskModel:
    if content["schema"] != SCHEMA:
        raise ValueError(f"schema is {content['schema']!r}, this engine reads {SCHEMA!r}")
    if tuple(content["horizons_years"]) != HORIZONS_YEARS:
        raise ValueError(f"horizons_years must be {list(HORIZONS_YEARS)}")
    features = tuple(_parse_feature(item) for item in content["features"])
    names = [feature.name for feature in features]
    fracture = _parse_hazard(content["fracture"], "fracture", names)
    death = _parse_hazard(content["death"], "death", names)
    minimum = {str(family): int(least) for family, least in content["family_minimum"].items()}
    unknown = set(minimum) - set(FAMILIES)
    if unknown:
        raise ValueError(f"family_minimum names {', '.join(sorted(unknown))}, which is no family")
    refits, category = content["refits"], content["category"]
    if len(refits["fracture_coefficients"]) < 2:
        raise ValueError("refits needs at least two refits")
    return RiskModel(
        identity=ModelIdentity(content["name"], content["version"], content["training_data"], sha256),
        features=features,
        correlation=_parse_correlation(content["correlation"], len(features)),
        family_minimum=minimum,  # type: ignore[arg-type]  # checked above
        fracture=fracture,
        death=death,
        fracture_refits=_parse_refits(refits, "fracture", fracture),
        death_refits=_parse_refits(refits, "death", death),
        calibration=parse_map(content["calibration"]),
        moderate_from=float(category["moderate_from"]),
        high_from=float(category["high_from"]),
        category_rule=str(category["rule"]),
    )


def _parse_feature(item: Mapping[str, Any]) -> ModelFeature:
    name, transform = item["name"], item["transform"]
    if not is_known_feature(name):
        raise ValueError(f"feature {name!r} is not known to this engine")
    if transform not in TRANSFORMS:
        raise ValueError(f"{name}.transform is {transform!r}, this engine knows {', '.join(TRANSFORMS)}")
    low, high = _numbers(item["training_range"], f"{name}.training_range", (2,))
    mean, deviation = _numbers([item["mean"], item["deviation"]], name, (2,))
    if deviation <= 0:
        raise ValueError(f"{name}.deviation must be positive")
    return ModelFeature(
        name,
        str(item["unit"]),
        transform,
        float(mean),
        float(deviation),
        (float(low), float(high)),
        bool(item["required"]),
    )


def _parse_hazard(content: Mapping[str, Any], key: str, names: Sequence[str]) -> Hazard:
    terms = tuple(_parse_term(term, key, names) for term in content["terms"])
    knots = _numbers(content["knots_log_years"], f"{key}.knots_log_years", (len(content["knots_log_years"]),))
    if len(knots) < 2 or np.any(np.diff(knots) <= 0):
        raise ValueError(f"{key}.knots_log_years must be two or more rising numbers")
    frailty = float(content["frailty_variance"])
    if not 0 <= frailty < np.inf:
        raise ValueError(f"{key}.frailty_variance must not be negative")
    return Hazard(
        terms,
        _numbers(content["coefficients"], f"{key}.coefficients", (len(terms),)),
        knots,
        _numbers(content["baseline"], f"{key}.baseline", (len(knots),)),
        frailty,
    )


def _parse_term(term: Sequence[str], key: str, names: Sequence[str]) -> Term:
    if len(term) not in (1, 2) or any(name not in names for name in term):
        raise ValueError(f"{key}.terms: {term!r} must be one or two of the model's features")
    return tuple(names.index(name) for name in term)


def _parse_refits(content: Mapping[str, Any], key: str, hazard: Hazard) -> Hazard:
    refits = len(content["fracture_coefficients"])
    return Hazard(
        hazard.terms,
        _numbers(
            content[f"{key}_coefficients"], f"refits.{key}_coefficients", (refits, len(hazard.coefficients))
        ),
        hazard.knots,
        _numbers(content[f"{key}_baseline"], f"refits.{key}_baseline", (refits, len(hazard.baseline))),
        hazard.frailty_variance,
    )


def _parse_correlation(rows: Sequence[Sequence[float]], width: int) -> FloatArray:
    if len(rows) != width:
        raise ValueError(f"correlation must have {width} rows, has {len(rows)}")
    matrix = np.zeros((width, width))
    for index, row in enumerate(rows):
        matrix[index, : index + 1] = _numbers(row, f"correlation[{index}]", (index + 1,))
    return np.asarray(matrix + np.tril(matrix, -1).T, dtype=np.float64)


def _numbers(values: Sequence[Any], key: str, shape: tuple[int, ...]) -> FloatArray:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{key} must be numbers of shape {shape}") from error
    if array.shape != shape:
        raise ValueError(f"{key} must have shape {shape}, has {array.shape}")
    if not np.all(np.isfinite(array)):
        raise ValueError(f"{key} holds a value that is not a finite number")
    return array


def _unusable(file: str, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"risk model {file}: {why}; train it again with 'dicom-node train risk' or restore the shipped file"
    )
