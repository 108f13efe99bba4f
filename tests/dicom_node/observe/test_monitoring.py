"""The monitoring port as Prometheus, an orchestrator and a hostile client see it."""

from __future__ import annotations

import json
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from node_support import receive, receive_complete
from prometheus_client.parser import text_string_to_metric_families

from dicom_node.config import MonitoringSettings
from dicom_node.errors import ConfigurationError
from dicom_node.observe.collector import NodeMetrics
from dicom_node.storage.figures import can_write
from dicom_node.storage.journal import Journal
from dicom_node.web import monitoring
from dicom_node.web.monitoring import MonitoringServer
from dicom_node.workflow.schedule import JobRun, Schedule

DOCS = Path(__file__).parents[3] / "docs" / "monitoring.md"
RUN = JobRun(datetime.now(UTC), 0.25, "", 3)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.db")
    yield opened
    opened.close()


@pytest.fixture
def metrics(journal: Journal) -> NodeMetrics:
    return NodeMetrics(
        journal.path, journal.path.parent, min_free_bytes=1, last_runs=lambda: {"delivery to pacs": RUN}
    )


@pytest.fixture
def serve(metrics: NodeMetrics) -> Iterator[Callable[..., MonitoringServer]]:
    started: list[MonitoringServer] = []

    def start(**checks: object) -> MonitoringServer:
        server = MonitoringServer(
            MonitoringSettings(port=0), metrics, **{"health": {}, "readiness": {}, **checks}
        )
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


def get(server: MonitoringServer, path: str) -> tuple[int, str]:
    """Status and body of a GET."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def values(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """(name, label values) -> value."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_tell_what_the_journal_knows(
    journal: Journal, serve: Callable[..., MonitoringServer]
) -> None:
    receive(journal, "1.2.1")
    receive_complete(journal, "1.2.2")
    journal.claim_analysis("somebody", 60)
    receive_complete(journal, "1.2.3")
    status, text = get(serve(), "/metrics")
    found = values(text)
    assert status == 200
    assert found["radius_dxa_studies", ("receiving",)] == 1
    assert found["radius_dxa_studies", ("analyzing",)] == 1
    assert found["radius_dxa_analyses_waiting", ("queued",)] == 1
    assert found["radius_dxa_analyses_waiting", ("running",)] == 1
    assert 0 <= found["radius_dxa_oldest_analysis_seconds", ()] < 60
    assert found["radius_dxa_kept_bytes", ("input",)] > 0
    assert time.time() - found["radius_dxa_last_instance_timestamp_seconds", ()] < 60
    assert found["radius_dxa_disk_free_bytes", ()] > 0
    assert found["radius_dxa_job_failures_total", ("delivery to pacs",)] == 3
    assert found["process_resident_memory_bytes", ()] > 0


def test_a_journal_that_cannot_be_read_is_told_and_breaks_nothing(
    tmp_path: Path, serve: Callable[..., MonitoringServer], journal: Journal
) -> None:
    journal.path.rename(tmp_path / "elsewhere.db")
    found = values(get(serve(), "/metrics")[1])
    assert found["radius_dxa_journal_readable", ()] == 0
    assert ("radius_dxa_studies", ("receiving",)) not in found


def test_kept_bytes_follow_every_change_of_a_row(journal: Journal) -> None:
    def kept() -> tuple[int, int]:
        row = journal._row("SELECT files, bytes FROM kept_bytes WHERE kind = 'input'")
        assert row is not None
        return row["files"], row["bytes"]

    receive(journal, "1.2.1")
    receive(journal, "1.2.1")
    files, size = kept()
    assert files == 2
    with journal._transaction():
        journal._execute("UPDATE instances SET released_at = 'now' WHERE id = 1")
    assert kept() == (1, size // 2)
    with journal._transaction():
        journal._execute("UPDATE instances SET released_at = ''")
    assert kept() == (2, size)
    with journal._transaction():
        journal._execute("DELETE FROM instances")
    assert kept() == (0, 0)


def test_every_metric_is_documented_and_nothing_else_is(metrics: NodeMetrics, journal: Journal) -> None:
    told = {family.name for family in metrics.collect() if family.name.startswith("radius_dxa")}
    counters = {family.name for family in metrics.collect() if family.type == "counter"}
    documented = set(re.findall(r"^\| `(radius_dxa_\w+?)(?:_total)?`", DOCS.read_text(), re.MULTILINE))
    assert documented == told
    for name in counters & told:
        assert f"`{name}_total`" in DOCS.read_text()


def test_every_counter_is_counted_somewhere() -> None:
    from dicom_node.observe import metrics as declared

    package = Path(declared.__file__).parents[1]
    source = "\n".join(
        path.read_text() for path in package.rglob("*.py") if path.name not in ("metrics.py", "collector.py")
    )
    unused = [name for name in declared.__all__ if not re.search(rf"\b{name}\b\s*[.(]", source)]
    assert unused in ([], ["REGISTRY"])


def test_health_and_readiness_say_what_is_wrong(serve: Callable[..., MonitoringServer]) -> None:
    well = serve(health={"receiver": str}, readiness={"disk": str}, details=lambda: {"version": "1"})
    assert get(well, "/health") == (
        200,
        json.dumps({"status": "ok", "reasons": {}, "version": "1"}, indent=1) + "\n",
    )
    assert get(well, "/ready")[0] == 200
    ill = serve(readiness={"disk": lambda: "free some space", "journal": str})
    status, text = get(ill, "/ready")
    assert status == 503
    assert json.loads(text) == {"status": "failing", "reasons": {"disk": "free some space"}}


def test_a_journal_locked_by_somebody_else_is_not_ready(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dicom_node.storage.figures.READ_TIMEOUT_SECONDS", 0.1)
    assert can_write(journal.path) == ""
    with journal._transaction():
        assert "locked" in can_write(journal.path)


def test_only_get_of_the_three_pages_is_answered(serve: Callable[..., MonitoringServer]) -> None:
    server = serve()
    assert get(server, "/../etc/passwd")[0] == 404
    assert "/metrics" in get(server, "/")[1]
    for method in ("POST", "PUT", "DELETE", "TRACE"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
            client.sendall(f"{method} /metrics HTTP/1.1\r\nContent-Length: 9999999\r\n\r\n".encode())
            assert b" 501 " in client.recv(1000)


def test_a_defect_in_a_page_is_an_answer(serve: Callable[..., MonitoringServer]) -> None:
    def fail() -> str:
        raise ValueError("XYZZY^PLUGH")

    status, text = get(serve(health={"x": fail}), "/health")
    assert status == 500
    assert "XYZZY" not in text


def test_clients_that_hold_connections_are_cut_and_others_served_again(
    serve: Callable[..., MonitoringServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitoring, "REQUEST_SECONDS", 0.5)
    server = serve()
    held = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(20)]
    for number, client in enumerate(held):
        try:
            client.sendall(b"GET /metr" if number % 2 else b"G")
        except ConnectionError:
            continue  # beyond the limit: closed unanswered
    deadline = time.monotonic() + 10
    while True:
        try:
            assert get(server, "/ready")[0] == 200
            break
        except (ConnectionError, urllib.error.URLError):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    for client in held:
        client.close()


def test_a_port_in_use_is_refused_with_its_cure(
    serve: Callable[..., MonitoringServer], metrics: NodeMetrics
) -> None:
    taken = MonitoringSettings(port=serve().port)
    with pytest.raises(ConfigurationError, match=r"\[monitoring\].*cannot listen there.*enabled = false"):
        MonitoringServer(taken, metrics, health={}, readiness={}).start()


def test_the_clock_tells_how_each_jobs_last_run_went() -> None:
    from node_support import wait_until

    def fail() -> None:
        raise KeyError("XYZZY^PLUGH")

    schedule = Schedule({"good": lambda: None, "bad": fail}, periods={"good": 0.05, "bad": 0.05})
    schedule.start()
    try:
        wait_until(
            lambda: {"good", "bad"} <= set(schedule.last_runs()) and schedule.last_runs()["bad"].failures > 1
        )
        runs = schedule.last_runs()
    finally:
        schedule.stop()
    assert (runs["good"].error, runs["good"].failures) == ("", 0)
    assert runs["bad"].error == "KeyError"
    assert runs["good"].seconds < 1
