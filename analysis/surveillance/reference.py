"""The training reference of a set of models: how every feature and every predicted risk was distributed.

One JSON file beside the models, named by their entries in ``versions.json``. It is read by those who watch,
never by those who predict, and so takes no part in a model's identity.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.errors import ConfigurationError
from analysis.results import HORIZONS_YEARS
from analysis.risk.versions import list_versions
from analysis.surveillance.distributions import Distribution, distribution_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis.risk.model import RiskModel
    from analysis.training.training_data import CohortLike

REFERENCE_FILE = "reference.json"
SCHEMA = "1"
DIGITS = 6
"""Significant digits of what is written."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceSet:
    """Distributions in the training cohort.

    Attributes
    ----------
    cohort_sha256 : str
        Of the features and the follow-up that the models were trained on.
    training_data : str
        The cohort in words.
    features : mapping of str to Distribution
        By the feature's name, in its unit; all subjects in whom it was known.
    risks : mapping of str to mapping of int to Distribution
        Model name -> horizon in years -> what the model says of the training cohort.
    """

    cohort_sha256: str
    training_data: str
    features: Mapping[str, Distribution]
    risks: Mapping[str, Mapping[int, Distribution]]


def reference_of(models: Sequence[RiskModel], table: CohortLike, cohort_sha256: str) -> ReferenceSet:
    """Describe the cohort that `models` were trained on.

    Parameters
    ----------
    models : sequence of RiskModel
        Of one training.
    table : CohortLike
        That cohort.
    cohort_sha256 : str
        As `analysis.training.models.cohort_digest` gives it.
    """
    features: dict[str, Distribution] = {}
    risks: dict[str, dict[int, Distribution]] = {}
    for model in models:
        values = np.asarray(table.features([feature.name for feature in model.features]), dtype=np.float64)
        for column, feature in enumerate(model.features):
            if feature.name not in features and np.isfinite(values[:, column]).any():
                features[feature.name] = distribution_of(values[:, column])
        usable = model.usable(values)
        if usable.any():
            predicted = model.risk(values[usable])
            risks[model.identity.name] = {
                years: distribution_of(predicted[:, column]) for column, years in enumerate(HORIZONS_YEARS)
            }
    return ReferenceSet(cohort_sha256, models[0].identity.training_data, features, risks)


def references_of(directory: Path) -> dict[tuple[str, str], ReferenceSet]:
    """Return the training reference of every version that a directory of models holds and has one of.

    Returns
    -------
    dict
        (Name, version) -> reference; versions share what they were trained on together.

    Raises
    ------
    ConfigurationError
        If the registry or a reference cannot be read.
    """
    files: dict[str, ReferenceSet] = {}
    found = {}
    for version in list_versions(directory):
        file = str(version.entry.get("reference", ""))
        if file and Path(file).name == file:
            if file not in files:
                files[file] = read_reference(directory / file)
            found[version.name, version.version] = files[file]
    return found


def write_reference(reference: ReferenceSet, path: Path) -> None:
    """Write the file, one quantity a line; the same reference gives the same bytes."""
    head = {
        "schema": SCHEMA,
        "cohort_sha256": reference.cohort_sha256,
        "training_data": reference.training_data,
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}," for key, value in head.items()]
    lines += [' "features": {', ",\n".join(_named(reference.features)), " },", ' "risks": {']
    parts = []
    for name, by_horizon in reference.risks.items():
        rows = ",\n".join(_named({str(years): part for years, part in by_horizon.items()}))
        parts.append(f"  {json.dumps(name)}: {{\n{rows}\n  }}")
    lines += [",\n".join(parts), " }"]
    path.write_text("{\n" + "\n".join(lines) + "\n}\n", encoding="utf-8")


def read_reference(path: Path) -> ReferenceSet:
    """Read the file.

    Raises
    ------
    ConfigurationError
        If it cannot be read or is no reference of this schema.
    """
    try:
        content = json.loads(path.read_bytes())
        if content["schema"] != SCHEMA:
            raise ValueError(f"schema is {content['schema']!r}, this engine reads {SCHEMA!r}")
        return ReferenceSet(
            str(content["cohort_sha256"]),
            str(content["training_data"]),
            {str(name): _read(item) for name, item in content["features"].items()},
            {
                str(name): {int(years): _read(item) for years, item in by_horizon.items()}
                for name, by_horizon in content["risks"].items()
            },
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"training reference {path.name}: cannot be used ({type(error).__name__}: {error}); write it "
            "again with 'dicom-node surveillance reference', or restore the shipped file"
        ) from error


def _named(distributions: Mapping[str, Distribution]) -> list[str]:
    return [f"  {json.dumps(name)}: {json.dumps(_content(item))}" for name, item in distributions.items()]


def _content(item: Distribution) -> dict[str, Any]:
    values, keep = _rounded(item)
    return {
        "subjects": item.subjects,
        "known": _number(item.known),
        "values": values,
        "cumulative": [_number(float(share)) for share in item.cumulative[keep]],
    }


def _rounded(item: Distribution) -> tuple[list[float], list[int]]:
    """Values to `DIGITS`; of those that become equal, the one with the largest share stands."""
    values = [_number(float(value)) for value in item.values]
    keep = [
        index for index in range(len(values)) if index + 1 == len(values) or values[index] < values[index + 1]
    ]
    return [values[index] for index in keep], keep


def _number(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _read(item: Mapping[str, Any]) -> Distribution:
    return Distribution(
        np.asarray(item["values"], dtype=np.float64),
        np.asarray(item["cumulative"], dtype=np.float64),
        int(item["subjects"]),
        float(item["known"]),
    )
