"""``dicom-node retrieve``: have the node fetch studies from a PACS, one or all of a range of dates.

The command asks what the PACS has and journals what is missing here; the node fetches it, beside its work.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dicom_node.commands.options import add_config_option, at_least, load_config, open_journal
from dicom_node.errors import ConfigurationError

if TYPE_CHECKING:
    from dicom_node.config import NodeConfig, RemoteArchive
    from dicom_node.network.query import StudyFilter
    from dicom_node.storage.journal import Journal
    from dicom_node.workflow.backfill import StudyComparison

WINDOW_DAYS = 7
"""Days in one question: many archives cut long answers off without a word."""

PROGRESS_SECONDS = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", nargs="*", metavar="STUDY_UID", help="Study Instance UIDs to fetch")
    parser.add_argument(
        "--from", dest="archive", metavar="NAME", help="an [[archive]]'s name; default: the first"
    )
    days: dict[str, Any] = {"type": date.fromisoformat, "metavar": "YYYY-MM-DD"}
    parser.add_argument("--since", help="every study of this Study Date and later", **days)
    parser.add_argument("--until", help="with --since: up to and including that day; default: today", **days)
    parser.add_argument(
        "--modality", action="append", metavar="CS", help="only studies with this modality; may be repeated"
    )
    parser.add_argument("--description", metavar="PATTERN", help='Study Description, e.g. "*forearm*"')
    parser.add_argument("--patient", metavar="ID", help="only studies of this Patient ID")
    parser.add_argument("--limit", type=at_least(1), metavar="N", help="fetch at most N studies")
    parser.add_argument("--rate", type=at_least(1), metavar="N", help="fetch at most N studies a minute")
    parser.add_argument(
        "--hold", action="store_true", help="analyse what is fetched as history: results are kept, not sent"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be fetched")
    parser.add_argument("--wait", action="store_true", help="wait for the node and show its progress")
    parser.add_argument("--list", action="store_true", help="show what was asked for and what became of it")
    add_config_option(parser)


def run(options: argparse.Namespace) -> int:
    from dicom_node.network.questions import questions_told_to
    from dicom_node.observe.audit import AuditTrail
    from dicom_node.storage.archive import Archive, is_locked

    _check(options)
    config = load_config(options)
    with open_journal(config) as journal:
        if options.list:
            return _list(journal)
        archive = _archive(config, options)
        with questions_told_to(AuditTrail(config, Archive(config.node.data_dir), journal).asked):
            wanted = _select(options, _compare(options, config, archive, journal))
        if not options.dry_run:
            _queue(options, archive, journal, wanted)
        would = "would be " if options.dry_run else ""
        print(f"{len(wanted)} studies {would}queued")
        if options.dry_run:
            return 0
        if not is_locked(config.node.data_dir):
            print("the node is not running; it does the work when it is started with dicom-node serve")
            return 1 if options.wait and wanted else 0
        return _follow(journal, [study.study_instance_uid for study in wanted]) if options.wait else 0


def _check(options: argparse.Namespace) -> None:
    if options.until and not options.since:
        raise ConfigurationError(f"--until {options.until}: needs --since; give the first day as well")
    if options.since and options.until and options.until < options.since:
        raise ConfigurationError(f"--until {options.until}: lies before --since {options.since}; swap them")
    if not (options.list or options.study or options.since or options.patient):
        raise ConfigurationError("nothing is asked for; give STUDY_UIDs, --since or --patient")
    if options.study and (options.since or options.patient):
        raise ConfigurationError("STUDY_UID stands alone; leave it out, or --since and --patient")


def _archive(config: NodeConfig, options: argparse.Namespace) -> RemoteArchive:
    if options.archive:
        return config.archive(options.archive)
    if not config.archives:
        raise ConfigurationError(f"{config.path}: no [[archive]] is configured; add one to ask")
    return config.archives[0]


def _compare(
    options: argparse.Namespace, config: NodeConfig, archive: RemoteArchive, journal: Journal
) -> Iterator[StudyComparison]:
    """Ask the archive, period by period, and say of each study what it has and what is here."""
    from dicom_node.network.query import archive_peer, find_studies
    from dicom_node.workflow.backfill import compare

    peer = archive_peer(archive, config.retrieval, config.node.ae_title)
    seen: set[str] = set()
    for question in _questions(options):
        for study in find_studies(peer, question):
            if study.study_instance_uid not in seen:
                seen.add(study.study_instance_uid)
                yield compare(journal, peer, study)
    for uid in options.study:
        if uid not in seen:
            raise ConfigurationError(f"{archive.name} does not have study {uid!r}, or does not show it")


def _questions(options: argparse.Namespace) -> Iterator[StudyFilter]:
    from dicom_node.network.query import StudyFilter

    if options.study:
        yield from (StudyFilter(study_instance_uid=uid) for uid in options.study)
        return
    for since, until in _windows(options.since, options.until):
        yield StudyFilter(
            patient_id=options.patient or "",
            since=since,
            until=until,
            modalities=tuple(options.modality or ()),
            description=options.description or "",
        )


def _windows(since: date | None, until: date | None) -> Iterator[tuple[date | None, date | None]]:
    if since is None:
        yield None, None
        return
    last = until or datetime.now(UTC).date() + timedelta(days=1)  # somewhere it is tomorrow
    while since <= last:
        end = min(since + timedelta(days=WINDOW_DAYS - 1), last)
        yield since, end
        since = end + timedelta(days=1)


def _select(options: argparse.Namespace, compared: Iterable[StudyComparison]) -> list[StudyComparison]:
    wanted: list[StudyComparison] = []
    for study in compared:
        print(study)
        if study.missing != 0 or options.study:
            wanted.append(study)
        if options.limit and len(wanted) >= options.limit:
            print(f"--limit {options.limit} is reached; there may be more")
            break
    return wanted


def _queue(
    options: argparse.Namespace, archive: RemoteArchive, journal: Journal, wanted: list[StudyComparison]
) -> None:
    from dicom_node.workflow.backfill import request

    interval = timedelta(minutes=1 / options.rate) if options.rate else timedelta(0)
    start = datetime.now(UTC)
    for number, study in enumerate(wanted):
        request(journal, archive.name, study, hold=options.hold, not_before=start + number * interval)


def _follow(journal: Journal, studies: list[str]) -> int:
    """Show progress until nothing is open any more; what failed is listed with its reason."""
    told = ""
    while True:
        rows = journal.retrievals(studies)
        failed = [row for row in rows if row.state == "failed"]
        done = sum(row.state == "done" for row in rows)
        progress = f"{done} of {len(rows)} studies fetched, {len(failed)} failed"
        if progress != told:
            print(progress, flush=True)
            told = progress
        if done + len(failed) == len(rows):
            break
        time.sleep(PROGRESS_SECONDS)
    for row in failed:
        print(f"{row.study_instance_uid}: {row.reason}")
    return 1 if failed else 0


def _list(journal: Journal) -> int:
    rows = journal.retrievals()
    for row in rows:
        came = f"{row.received} of {'?' if row.expected is None else row.expected} objects"
        reason = f": {row.reason}" if row.reason else ""
        source = row.archive or "the first archive"
        print(f"{row.study_instance_uid} ({row.purpose}) from {source}: {row.state}, {came}{reason}")
    failed = sum(row.state == "failed" for row in rows)
    waiting = sum(row.state in ("waiting", "running") for row in rows)
    print(f"{len(rows)} studies, {waiting} waiting, {failed} failed")
    return 0
