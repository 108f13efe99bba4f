"""The soak: a node under a hospital's load for an hour, with scanners that fail; writes docs/soak.md.

    .venv/bin/python benchmarks/soak.py                                  # an hour
    .venv/bin/python benchmarks/soak.py --associations-total 100000      # and 10^5 short associations
    .venv/bin/python benchmarks/soak.py --minutes 2 --out FOLDER         # writes nothing into docs/

The node, its PACS and the scanners are processes of this machine, on loopback. Before the load every part of
the node is used once and left in peace: what it then has of threads and descriptors it must come back to.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from soak_parts.node import Node, ProcessFigures
from soak_parts.pacs import PACS, Pacs
from soak_parts.page import page, write_page
from soak_parts.studies import Supply
from soak_parts.traffic import CALLING, Traffic
from soak_parts.verdict import Limits, Outcome, judge, slope_per_hour
from soak_parts.watch import Watch, write_csv

DOCS = Path(__file__).parent.parent / "docs"
_DRAIN_SECONDS = 900.0
_REST_SECONDS = 12.0
"""Longer than the node keeps an association to a destination for the next study (5 s)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=5, help="studies a second, over 8 associations")
    parser.add_argument("--faults", type=float, default=0.01, help="share of studies where something fails")
    parser.add_argument("--analyse", type=float, default=0.02, help="share of studies that are forearms")
    parser.add_argument("--associations-total", type=int, default=0, help="short ones, besides the scanners'")
    parser.add_argument("--destination", choices=PACS, default="embedded")
    parser.add_argument("--period", type=float, default=5, help="seconds between two measurements")
    parser.add_argument("--out", type=Path, help="folder for page, picture and figures in place of docs/")
    parser.add_argument("--folder", type=Path, help="where node and PACS write; a temporary one by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder, ignore_cleanup_errors=True) as folder:
        outcome = soak(Path(folder), options)
    command = " ".join(["benchmarks/soak.py", *sys.argv[1:]])
    print(page(outcome, command))
    write_page(outcome, options.out or DOCS, command)
    if options.out:
        write_csv(outcome.samples, options.out / "soak.csv")
    sys.exit(0 if outcome.holds else 1)


def soak(folder: Path, options: argparse.Namespace) -> Outcome:
    """Run everything once and judge it."""
    seconds = 60 * options.minutes
    with ExitStack() as running:
        pacs: Pacs = running.enter_context(PACS[options.destination](folder / "pacs"))
        node = running.enter_context(Node(folder / "node", pacs, CALLING))
        traffic = Traffic(node.port, Supply(options.analyse), rate=options.rate, fault_share=options.faults)
        traffic.warm_up()
        node.scrape()
        node.wait_for_its_clock()
        base, _ = _rest(node, traffic)
        with Watch(node, traffic.ledger, period_seconds=options.period) as watch:
            traffic.run(seconds, options.associations_total)
        rest, drain_seconds = _rest(node, traffic)
        warm = [sample for sample in watch.samples if sample.seconds >= _warm_up(seconds)]
        times = [sample.seconds for sample in warm]
        outcome = Outcome(
            seconds=seconds,
            rate=options.rate,
            associations=options.associations_total,
            base=base,
            rest=rest,
            samples=watch.samples,
            ledger=traffic.ledger,
            rss=slope_per_hour(times, [sample.process.rss_mib for sample in warm]),
            anonymous=slope_per_hour(times, [sample.process.anonymous_mib for sample in warm]),
            warm_up_seconds=_warm_up(seconds),
            drain_seconds=drain_seconds,
            pacs=pacs.name,
        )
        judge(outcome, node, pacs, watch.sample(), Limits.of(seconds))
        if options.out:
            node.keep_log(options.out)
    return outcome


def _warm_up(seconds: float) -> float:
    """Return how long caches and the allocator's arenas may fill: a quarter of the time, at most 15 min."""
    return min(seconds / 4, 900.0)


def _rest(node: Node, traffic: Traffic) -> tuple[ProcessFigures, float]:
    """Wait until the node has nothing to do; return its figures then, and what its queues took to empty."""
    began = time.monotonic()
    unfinished = (
        "SELECT (SELECT count(*) FROM studies WHERE state IN ('receiving', 'complete', 'analyzing')) "
        "+ (SELECT count(*) FROM deliveries WHERE state IN ('pending', 'sending', 'stored'))"
    )
    if not _wait_for(lambda: node.number(unfinished) == 0, _DRAIN_SECONDS):
        traffic.ledger.complain(f"{node.number(unfinished)} studies and results are still waiting")
    drained = time.monotonic() - began
    traffic.end_silence()
    time.sleep(_REST_SECONDS)
    return node.figures(), drained


def _wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


if __name__ == "__main__":
    main()
