"""The registry of risk models: checked before it is believed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.errors import ConfigurationError
from analysis.results import BmdSource, QualityFinding, Severity
from analysis.risk.inputs import RiskInputs, feature_phrase
from analysis.risk.model import SCHEMA, RiskModel, parse_model
from analysis.risk.prediction import RiskPrediction

REGISTRY_FILE = "registry.json"


def load_models(directory: Path) -> RiskModels:
    """Load the models that ``registry.json`` of `directory` names, most preferred first.

    The SHA-256 of each file is compared with the registry over the raw bytes, before anything is parsed.

    Raises
    ------
    ConfigurationError
        If a file is missing, differs from its registered SHA-256, or is no model of this engine.
    """
    path = directory / REGISTRY_FILE
    raw = _read(path)
    registry = _json_object(raw, path.name)
    entries = registry.get("models")
    if registry.get("schema") != SCHEMA or not isinstance(entries, list) or not entries:
        raise ConfigurationError(
            f'risk model registry {path.name}: needs "schema": "{SCHEMA}" and a non-empty list "models"; '
            "write it with 'dicom-node train risk' or restore the shipped directory"
        )
    models = tuple(_load_one(directory, entry) for entry in entries)
    return RiskModels(models, hashlib.sha256(raw).hexdigest())


@dataclass(frozen=True, slots=True)
class RiskModels:
    """All models of a registry, most preferred first.

    `sha256` is that of the registry's bytes; it stands for the whole set, since the registry names the
    SHA-256 of every file.
    """

    models: tuple[RiskModel, ...]
    sha256: str

    def predict(self, inputs: RiskInputs) -> tuple[RiskPrediction | None, tuple[QualityFinding, ...]]:
        """Predict with the first model whose every feature is available.

        Returns
        -------
        prediction : RiskPrediction or None
            None when no model can be used; the findings then hold ``risk_not_computed`` with the reason.
        findings : tuple of QualityFinding
            ``risk_model_choice`` names the model and why a preferred one was passed over;
            ``risk_from_vendor_t_scores`` warns of another reference than in training; ``extrapolation`` names
            every input outside the training range. Nothing is clamped.
        """
        passed_over: dict[str, tuple[str, ...]] = {}
        for model in self.models:
            missing = model.missing(inputs)
            if not missing:
                return model.predict(inputs), _remarks(model, inputs, passed_over)
            passed_over[model.identity.name] = missing
        return None, (_not_computed(passed_over),)


def _not_computed(passed_over: Mapping[str, tuple[str, ...]]) -> QualityFinding:
    """Name what every model lacks, or else what each lacks."""
    lacking = list(passed_over.values())
    everywhere = [name for name in lacking[0] if all(name in missing for missing in lacking)]
    needs = f"every model needs {_phrased(everywhere)}" if everywhere else _needs(passed_over)
    return QualityFinding(
        "risk_not_computed", Severity.ERROR, f"No fracture risk: {needs}. Supply what is missing."
    )


def _needs(passed_over: Mapping[str, tuple[str, ...]]) -> str:
    return "; ".join(f"{model} needs {_phrased(missing)}" for model, missing in passed_over.items())


def _phrased(names: Sequence[str]) -> str:
    return ", ".join(feature_phrase(name) for name in names)


def _remarks(
    model: RiskModel, inputs: RiskInputs, passed_over: Mapping[str, tuple[str, ...]]
) -> tuple[QualityFinding, ...]:
    why = f" because {_needs(passed_over)}" if passed_over else ": every input it needs was measured"
    findings = [
        QualityFinding("risk_model_choice", Severity.INFO, f"Risk by model {model.identity.name}{why}.")
    ]
    if _uses_vendor_scores(model, inputs):
        findings.append(_VENDOR_SCORES)
    outside = model.out_of_range(inputs)
    if outside:
        findings.append(
            QualityFinding(
                "extrapolation",
                Severity.WARNING,
                f"Risk extrapolated beyond the training cohort: {'; '.join(outside)}.",
            )
        )
    return tuple(findings)


def _uses_vendor_scores(model: RiskModel, inputs: RiskInputs) -> bool:
    regions = [f.name.removesuffix(".t_score") for f in model.features if f.name.endswith(".t_score")]
    return any(inputs.regions[region].score_source is BmdSource.VENDOR for region in regions)


_VENDOR_SCORES = QualityFinding(
    "risk_from_vendor_t_scores",
    Severity.WARNING,
    "The risk rests on the vendor's T-scores, but its model was trained with the female reference of the "
    "ISCD atlas for both sexes: where the vendor compares men with men, a man's risk is overestimated.",
)


def _load_one(directory: Path, entry: object) -> RiskModel:
    if not isinstance(entry, dict) or not {"file", "sha256"} <= entry.keys():
        raise ConfigurationError(
            f'risk model registry {REGISTRY_FILE}: every model needs "file" and "sha256"'
        )
    file, expected = str(entry["file"]), str(entry["sha256"])
    if Path(file).name != file:
        raise ConfigurationError(
            f"risk model registry {REGISTRY_FILE}: file {file!r} must be a plain name in the same directory"
        )
    raw = _read(directory / file)
    actual = hashlib.sha256(raw).hexdigest()
    if actual != expected:
        raise ConfigurationError(
            f"risk model {file}: its SHA-256 is {actual[:12]}…, {REGISTRY_FILE} says {expected[:12]}…; "
            "the file was changed: restore it, or train again with 'dicom-node train risk'"
        )
    return parse_model(_json_object(raw, file), file=file, sha256=actual)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"risk model file {path} cannot be read ({error.strerror}); set 'models' to a directory "
            "written by 'dicom-node train risk'"
        ) from error


def _json_object(raw: bytes, file: str) -> Mapping[str, Any]:
    try:
        content = json.loads(raw)
    except ValueError as error:
        raise ConfigurationError(f"risk model file {file} is not JSON ({error}); restore it") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"risk model file {file} must hold one JSON object; restore it")
    return content
