"""``dicom-node send PATH... --to PEER``: send DICOM files as a scanner does, byte for byte."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_node.commands.options import add_config_option, find_peer

if TYPE_CHECKING:
    from dicom_node.network.sender import SendableFile, StoreOutcome


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
    from dicom_node.network.sender import store

    peer, timeouts = find_peer(options.to, options)
    files, unreadable = _read(options.paths)
    for reason in unreadable:
        print(f"skipped: {reason}", file=sys.stderr)
    refused = stored = 0
    for outcome in store(files, peer, calling_ae_title=options.calling_ae_title, timeouts=timeouts):
        stored += outcome.error is None
        refused += outcome.error is not None
        print(_line(outcome), flush=True)
    print(f"{stored} of {len(files) + len(unreadable)} files stored at {peer}")
    return 1 if refused or unreadable or not files else 0


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
    return f"stored (0x{outcome.status or 0:04X}): {name}"
