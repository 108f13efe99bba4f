"""Reads the whole file; what a table may hold stands in the modules beside this one."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from analysis.config import AnalysisConfig
from dicom_node.config.access import AccessSettings, CommitmentSettings, PeerSettings, ServerTls, read_peers
from dicom_node.config.analysing import ExecutionSettings, read_analysis
from dicom_node.config.asking import (
    PriorsSettings,
    RemoteArchive,
    RetrievalSettings,
    check_priors,
    read_archives,
)
from dicom_node.config.clinical import FhirSettings, read_fhir
from dicom_node.config.completing import CompletionSettings, check_count_at, read_completion
from dicom_node.config.console import ConsoleSettings
from dicom_node.config.delivering import DeliverySettings, Destination, read_destinations, read_reports
from dicom_node.config.keeping import BackupSettings, RetentionSettings
from dicom_node.config.learning import LearningSettings
from dicom_node.config.notifying import NotificationSettings
from dicom_node.config.observing import AuditSettings, LoggingSettings, MonitoringSettings
from dicom_node.config.receiving import NodeSettings, ReceiverSettings
from dicom_node.config.reprocessing import ConfiguredJob, ReprocessingSettings, read_jobs
from dicom_node.config.routing import Route, read_routes
from dicom_node.config.surveillance import SurveillanceSettings
from dicom_node.errors import ConfigurationError
from dicom_node.settings import read_table, reject_unknown_keys, table_of
from dicom_node.storage.records import HELD
from reports import ReportOptions

__all__ = ["NodeConfig", "default_conf_directory", "default_config_path", "load_analysis_config"]

_TABLES: dict[str, type[Any]] = {
    "node": NodeSettings,
    "receiver": ReceiverSettings,
    "execution": ExecutionSettings,
    "delivery": DeliverySettings,
    "access": AccessSettings,
    "tls": ServerTls,
    "commitment": CommitmentSettings,
    "logging": LoggingSettings,
    "monitoring": MonitoringSettings,
    "audit": AuditSettings,
    "retention": RetentionSettings,
    "backup": BackupSettings,
    "retrieval": RetrievalSettings,
    "priors": PriorsSettings,
    "notifications": NotificationSettings,
    "reprocessing": ReprocessingSettings,
    "console": ConsoleSettings,
    "learning": LearningSettings,
    "surveillance": SurveillanceSettings,
}


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
    routes: tuple[Route, ...]
    access: AccessSettings
    peers: tuple[PeerSettings, ...]
    tls: ServerTls
    commitment: CommitmentSettings
    logging: LoggingSettings
    monitoring: MonitoringSettings
    audit: AuditSettings
    retention: RetentionSettings
    backup: BackupSettings
    archives: tuple[RemoteArchive, ...]
    retrieval: RetrievalSettings
    priors: PriorsSettings
    notifications: NotificationSettings
    reprocessing: ReprocessingSettings
    jobs: tuple[ConfiguredJob, ...]
    console: ConsoleSettings
    learning: LearningSettings
    surveillance: SurveillanceSettings
    fhir: FhirSettings

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
        reject_unknown_keys(
            document,
            [
                *_TABLES,
                "fhir",
                "completion",
                "analysis",
                "reports",
                "destination",
                "route",
                "peer",
                "archive",
                "job",
            ],
            "top level",
        )
        tables = {
            name: read_table(schema, table_of(document, name), name=f"[{name}]", base=base)
            for name, schema in _TABLES.items()
        }
        reports = read_reports(table_of(document, "reports"), {}, "[reports]", base)
        destinations = read_destinations(document, base)
        archives = read_archives(document, base)
        check_priors(tables["priors"], archives)
        completion = read_completion(table_of(document, "completion"), base)
        check_count_at(completion, [archive.name for archive in archives])
        return cls(
            path=path,
            completion=completion,
            fhir=read_fhir(table_of(document, "fhir"), base),
            analysis=read_analysis(table_of(document, "analysis"), base),
            reports=reports,
            destinations=destinations,
            routes=read_routes(document, [destination.name for destination in destinations], base),
            peers=read_peers(document, base),
            archives=archives,
            jobs=read_jobs(document, base),
            **_with_absolute_data_dir(tables, base),
        )

    def reports_by_destination(self) -> dict[str, ReportOptions]:
        """Return what each destination wants; without any, the results that are held."""
        if not self.destinations:
            return {HELD: self.reports}
        return {destination.name: destination.reports for destination in self.destinations}

    def archive(self, name: str) -> RemoteArchive:
        """Return the archive called `name`; raises `ConfigurationError` naming those there are."""
        for archive in self.archives:
            if archive.name == name:
                return archive
        names = ", ".join(item.name for item in self.archives) or "none is configured"
        raise ConfigurationError(f"{self.path}: no [[archive]] is called {name!r}; there are: {names}")

    def destination(self, name: str) -> Destination:
        """Return the destination called `name`; raises `ConfigurationError` naming those there are."""
        for destination in self.destinations:
            if destination.name == name:
                return destination
        names = ", ".join(item.name for item in self.destinations) or "none is configured"
        raise ConfigurationError(f"{self.path}: no [[destination]] is called {name!r}; there are: {names}")


def default_conf_directory() -> Path:
    """Return the shipped ``conf`` directory: the wheel's copy, else the checkout's own."""
    package = Path(__file__).resolve().parents[1]
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


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: no such file; pass --config FILE") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read ({error}); check path and permissions") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: is not TOML: {error}; mend that line") from None


def _with_absolute_data_dir(tables: dict[str, Any], base: Path) -> dict[str, Any]:
    node: NodeSettings = tables["node"]
    return {**tables, "node": replace(node, data_dir=(base / node.data_dir).resolve())}
