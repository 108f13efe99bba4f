"""The node's configuration: one commented TOML file, checked at start.

Unknown keys are errors; every error names key, value and remedy. Relative paths start from the TOML file's
own directory. The file `conf/node.toml` documents every key.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

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
from dicom_node.settings import (
    ae_title,
    between,
    each,
    existing_path,
    must,
    not_blank,
    read_table,
    reject_unknown_keys,
)
from dicom_node.storage.records import HELD
from reports import ReportOptions
from reports.options import DEFAULT_OPTIONS, EVERY_RESULT

_SHIPPED_MODELS = Path(analysis.__file__).parent / "risk" / "models"

__all__ = [
    "CompletionSettings",
    "DeliverySettings",
    "Destination",
    "ExecutionSettings",
    "NodeConfig",
    "NodeSettings",
    "ReceiverSettings",
    "default_conf_directory",
    "default_config_path",
    "load_analysis_config",
]


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """``[node]``: who the node is and where it keeps its data."""

    ae_title: str = field(default="RADIUSDXA", metadata=must(ae_title))
    host: str = field(default="0.0.0.0", metadata=must(not_blank))  # noqa: S104 - scanners connect from other machines
    port: int = field(default=11112, metadata=must(between(0, 65535)))
    data_dir: Path = Path("../node_data")


@dataclass(frozen=True, slots=True)
class ReceiverSettings:
    """``[receiver]``: whom the node listens to, and the limits it keeps."""

    calling_ae_titles: tuple[str, ...] = field(default=(), metadata=must(each(ae_title)))
    maximum_associations: int = field(default=50, metadata=must(between(1, 500)))
    maximum_pdu_size: int = field(default=131_072, metadata=must(between(4096, 1_048_576)))
    association_timeout_seconds: float = field(default=10.0, metadata=must(between(1, 300)))
    dimse_timeout_seconds: float = field(default=30.0, metadata=must(between(1, 3600)))
    idle_timeout_seconds: float = field(default=30.0, metadata=must(between(1, 3600)))
    min_free_bytes: int = field(default=2_000_000_000, metadata=must(between(0)))
    max_quarantine_bytes: int = field(default=1_000_000_000, metadata=must(between(0)))


@dataclass(frozen=True, slots=True)
class CompletionSettings:
    """``[completion]``: when a study counts as complete."""

    quiet_seconds: float = field(default=10.0, metadata=must(between(0, 86_400)))


@dataclass(frozen=True, slots=True)
class ExecutionSettings:
    """``[execution]``: how analyses are run."""

    workers: int = field(default=1, metadata=must(between(1, 64)))
    timeout_seconds: float = field(default=120.0, metadata=must(between(1, 86_400)))
    max_attempts: int = field(default=3, metadata=must(between(1, 100)))
    retry_seconds: float = field(default=5.0, metadata=must(between(0, 86_400)))


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """``[delivery]``: how results are sent, to every destination."""

    connect_timeout_seconds: float = field(default=10.0, metadata=must(between(1, 300)))
    response_timeout_seconds: float = field(default=60.0, metadata=must(between(1, 3600)))
    first_retry_seconds: float = field(default=5.0, metadata=must(between(0, 86_400)))
    max_retry_seconds: float = field(default=600.0, metadata=must(between(0, 604_800)))


@dataclass(frozen=True, slots=True)
class Destination:
    """``[[destination]]``: one peer that receives results.

    `reports` is ``[reports]`` as ``[destination.reports]`` overrides it.
    """

    name: str = field(metadata=must(not_blank))
    ae_title: str = field(metadata=must(ae_title))
    host: str = field(metadata=must(not_blank))
    port: int = field(metadata=must(between(1, 65535)))
    reports: ReportOptions = DEFAULT_OPTIONS


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


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """Everything a site may set; `load` is the only way in."""

    path: Path
    node: NodeSettings
    receiver: ReceiverSettings
    completion: CompletionSettings
    analysis: AnalysisConfig
    execution: ExecutionSettings
    reports: ReportOptions
    delivery: DeliverySettings
    destinations: tuple[Destination, ...]

    @classmethod
    def load(cls, path: Path) -> NodeConfig:
        """Read and check a configuration file.

        Raises
        ------
        ConfigurationError
            If the file cannot be read, is not TOML, or holds an unknown, missing or illegal key.
        """
        document = _read_toml(path)
        base = path.resolve().parent
        try:
            return cls._from_document(document, path.resolve(), base)
        except ConfigurationError as error:
            raise ConfigurationError(f"{path}: {error}") from None

    @classmethod
    def _from_document(cls, document: Mapping[str, Any], path: Path, base: Path) -> NodeConfig:
        reject_unknown_keys(document, [*_TABLES, "analysis", "reports", "destination"], "top level")
        tables = {
            name: read_table(schema, _table(document, name), name=f"[{name}]", base=base)
            for name, schema in _TABLES.items()
        }
        reports = _read_reports(_table(document, "reports"), {}, "[reports]", base)
        engine = _read_analysis(_table(document, "analysis"), base)
        return cls(
            path=path,
            analysis=engine.settings(),
            reports=reports,
            destinations=_destinations(document, base),
            **_with_absolute_data_dir(tables, base),
        )

    def reports_by_destination(self) -> dict[str, ReportOptions]:
        """Return what each destination wants; without any, the results that are held."""
        if not self.destinations:
            return {HELD: self.reports}
        return {destination.name: destination.reports for destination in self.destinations}

    def destination(self, name: str) -> Destination:
        """Return the destination called `name`; raises `ConfigurationError` naming those there are."""
        for destination in self.destinations:
            if destination.name == name:
                return destination
        names = ", ".join(item.name for item in self.destinations) or "none is configured"
        raise ConfigurationError(f"{self.path}: no [[destination]] is called {name!r}; there are: {names}")


def default_conf_directory() -> Path:
    """Return the shipped ``conf`` directory: the wheel's copy, else the checkout's own."""
    package = Path(__file__).resolve().parent
    packaged = package / "default_conf"
    return packaged if packaged.is_dir() else package.parent / "conf"


def default_config_path() -> Path:
    """Return ``conf/node.toml`` under the working directory if it is there, else the shipped one."""
    local = Path("conf/node.toml")
    return local if local.is_file() else default_conf_directory() / "node.toml"


def load_analysis_config(path: Path | None = None) -> AnalysisConfig:
    """Return the ``[analysis]`` settings of a configuration file; without one, of the shipped file.

    Raises
    ------
    ConfigurationError
        As `NodeConfig.load`.
    """
    return NodeConfig.load(path or default_conf_directory() / "node.toml").analysis


_TABLES: dict[str, type[Any]] = {
    "node": NodeSettings,
    "receiver": ReceiverSettings,
    "completion": CompletionSettings,
    "execution": ExecutionSettings,
    "delivery": DeliverySettings,
}


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: no such file; pass --config FILE") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read ({error}); check path and permissions") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: is not TOML: {error}; mend that line") from None


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise ConfigurationError(f"{name} = {table!r}: must be a table; write [{name}] on its own line")
    return table


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


def _read_analysis(table: Mapping[str, Any], base: Path) -> _AnalysisTable:
    """Read ``[analysis]`` and ``[analysis.mechanics]``."""
    name = "[analysis.mechanics]"
    own = {key: value for key, value in table.items() if key != "mechanics"}
    mechanics = read_table(MechanicsAssumptions, _table(table, "mechanics"), name=name, base=base)
    for key, limits in _MECHANICS_LIMITS.items():
        remedy = between(*limits)(getattr(mechanics, key))
        if remedy:
            raise ConfigurationError(f"{name} {key} = {getattr(mechanics, key)!r}: must be {remedy}")
    return read_table(_AnalysisTable, own, name="[analysis]", base=base, mechanics=mechanics)


def _read_reports(shared: Mapping[str, Any], own: Mapping[str, Any], name: str, base: Path) -> ReportOptions:
    """Read ``[reports]``, or what a destination makes of it: its `own` keys win over the `shared` ones."""
    reject_unknown_keys(own, [item.name for item in fields(ReportOptions)], name)
    options = read_table(ReportOptions, {**shared, **own}, name=name, base=base)
    if not options.results:
        raise ConfigurationError(f"{name} results = []: must name at least one of {', '.join(EVERY_RESULT)}")
    for key in ("results", "texture"):
        values = getattr(options, key)
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise ConfigurationError(f"{name} {key}: names {twice!r} twice; name it once")
    return options


def _with_absolute_data_dir(tables: dict[str, Any], base: Path) -> dict[str, Any]:
    node: NodeSettings = tables["node"]
    return {**tables, "node": replace(node, data_dir=(base / node.data_dir).resolve())}


def _destinations(document: Mapping[str, Any], base: Path) -> tuple[Destination, ...]:
    entries = document.get("destination", [])
    if not isinstance(entries, list):
        raise ConfigurationError("destination: must be a list of tables; write [[destination]] for each")
    shared = _table(document, "reports")
    found: list[Destination] = []
    for number, entry in enumerate(entries, start=1):
        name = f"[[destination]] {number}"
        own = entry.get("reports", {})
        if not isinstance(own, dict):
            raise ConfigurationError(
                f"{name} reports = {own!r}: must be a table; write [destination.reports] on its own line"
            )
        reports = _read_reports(shared, own, f"{name} [destination.reports]", base)
        rest = {key: value for key, value in entry.items() if key != "reports"}
        destination = read_table(Destination, rest, name=name, base=base, reports=reports)
        if destination.name in {other.name for other in found}:
            raise ConfigurationError(
                f"[[destination]] {number} name = {destination.name!r}: used twice; give each its own name"
            )
        found.append(destination)
    return tuple(found)
