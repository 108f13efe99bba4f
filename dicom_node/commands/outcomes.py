"""``dicom-node outcomes``: fractures, deaths and ends of follow-up of patients, from CSV and for export."""

from __future__ import annotations

import argparse

from dicom_node.commands import told
from dicom_node.commands.options import load_config, open_journal

COLUMNS = ("id", "patient_key", "kind", "occurred_on", "site", "mechanism", "source", "origin", "recorded_by")
EXPORTED = (*COLUMNS, "reference", "recorded_at", "reason", "withdrawn", "superseded_by")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    told.add_actions(parser, what="outcomes")


def run(options: argparse.Namespace) -> int:
    match options.action:
        case "import" | "check":
            from dicom_node.workflow.clinical_import import read_outcomes

            return told.import_file(options, read_outcomes, "outcomes")
        case "withdraw":
            return told.withdraw(
                options, lambda journal, row, by: journal.withdraw_outcome(row, by), "outcomes"
            )
    with open_journal(load_config(options)) as journal:
        if options.action == "export":
            return told.export(options, journal.outcomes(history=True), EXPORTED)
        patient = told.patient_of(journal, options) if options.patient_id else ""
        told.show(options, journal.outcomes(patient, history=options.history), COLUMNS)
    return 0
