"""The registry of risk models: checked before it is believed.

``registry.json`` of a directory names the active set, most preferred first: file and SHA-256 of each. What
else is known of versions, and who promoted what when, is kept in files of their own
(`analysis.risk.versions`), so that going back to a set gives back its registry byte for byte, and with it the
identity of every analysis.
"""

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
from analysis.risk.model import RiskModel
from analysis.risk.model_file import SCHEMA, parse_model
from analysis.risk.prediction import RiskPrediction

REGISTRY_FILE = "registry.json"
SHADOW_FILE = "shadow.json"
"""Models that are computed beside the active ones and told to nobody, in the same form; absent without any.
A file of its own, so that identities, which rest on the registry, know nothing of it."""

FORMATS = (".json", ".safetensors", ".onnx")
"""Weights are numbers in one of these; nothing that executes when it is read, such as a pickle, is
accepted."""


def load_models(directory: Path, registry: str = REGISTRY_FILE) -> RiskModels:
    """Load the models that ``registry.json`` of `directory` names, most preferred first.

    With `SHADOW_FILE` as `registry`, those in shadow.

    The SHA-256 of each file is compared with the registry over the raw bytes, before anything is parsed.

    Raises
    ------
    ConfigurationError
        If a file is missing, differs from its registered SHA-256, or is no model of this engine.
    """
    raw = read_bytes(directory / registry)
    entries = active_entries(raw)
    models = tuple(_load_one(directory, entry) for entry in entries)
    return RiskModels(models, hashlib.sha256(raw).hexdigest())


def active_entries(raw: bytes) -> list[Mapping[str, Any]]:
    """Entries of a registry's bytes, most preferred first: ``file``, ``sha256`` and, for models that carry
    weights beside their JSON, ``weights`` (a list of the same).

    Raises
    ------
    ConfigurationError
        If it is no registry of this schema.
    """
    registry = json_object(raw, REGISTRY_FILE)
    entries = registry.get("models")
    if registry.get("schema") != SCHEMA or not isinstance(entries, list) or not entries:
        raise ConfigurationError(
            f'risk model registry {REGISTRY_FILE}: needs "schema": "{SCHEMA}" and a non-empty list "models"; '
            "write it with 'dicom-node train risk' or restore the shipped directory"
        )
    return entries


def verified_bytes(directory: Path, entry: object) -> bytes:
    """Bytes of the file that an entry (``file``, ``sha256``) names, if they are the registered ones.

    Raises
    ------
    ConfigurationError
        If the entry is incomplete, names another directory or format, or the file is missing or was changed.
    """
    if not isinstance(entry, Mapping) or not {"file", "sha256"} <= entry.keys():
        raise ConfigurationError(
            f'risk model registry {REGISTRY_FILE}: every model needs "file" and "sha256"'
        )
    file, expected = str(entry["file"]), str(entry["sha256"])
    if Path(file).name != file:
        raise ConfigurationError(
            f"risk model registry {REGISTRY_FILE}: file {file!r} must be a plain name in the same directory"
        )
    if Path(file).suffix not in FORMATS:
        raise ConfigurationError(
            f"risk model registry {REGISTRY_FILE}: file {file!r} is of no accepted format "
            f"({', '.join(FORMATS)}); weights are never unpickled"
        )
    raw = read_bytes(directory / file)
    actual = hashlib.sha256(raw).hexdigest()
    if actual != expected:
        raise ConfigurationError(
            f"risk model {file}: its SHA-256 is {actual[:12]}…, {REGISTRY_FILE} says {expected[:12]}…; "
            "the file was changed: restore it, or train again with 'dicom-node train risk'"
        )
    return raw


@dataclass(frozen=True, slots=True)
class RiskModels:
    """All models of a registry, most preferred first.

    `sha256` is that of the registry's bytes; it stands for the whole set, since the registry names the
    SHA-256 of every file.
    """

    models: tuple[RiskModel, ...]
    sha256: str

    def predict(self, inputs: RiskInputs) -> tuple[RiskPrediction | None, tuple[QualityFinding, ...]]:
        """Predict with the first model that the available data allow.

        Returns
        -------
        prediction : RiskPrediction or None
            None when no model can be used; the findings then hold ``risk_not_computed`` with the reason.
        findings : tuple of QualityFinding
            ``risk_model_choice`` names the model and why a preferred one was passed over;
            ``risk_inputs_imputed`` what was replaced by its expectation; ``risk_from_vendor_t_scores`` warns
            of another reference than in training; ``extrapolation`` names every input outside the training
            range. Nothing is clamped.
        """
        passed_over: dict[str, tuple[str, ...]] = {}
        for model in self.models:
            unmet = model.unmet(inputs)
            if not unmet:
                return model.predict(inputs), _remarks(model, inputs, passed_over)
            passed_over[model.identity.name] = unmet
        return None, (_not_computed(passed_over),)


def _not_computed(passed_over: Mapping[str, tuple[str, ...]]) -> QualityFinding:
    """Name what every model lacks, or else what each lacks."""
    lacking = list(passed_over.values())
    everywhere = [name for name in lacking[0] if all(name in unmet for unmet in lacking)]
    needs = f"every model needs {', '.join(everywhere)}" if everywhere else _needs(passed_over)
    return QualityFinding(
        "risk_not_computed", Severity.ERROR, f"No fracture risk: {needs}. Supply what is missing."
    )


def _needs(passed_over: Mapping[str, tuple[str, ...]]) -> str:
    return "; ".join(f"{model} needs {', '.join(unmet)}" for model, unmet in passed_over.items())


def _phrased(names: Sequence[str]) -> str:
    return ", ".join(feature_phrase(name) for name in names)


def _remarks(
    model: RiskModel, inputs: RiskInputs, passed_over: Mapping[str, tuple[str, ...]]
) -> tuple[QualityFinding, ...]:
    why = f" because {_needs(passed_over)}" if passed_over else ": every input it cannot do without is known"
    findings = [
        QualityFinding("risk_model_choice", Severity.INFO, f"Risk by model {model.identity.name}{why}.")
    ]
    imputed = model.imputed(inputs)
    if imputed:
        findings.append(
            QualityFinding(
                "risk_inputs_imputed",
                Severity.INFO,
                "Unknown, and replaced by what is to be expected given the other inputs (the interval is "
                f"wider for it): {_phrased(imputed)}.",
            )
        )
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
    known = [inputs.regions[region] for region in regions if region in inputs.regions]
    return any(region.score_source is BmdSource.VENDOR for region in known)


_VENDOR_SCORES = QualityFinding(
    "risk_from_vendor_t_scores",
    Severity.WARNING,
    "The risk rests on the vendor's T-scores, but its model was trained with the female reference of the "
    "ISCD atlas for both sexes: where the vendor compares men with men, a man's risk is overestimated.",
)


def _load_one(directory: Path, entry: Mapping[str, Any]) -> RiskModel:
    raw = verified_bytes(directory, entry)
    for weights in entry.get("weights", []):
        verified_bytes(directory, weights)
    file = str(entry["file"])
    return parse_model(json_object(raw, file), file=file, sha256=hashlib.sha256(raw).hexdigest())


def read_bytes(path: Path) -> bytes:
    """Content of a file of the registry.

    Raises
    ------
    ConfigurationError
        If it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"risk model file {path} cannot be read ({error.strerror}); set 'models' to a directory "
            "written by 'dicom-node train risk'"
        ) from error


def json_object(raw: bytes, file: str) -> Mapping[str, Any]:
    """Parse the JSON object that a file of the registry holds.

    Raises
    ------
    ConfigurationError
        If it holds anything else.
    """
    try:
        content = json.loads(raw)
    except ValueError as error:
        raise ConfigurationError(f"risk model file {file} is not JSON ({error}); restore it") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"risk model file {file} must hold one JSON object; restore it")
    return content
