"""docs/soak.md and its picture."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from matplotlib.figure import Figure

from soak_parts.traffic import SENDERS
from soak_parts.verdict import Outcome, Slope, latency_percentiles

__all__ = ["page", "write_page"]

_EXPLANATION = """\
{share:.1%} of the studies are forearms, which the node analyses and whose results it delivers: a worker keeps
a core busy with one for seconds, so this share is what the machine can do beside everything else. The others
are two small Secondary Captures, which a worker reads and finds not applicable. An association carries ten
studies. Faults come in turns: an association aborted or reset in the middle of an object, half a message and
then silence, rubbish, an object sent twice, an object whose data set bears another UID than its command, a
calling AE title that is not listed. What was cut off is sent again, as scanners do.

*Base* is the node at rest after every part was used once, each fault included. The slope is Theil and Sen's,
over at most 60 blocks of the samples after warm-up. Metrics are scraped with every sample, audit messages are
written to files. Nothing here is a figure of speed: see [performance](performance.md).

What looked like a leak before version 0.6.0 (+2.25 MiB/h) were caches that fill for hours: one of SQLite's,
for an index that grows with the studies (`tests/dicom_node/storage/test_figures_memory.py`), and glibc's
caches of freed blocks, one for each thread (`dicom_node/workflow/memory.py`)."""


def page(outcome: Outcome, command: str) -> str:
    """Return what was found as Markdown."""
    return "\n".join(_lines(outcome, command)) + "\n"


def write_page(outcome: Outcome, folder: Path, command: str) -> None:
    """Write soak.md and images/soak.png below a folder."""
    picture = folder / "images" / "soak.png"
    picture.parent.mkdir(parents=True, exist_ok=True)
    _picture(outcome).savefig(picture, dpi=100)
    (folder / "soak.md").write_text(page(outcome, command), encoding="utf-8")


def _lines(outcome: Outcome, command: str) -> Iterator[str]:
    ledger, minutes = outcome.ledger, outcome.seconds / 60
    yield "# Soak"
    yield (
        f"`{command}`, {datetime.now(UTC):%Y-%m-%d}: **{minutes:g} minutes** at {outcome.rate:g} studies a "
        f"second from {SENDERS} associations at a time, results to an {outcome.pacs}. "
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}; node, PACS and "
        "scanners on one machine."
    )
    yield ""
    yield "| what must hold | found | |"
    yield "|---|---|---|"
    for check in outcome.checks:
        yield f"| {check.claim} | {check.found} | {'holds' if check.holds else '**FAILS**'} |"
    yield ""
    yield "| measured | |"
    yield "|---|---|"
    for name, value in _figures(outcome):
        yield f"| {name} | {value} |"
    yield ""
    yield "![Memory, descriptors, threads, queues and latency over time](images/soak.png)"
    yield ""
    yield _EXPLANATION.format(share=ledger.forearms / ledger.studies)


def _figures(outcome: Outcome) -> Iterator[tuple[str, str]]:
    ledger, base, rest = outcome.ledger, outcome.base, outcome.rest
    yield "studies sent; forearms among them", f"{ledger.studies}; {ledger.forearms}"
    yield "objects acknowledged; results at the PACS", f"{len(ledger.acknowledged)}; {outcome.results}"
    yield "furthest behind the schedule, s", f"{ledger.late_seconds:.1f}"
    yield "faults played", ", ".join(f"{name} {count}" for name, count in sorted(ledger.faults.items()))
    latency = latency_percentiles(ledger)
    yield (
        f"C-STORE, first byte to answer, ms: {'; '.join(latency)}",
        "; ".join(f"{value:.0f}" for value in latency.values()),
    )
    if ledger.setups:
        ordered = sorted(ledger.setups)
        yield (
            "short associations; set-up of one, ms: p50; p99; max",
            f"{len(ordered)}; {1000 * ordered[len(ordered) // 2]:.0f}; "
            f"{1000 * ordered[int(0.99 * (len(ordered) - 1))]:.0f}; {1000 * ordered[-1]:.0f}",
        )
    yield (
        "longest queues: studies arriving; analyses; deliveries",
        "; ".join(
            str(max(getattr(sample, name) for sample in outcome.samples))
            for name in ("receiving", "analyses", "deliveries")
        ),
    )
    yield "queues empty after the load's end, s", f"{outcome.drain_seconds:.0f}"
    yield "RSS of the node's process, idle, before; after, MiB", f"{base.rss_mib:.1f}; {rest.rss_mib:.1f}"
    yield "its longest, under load, MiB", f"{max(sample.process.rss_mib for sample in outcome.samples):.1f}"
    yield f"slope of its RSS after {outcome.warm_up_seconds / 60:g} min, MiB/h (95 %)", _slope(outcome.rss)
    yield "of its anonymous memory, MiB/h (95 %)", _slope(outcome.anonymous)
    yield (
        "RSS of its children together, before; after, MiB",
        (f"{base.children_rss_mib:.0f}; {rest.children_rss_mib:.0f}"),
    )
    used = rest.cpu_seconds - base.cpu_seconds
    yield "CPU of node and children, cores", f"{used / (outcome.seconds + outcome.drain_seconds):.2f}"


def _slope(slope: Slope) -> str:
    return f"{slope.value:+.2f} ({slope.low:+.2f} to {slope.high:+.2f})"


def _picture(outcome: Outcome) -> Figure:
    figure = Figure(figsize=(9, 7.5), layout="constrained")
    memory, counts, queues, latency = figure.subplots(4, 1, sharex=True)
    minutes = [sample.seconds / 60 for sample in outcome.samples]
    processes = [sample.process for sample in outcome.samples]
    memory.plot(minutes, [item.rss_mib for item in processes], label="RSS")
    memory.plot(minutes, [item.anonymous_mib for item in processes], label="of it anonymous")
    memory.set_ylabel("MiB")
    memory.axvline(outcome.warm_up_seconds / 60, color="grey", linestyle=":")
    counts.plot(minutes, [item.descriptors for item in processes], label="descriptors")
    counts.plot(minutes, [item.threads for item in processes], label="threads")
    counts.axhline(outcome.base.descriptors, color="C0", linestyle=":")
    counts.axhline(outcome.base.threads, color="C1", linestyle=":")
    for name in ("receiving", "analyses", "deliveries"):
        queues.plot(minutes, [getattr(sample, name) for sample in outcome.samples], label=name)
    queues.set_ylabel("waiting")
    end = outcome.ledger.latencies[-1][0]
    points = [
        ((at - end + outcome.seconds) / 60, 1000 * seconds)
        for at, seconds in outcome.ledger.latencies
        if at >= end - outcome.seconds
    ]
    latency.plot(*zip(*points, strict=True), ".", markersize=1, label="C-STORE")
    latency.set_yscale("log")
    latency.set_ylabel("ms")
    latency.set_xlabel("minutes")
    for axes in (memory, counts, queues, latency):
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize="small", frameon=False)
        axes.grid(alpha=0.3)
        axes.set_xlim(0, outcome.seconds / 60)
    return figure
