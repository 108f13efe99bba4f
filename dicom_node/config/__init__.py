"""The node's configuration: one commented TOML file, checked at start.

Unknown keys are errors; every error names key, value and remedy. Relative paths start from the TOML file's
own directory. The file `conf/node.toml` documents every key.
"""

from dicom_node.config.access import AccessSettings, ClientTls, CommitmentSettings, PeerSettings, ServerTls
from dicom_node.config.analysing import ExecutionSettings
from dicom_node.config.asking import PriorsSettings, RemoteArchive, RetrievalSettings
from dicom_node.config.clinical import FhirSettings
from dicom_node.config.completing import CompletionProfile, CompletionSettings, Expectation
from dicom_node.config.console import ConsoleSettings
from dicom_node.config.delivering import DeliverySettings, Destination
from dicom_node.config.keeping import BackupSettings, RetentionSettings
from dicom_node.config.learning import LearningSettings
from dicom_node.config.load import (
    NodeConfig,
    default_conf_directory,
    default_config_path,
    load_analysis_config,
)
from dicom_node.config.matching import Condition
from dicom_node.config.notifying import NotificationSettings
from dicom_node.config.observing import AuditSettings, LoggingSettings, MonitoringSettings
from dicom_node.config.receiving import NodeSettings, ReceiverSettings
from dicom_node.config.reprocessing import ConfiguredJob, ReprocessingSettings
from dicom_node.config.routing import DEFAULT_ROUTE, Route
from dicom_node.config.surveillance import SurveillanceSettings

__all__ = [
    "DEFAULT_ROUTE",
    "AccessSettings",
    "AuditSettings",
    "BackupSettings",
    "ClientTls",
    "CommitmentSettings",
    "CompletionProfile",
    "CompletionSettings",
    "Condition",
    "ConfiguredJob",
    "ConsoleSettings",
    "DeliverySettings",
    "Destination",
    "ExecutionSettings",
    "Expectation",
    "FhirSettings",
    "LearningSettings",
    "LoggingSettings",
    "MonitoringSettings",
    "NodeConfig",
    "NodeSettings",
    "NotificationSettings",
    "PeerSettings",
    "PriorsSettings",
    "ReceiverSettings",
    "RemoteArchive",
    "ReprocessingSettings",
    "RetentionSettings",
    "RetrievalSettings",
    "Route",
    "ServerTls",
    "SurveillanceSettings",
    "default_conf_directory",
    "default_config_path",
    "load_analysis_config",
]
