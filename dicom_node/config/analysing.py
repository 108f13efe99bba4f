"""``[analysis]`` and ``[execution]``: what the engine is given, and how analyses are run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import analysis
from analysis.config import (
    PREPROCESSING,
    AnalysisConfig,
    ForearmPosition,
    MechanicsAssumptions,
    PreprocessingStep,
    RoiConvention,
    SegmentationMethod,
    TextureEngine,
    TextureFamily,
)
from dicom_node.errors import ConfigurationError
from dicom_node.settings import between, existing_path, must, read_table, table_of

__all__ = ["ExecutionSettings", "read_analysis"]

_SHIPPED_MODELS = Path(analysis.__file__).parent / "risk" / "models"


@dataclass(frozen=True, slots=True)
class ExecutionSettings:
    """``[execution]``: how analyses are run."""

    executor: Literal["processes", "dask"] = "processes"
    workers: int = field(default=1, metadata=must(between(1, 64)))
    scheduler: str = "tcp://127.0.0.1:8786"
    cluster_ca: Path | None = field(default=None, metadata=must(existing_path))
    cluster_certificate: Path | None = field(default=None, metadata=must(existing_path))
    cluster_key: Path | None = field(default=None, metadata=must(existing_path))
    timeout_seconds: float = field(default=120.0, metadata=must(between(1, 86_400)))
    memory_limit_bytes: int = field(default=4_000_000_000, metadata=must(between(1_000_000_000)))
    max_attempts: int = field(default=3, metadata=must(between(1, 100)))
    retry_seconds: float = field(default=5.0, metadata=must(between(0, 86_400)))


@dataclass(frozen=True, slots=True)
class _AnalysisTable:
    """``[analysis]`` as TOML spells it; becomes `analysis.config.AnalysisConfig`."""

    reference: Path = field(metadata=must(existing_path))
    guideline: Path = field(metadata=must(existing_path))
    models: Path = field(default=_SHIPPED_MODELS, metadata=must(existing_path))
    forearm_position: ForearmPosition = "palm_down"
    roi_convention: RoiConvention = "hologic"
    segmentation: SegmentationMethod = "network"
    preprocessing: tuple[PreprocessingStep, ...] = PREPROCESSING
    texture_engine: TextureEngine = "numba"
    texture_families: tuple[TextureFamily, ...] = ("core",)
    devices: Path | None = field(default=None, metadata=must(existing_path))
    mechanics: MechanicsAssumptions = field(default=MechanicsAssumptions())

    def settings(self) -> AnalysisConfig:
        """Return the engine's settings, every path absolute."""
        values: dict[str, Any] = {item.name: getattr(self, item.name) for item in fields(self)}
        paths = {name: value.resolve() for name, value in values.items() if isinstance(value, Path)}
        return AnalysisConfig(**values | paths)


_MECHANICS_LIMITS = {
    "compact_modulus_mpa": (100, 100_000),
    "compact_mineral_g_cm3": (0.5, 2),
    "density_exponent": (0.5, 4),
    "poisson_ratio": (0, 0.49),
    "depth_over_width": (0.3, 3),
    "fall_load_body_weights": (0.01, 10),
    "radius_share": (0.01, 1),
    "transverse_share": (0, 1),
    "unit_load_n": (1, 100_000),
    "element_mm": (0.4, 2),
}
"""Finer elements would take seconds, coarser ones do not follow the bone."""


def read_analysis(table: Mapping[str, Any], base: Path) -> AnalysisConfig:
    """Read ``[analysis]`` and ``[analysis.mechanics]``; every path becomes absolute."""
    name = "[analysis.mechanics]"
    own = {key: value for key, value in table.items() if key != "mechanics"}
    mechanics = read_table(MechanicsAssumptions, table_of(table, "mechanics"), name=name, base=base)
    for key, limits in _MECHANICS_LIMITS.items():
        remedy = between(*limits)(getattr(mechanics, key))
        if remedy:
            raise ConfigurationError(f"{name} {key} = {getattr(mechanics, key)!r}: must be {remedy}")
    return read_table(_AnalysisTable, own, name="[analysis]", base=base, mechanics=mechanics).settings()
