"""``dicom-node context``: clinical facts of patients, from CSV, by hand, and for export."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from dicom_node.commands import told
from dicom_node.commands.options import add_config_option, load_config, open_journal
from dicom_node.errors import ConfigurationError

COLUMNS = (
    "id",
    "patient_key",
    "name",
    "value",
    "valid_from",
    "valid_until",
    "source",
    "origin",
    "recorded_by",
)
EXPORTED = (*COLUMNS, "reference", "recorded_at", "reason", "withdrawn", "superseded_by")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = told.add_actions(parser, what="clinical facts")
    enter = actions.add_parser("enter", help="enter facts of one patient by hand; they end a contradiction")
    told.add_patient_options(enter, required=True)
    enter.add_argument(
        "facts", nargs="+", metavar="NAME=VALUE", help="as weight_kg=61.5; docs/outcomes.md lists the names"
    )
    enter.add_argument("--date", metavar="YYYY-MM-DD", help="since when it is so; default: today")
    enter.add_argument("--until", default="", metavar="YYYY-MM-DD", help="last day on which it was so")
    enter.add_argument("--reason", required=True, help="why; stands in the journal, so no patient data")
    add_config_option(enter)


def run(options: argparse.Namespace) -> int:
    match options.action:
        case "import" | "check":
            from dicom_node.workflow.clinical_import import read_context

            return told.import_file(options, read_context, "context")
        case "withdraw":
            return told.withdraw(options, lambda journal, row, by: journal.withdraw_fact(row, by), "context")
        case "enter":
            return _enter(options)
    with open_journal(load_config(options)) as journal:
        if options.action == "export":
            return told.export(options, journal.facts(history=True), EXPORTED)
        patient = told.patient_of(journal, options) if options.patient_id else ""
        told.show(options, journal.facts(patient, history=options.history), COLUMNS)
    return 0


def _enter(options: argparse.Namespace) -> int:
    from dicom_node.clinical_catalogue import parsed
    from dicom_node.storage.clinical_records import ClinicalFact

    pairs = [text.partition("=") for text in options.facts]
    wrong = [name for name, equals, _ in pairs if not equals]
    if wrong:
        raise ConfigurationError(f"{wrong[0]!r}: write NAME=VALUE, as weight_kg=61.5")
    by = told.person(options.reason)
    with open_journal(load_config(options)) as journal:
        patient = told.patient_of(journal, options)
        facts = [
            ClinicalFact(
                patient_key=patient,
                name=name,
                value=parsed(name, value),
                valid_from=options.date or datetime.now(UTC).date().isoformat(),
                valid_until=options.until,
                told=by,
            )
            for name, _, value in pairs
        ]
        counts = journal.add_all(facts)
        names = ", ".join(fact.name for fact in facts)
        journal.note_change(by.recorded_by, "context.enter", patient[:12], options.reason, names)
    print(", ".join(f"{number} {added}" for added, number in counts.items()))
    return 0
