"""``dicom-node reprocess``: analyse received studies again; the running node does the work.

Studies named by ``--study`` are queued at once. Any other choice makes a plan, which the node carries out
behind all that is new; ``--cron`` makes a job that makes such a plan again and again.
"""

from __future__ import annotations

import argparse
import getpass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from dicom_node.commands.options import add_config_option, load_config, open_journal
from dicom_node.commands.reprocess_display import (
    show_jobs,
    show_plan,
    show_plans,
    show_preview,
)
from dicom_node.errors import ConfigurationError

if TYPE_CHECKING:
    from dicom_node.config import NodeConfig
    from dicom_node.storage.journal import Journal
    from dicom_node.storage.reprocessing import PlanPace
    from dicom_node.storage.selection import StudySelection

STATES = ("complete", "analyzed", "not_applicable", "rejected", "failed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _add_conditions(parser.add_argument_group("which studies (all conditions must hold)"))
    _add_manner(parser.add_argument_group("how"))
    _add_following(parser.add_argument_group("plans and jobs that exist").add_mutually_exclusive_group())
    add_config_option(parser)


def run(options: argparse.Namespace) -> int:
    config = load_config(options)
    with open_journal(config) as journal:
        if _follows(journal, options):
            return 0
        selection = _selection(journal, options)
        if options.resend:
            _resend(journal, config, selection, options)
        elif options.study and not (options.cron or options.hours or options.per_hour or options.per_minute):
            _reprocess_named(journal, config, options)
        elif options.cron:
            _set_job(journal, config, selection, options)
        else:
            _plan(journal, config, selection, options)
    _remind(config)
    return 0


def _add_conditions(group: argparse._ArgumentGroup) -> None:
    day: dict[str, Any] = {"type": date.fromisoformat, "metavar": "YYYY-MM-DD"}
    group.add_argument(
        "--study", action="append", metavar="UID", help="this study, at once; may be given again"
    )
    group.add_argument("--patient", metavar="ID", help="studies of this Patient ID")
    group.add_argument("--since", **day, help="received since that day (UTC)")
    group.add_argument("--until", **day, help="received up to and including that day")
    group.add_argument("--dated-from", **day, help="with a Study Date from that day on")
    group.add_argument("--dated-until", **day, help="with a Study Date up to and including that day")
    group.add_argument(
        "--scanner",
        metavar="PATTERN",
        help='manufacturer and model, or station name; "*" and "?" stand for any',
    )
    group.add_argument("--calling-ae", metavar="PATTERN", help="sent by this AE title")
    group.add_argument("--state", action="append", choices=STATES, help="in this state; may be given again")
    group.add_argument(
        "--finding",
        action="append",
        metavar="CODE",
        help="whose newest result has this quality finding; may be given again",
    )
    group.add_argument(
        "--model-older-than",
        metavar="VERSION",
        help='whose risk is by an older model; "current": by any that is not in force',
    )
    group.add_argument(
        "--engine-older-than",
        metavar="VERSION",
        help='analysed by an older engine; "current": by any but this one',
    )
    group.add_argument(
        "--failed",
        action="store_true",
        help="whose analysis was given up; and sends the dead letters once more",
    )
    group.add_argument("--all", action="store_true", help="every study")


def _add_manner(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="only say what would be done: how many studies, which by another model, what must be fetched, "
        "how long it takes",
    )
    group.add_argument("--hours", metavar="FROM-TO", help="only within these hours of the day: 22:00-06:00")
    rate = group.add_mutually_exclusive_group()
    rate.add_argument("--per-hour", type=_rate, metavar="N", help="at most so many studies per hour")
    rate.add_argument("--per-minute", type=_rate, metavar="N", help="at most so many studies per minute")
    group.add_argument(
        "--cron",
        metavar="EXPRESSION",
        help="again and again: minute, hour, day of the month, month and day of the week, "
        "such as '0 22 * * 1-5'; needs --name",
    )
    group.add_argument("--name", default="", help="name of the job that --cron makes, or changes")
    group.add_argument("--reason", default="", help="why; stands in the journal")
    group.add_argument(
        "--resend",
        action="store_true",
        help="analyse nothing: send what the destinations were given once more, under the same UIDs",
    )


def _add_following(group: argparse._MutuallyExclusiveGroup) -> None:
    group.add_argument("--plans", action="store_true", help="list plans with their progress, newest first")
    group.add_argument("--plan", type=int, metavar="N", help="show one plan and what became of its studies")
    group.add_argument("--pause", type=int, metavar="N", help="queue nothing more of plan N for now")
    group.add_argument("--resume", type=int, metavar="N", help="let plan N go on")
    group.add_argument("--cancel", type=int, metavar="N", help="end plan N; what is queued is analysed")
    group.add_argument("--jobs", action="store_true", help="list the jobs that make plans")
    group.add_argument("--remove-job", metavar="NAME", help="forget a job; plans it made go on")


def _rate(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"must be more than 0, not {text}")
    return value


def _follows(journal: Journal, options: argparse.Namespace) -> bool:
    """Show or change plans and jobs that exist, if that is what is wanted."""
    by, reason = getpass.getuser(), options.reason or "no reason given"
    if options.plans:
        show_plans(journal)
    elif options.plan is not None:
        show_plan(journal, options.plan)
    elif options.pause is not None:
        done = journal.pause_plan(options.pause, by=by, reason=reason)
        print(f"plan {options.pause}: {'paused' if done else 'does not run'}")
    elif options.resume is not None:
        done = journal.resume_plan(options.resume, by=by, reason=reason)
        print(f"plan {options.resume}: {'goes on' if done else 'is not paused'}")
    elif options.cancel is not None:
        done = journal.cancel_plan(options.cancel, by=by, reason=reason)
        print(f"plan {options.cancel}: {'cancelled' if done else 'has ended already'}")
    elif options.jobs:
        show_jobs(journal)
    elif options.remove_job is not None:
        _remove_job(journal, options.remove_job, by=by, reason=reason)
    else:
        return False
    return True


def _remove_job(journal: Journal, name: str, *, by: str, reason: str) -> None:
    sources = {job.name: job.source for job in journal.reprocessing_jobs()}
    if name not in sources:
        raise ConfigurationError(f"there is no job {name!r}; dicom-node reprocess --jobs lists them")
    if sources[name] == "configuration":
        raise ConfigurationError(f"job {name!r} stands in node.toml as a [[job]]; take it out there")
    journal.remove_reprocessing_job(name, by=by, reason=reason)
    print(f"job {name!r}: removed")


def _selection(journal: Journal, options: argparse.Namespace) -> StudySelection:
    from dicom_node.storage.selection import StudySelection

    patients: tuple[str, ...] = ()
    if options.patient:
        patients = journal.patient_keys(options.patient)
        if not patients:
            raise ConfigurationError("--patient: no study of that Patient ID is known")
    states = (*(options.state or ()), *(("failed",) if options.failed else ()))
    selection = StudySelection(
        studies=tuple(options.study or ()),
        patients=patients,
        received_from=_midnight(options.since),
        received_until=_midnight(options.until, days=1),
        dated_from=options.dated_from.strftime("%Y%m%d") if options.dated_from else "",
        dated_until=options.dated_until.strftime("%Y%m%d") if options.dated_until else "",
        scanner=options.scanner or "",
        calling_ae=options.calling_ae or "",
        states=tuple(dict.fromkeys(states)),
        findings=tuple(options.finding or ()),
        model_older_than=options.model_older_than or "",
        engine_older_than=options.engine_older_than or "",
        everything=options.all,
    )
    if selection.is_empty:
        raise ConfigurationError(
            "nothing says which studies: give --study, --since, --state, ... or --all; see --help"
        )
    return selection


def _midnight(day: date | None, *, days: int = 0) -> str:
    from dicom_node.storage.connection import timestamp

    return timestamp(datetime.combine(day, time.min, UTC) + timedelta(days=days)) if day else ""


def _pace(options: argparse.Namespace) -> PlanPace:
    from dicom_node.storage.reprocessing import PlanPace

    per_hour = options.per_hour or (options.per_minute or 0.0) * 60.0
    return PlanPace(options.hours or "", per_hour)


def _reprocess_named(journal: Journal, config: NodeConfig, options: argparse.Namespace) -> None:
    from dicom_node.storage.archive import Archive
    from dicom_node.workflow.reprocess import reprocess
    from dicom_node.workflow.routing import Router

    router = Router(config.routes, Archive(config.node.data_dir), journal)
    done = reprocess(journal, router, options.study, dry_run=options.dry_run)
    for study in done:
        print(f"{study.study_instance_uid}: {study.reason}")
    would = "would be " if options.dry_run else ""
    print(f"{sum(study.queued for study in done)} of {len(done)} studies {would}queued")


def _plan(
    journal: Journal, config: NodeConfig, selection: StudySelection, options: argparse.Namespace
) -> None:
    from dicom_node.workflow.reprocess_plans import make_plan, preview

    found = preview(journal, config, selection, _pace(options))
    show_preview(found)
    if not options.dry_run and found.studies:
        plan = make_plan(
            journal,
            config,
            selection,
            _pace(options),
            by=getpass.getuser(),
            reason=options.reason or "no reason given",
        )
        print(f"plan {plan} is made; follow it with dicom-node reprocess --plan {plan}")
    if options.failed:
        letters = len(journal.dead_letters()) if options.dry_run else journal.revive_deliveries()
        print(f"{letters} dead letters {'would be ' if options.dry_run else ''}queued for delivery")


def _set_job(
    journal: Journal, config: NodeConfig, selection: StudySelection, options: argparse.Namespace
) -> None:
    from dicom_node.workflow.reprocess_plans import preview, set_job

    if options.failed:
        raise ConfigurationError("--failed with --cron: write --state failed; dead letters are for people")
    if not options.name:
        raise ConfigurationError(f"--cron {options.cron!r}: needs --name, by which the job is known")
    show_preview(preview(journal, config, selection, _pace(options)))
    if not options.dry_run:
        first = set_job(
            journal,
            options.name,
            options.cron,
            selection,
            _pace(options),
            source="command",
            by=getpass.getuser(),
            reason=options.reason or "no reason given",
        )
        print(f"job {options.name!r} is set; it comes first at {first:%Y-%m-%d %H:%M} UTC")


def _resend(
    journal: Journal, config: NodeConfig, selection: StudySelection, options: argparse.Namespace
) -> None:
    from dicom_node.workflow.reprocess_plans import selected

    studies = selected(journal, config, selection)
    objects = sum(
        journal.resend_study(study.study_instance_uid, dry_run=options.dry_run) for study in studies
    )
    would = "would be " if options.dry_run else ""
    print(f"{objects} objects of {len(studies)} studies {would}queued for delivery")


def _remind(config: NodeConfig) -> None:
    from dicom_node.storage.archive import is_locked

    if not is_locked(config.node.data_dir):
        print("the node is not running; it does the work when it is started with dicom-node serve")
