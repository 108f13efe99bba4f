"""An evaluation as JSON: every figure of the report."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from analysis.evaluation.results import Evaluation

NOT_WRITTEN = frozenset({"influence"})
"""Per-subject values, which belong to the patients."""


def to_json(evaluation: Evaluation) -> str:
    """The whole tree, field by field, with its ``schema``; figures that do not exist are null."""
    return json.dumps(plain(evaluation), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def plain(value: object) -> Any:
    """Dataclasses, arrays and mappings as JSON's objects, lists and numbers."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.name not in NOT_WRITTEN
        }
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    if isinstance(value, np.generic):
        return value.item()
    return value if value is None or isinstance(value, str | int) else str(value)
