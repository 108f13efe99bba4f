"""Options and journal access that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_node.errors import ConfigurationError

if TYPE_CHECKING:
    from dicom_node.config import NodeConfig
    from dicom_node.storage.journal import Journal

__all__ = ["add_config_option", "load_config", "open_journal"]


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--config``."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the node's configuration; default: conf/node.toml, else the shipped one",
    )


def load_config(options: argparse.Namespace) -> NodeConfig:
    """Return the configuration that ``--config`` names, else the default one."""
    from dicom_node.config import NodeConfig, default_config_path

    return NodeConfig.load(options.config or default_config_path())


@contextmanager
def open_journal(config: NodeConfig) -> Iterator[Journal]:
    """Open the journal beside a node that may be running.

    Raises
    ------
    ConfigurationError
        If the node has never run on this data directory.
    """
    from dicom_node.storage.journal import Journal

    path = config.node.data_dir / "journal.db"
    if not path.is_file():
        raise ConfigurationError(
            f"[node] data_dir = {str(config.node.data_dir)!r}: no journal is there; "
            "start the node with dicom-node serve, or name its configuration with --config"
        )
    journal = Journal(path)
    try:
        yield journal
    finally:
        journal.close()
