"""``dicom-node reprocess``: analyse received studies again; the running node does the work."""

from __future__ import annotations

import argparse
from datetime import date
from typing import TYPE_CHECKING

from dicom_node.commands.options import add_config_option, load_config, open_journal
from dicom_node.errors import ConfigurationError

if TYPE_CHECKING:
    from dicom_node.config import NodeConfig
    from dicom_node.storage.journal import Journal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--study", metavar="UID", help="one study, by Study Instance UID")
    which.add_argument(
        "--since", type=date.fromisoformat, metavar="YYYY-MM-DD", help="studies received since that day (UTC)"
    )
    which.add_argument(
        "--failed",
        action="store_true",
        help="studies whose analysis was given up, and deliveries among the dead letters",
    )
    parser.add_argument(
        "--until",
        type=date.fromisoformat,
        metavar="YYYY-MM-DD",
        help="with --since: up to and including that day",
    )
    parser.add_argument(
        "--resend",
        action="store_true",
        help="analyse nothing: send what the destinations were given once more, under the same UIDs",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    add_config_option(parser)


def run(options: argparse.Namespace) -> int:
    from dicom_node.storage.archive import Archive
    from dicom_node.workflow.reprocess import reprocess
    from dicom_node.workflow.routing import Router

    if options.until and not options.since:
        raise ConfigurationError(f"--until {options.until}: needs --since; give the first day as well")
    config = load_config(options)
    if options.resend:
        return _resend(config, options)
    with open_journal(config) as journal:
        router = Router(config.routes, Archive(config.node.data_dir), journal)
        done = reprocess(journal, router, _selected(journal, options), dry_run=options.dry_run)
        for study in done:
            print(f"{study.study_instance_uid}: {study.reason}")
        queued = sum(study.queued for study in done)
        would = "would be " if options.dry_run else ""
        print(f"{queued} of {len(done)} studies {would}queued")
        if options.failed:
            letters = len(journal.dead_letters()) if options.dry_run else journal.revive_deliveries()
            print(f"{letters} dead letters {would}queued for delivery")
    _remind(config)
    return 0


def _resend(config: NodeConfig, options: argparse.Namespace) -> int:
    with open_journal(config) as journal:
        objects = 0
        studies = _selected(journal, options)
        for uid in studies:
            objects += journal.resend_study(uid, dry_run=options.dry_run)
        would = "would be " if options.dry_run else ""
        print(f"{objects} objects of {len(studies)} studies {would}queued for delivery")
    _remind(config)
    return 0


def _remind(config: NodeConfig) -> None:
    from dicom_node.storage.archive import is_locked

    if not is_locked(config.node.data_dir):
        print("the node is not running; it does the work when it is started with dicom-node serve")


def _selected(journal: Journal, options: argparse.Namespace) -> list[str]:
    from dicom_node.workflow.reprocess import studies_failed, studies_received

    if options.study:
        return [options.study]
    if options.since:
        return studies_received(journal, since=options.since, until=options.until)
    return studies_failed(journal)
