"""The monitoring port, this version's console: it answers whatever happens, and costs scanners nothing."""

from __future__ import annotations

import http.client
import json
import sqlite3
import statistics
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ground import Ground, on_ground, small_disk
from node_under_fire import DICOM_NODE
from real_peers import pick_free_port

from dicom_node.storage.figures import READ_TIMEOUT_SECONDS

Figure = Callable[[str], None]

REQUESTS = 10_000
REQUESTS_PER_SECOND = 10_000 / 60
ROUNDS = 5
STORES_PER_ROUND = 60
OUT_OF_RESOURCES = 0xA700
MEBIBYTE = 1_048_576


def ask(port: int, page: str) -> tuple[int, str, float]:
    """Return status, body and seconds of one request."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", page)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body, time.monotonic() - began


def fill(ballast: Path) -> None:
    """Write until the disk is full."""
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(4096))


@pytest.mark.cell("40")
def test_the_port_answers_while_the_journal_is_locked(tmp_path: Path, figure: Figure) -> None:
    port = pick_free_port()
    with on_ground(
        tmp_path, tables={"monitoring": {"enabled": True, "port": port}}, analyses=False
    ) as ground:
        ground.good_client_seconds()
        other = sqlite3.connect(ground.node.data_dir / "journal.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        answers = {page: ask(port, page) for page in ("/metrics", "/health", "/ready")}
        other.execute("ROLLBACK")
        other.close()
        assert [status for status, _, _ in answers.values()] == [200, 200, 503]
        assert "locked" in json.loads(answers["/ready"][1])["reasons"]["journal"]
        slowest = max(seconds for _, _, seconds in answers.values())
        assert slowest < READ_TIMEOUT_SECONDS + 2
        assert "journal" not in json.loads(ask(port, "/ready")[1])["reasons"]
        ground.hold_all_laws()
    figure(f"journal locked: /metrics 200, /health 200, /ready 503 with the reason, slowest {slowest:.1f} s")


@pytest.mark.root
@pytest.mark.cell("40")
def test_the_port_and_the_status_command_answer_on_a_full_disk(tmp_path: Path, figure: Figure) -> None:
    port = pick_free_port()
    tables = {
        "monitoring": {"enabled": True, "port": port},
        "receiver": {"min_free_bytes": MEBIBYTE},
        "retention": {"reserve_bytes": MEBIBYTE},
    }
    with (
        small_disk(tmp_path / "data", size="16m") as disk,
        on_ground(tmp_path, tables=tables, analyses=False) as ground,
    ):
        ground.good_client_seconds()
        fill(disk / "ballast")
        assert ground.send(ground.new_object()) == OUT_OF_RESOURCES
        assert ask(port, "/metrics")[0] == 200
        assert ask(port, "/health")[0] == 200
        status, body, _ = ask(port, "/ready")
        assert (status, "min_free_bytes" in json.loads(body)["reasons"]["disk"]) == (503, True)
        shown = subprocess.run(
            [DICOM_NODE, "status", "--config", ground.node.config],
            capture_output=True,
            text=True,
            check=False,
        )
        assert shown.returncode == 0, shown.stderr
        (disk / "ballast").unlink()
        assert "disk" not in json.loads(ask(port, "/ready")[1])["reasons"]
        ground.hold_all_laws()
    figure("disk full: /metrics 200, /health 200, /ready 503 with the reason, dicom-node status answers")


SCRAPER = """
    import http.client, sys, time
    port, count, pause = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    print("begun", flush=True)
    began, answered = time.monotonic(), 0
    for number in range(count):
        time.sleep(max(0.0, began + number * pause - time.monotonic()))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/metrics")
        answered += connection.getresponse().read().startswith(b"#")
        connection.close()
    print(answered, flush=True)
"""


NOTICEABLE_SECONDS = 0.010


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(300)
@pytest.mark.cell("40")
def test_ten_thousand_requests_do_not_slow_a_scanner(tmp_path: Path, figure: Figure) -> None:
    port = pick_free_port()
    quiet: list[float] = []
    scraped: list[float] = []
    answered = 0
    with on_ground(
        tmp_path, tables={"monitoring": {"enabled": True, "port": port}}, analyses=False
    ) as ground:
        _stores(ground, STORES_PER_ROUND)
        for _ in range(ROUNDS):
            quiet += _stores(ground, STORES_PER_ROUND)
            scraper = subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    textwrap.dedent(SCRAPER),
                    str(port),
                    str(REQUESTS // ROUNDS),
                    str(1 / REQUESTS_PER_SECOND),
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            assert scraper.stdout is not None and scraper.stdout.readline() == "begun\n"
            scraped += _stores(ground, STORES_PER_ROUND)
            assert scraper.poll() is None, "the requests must outlast the objects"
            answered += int(scraper.communicate(timeout=60)[0])
        ground.hold_all_laws()
    assert answered == REQUESTS
    medians = [statistics.median(seconds) for seconds in (quiet, scraped)]
    tails = [statistics.quantiles(seconds, n=20)[-1] for seconds in (quiet, scraped)]
    figure(
        f"{REQUESTS} requests at {REQUESTS_PER_SECOND:.0f}/s, all answered; association and object "
        f"{medians[0] * 1000:.1f} ms without, {medians[1] * 1000:.1f} ms with them (median), "
        f"95 %: {tails[0] * 1000:.1f} and {tails[1] * 1000:.1f} ms"
    )
    # requests and objects share the interpreter: what a scanner must not do is notice
    assert medians[1] - medians[0] < NOTICEABLE_SECONDS


def _stores(ground: Ground, count: int) -> list[float]:
    """Return the seconds that each of so many objects took, each on an association of its own."""
    return [ground.good_client_seconds() for _ in range(count)]
