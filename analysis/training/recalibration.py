"""Fit a model's level and slope to a site's own follow-up: what a model from elsewhere needs before use.

Two numbers for the fracture hazard and one for death, by maximum likelihood; the order in which the model
ranks patients stays. Both are kept in the new file's provenance.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from analysis.cohort.columns import DEATH, FRACTURE
from analysis.errors import ConfigurationError
from analysis.risk.hazard import FloatArray
from analysis.risk.missing import expected_log_relative
from analysis.risk.model import RiskModel
from analysis.risk.model_file import SCHEMA, model_content
from analysis.risk.registry import REGISTRY_FILE, active_entries, json_object, load_models, read_bytes
from analysis.risk.versions import VERSIONS_FILE
from analysis.surveillance.reference import REFERENCE_FILE, reference_of, write_reference
from analysis.training.calibrate import slope_and_level
from analysis.training.models import cohort_digest, training_data, write_json
from analysis.training.one_model import rescaled
from analysis.training.training_data import CohortLike

MINIMUM_FRACTURES = 30
"""Fewer cannot fix a level to better than about 18 %, let alone a slope (1/√events), assumption."""

_SITE, _LEVEL = "-site-", "; level and slope from "
"""What a recalibration adds to version and training data; the latest one stands for all of them."""


def recalibrate(model: RiskModel, table: CohortLike) -> RiskModel:
    """The model with level and slope fitted to a cohort; name, features and categories stay.

    Parameters
    ----------
    model : RiskModel
    table : CohortLike
        With the model's features (NaN where unknown) and follow-up.

    Returns
    -------
    RiskModel
        Its version ends in the cohort's digest, its SHA-256 is empty until it is written.

    Raises
    ------
    ConfigurationError
        If the cohort holds too few fractures.
    """
    recalibrated, _ = recalibrated_with_figures(model, table)
    return recalibrated


def recalibrated_with_figures(model: RiskModel, table: CohortLike) -> tuple[RiskModel, dict[str, float]]:
    """As `recalibrate`, with ``slope``, ``level`` and ``death_level`` (log-hazard)."""
    follow_up = table.follow_up
    fractures = int((follow_up.ending == FRACTURE).sum())
    if fractures < MINIMUM_FRACTURES:
        raise ConfigurationError(
            f"recalibration: {fractures} fractures, at least {MINIMUM_FRACTURES} are needed; "
            "collect more follow-up first"
        )
    completed = model.completed(table.features([feature.name for feature in model.features]))
    relative: FloatArray = expected_log_relative(model.fracture, completed)
    slope, level = slope_and_level(relative, model.fracture, follow_up)
    death_level = 0.0
    if (follow_up.ending == DEATH).any():
        death = model.death.log_relative(completed.values)
        _, death_level = slope_and_level(death, model.death, follow_up, cause=DEATH, slope=False)
    origin, told = model.identity.version.partition(_SITE)[0], model.identity.training_data
    identity = replace(
        model.identity,
        version=f"{origin}{_SITE}{cohort_digest(table)[:8]}",
        training_data=f"{told.partition(_LEVEL)[0]}{_LEVEL}{training_data(table)}",
        sha256="",
    )
    changed = replace(
        model,
        identity=identity,
        fracture=rescaled(model.fracture, slope, level),
        fracture_refits=rescaled(model.fracture_refits, slope, level),
        death=rescaled(model.death, 1.0, death_level),
        death_refits=rescaled(model.death_refits, 1.0, death_level),
    )
    return changed, {"slope": slope, "level": level, "death_level": death_level}


def recalibrate_models(
    source: Path,
    table: CohortLike,
    directory: Path,
    *,
    models: Sequence[str] = (),
    cross_validated: Mapping[str, Any] | None = None,
) -> None:
    """Recalibrate every active model of `source` whose required features the cohort has; write a directory.

    Parameters
    ----------
    source : Path
    table : CohortLike
    directory : Path
    models : sequence of str
        Only those of these names; all if empty.
    cross_validated : mapping, optional
        Figures by horizon to be listed with the version, `analysis.training.one_model.figures`.

    Raises
    ------
    ConfigurationError
        If none can be, or the cohort holds too few fractures.
    """
    entries = active_entries(read_bytes(source / REGISTRY_FILE))
    written = []
    for model, entry in zip(load_models(source).models, entries, strict=True):
        if models and model.identity.name not in models:
            continue
        required = [feature.name for feature in model.features if feature.required]
        if np.isnan(table.features(required)).all(axis=0).any():
            continue
        original = json_object(read_bytes(source / str(entry["file"])), str(entry["file"]))
        changed, figures = recalibrated_with_figures(model, table)
        provenance = {
            **original.get("provenance", {}),
            "recalibrated": {
                "from_sha256": entry["sha256"],
                "cohort_sha256": cohort_digest(table),
                **figures,
            },
        }
        directory.mkdir(parents=True, exist_ok=True)
        listed = {"cross_validated": dict(cross_validated)} if cross_validated else {}
        written.append(_write(directory, changed, provenance) | listed)
    if not written:
        raise ConfigurationError(
            "recalibration: the cohort lacks what every model requires (age_years, male, densities or "
            "T-scores)"
        )
    files = [{"file": item["file"], "sha256": item["sha256"]} for item in written]
    write_json(directory / REGISTRY_FILE, {"schema": SCHEMA, "models": files})
    write_json(directory / VERSIONS_FILE, {"schema": SCHEMA, "versions": written})
    recalibrated = load_models(directory).models
    write_reference(reference_of(recalibrated, table, cohort_digest(table)), directory / REFERENCE_FILE)


def _write(directory: Path, model: RiskModel, provenance: dict[str, Any]) -> dict[str, Any]:
    file = f"{model.identity.name}-{model.identity.version}.json"
    raw = write_json(directory / file, model_content(model, provenance))
    return {
        "name": model.identity.name,
        "version": model.identity.version,
        "file": file,
        "sha256": hashlib.sha256(raw).hexdigest(),
        "training_data": model.identity.training_data,
        **provenance,
        "reference": REFERENCE_FILE,
    }
