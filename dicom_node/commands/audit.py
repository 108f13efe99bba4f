"""``dicom-node audit``: the audit messages that the node keeps in files, and what waits to be sent."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections import deque
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_node.commands.options import add_config_option, at_least, load_config, open_journal
from dicom_node.errors import ConfigurationError
from dicom_node.observe.audit_files import audit_files, read_entry, tell_log_was_read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dicom_node.config import NodeConfig


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--last", type=at_least(1), default=20, metavar="N", help="how many messages")
    parser.add_argument(
        "--since", type=date.fromisoformat, metavar="YYYY-MM-DD", help="all messages since that day (UTC)"
    )
    parser.add_argument("--export", type=Path, metavar="FILE", help="write them as they are, one a line")
    add_config_option(parser)


def run(options: argparse.Namespace) -> int:
    config = load_config(options)
    if config.audit.transport != "file":
        with open_journal(config) as journal:
            waiting = journal.spooled_audit_count()
        print(f"[audit] transport = {config.audit.transport!r}: no files are kept; {waiting} messages wait")
        return 0
    chosen = _chosen(config, options)
    if options.export is None:
        for line in chosen:
            print(_summary(line))
    else:
        _write(options.export, chosen)
    with open_journal(config) as journal:
        tell_log_was_read(config, journal, getpass.getuser())
    return 0


def _chosen(config: NodeConfig, options: argparse.Namespace) -> list[str]:
    files = audit_files(config.audit.directory)
    if options.since is not None:
        return list(_lines(file for file in files if file.stem[len("audit-") :] >= options.since.isoformat()))
    return list(deque(_lines(files), maxlen=options.last))


def _lines(files: Iterator[Path] | list[Path]) -> Iterator[str]:
    for file in files:
        with file.open(encoding="utf-8") as lines:
            yield from lines


def _write(path: Path, lines: list[str]) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"--export {path}: cannot be made ({error.strerror}); name a new file"
        ) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.writelines(lines)
    print(f"{len(lines)} messages written to {path}; they name patients", file=sys.stderr)


def _summary(line: str) -> str:
    """Return one message as a line for people: when, what, how it went, who, which study."""
    entry = read_entry(line)
    if entry is None:
        return line.strip()
    return " | ".join(
        (
            entry.at[:19],
            entry.event,
            "ok" if entry.succeeded else f"failed ({entry.outcome})",
            " > ".join(entry.participants),
            ", ".join(entry.objects) or "-",
        )
    )
