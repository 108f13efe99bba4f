"""What a soak came to: figures, and each claim with what was found."""

from __future__ import annotations

import hashlib
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from scipy.stats import theilslopes

from soak_parts.node import Node, ProcessFigures
from soak_parts.pacs import Pacs
from soak_parts.traffic import Ledger
from soak_parts.watch import Sample

__all__ = [
    "Check",
    "Limits",
    "Outcome",
    "Slope",
    "growth",
    "judge",
    "latency_percentiles",
    "lost_objects",
    "slope_per_hour",
]

_CONFIDENCE = 0.95
_BLOCKS = 60
"""Samples are averaged into so many blocks at most before the regression: neighbours are not independent."""


@dataclass(frozen=True, slots=True)
class Check:
    """One claim."""

    claim: str
    found: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Slope:
    """A trend per hour, and the 95 % interval of it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the node may have grown.

    Attributes
    ----------
    slope : float or None
        MiB an hour after warm-up; None for a run that is too short to tell one.
    recent_mib : float
        Growth over the last minute, in MiB.
    """

    slope: float | None
    recent_mib: float = 8.0

    @classmethod
    def of(cls, seconds: float) -> Limits:
        """Return the limits for a soak of this length: 1 MiB/h, from half an hour on."""
        return cls(slope=1.0 if seconds >= 1800 else None)


@dataclass
class Outcome:
    """Everything that the page shows."""

    seconds: float
    rate: float
    associations: int
    base: ProcessFigures
    """Idle, after every part had been used once and before the load."""
    rest: ProcessFigures
    """Idle, after the load."""
    samples: list[Sample]
    ledger: Ledger
    rss: Slope
    anonymous: Slope
    warm_up_seconds: float
    drain_seconds: float
    pacs: str
    results: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    """State -> studies."""
    checks: list[Check] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether every claim holds."""
        return all(check.holds for check in self.checks)


def slope_per_hour(seconds: Sequence[float], values: Sequence[float]) -> Slope:
    """Return the Theil-Sen slope and its interval.

    The median of the slopes between all pairs of points (Sen, J Am Stat Assoc 1968): a single step or peak
    does not bend it. Its interval takes points for independent, hence the blocks.
    """
    size = max(1, len(values) // _BLOCKS)
    times = [statistics.fmean(seconds[at : at + size]) for at in range(0, len(values), size)]
    means = [statistics.fmean(values[at : at + size]) for at in range(0, len(values), size)]
    slope, _, low, high = theilslopes(means, times, _CONFIDENCE)
    return Slope(3600 * slope, 3600 * low, 3600 * high)


def latency_percentiles(ledger: Ledger) -> dict[str, float]:
    """Return milliseconds of a C-STORE: median, 95 %, 99 %, longest."""
    ordered = sorted(seconds for _, seconds in ledger.latencies)
    return {
        name: 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]
        for name, share in {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}.items()
    }


def judge(outcome: Outcome, node: Node, pacs: Pacs, last: Sample, limits: Limits) -> None:
    """Add every claim, with what was found, to the outcome."""
    ledger = outcome.ledger
    outcome.ends = {str(state): int(count) for state, count in node.rows(_ENDS)}
    lost = lost_objects(node, ledger)
    outcome.results, wrong = delivery_faults(node, pacs)
    forearms = node.number("SELECT count(DISTINCT study_instance_uid) FROM results")
    integrity = str(node.rows("PRAGMA integrity_check")[0][0])
    left = node.temporary_files()
    log = node.complaints()
    inconsistent = sum(not sample.is_consistent for sample in outcome.samples)
    stored = len(ledger.acknowledged)
    outcome.checks += [
        Check(
            "every acknowledged object is archived, byte for byte", f"{len(lost)} of {stored} lost", not lost
        ),
        Check(
            "acknowledged = rows = files at the end",
            f"{stored} = {last.rows} = {last.files}",
            stored == last.rows == last.files,
        ),
        Check(
            "acknowledged <= rows <= files at every moment", f"{inconsistent} exceptions", not inconsistent
        ),
        Check(
            "every forearm is analysed, everything else is not applicable",
            ", ".join(f"{count} {state}" for state, count in outcome.ends.items()),
            outcome.ends.get("analyzed", 0) == ledger.forearms == forearms
            and outcome.ends.get("not_applicable", 0) == ledger.studies - ledger.forearms,
        ),
        Check(
            "the PACS has every result once",
            f"{len(wrong)} of {outcome.results} wrong",
            not wrong and bool(outcome.results) == bool(ledger.forearms),
        ),
        Check("SQLite integrity_check", integrity, integrity == "ok"),
        Check("no files in the making are left", str(len(left)), not left),
        Check(
            "every answer was the right one", "; ".join(ledger.complaints[:5]) or "yes", not ledger.complaints
        ),
        Check("no error of the node's own in its log", "; ".join(log[:3]) or "none", not log),
        *growth(outcome, limits),
    ]


_ENDS = "SELECT state, count(*) FROM studies GROUP BY state ORDER BY state"


def growth(outcome: Outcome, limits: Limits) -> list[Check]:
    """Return what must hold of the memory, descriptors, threads and children."""
    base, rest = outcome.base, outcome.rest
    new = Counter(rest.open_files) - Counter(base.open_files)
    opened = "".join(f"; new: {count} {name}" for name, count in new.items())
    recent = _recent_growth(outcome.samples)
    checks = [
        Check(
            "descriptors are back to base",
            f"{rest.descriptors}, base {base.descriptors}; of children {rest.children_descriptors}, "
            f"base {base.children_descriptors}{opened}",
            rest.descriptors <= base.descriptors and rest.children_descriptors <= base.children_descriptors,
        ),
        Check(
            "threads are back to base", f"{rest.threads}, base {base.threads}", rest.threads <= base.threads
        ),
        Check(
            "children are back to base",
            f"{rest.children}, base {base.children}",
            rest.children <= base.children,
        ),
        Check(
            f"RSS grows by less than {limits.recent_mib:g} MiB in the last minute",
            f"{recent:+.1f} MiB",
            recent < limits.recent_mib,
        ),
    ]
    if limits.slope is not None:
        checks.append(
            Check(
                f"RSS slope after warm-up below {limits.slope:g} MiB/h",
                f"{outcome.rss.value:+.2f} MiB/h ({outcome.rss.low:+.2f} to {outcome.rss.high:+.2f})",
                outcome.rss.value < limits.slope,
            )
        )
    return checks


def _recent_growth(samples: Sequence[Sample], seconds: float = 60.0) -> float:
    """Return by how many MiB a minute the RSS grew at the end, as the slope of the last samples."""
    recent = [sample for sample in samples if sample.seconds >= samples[-1].seconds - seconds]
    slope = slope_per_hour(
        [sample.seconds for sample in recent], [sample.process.rss_mib for sample in recent]
    )
    return slope.value / 60


def lost_objects(node: Node, ledger: Ledger) -> list[str]:
    """Return the acknowledged objects that the archive does not hold byte for byte."""
    rows = node.rows("SELECT sop_instance_uid, sha256, path, size FROM instances WHERE kind = 'input'")
    archived = {(str(uid), str(digest)): (str(path), int(size)) for uid, digest, path, size in rows}
    lost = []
    for uid, digest in ledger.acknowledged.items():
        path, size = archived.get((uid, digest), ("", 0))
        file = node.data_dir / path
        if not path or not file.is_file() or _digest_of_end(file.read_bytes(), size) != digest:
            lost.append(uid)
    return lost


def delivery_faults(node: Node, pacs: Pacs) -> tuple[int, list[str]]:
    """Return how many results the PACS has, and what it has not exactly once."""
    wanted = {str(uid) for (uid,) in node.rows("SELECT sop_instance_uid FROM results")}
    held = pacs.held()
    wrong = [uid for uid in wanted if held[uid] != 1] + [uid for uid in held if uid not in wanted]
    return len(wanted), wrong


def _digest_of_end(content: bytes, size: int) -> str:
    return hashlib.sha256(content[len(content) - size :]).hexdigest()
