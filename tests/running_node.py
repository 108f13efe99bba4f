"""A real node for a test: ``dicom-node serve`` as its own process, on a free port, with its own data."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from real_peers import pick_free_port

DICOM_NODE = Path(sys.executable).parent / "dicom-node"
CONF = Path(__file__).parent.parent / "conf"
START_SECONDS = 60


def write_node_config(
    folder: Path,
    *,
    destinations: Mapping[str, tuple[str, int]],
    quiet_seconds: float = 1.0,
    monitoring_port: int | None = None,
    console_port: int | None = None,
    extra: str = "",
) -> tuple[Path, int]:
    """Write a node.toml for loopback.

    Parameters
    ----------
    destinations : mapping of name -> (AE title, port)
    extra : str
        TOML that follows the last destination, e.g. its ``[destination.reports]``.

    Returns
    -------
    (path of the TOML file, the node's port)
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = pick_free_port()
    lines = [
        "[node]",
        'ae_title = "RADIUSDXA"',
        'host = "127.0.0.1"',
        f"port = {port}",
        'data_dir = "node_data"',
        "[receiver]",
        "min_free_bytes = 1_000_000",
        "[completion]",
        f"quiet_seconds = {quiet_seconds}",
        "[analysis]",
        f'reference = "{CONF / "reference" / "iscd-atlas-female.csv"}"',
        f'guideline = "{CONF / "guidelines" / "acp-2023.toml"}"',
        "[delivery]",
        "first_retry_seconds = 1",
        "[monitoring]",
        f"enabled = {'true' if monitoring_port else 'false'}",
        *([f"port = {monitoring_port}"] if monitoring_port else []),
        "[console]",
        f"enabled = {'true' if console_port else 'false'}",
        *([f"port = {console_port}"] if console_port else []),
    ]
    for name, (ae_title, destination_port) in destinations.items():
        lines += [
            "[[destination]]",
            f'name = "{name}"',
            f'ae_title = "{ae_title}"',
            'host = "127.0.0.1"',
            f"port = {destination_port}",
        ]
    path = folder / "node.toml"
    path.write_text("\n".join(lines) + "\n" + extra)
    return path, port


@contextmanager
def running_node(config: Path, *, verbose: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """Start the node, wait for its ready line, stop it by SIGTERM at the end."""
    log_path = config.with_suffix(".log")
    with log_path.open("ab") as log:
        start = log.tell()
        process = subprocess.Popen(
            [DICOM_NODE, *(["--verbose"] if verbose else []), "serve", "--config", config],
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while b"ready" not in log_path.read_bytes()[start:]:
            assert process.poll() is None, f"the node ended at once: {log_path.read_text()[-3000:]}"
            assert time.monotonic() < deadline, f"the node is not ready: {log_path.read_text()[-3000:]}"
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)
