"""What ``dicom-node reprocess`` shows of previews, plans and jobs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dicom_node.storage.journal import Journal
    from dicom_node.storage.reprocessing import PlanPace, ReprocessingPlan
    from dicom_node.workflow.reprocess_plans import Preview

SHOWN_STUDIES = 20
"""Studies listed of a plan that were not settled as hoped for."""


def show_preview(found: Preview) -> None:
    """Say what a plan would do."""
    print(f"{len(found.studies)} studies fit")
    for version, count in found.by_model.items():
        print(f"  {count} by {f'model {version}' if version else 'no model: without a risk'}")
    print(f"models in force: {', '.join(found.models) or 'none'}; engine {found.engine}")
    print(f"{len(found.changing_model)} studies would change model")
    print(f"{len(found.changing_engine)} studies would change engine")
    if found.never_analysed:
        print(f"{found.never_analysed} studies have no result yet")
    if found.to_fetch:
        place = "fetched from a PACS" if found.can_fetch else "fetched, but no [[archive]] is configured"
        print(f"originals of {found.to_fetch} studies were released and must be {place}")
    if found.seconds is not None:
        each = f", {found.seconds_per_study:.1f} s each" if found.seconds_per_study is not None else ""
        print(f"about {_spoken(found.seconds)} on a node that does nothing else{each}")


def show_plans(journal: Journal) -> None:
    """List the plans."""
    from rich.table import Table

    from dicom_node.tables import print_table
    from dicom_node.workflow.reprocess_plans import progress

    plans = journal.plans()
    if not plans:
        print("no plan has been made")
        return
    table = Table(title="Plans of reprocessing, newest first (UTC)")
    for heading in ("plan", "made", "by", "which", "pace", "state", "settled", "per hour", "expected end"):
        table.add_column(heading, overflow="fold")
    for plan in plans:
        now = progress(journal, plan)
        table.add_row(
            str(plan.id),
            plan.created_at[:16],
            f"{plan.requested_by} ({plan.job})" if plan.job else plan.requested_by,
            str(plan.selection),
            _pace(plan.pace),
            _state(plan),
            f"{now.settled}/{now.studies}",
            "" if now.per_hour is None else f"{now.per_hour:.0f}",
            "" if now.expected_end is None else f"{now.expected_end:%Y-%m-%d %H:%M}",
        )
    print_table(table)


def show_plan(journal: Journal, number: int) -> None:
    """Say how far one plan has come, and name studies that were skipped or failed."""
    from dicom_node.storage.reprocessing import ItemState
    from dicom_node.workflow.reprocess_plans import progress

    plan = journal.plan(number)
    now = progress(journal, plan)
    print(f"plan {plan.id}: {plan.selection}; {_state(plan)}; by {plan.requested_by}: {plan.reason}")
    print(f"{now.settled} of {now.studies} studies are settled, {_pace(plan.pace)}")
    for state, count in sorted(plan.items.items()):
        print(f"  {count} {state}")
    if now.per_hour is not None and now.expected_end is not None:
        print(f"{now.per_hour:.0f} studies per hour; expected end {now.expected_end:%Y-%m-%d %H:%M} UTC")
    for state in (ItemState.FAILED, ItemState.SKIPPED, ItemState.DECLINED):
        for item in journal.plan_items(plan.id, state=state, limit=SHOWN_STUDIES):
            print(f"{item.study_instance_uid}: {state}: {item.reason}")


def show_jobs(journal: Journal) -> None:
    """List the jobs that make plans."""
    from rich.table import Table

    from dicom_node.tables import print_table

    jobs = journal.reprocessing_jobs()
    if not jobs:
        print("no job makes plans; dicom-node reprocess --cron makes one")
        return
    table = Table(title="Jobs that make plans of reprocessing (UTC)")
    for heading in ("job", "cron", "which", "pace", "from", "by", "next", "last"):
        table.add_column(heading, overflow="fold")
    for job in jobs:
        table.add_row(
            job.name,
            job.cron,
            str(job.selection),
            _pace(job.pace),
            job.source,
            job.created_by,
            job.next_at[:16],
            job.last_at[:16],
        )
    print_table(table)


def _state(plan: ReprocessingPlan) -> str:
    return f"{plan.state}, waits for {plan.waits_for}" if plan.waits_for else str(plan.state)


def _pace(pace: PlanPace) -> str:
    rate = f"{pace.studies_per_hour:g} per hour" if pace.studies_per_hour else "no limit"
    return f"{rate}, {pace.hours}" if pace.hours else rate


def _spoken(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
