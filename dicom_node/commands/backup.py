"""``dicom-node backup``: copy the journal, beside the running node, and check the copy."""

from __future__ import annotations

import argparse
import sqlite3
from pathlib import Path

from dicom_node.commands.options import add_config_option, at_least, load_config
from dicom_node.errors import ConfigurationError, NodeError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIRECTORY",
        help="where the copy goes, best on another disk; default: [backup] directory",
    )
    parser.add_argument(
        "--with-files",
        action="store_true",
        help="copy received objects and results as well, those that are not there yet",
    )
    parser.add_argument("--keep", type=at_least(1), help="copies that stay; default: [backup] keep")
    add_config_option(parser)


def run(options: argparse.Namespace) -> int:
    from dicom_node.storage.archive import Archive
    from dicom_node.storage.backup import back_up

    config = load_config(options)
    directory = options.out or config.backup.directory
    if directory is None:
        raise ConfigurationError("no directory: name one with --out, or set [backup] directory")
    journal = config.node.data_dir / "journal.db"
    if not journal.is_file():
        raise ConfigurationError(f"{journal}: no journal is there; has the node ever run on this data_dir?")
    try:
        copy = back_up(
            Archive(config.node.data_dir),
            directory,
            keep=options.keep or config.backup.keep,
            with_files=options.with_files or config.backup.with_files,
        )
    except (OSError, sqlite3.Error) as error:
        raise NodeError(f"{directory}: no copy was made ({error}); older copies are as they were") from error
    print(f"{copy}: {copy.stat().st_size / 1e6:.1f} MB, checked, sound")
    return 0
