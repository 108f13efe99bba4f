"""A site to deploy to: free ports, a configuration made from the shipped one, studies, a PACS to look at."""

from __future__ import annotations

import re
import subprocess
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from node_under_fire import wait_for
from real_peers import pick_free_port

REPOSITORY = Path(__file__).parents[2]

STUDIES, DECLINED, RESULTS = 7, 1, 54
"""sample_studies: one of them is a spine, the others get nine results each."""
_RESULTS_SECONDS = 180

Outcome = tuple[str, str]
"""What was tried, and what came of it."""


@dataclass
class Site:
    """Where the node sends to, and the ports it gets: the network is this machine's."""

    pacs_port: int
    stored: Callable[[], int]
    """How many objects the PACS holds."""
    dicom_port: int = field(default_factory=pick_free_port)
    monitoring_port: int = field(default_factory=pick_free_port)
    console_port: int = field(default_factory=pick_free_port)

    def edit(self, config: Path, data_dir: str) -> None:
        """Do what a person does in the shipped node.toml."""
        text = config.read_text(encoding="utf-8")
        for before, after in (
            (r"(?m)^data_dir = .*", f'data_dir = "{data_dir}"'),
            (r"(?m)^port = 11112", f"port = {self.dicom_port}"),
            (r"(?m)^#port = 11113", f"port = {self.monitoring_port}"),
            (r"(?m)^#port = 8642", f"port = {self.console_port}"),
        ):
            text, times = re.subn(before, after, text)
            assert times == 1, before
        destination = (
            f'ae_title = "TESTPACS"\nhost = "127.0.0.1"\nport = {self.pacs_port}\nconfirm = "commitment"'
        )
        config.write_text(f'{text}\n[[destination]]\nname = "pacs"\n{destination}\n', encoding="utf-8")

    def is_healthy(self) -> bool:
        """Ask ``/health``."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.monitoring_port}/health", timeout=5
            ) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def send_studies(self, status: Callable[[], dict[str, Any]]) -> None:
        """Push the sample studies, and wait until all that the node made of them is committed at the PACS."""
        send = [
            "storescu",
            "-aec",
            "RADIUSDXA",
            "+sd",
            "+r",
            "+sp",
            "*.dcm",
            "127.0.0.1",
            str(self.dicom_port),
        ]
        subprocess.run([*send, REPOSITORY / "sample_studies"], check=True, capture_output=True)
        assert wait_for(lambda: _delivered(status()) == RESULTS, _RESULTS_SECONDS), status()
        expected = {"analyzed": STUDIES - DECLINED, "not_applicable": DECLINED}
        assert status()["counts"]["studies"] == expected, status()
        assert self.stored() == RESULTS


def _delivered(status: dict[str, Any]) -> int:
    return sum(destination["delivered"] for destination in status["destinations"])
