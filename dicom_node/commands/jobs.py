"""``dicom-node jobs``: what the node does periodically; run a job now, pause it, let it go on."""

from __future__ import annotations

import argparse
import getpass
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from dicom_node.commands.options import add_config_option, at_least, load_config, open_journal

if TYPE_CHECKING:
    from rich.table import Table

    from dicom_node.storage.jobs import Job, RunRecord
    from dicom_node.storage.journal import Journal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--run", metavar="JOB", help="have the running node run a job now, even one that is paused"
    )
    what.add_argument("--pause", metavar="JOB", help="keep a job from running, over restarts of the node too")
    what.add_argument("--resume", metavar="JOB", help="let a paused job run again")
    what.add_argument("--history", metavar="JOB", help="show the runs of a job that are remembered")
    parser.add_argument(
        "--reason", default="", help="with --run, --pause and --resume: why; stands in the journal"
    )
    parser.add_argument(
        "--limit", type=at_least(1), default=50, metavar="N", help="with --history: the newest so many"
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list instead of a table")
    add_config_option(parser)


def run(options: argparse.Namespace) -> int:
    config = load_config(options)
    with open_journal(config) as journal:
        if options.run or options.pause or options.resume:
            print(_asked_for(journal, options))
        elif options.history:
            _show_history(journal, options)
        else:
            _show_jobs(journal.jobs(), as_json=options.json)
    return 0


def _asked_for(journal: Journal, options: argparse.Namespace) -> str:
    """Write down what is wanted; return what to say."""
    by, reason = getpass.getuser(), options.reason or "no reason given"
    if options.run:
        journal.request_job_run(options.run, by=by, reason=reason)
        return f"{options.run}: to run now; the running node does it within seconds"
    if options.pause:
        paused = journal.pause_job(options.pause, by=by, reason=reason)
        return f"{options.pause}: {'paused' if paused else 'was paused already'}"
    resumed = journal.resume_job(options.resume, by=by, reason=reason)
    return f"{options.resume}: {'goes on' if resumed else 'was not paused'}"


def _show_history(journal: Journal, options: argparse.Namespace) -> None:
    job = journal.job(options.history)
    runs = journal.job_history(job.name, limit=options.limit)
    if options.json:
        print(json.dumps([asdict(item) for item in runs], indent=1))
    elif runs:
        from dicom_node.tables import print_table

        print_table(_history_table(job, runs))
    else:
        print(f"{job.name}: no run is remembered yet")


def _show_jobs(jobs: list[Job], *, as_json: bool) -> None:
    from dicom_node.tables import print_table

    if as_json:
        print(json.dumps([asdict(job) for job in jobs], indent=1))
    elif jobs:
        print_table(_jobs_table(jobs))
    else:
        print("no job has been registered; start the node with dicom-node serve")


def _jobs_table(jobs: list[Job]) -> Table:
    from rich.table import Table

    table = Table(title="Periodic jobs (times in UTC; runs and failures since the node's start)")
    for heading in ("job", "every", "last run", "took", "outcome", "runs", "failures", "next run", "paused"):
        table.add_column(heading, overflow="fold", no_wrap=heading in ("last run", "next run"))
    for job in jobs:
        table.add_row(
            job.name,
            f"{job.period_seconds:g} s",
            job.started_at[:19],
            f"{job.seconds:.3f} s" if job.outcome else "",
            f"{job.outcome} {job.reason}".strip(),
            str(job.runs),
            str(job.failures),
            job.next_run_at[:19],
            f"by {job.pause.paused_by}: {job.pause.reason}" if job.pause else "",
        )
    return table


def _history_table(job: Job, runs: list[RunRecord]) -> Table:
    from rich.table import Table

    kept = "each run" if job.period_seconds >= 60 else "each change of outcome"
    table = Table(title=f"{job.name}: {kept}, newest first (UTC)")
    for heading in ("started", "took", "outcome", "reason"):
        table.add_column(heading)
    for item in runs:
        table.add_row(item.started_at[:19], f"{item.seconds:.3f} s", item.outcome, item.reason)
    return table
