"""What ``dicom-node outcomes`` and ``dicom-node context`` share: import, check, list, export, withdraw."""

from __future__ import annotations

import argparse
import csv
import getpass
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicom_node.commands.options import add_config_option, load_config, open_journal
from dicom_node.errors import ConfigurationError

if TYPE_CHECKING:
    from dicom_node.storage.clinical_records import ClinicalFact, Outcome, Told
    from dicom_node.storage.journal import Journal
    from dicom_node.workflow.clinical_import import CsvImport, Problem

__all__ = [
    "add_actions",
    "add_patient_options",
    "export",
    "import_file",
    "patient_of",
    "person",
    "show",
    "withdraw",
]

SHOWN = 50
"""Problems that are printed; ``--json`` gives them all."""

Reader = Callable[..., "CsvImport"]


def add_actions(parser: argparse.ArgumentParser, *, what: str) -> Any:
    """Add the actions that both commands have; return what further ones are added to."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, summary in (
        ("import", f"take {what} from a CSV file; bad rows are listed, good ones taken"),
        ("check", "say what an import would do, and change nothing"),
    ):
        action = actions.add_parser(name, help=summary)
        action.add_argument("file", type=Path, metavar="CSV", help="columns as docs/outcomes.md says")
        action.add_argument(
            "--source", default="csv", metavar="NAME", help="of rows without a source: registry or clinic"
        )
        action.add_argument(
            "--issuer", default="", metavar="TEXT", help="of rows without one: Issuer of Patient ID"
        )
        action.add_argument("--json", action="store_true", help="print counts and problems as JSON")
        if name == "import":
            action.add_argument(
                "--reanalyse",
                action="store_true",
                help="analyse these patients' studies again; else it counts from their next analysis on",
            )
        add_config_option(action)
    shown = actions.add_parser("list", help=f"show what is known of {what}")
    add_patient_options(shown, required=False)
    shown.add_argument("--history", action="store_true", help="also what was corrected or withdrawn")
    shown.add_argument("--json", action="store_true", help="print a JSON list instead of a table")
    add_config_option(shown)
    export = actions.add_parser("export", help="write everything ever told to a CSV file, without names")
    export.add_argument("file", type=Path, metavar="CSV", help="- writes to standard output")
    add_config_option(export)
    withdrawn = actions.add_parser("withdraw", help="take one entry back; its row stays in the history")
    withdrawn.add_argument("id", type=int, metavar="ID", help="as list shows it")
    withdrawn.add_argument("--reason", required=True, help="why; stands in the journal, so no patient data")
    add_config_option(withdrawn)
    return actions


def add_patient_options(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add ``--patient-id`` and ``--issuer``."""
    parser.add_argument("--patient-id", required=required, metavar="ID", help="Patient ID (0010,0020)")
    if required:
        parser.add_argument("--issuer", default="", metavar="TEXT", help="Issuer of Patient ID (0010,0021)")
    else:
        parser.add_argument("--issuer", default="", metavar="TEXT", help="with --patient-id: its issuer")


def patient_of(journal: Journal, options: argparse.Namespace) -> str:
    """Return the key of the patient that the options name.

    Raises
    ------
    ConfigurationError
        If no study of this patient was received.
    """
    from dicom_node.patients import possible_keys

    known = journal.patients_known(possible_keys(options.patient_id, options.issuer))
    if not known:
        raise ConfigurationError(
            "no study of this Patient ID and issuer was received; correct --patient-id or --issuer"
        )
    return known[0]


def person(reason: str) -> Told:
    """Return how the journal is told who uses the command line."""
    from dicom_node.storage.clinical_records import Source, Told

    return Told(source=Source.COMMAND, recorded_by=getpass.getuser(), reason=reason)


def import_file(options: argparse.Namespace, read: Reader, topic: str) -> int:
    """Read a file and, unless it is only to be checked, take its good rows; 1 if there are bad ones."""
    config = load_config(options)
    user = getpass.getuser()
    with open_journal(config) as journal:
        found = read(
            options.file,
            journal,
            recorded_by=user,
            source=options.source,
            issuer=options.issuer,
            today=datetime.now(UTC).date(),
        )
        counts: dict[str, int] = {}
        queued = 0
        if options.action == "import":
            counts = {str(added): number for added, number in journal.add_all(found.told).items()}
            if any(number for added, number in counts.items() if added != "unchanged"):
                detail = ", ".join(f"{number} {added}" for added, number in counts.items())
                journal.note_change(user, f"{topic}.import", options.source, "import of a file", detail)
            queued = _reanalyse(journal, found) if options.reanalyse else 0
    _report(options, found, counts, queued)
    return 1 if found.problems else 0


def _reanalyse(journal: Journal, found: CsvImport) -> int:
    studies = {uid for one in found.told for uid, _ in journal.studies_of_patient(one.patient_key)}
    return sum(journal.analyse_again(uid, "clinical_context") for uid in sorted(studies))


def _report(options: argparse.Namespace, found: CsvImport, counts: dict[str, int], queued: int) -> None:
    if options.json:
        problems = [problem._asdict() for problem in found.problems]
        print(json.dumps({"rows": found.rows, "counts": counts, "queued": queued, "problems": problems}))
        return
    for problem in found.problems[:SHOWN]:
        print(_said(problem))
    if len(found.problems) > SHOWN:
        print(f"... and {len(found.problems) - SHOWN} more; --json lists them all")
    bad = len(found.problems)
    if options.action == "check":
        print(f"{found.rows} rows: {found.rows - bad} good, {bad} bad; nothing was changed")
        return
    taken = ", ".join(f"{number} {added}" for added, number in counts.items())
    print(f"{found.rows} rows, {bad} bad; {taken}")
    if options.reanalyse:
        print(f"{queued} studies queued")


def _said(problem: Problem) -> str:
    return f"row {problem.row}, column {problem.column}: {problem.rule}; {problem.cure}"


def show(options: argparse.Namespace, rows: Sequence[ClinicalFact | Outcome], columns: Sequence[str]) -> None:
    """Print rows as a table or as JSON."""
    if options.json:
        print(json.dumps([_plain(row) for row in rows], ensure_ascii=False, indent=1))
        return
    from rich.table import Table

    from dicom_node.tables import print_table

    table = Table(*columns, title=f"{len(rows)} entries")
    for row in rows:
        values = _plain(row)
        table.add_row(*(_cell(values, column) for column in columns))
    print_table(table)


def export(
    options: argparse.Namespace, rows: Iterable[ClinicalFact | Outcome], columns: Sequence[str]
) -> int:
    """Write rows as CSV."""
    with ExitStack() as stack:
        if str(options.file) == "-":
            output = sys.stdout
        else:
            try:
                output = stack.enter_context(options.file.open("w", encoding="utf-8", newline=""))
            except OSError as error:
                raise ConfigurationError(
                    f"{options.file}: cannot be written ({error.strerror}); name another file"
                ) from None
        writer = csv.writer(output)
        writer.writerow(columns)
        for row in rows:
            values = _plain(row)
            writer.writerow([_cell(values, column) for column in columns])
    return 0


def withdraw(options: argparse.Namespace, act: Callable[[Journal, int, Told], object], topic: str) -> int:
    """Take one entry back."""
    with open_journal(load_config(options)) as journal:
        told = person(options.reason)
        act(journal, options.id, told)
        journal.note_change(told.recorded_by, f"{topic}.withdraw", str(options.id), options.reason)
    print(f"entry {options.id} is withdrawn; list --history shows it")
    return 0


def _plain(row: ClinicalFact | Outcome) -> dict[str, Any]:
    values = asdict(row)
    told: dict[str, Any] = values.pop("told")
    return values | told


def _cell(values: dict[str, Any], column: str) -> str:
    value = values[column]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ";".join(map(str, value))
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)
