"""Options and journal access that several commands share."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_node.errors import ConfigurationError

if TYPE_CHECKING:
    from dicom_node.config import NodeConfig
    from dicom_node.network.peers import Peer, Timeouts
    from dicom_node.storage.journal import Journal

__all__ = [
    "add_config_option",
    "add_devices_options",
    "at_least",
    "devices_path",
    "existing_journal",
    "load_config",
    "open_journal",
    "spelled_peer",
]


def at_least(least: int) -> Callable[[str], int]:
    """An argument's type: a whole number of `least` or more."""

    def whole(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"must be {least} or more, not {value}")
        return value

    whole.__name__ = "whole number"  # what argparse calls the type of text that is no number
    return whole


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--config``."""
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="the node's configuration; default: conf/node.toml, else the shipped one",
    )


def load_config(options: argparse.Namespace) -> NodeConfig:
    """Return the configuration that ``--config`` names, else the default one.

    Raises
    ------
    ConfigurationError
        As `NodeConfig.load`, and if root asks although the data directory is another user's.
    """
    from dicom_node.config import NodeConfig, default_config_path
    from dicom_node.data_directory import refuse_root

    config = NodeConfig.load(options.config or default_config_path())
    refuse_root(config.node.data_dir)
    return config


def add_devices_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--devices`` and ``--config``, which names it."""
    parser.add_argument(
        "--devices",
        type=Path,
        metavar="TOML",
        help="the site's devices file; default: [analysis] devices of the configuration",
    )
    add_config_option(parser)


def devices_path(options: argparse.Namespace) -> Path:
    """Return the devices file that ``--devices`` or the configuration names.

    Raises
    ------
    ConfigurationError
        If neither names one.
    """
    path: Path | None = options.devices or load_config(options).analysis.devices
    if path is None:
        raise ConfigurationError(
            'no devices file: name it with --devices TOML, or set devices = "devices.toml" under [analysis]'
        )
    return path


def spelled_peer(text: str) -> tuple[Peer, Timeouts]:
    """Return the peer that ``AE@host:port`` spells, and how long to wait for it.

    Raises
    ------
    ConfigurationError
        If the text spells none.
    """
    from dicom_node.network.peers import Peer, Timeouts

    spelled = re.fullmatch(r"(?P<ae_title>[^@]+)@(?P<host>.+):(?P<port>\d{1,5})", text)
    if spelled is None:
        raise ConfigurationError(f"peer {text!r}: write AE@host:port, e.g. ORTHANC@192.0.2.10:4242")
    return Peer(spelled["ae_title"], spelled["host"], int(spelled["port"])), Timeouts()


@contextmanager
def open_journal(config: NodeConfig) -> Iterator[Journal]:
    """Open the journal beside a node that may be running; raises as `existing_journal`."""
    from dicom_node.storage.journal import Journal

    journal = Journal(existing_journal(config))
    try:
        yield journal
    finally:
        journal.close()


def existing_journal(config: NodeConfig) -> Path:
    """Return the journal's path.

    Raises
    ------
    ConfigurationError
        If the node has never run on this data directory.
    """
    path = config.node.data_dir / "journal.db"
    if not path.is_file():
        raise ConfigurationError(
            f"[node] data_dir = {str(config.node.data_dir)!r}: no journal is there; "
            "start the node with dicom-node serve, or name its configuration with --config"
        )
    return path
