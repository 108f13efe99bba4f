"""Collects what every cell of the fault matrix came to, and writes docs/reliability.md when asked to.

A test names its cells with ``@pytest.mark.cell("16", "17")`` and says what it measured with the fixture
`figure`. ``pytest tests/faults -m "slow or not slow" --reliability-page docs/reliability.md`` writes it.
"""

from __future__ import annotations

import os
import platform
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from matrix import CELLS

_outcomes: dict[str, list[str]] = defaultdict(list)
_figures: dict[str, list[str]] = defaultdict(list)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--reliability-page", type=Path, metavar="FILE", help="write the fault matrix with what was found"
    )


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Iterator[Callable[[str], None]]:
    """Say what was measured, for the page."""
    said: list[str] = []
    yield said.append
    for name in _cells(request.node):
        _figures[name] += said


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[assignment,misc]
    if report.when == "call" or not report.passed:
        for name in _cells(item):
            _outcomes[name].append(report.outcome)
    return report  # type: ignore[return-value]


def pytest_sessionfinish(session: pytest.Session) -> None:
    page: Path | None = session.config.getoption("--reliability-page", default=None)
    if page is not None:
        before = page.read_text(encoding="utf-8") if page.is_file() else ""
        page.write_text("\n".join(_page(before)), encoding="utf-8")


def _cells(item: pytest.Item) -> list[str]:
    return [str(name) for marker in item.iter_markers("cell") for name in marker.args]


def _page(before: str) -> Iterator[str]:
    """The page; cells that this run left out keep their rows of `before`."""
    rows = {line.split(" | ")[0]: line for line in before.splitlines() if line.startswith("| ")}
    yield "# Reliability: the fault matrix"
    yield "Written by the test run that injects the faults:"
    yield ""
    yield '    .venv/bin/pytest tests/faults -m "slow or not slow" --reliability-page docs/reliability.md'
    yield ""
    yield (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}. After every cell also holds: nothing acknowledged is lost, no "
        "result is sent twice, the journal is sound, nothing is left in the making, the next good object is "
        "stored. Crashes at every step boundary: [crash-drill.md](crash-drill.md)."
    )
    yield ""
    yield "| # | step | fault | must hold | outcome | measured |"
    yield "|---|---|---|---|---|---|"
    for name, cell in CELLS.items():
        outcomes = _outcomes[name]
        if not outcomes and f"| {name}" in rows:
            yield rows[f"| {name}"]
            continue
        verdict = "not run" if not outcomes else "holds" if set(outcomes) == {"passed"} else "FAILS"
        if "skipped" in outcomes and "failed" not in outcomes:
            verdict = "skipped"
        measured = "; ".join(dict.fromkeys(_figures[name]))
        yield f"| {name} | {cell.step} | {cell.fault} | {cell.expected} | {verdict} | {measured} |"
    yield ""
