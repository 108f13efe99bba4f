"""``dicom-node status``: what the node is doing, read from its journal."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dicom_node.commands.options import add_config_option, load_config, open_journal

if TYPE_CHECKING:
    from dicom_node.config import NodeConfig
    from dicom_node.storage.journal import Journal
    from dicom_node.storage.records import Event

EVENTS_SHOWN = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    add_config_option(parser)


def run(options: argparse.Namespace) -> int:
    config = load_config(options)
    status = _collect(config)
    if options.json:
        print(json.dumps(status, indent=1))
    else:
        _show(config, status)
    return 0


def _collect(config: NodeConfig) -> dict[str, Any]:
    from dicom_node.storage.archive import is_locked

    with open_journal(config) as journal:
        troubles = [event for event in journal.events(limit=500) if event.severity != "info"]
        return {
            "running": is_locked(config.node.data_dir),
            "counts": journal.summary(),
            "routes": journal.count_routes(),
            "held": [asdict(hold) for hold in journal.holds().values()],
            "oldest_waiting_analysis": journal.oldest_waiting_analysis() or None,
            "destinations": _destinations(config, journal),
            "dead_letters": journal.dead_letters(),
            "recent_troubles": _without_repeats(troubles)[-EVENTS_SHOWN:],
            "jobs": _jobs(config),
        }


def _jobs(config: NodeConfig) -> dict[str, dict[str, Any]]:
    """The last run of each periodic job, as the running node tells it; empty if it cannot be asked."""
    import urllib.error
    import urllib.request

    settings = config.monitoring
    if not settings.enabled or settings.port == 0:
        return {}
    host = "127.0.0.1" if settings.host == "0.0.0.0" else settings.host  # noqa: S104 - compared, not bound
    try:
        with urllib.request.urlopen(f"http://{host}:{settings.port}/health", timeout=2) as answer:
            found: dict[str, Any] = json.load(answer)
    except (OSError, ValueError):  # not running, another program's port, or ill: then the log tells
        return {}
    return dict(found.get("jobs", {}))


def _destinations(config: NodeConfig, journal: Journal) -> list[dict[str, Any]]:
    """Every destination that is configured or has something, with its queue and how it stands."""
    from dicom_node.storage.connection import utc_now
    from dicom_node.storage.queries import DestinationQueue
    from dicom_node.workflow.pacing import within_hours

    queues = {queue.destination: queue for queue in journal.destination_queues()}
    configured = {destination.name: destination for destination in config.destinations}
    found = []
    for name in sorted({*configured, *queues}):
        destination = configured.get(name)
        health = journal.destination_health(name)
        found.append(
            {
                **asdict(queues.get(name) or DestinationQueue(name)),
                "type": destination.type if destination else None,
                "confirm": destination.confirm if destination else None,
                "hours": destination.hours if destination else None,
                "within_hours": within_hours(destination.hours, utc_now()) if destination else None,
                "breaker": health.breaker,
                "failures": health.failures,
                "rests_until": health.rests_until,
            }
        )
    return found


def _without_repeats(troubles: Iterable[Event]) -> list[dict[str, Any]]:
    """One entry per complaint, with how often it came: a dead PACS must not hide a full disk."""
    latest: dict[tuple[str, str], dict[str, Any]] = {}
    for event in troubles:
        complaint = (event.code, event.message)
        times = latest.pop(complaint, {"times": 0})["times"] + 1  # the newest moves to the end
        latest[complaint] = {**asdict(event), "times": times}
    return list(latest.values())


def _show(config: NodeConfig, status: dict[str, Any]) -> None:
    state = "running" if status["running"] else "not running (start it with dicom-node serve)"
    print(f"node {config.node.ae_title} at port {config.node.port}: {state}, data in {config.node.data_dir}")
    for table in ("studies", "analyses"):
        print(f"{table}: {_counts(status['counts'][table])}")
    if status["routes"]:
        print(f"routes: {_counts(status['routes'])}")
    for hold in status["held"]:
        since = f"held by {hold['held_by']} since {hold['held_at'][:19]}"
        print(f"study {hold['study_instance_uid']} {since}: {hold['reason']}")
    if status["oldest_waiting_analysis"]:
        print(f"oldest analysis waits since {status['oldest_waiting_analysis']}")
    for queue in status["destinations"]:
        _show_destination(queue)
    if status["dead_letters"]:
        print("dead letters (mend the cause, then dicom-node reprocess --failed sends them again):")
        for letter in status["dead_letters"]:
            print(f"  {letter['destination']}: {letter['sop_instance_uid']}: {letter['reason']}")
    for name, job in status["jobs"].items():
        if job["error"]:
            print(f"job {name}: last run failed ({job['error']}), {job['failures']} since start; see the log")
    if status["recent_troubles"]:
        print("recent warnings and errors:")
        for event in status["recent_troubles"]:
            often = f" ({event['times']} times)" if event["times"] > 1 else ""
            print(f"  {event['at'][:19]} {event['severity']} {event['code']}{often}: {event['message']}")


def _show_destination(queue: dict[str, Any]) -> None:
    kind = queue["type"] or "no longer configured"
    counts = f"{queue['delivered']} delivered, {queue['pending']} waiting, {queue['dead']} dead"
    if queue["stored"] or queue["confirm"] not in (None, "store"):
        counts += f", {queue['stored']} stored and not yet confirmed"
    print(f"destination {queue['destination']} ({kind}): {counts}")
    if queue["breaker"] == "open":
        until = queue["rests_until"][:19]
        print(f"  down: {queue['failures']} failures in a row; tried again at {until} (UTC)")
    if queue["hours"]:
        state = "open now" if queue["within_hours"] else "closed now"
        print(f"  sends at {queue['hours']}: {state}")
    if queue["oldest_waiting"]:
        failure = queue["last_reason"] or "none"
        print(f"  oldest waits since {queue['oldest_waiting']}; last failure: {failure}")
    if queue["oldest_unconfirmed"]:
        print(f"  oldest unconfirmed since {queue['oldest_unconfirmed']}")


def _counts(states: dict[str, int]) -> str:
    return ", ".join(f"{number} {state}" for state, number in sorted(states.items())) or "none"
