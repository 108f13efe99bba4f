"""The node's configuration: one commented TOML file, checked at start.

Unknown keys are errors; every error names key, value and remedy. Relative paths start from the TOML file's
own directory. The file `conf/node.toml` documents every key.
"""

from dicom_node.config.analysing import ExecutionSettings
from dicom_node.config.completing import CompletionSettings
from dicom_node.config.delivering import DeliverySettings, Destination
from dicom_node.config.load import (
    NodeConfig,
    default_conf_directory,
    default_config_path,
    load_analysis_config,
)
from dicom_node.config.receiving import NodeSettings, ReceiverSettings

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
