"""A site's own entries for one patient, read from a JSON file: what no densitometer sends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from analysis.advice.entries import ENTRIES, EntryValue
from analysis.config import ClinicalContext
from dicom_node.errors import ConfigurationError

ANSWERS = {
    "clinical.prior_fracture": "prior_fragility_fracture",
    "clinical.parental_fracture": "parental_hip_fracture",
    "clinical.current_smoker": "current_smoker",
}
"""Predictors that the guideline's rules read too, as a yes or no of `ClinicalContext`."""

GLUCOCORTICOID_DOSE = "clinical.glucocorticoid_mg_d"


def read_entries(path: Path) -> ClinicalContext:
    """Read entries from a JSON object.

    Parameters
    ----------
    path : Path
        Keys are fields of `ClinicalContext` (``age_years``, ``sex``, ``height_mm``, ...), predictors of
        `analysis.risk.predictors.PREDICTORS` (``clinical.falls_past_year``, ``turnover.ctx_ng_l``, ...) or
        entries of `analysis.advice.entries.ENTRIES` (``menopause``, ``serum_creatinine_umol_l``,
        ``current_drug``, ...); values are numbers in the catalogue's units, ``true`` or ``false``, words,
        lists of words, and ``"F"`` or ``"M"`` for sex. ``null`` means unknown.

    Raises
    ------
    ConfigurationError
        If the file cannot be read, or an entry has an unknown name or a value that cannot be.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: cannot be read as JSON ({error}); correct the file") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f'{path}: needs one JSON object, as {{"clinical.falls_past_year": 1}}')
    known = {name: value for name, value in content.items() if value is not None}
    try:
        return entries(known)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from error


def entries(known: Mapping[str, Any]) -> ClinicalContext:
    """Site entries from plain names and values.

    Raises
    ------
    ConfigurationError
        For an unknown name or a value that cannot be.
    """
    names = {item.name for item in fields(ClinicalContext)} - {"predictors", "advice"}
    plain: dict[str, Any] = {}
    predictors: dict[str, float] = {}
    advice: dict[str, EntryValue] = {}
    for name, value in known.items():
        if name in names:
            plain[name] = _field(name, value)
        elif name in ANSWERS:
            plain[ANSWERS[name]] = _answer(name, value)
        elif name in ENTRIES:
            advice[name] = _entry(name, value)
        else:
            predictors[name] = _number(name, value)
    if GLUCOCORTICOID_DOSE in predictors:
        plain.setdefault("glucocorticoids", predictors[GLUCOCORTICOID_DOSE] > 0)
    return ClinicalContext(**plain, predictors=predictors, advice=advice)


def _entry(name: str, value: Any) -> Any:
    """As `ClinicalContext` takes it; what cannot be is left for it to refuse."""
    if ENTRIES[name].kind == "yes_no":
        return _answer(name, value)
    if ENTRIES[name].kind == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return tuple(value) if isinstance(value, list) else value


def _field(name: str, value: Any) -> Any:
    if name == "sex":
        if value not in ("F", "M"):
            raise ConfigurationError(f'site entry sex = {value!r} must be "F" or "M"')
        return value
    if name == "laterality":
        if value not in ("L", "R"):
            raise ConfigurationError(f'site entry laterality = {value!r} must be "L" or "R"')
        return value
    if name in ("age_years", "height_mm", "weight_kg", "forearm_length_mm"):
        number = _number(name, value)
        if number <= 0:
            raise ConfigurationError(f"site entry {name} = {number:g} must be positive")
        return number
    return _answer(name, value)


def _answer(name: str, value: Any) -> bool:
    if value not in (0, 1):
        raise ConfigurationError(f"site entry {name} = {value!r} must be true or false")
    return bool(value)


def _number(name: str, value: Any) -> float:
    if not isinstance(value, int | float):
        raise ConfigurationError(f"site entry {name} = {value!r} must be a number")
    return float(value)
