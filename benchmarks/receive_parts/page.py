"""What was measured, as JSON and as Markdown tables."""

from __future__ import annotations

import os
import platform
import statistics
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

__all__ = ["page", "result"]

NODE, ORTHANC, NAIVE = "this node", "Orthanc, TCP_NODELAY", "pynetdicom, naive"

_GOALS = (
    ("speed over Orthanc's, 1 association", ORTHANC, 1, "per_second", 1.2, 2.0),
    ("speed over Orthanc's, 4 associations", ORTHANC, 4, "per_second", 1.2, 2.0),
    ("speed over Orthanc's, 16 associations", ORTHANC, 16, "per_second", 1.0, 1.5),
    ("speed over naive pynetdicom's, 4 associations", NAIVE, 4, "per_second", 2.0, 4.0),
    ("CPU over Orthanc's, 1 association", ORTHANC, 1, "cpu_ms", 0.6, 0.4),
    ("CPU over Orthanc's, 4 associations", ORTHANC, 4, "cpu_ms", 0.6, 0.4),
    ("CPU over Orthanc's, 16 associations", ORTHANC, 16, "cpu_ms", 0.6, 0.4),
)
"""What, over whom, associations, of which figure, must, aim."""

_SETUP_MUST_MS, _SETUP_AIM_MS = 300, 100


def result(records: list[dict[str, Any]], *, rounds: int, instances: int, disk: str) -> dict[str, Any]:
    """Return everything that was measured, the first round left out: it warmed up."""
    measured = [record for record in records if record["round"] >= 0]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}",
        "disk": disk,
        "rounds": rounds,
        "instances": instances,
        "memory_mib": {
            record["receiver"]: round(record["memory_mib"], 1) for record in records if "memory_mib" in record
        },
        "records": measured,
    }


def page(found: dict[str, Any]) -> str:
    """Return the tables."""
    lines = [
        f"Measured {found['date']} on {found['machine']}, {found['disk']}: {found['rounds']} interleaved "
        f"rounds of {found['instances']} instances each; median (range).",
        "",
        "| receiver | durable before 0x0000 | size | inst/s at 1 | at 4 | at 16 | CPU ms/inst at 1 | 4 | 16 "
        "| 16 connects, ms |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    cells = _cells(found["records"])
    rows: dict[tuple[str, str, str], None] = {}
    for record in found["records"]:
        rows.setdefault((record["receiver"], record["durable"], record["size"]))
    for receiver, durable, size in rows:
        key = [(receiver, size, associations) for associations in (1, 4, 16)]
        figures = [_spread(cells["per_second"][cell], 0) for cell in key]
        figures += [_spread(cells["cpu_ms"][cell], 1) for cell in key]
        figures.append(_spread(cells["setup_ms"][key[-1]], 0))
        lines.append(f"| {receiver} | {durable} | {size} | " + " | ".join(figures) + " |")
    lines += ["", *_goals(found), ""]
    memory = ", ".join(f"{name} {value}" for name, value in found["memory_mib"].items())
    lines.append(f"Resident memory of the main process at the end, MiB: {memory}.")
    return "\n".join(lines) + "\n"


def _goals(found: dict[str, Any]) -> list[str]:
    lines = ["| goal | must | aim | size | measured | |", "|---|---|---|---|---|---|"]
    cells = _cells(found["records"])
    for size in sorted({record["size"] for record in found["records"]}):
        for text, peer, associations, figure, must, aim in _GOALS:
            ours = cells[figure][NODE, size, associations]
            theirs = cells[figure][peer, size, associations]
            if not ours or not theirs:
                continue
            ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
            at_least = aim > must
            verdict = _verdict(statistics.median(ratios), must, aim, at_least=at_least)
            sign = "≥" if at_least else "≤"
            lines.append(
                f"| {text} | {sign} {must} | {sign} {aim} | {size} | {_spread(ratios, 2)} | {verdict} |"
            )
        setup = cells["setup_ms"][NODE, size, 16]
        if setup:
            verdict = _verdict(statistics.median(setup), _SETUP_MUST_MS, _SETUP_AIM_MS, at_least=False)
            lines.append(
                f"| 16 simultaneous connects, ms | < {_SETUP_MUST_MS} | < {_SETUP_AIM_MS} | {size} "
                f"| {_spread(setup, 0)} | {verdict} |"
            )
    return lines


def _verdict(value: float, must: float, aim: float, *, at_least: bool) -> str:
    if (value >= aim) if at_least else (value <= aim):
        return "aim met"
    return "met" if ((value >= must) if at_least else (value <= must)) else "missed"


def _cells(records: list[dict[str, Any]]) -> dict[str, dict[tuple[str, str, int], list[float]]]:
    """Return figure -> (receiver, size, associations) -> values in order of rounds."""
    cells: dict[str, dict[tuple[str, str, int], list[float]]] = {
        figure: defaultdict(list) for figure in ("per_second", "cpu_ms", "setup_ms")
    }
    for record in records:
        for figure, by_cell in cells.items():
            by_cell[record["receiver"], record["size"], record["associations"]].append(record[figure])
    return cells


def _spread(values: list[float], digits: int) -> str:
    if not values:
        return "–"
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"
