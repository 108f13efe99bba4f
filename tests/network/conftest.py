"""A receiver of the test's own on a free loopback port."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from running_receiver import RunningReceiver

from dicom_node.config import NodeSettings, ReceiverSettings
from dicom_node.network.association import Handler
from dicom_node.network.receiver import Receiver
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal


@pytest.fixture
def start_receiver(tmp_path: Path) -> Iterator[Callable[..., RunningReceiver]]:
    """Starts a receiver; keyword arguments are its ``[receiver]`` settings, `handlers` more services."""
    started: list[RunningReceiver] = []

    def start(handlers: Mapping[int, Handler] | None = None, **settings: object) -> RunningReceiver:
        data_dir = tmp_path / "outer" / "data"
        receiver_settings = ReceiverSettings(**{"min_free_bytes": 0, **settings})  # type: ignore[arg-type]
        archive = Archive(data_dir, min_free_bytes=receiver_settings.min_free_bytes)
        journal = Journal(archive.journal_path)
        node = NodeSettings(host="127.0.0.1", port=0, data_dir=data_dir)
        receiver = Receiver(node, receiver_settings, archive, journal, handlers=handlers)
        running = RunningReceiver(receiver, journal, archive)
        running.receiver.start()
        started.append(running)
        return running

    yield start
    for running in started:
        running.receiver.stop()
        running.journal.close()


@pytest.fixture
def receiver(start_receiver: Callable[..., RunningReceiver]) -> RunningReceiver:
    """A running receiver with default settings."""
    return start_receiver()
