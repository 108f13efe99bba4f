"""The whole node at a real PACS that has to confirm what it accepts: forwarded originals, and a restart."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from node_support import load_config, undelivered_paths, wait_until
from real_peers import known_to_orthanc, pick_free_port, running_orthanc
from scripted_scp import write_object
from worker_functions import analyze_as_rejected

from dicom_node.config import NodeConfig
from dicom_node.network.sender import Peer, Timeouts, read_sendable, store
from dicom_node.service import Service

pytestmark = [pytest.mark.orthanc, pytest.mark.slow]

FORWARDING = """
[node]
ae_title = "RADIUSDXA"
host = "127.0.0.1"
port = {port}
data_dir = "../data"
[completion]
quiet_seconds = 1
[delivery]
first_retry_seconds = 0.2
max_retry_seconds = 0.5
response_timeout_seconds = 5
[[route]]
name = "forward"
action = ["forward"]
forward_to = ["pacs"]
[[destination]]
name = "pacs"
ae_title = "TESTPACS"
host = "127.0.0.1"
port = {pacs_port}
confirm = "commitment"
"""


@contextmanager
def running(config: NodeConfig) -> Iterator[Service]:
    service = Service(config, work=analyze_as_rejected, make_executor=lambda: ThreadPoolExecutor(1))
    service.start()
    try:
        yield service
    finally:
        service.stop()


def test_forwarded_originals_are_delivered_when_the_pacs_has_committed_itself(tmp_path: Path) -> None:
    port, pacs_port = pick_free_port(), pick_free_port()
    analysis = load_config(tmp_path).path.read_text().split("[analysis]")[1].split("[delivery]")[0]
    path = tmp_path / "conf/node.toml"
    path.write_text(FORWARDING.format(port=port, pacs_port=pacs_port) + "[analysis]" + analysis)
    config = NodeConfig.load(path)
    files = [write_object(tmp_path / f"{number}.dcm", study="1.2.3") for number in range(3)]
    sendable = [read_sendable(file) for file in files]
    with running(config) as service:  # the PACS is down
        node = Peer("RADIUSDXA", "127.0.0.1", service.port)
        outcomes = list(store(sendable, node, calling_ae_title="SCANNER", timeouts=Timeouts()))
        assert [outcome.error for outcome in outcomes] == [None] * 3
        wait_until(lambda: bool(service.journal.destination_health("pacs").failures), seconds=20)
    settings = known_to_orthanc("RADIUSDXA", port)
    with running_orthanc(tmp_path / "orthanc", dicom_port=pacs_port, settings=settings) as orthanc:
        with running(config) as service:
            wait_until(lambda: service.journal.summary()["deliveries"] == {"delivered": 3}, seconds=30)
            assert undelivered_paths(service.journal) == set()
            codes = [event.code for event in service.journal.events(limit=1000)]
            assert codes.count("study_delivered") == 1
            (row, *_) = service.journal._rows("SELECT transaction_uid, requested_at FROM deliveries")
            assert row["transaction_uid"], "it was the commitment that confirmed them"
        held = orthanc.instances()
        assert sorted(held) == sorted(str(file.sop_instance_uid) for file in sendable)
