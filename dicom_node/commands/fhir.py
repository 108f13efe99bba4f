"""``dicom-node fhir``: outcomes and clinical facts from FHIR bundles, and from the server of ``[fhir]``."""

from __future__ import annotations

import argparse
import getpass
import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_node.commands.options import add_config_option, load_config, open_journal
from dicom_node.errors import ConfigurationError

if TYPE_CHECKING:
    from dicom_node.config import NodeConfig
    from dicom_node.storage.journal import Journal
    from dicom_node.workflow.clinical_import.fhir_import import FhirReport

SHOWN = 50
"""Problems that are printed; ``--json`` gives them all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    bundles = actions.add_parser("import", help="read bundle files")
    bundles.add_argument("files", nargs="+", type=Path, metavar="JSON", help="bundles of FHIR R4")
    bundles.add_argument(
        "--identifier-system", metavar="URI", help="of the identifier that is the Patient ID; default: [fhir]"
    )
    bundles.add_argument(
        "--issuer", metavar="TEXT", help="the scanners' Issuer of Patient ID; default: [fhir]"
    )
    bundles.add_argument("--name", metavar="NAME", help="what their source is called; default: [fhir] name")
    fetch = actions.add_parser("fetch", help="ask the server of [fhir] now, as the node does by itself")
    fetch.add_argument(
        "--background", action="store_true", help="at the lowest priority, and no longer than the node lives"
    )
    for action in (bundles, fetch):
        action.add_argument("--json", action="store_true", help="print counts and problems as JSON")
        add_config_option(action)


def run(options: argparse.Namespace) -> int:
    config = load_config(options)
    with open_journal(config) as journal:
        report = (
            _import(journal, config, options)
            if options.action == "import"
            else _fetch(journal, config, options)
        )
        if sum(report.added.values()) > report.added["unchanged"]:  # type: ignore[index]  # a word's own enum
            detail = ", ".join(f"{number} {added}" for added, number in report.added.items())
            journal.note_change(getpass.getuser(), "fhir.import", config.fhir.name, "FHIR", detail)
    _print(report, as_json=options.json)
    return 1 if report.problems else 0


def _import(journal: Journal, config: NodeConfig, options: argparse.Namespace) -> FhirReport:
    from dicom_node.workflow.clinical_import.fhir_import import import_bundles

    chosen = {
        "identifier_system": options.identifier_system,
        "issuer": options.issuer,
        "name": options.name,
    }
    settings = replace(config.fhir, **{name: value for name, value in chosen.items() if value is not None})
    return import_bundles(
        options.files, journal, settings, recorded_by=getpass.getuser(), today=datetime.now(UTC).date()
    )


def _fetch(journal: Journal, config: NodeConfig, options: argparse.Namespace) -> FhirReport:
    if config.fhir.url is None:
        raise ConfigurationError("[fhir] url is missing; name the server's base address there")
    if options.background:
        from dicom_node.workflow.lifeline import end_with_the_node

        os.nice(19)
        end_with_the_node()
    from dicom_node.network.fhir import FhirClient
    from dicom_node.workflow.clinical_import.fhir_import import import_from_server

    client = FhirClient(config.fhir)
    try:
        return import_from_server(
            client, journal, config.fhir, recorded_by=getpass.getuser(), today=datetime.now(UTC).date()
        )
    finally:
        client.close()


def _print(report: FhirReport, *, as_json: bool) -> None:
    added = {str(word): number for word, number in report.added.items()}
    if as_json:
        print(
            json.dumps(
                {
                    "entries": added,
                    "withdrawn": report.withdrawn,
                    "resources": dict(report.counted),
                    "problems": report.problems,
                }
            )
        )
        return
    for problem in report.problems[:SHOWN]:
        print(problem)
    if len(report.problems) > SHOWN:
        print(f"... and {len(report.problems) - SHOWN} more; --json lists them all")
    for what, number in sorted(report.counted.items()):
        print(f"{what}: {number}")
    print(
        ", ".join([*(f"{number} {word}" for word, number in added.items()), f"{report.withdrawn} withdrawn"])
    )
