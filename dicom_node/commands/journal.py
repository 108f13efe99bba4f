"""``dicom-node journal``: check, mend, restore and rebuild the journal."""

from __future__ import annotations

import argparse
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_node.commands.options import add_config_option, load_config
from dicom_node.errors import ConfigurationError, NodeError

if TYPE_CHECKING:
    from dicom_node.config import NodeConfig
    from dicom_node.storage.archive import Archive
    from dicom_node.workflow.adoption import Reconciliation

SHOWN = 10
"""Paths that are listed; further ones are counted."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = actions.add_parser("check", help="look for damage, thoroughly; the node may run")
    mend = actions.add_parser(
        "mend",
        help="after a full disk: give the reserve up, shorten the journal's log, release what may go",
    )
    restore = actions.add_parser(
        "restore",
        help="put a copy in place and adopt what the archive has gained since; the node must be stopped",
    )
    restore.add_argument("--from", dest="copy", type=Path, required=True, metavar="FILE", help="the copy")
    rebuild = actions.add_parser(
        "rebuild",
        help="make a journal from the archived files alone; the node must be stopped",
    )
    for action in (check, mend, restore, rebuild):
        add_config_option(action)


def run(options: argparse.Namespace) -> int:
    actions = {"check": _check, "mend": _mend, "restore": _restore, "rebuild": _rebuild}
    return actions[options.action](load_config(options), options)


def _check(config: NodeConfig, _options: argparse.Namespace) -> int:
    from dicom_node.storage.soundness import damages

    path = _existing_journal(config)
    found = damages(path, thorough=True)
    for damage in found[:SHOWN]:
        print(damage)
    print(f"{path}: {'damaged' if found else 'sound'}")
    if found:
        print("stop the node, then: dicom-node journal restore --from COPY, or dicom-node journal rebuild")
    return 1 if found else 0


def _mend(config: NodeConfig, _options: argparse.Namespace) -> int:
    from dicom_node.storage.archive import Archive
    from dicom_node.storage.journal import Journal
    from dicom_node.storage.reserve import Reserve
    from dicom_node.workflow.housekeeping import Retention

    _existing_journal(config)
    archive = Archive(config.node.data_dir)
    reserve = Reserve(archive.data_dir, config.retention.reserve_bytes)
    print("reserve given up" if reserve.give_up() else "there is no reserve to give up")
    journal = Journal(archive.journal_path)
    try:
        journal.shorten_log()
        released = Retention(config.retention, archive, journal).run()
    except sqlite3.OperationalError as error:
        raise NodeError(
            f"{archive.data_dir}: still no room ({error}); remove something else from this disk, then again"
        ) from error
    finally:
        journal.close()
    print(f"{released} files released")
    held = reserve.hold(spare_bytes=config.retention.reserve_bytes)
    print("reserve held again" if held else "no room yet for the reserve: the node takes it when there is")
    return 0


def _restore(config: NodeConfig, options: argparse.Namespace) -> int:
    from dicom_node.workflow.recovery import restore_journal

    with _stopped_node(config) as archive:
        _show(restore_journal(archive, options.copy, config))
    return 0


def _rebuild(config: NodeConfig, _options: argparse.Namespace) -> int:
    from dicom_node.workflow.recovery import rebuild_journal

    with _stopped_node(config) as archive:
        _show(rebuild_journal(archive, config))
    print(
        "no file tells: calling AE titles, addresses, times of arrival (the files' times stand in), reasons "
        "of refusals, routes, holds, promises to peers, events"
    )
    return 0


def _show(found: Reconciliation) -> None:
    _list("objects adopted: no row knew them", found.adopted)
    _list("files gone: the journal counts them as released now", found.missing)
    _list("files damaged: left where they are, without a row", found.damaged)
    print(f"analyses whose results were found and adopted: {found.answered}")
    print(
        f"deliveries that were open in the copy: {found.open_deliveries}; like those of adopted results they "
        "are dead letters, since whether they arrived is not known: dicom-node reprocess --failed sends them"
    )
    print("done; the journal that was there is kept as journal-replaced-….db. Start the node")


def _list(title: str, paths: Sequence[str]) -> None:
    print(f"{title}: {len(paths)}")
    for path in paths[:SHOWN]:
        print(f"  {path}")
    if len(paths) > SHOWN:
        print(f"  and {len(paths) - SHOWN} more")


@contextmanager
def _stopped_node(config: NodeConfig) -> Iterator[Archive]:
    """Lock the data directory, as a node does."""
    from dicom_node.storage.archive import Archive

    archive = Archive(config.node.data_dir)
    with archive.lock():
        yield archive


def _existing_journal(config: NodeConfig) -> Path:
    path = config.node.data_dir / "journal.db"
    if not path.is_file():
        raise ConfigurationError(
            f"{path}: no journal is there; dicom-node journal rebuild makes one from the archive"
        )
    return path
