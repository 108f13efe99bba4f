"""``dicom-node studies``: received studies with their state and reason."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Any

from dicom_node.commands.options import add_config_option, load_config, open_journal

if TYPE_CHECKING:
    from rich.table import Table

STATES = ("receiving", "complete", "analyzing", "analyzed", "not_applicable", "rejected", "failed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", choices=STATES, help="only studies in this state")
    parser.add_argument(
        "--since",
        type=date.fromisoformat,
        metavar="YYYY-MM-DD",
        help="only studies received since that day (UTC)",
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of a table")
    add_config_option(parser)


def run(options: argparse.Namespace) -> int:
    from dicom_node.tables import print_table

    with open_journal(load_config(options)) as journal:
        since = f"{options.since.isoformat()}T" if options.since else ""
        rows = journal.list_studies(state=options.state, since=since)
    shown = [_public(row) for row in rows]
    if options.json:
        print(json.dumps(shown, indent=1))
    elif shown:
        print_table(_table(shown))
    else:
        print("no study matches")
    return 0


def _public(row: dict[str, Any]) -> dict[str, Any]:
    """What may be shown: the key that links a patient's studies stays inside."""
    shown = {name: value for name, value in row.items() if name != "patient_key"}
    return {**shown, "route_reasons": json.loads(row["route_reasons"] or "[]")}


def _table(rows: Iterable[dict[str, Any]]) -> Table:
    from rich.table import Table

    table = Table(title="Studies, by first object received (UTC)")
    headings = ("received", "study", "from", "state", "objects", "results", "delivered", "reason", "route")
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading == "received")
    for row in rows:
        table.add_row(
            row["first_received_at"][:19],
            row["study_instance_uid"],
            row["calling_ae"],
            f"{row['state']} (held)" if row["held_by"] else row["state"],
            str(row["objects"]),
            str(row["results"]),
            f"{row['delivered']}/{row['deliveries']}",
            _why(row),
            "\n".join((row["route"] or "", *row["route_reasons"])),
        )
    return table


def _why(row: dict[str, Any]) -> str:
    if row["held_by"]:
        return f"held by {row['held_by']}: {row['hold_reason']}"
    return str(row["reason"] or row["completed_reason"])
