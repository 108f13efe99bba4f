"""``dicom-node send PATH... --to PEER``: send DICOM files as a scanner does, to a peer or destination."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_node.commands.options import add_config_option, load_config, spelled_peer

if TYPE_CHECKING:
    from dicom_node.network.outgoing import SendableFile, StoreClient, StoreOutcome


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="DICOM files or folders of them")
    parser.add_argument(
        "--to",
        required=True,
        metavar="PEER",
        help="a [[destination]]'s name, or AE@host:port",
    )
    parser.add_argument("--calling-ae-title", default="SCANNER", metavar="AE", help="AE title to call with")
    add_config_option(parser)


def run(options: argparse.Namespace) -> int:
    client, name = _client(options)
    files, unreadable = _read(options.paths)
    for reason in unreadable:
        print(f"skipped: {reason}", file=sys.stderr)
    refused = stored = 0
    try:
        for outcome in client.store(files):
            stored += outcome.error is None
            refused += outcome.error is not None
            print(_line(outcome), flush=True)
    finally:
        client.close()
    print(f"{stored} of {len(files) + len(unreadable)} files stored at {name}")
    return 1 if refused or unreadable or not files else 0


def _client(options: argparse.Namespace) -> tuple[StoreClient, str]:
    """Return who sends to the peer or destination that ``--to`` names, and a word for it."""
    from dicom_node.network.destinations import store_client
    from dicom_node.network.sender import DimseClient

    calling = options.calling_ae_title
    if "@" in options.to:
        peer, timeouts = spelled_peer(options.to)
        return DimseClient(peer, calling_ae_title=calling, timeouts=timeouts), str(peer)
    config = load_config(options)
    destination = config.destination(options.to)
    return store_client(destination, config.delivery, calling_ae_title=calling), destination.name


def _read(paths: Sequence[Path]) -> tuple[list[SendableFile], list[str]]:
    from dicom_node.dicom_files import files_below
    from dicom_node.errors import RejectedInput
    from dicom_node.network.sender import read_sendable

    files, unreadable = [], []
    for path in files_below(paths):
        try:
            files.append(read_sendable(path))
        except RejectedInput as error:
            unreadable.append(str(error))
    return files, unreadable


def _line(outcome: StoreOutcome) -> str:
    name = outcome.file.path
    if outcome.error is not None:
        return f"refused: {name}: {outcome.error}"
    note = f": {outcome.note}" if outcome.note else ""
    return f"stored: {name}{note}"
