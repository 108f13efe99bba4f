"""What is shipped to install the node: the systemd unit, the container file, the bill of materials."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import tomllib
from pathlib import Path

import pytest

from dicom_node.service_manager import notify

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "conf" / "deploy"
UNIT = DEPLOY / "radius-dxa-node.service"
LOWEST_EXPOSURE = 2.0
"""systemd-analyze's own scale: 0 is perfect, above 7 it says "exposed"."""


def unit_settings() -> dict[str, str]:
    lines = (line for line in UNIT.read_text().splitlines() if re.match(r"[A-Za-z]+=", line))
    return dict(line.split("=", 1) for line in lines)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (package systemd)")
def test_systemd_finds_the_unit_hardened() -> None:
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--json=short", UNIT],
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout.startswith("["):
        pytest.skip(f"this systemd-analyze cannot look at a file: {done.stderr.strip()}")
    weights = json.loads(done.stdout)
    exposed = {item["name"] for item in weights if float(item.get("exposure") or 0) >= 0.3}
    assert exposed <= {"PrivateNetwork=", "RestrictAddressFamilies=~AF_(INET|INET6)"}, (
        "a node needs the network"
    )
    text = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", UNIT],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    found = re.search(r"exposure level for .*: ([0-9.]+)", text)
    assert found is not None
    assert float(found[1]) <= LOWEST_EXPOSURE


def test_the_unit_leaves_out_what_compiled_code_needs() -> None:
    settings = unit_settings()
    assert "MemoryDenyWriteExecute" not in settings, "numba and torch compile while they run"
    assert settings["Type"] == "notify"
    assert settings["LimitCORE"] == "0", "a core dump holds patient data"
    assert settings["User"] not in ("", "root")
    assert "CAP_" not in settings["CapabilityBoundingSet"]


def test_the_container_runs_as_nobody_and_checks_its_health() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    assert re.search(r"^USER 10001:10001$", text, re.MULTILINE)
    assert "HEALTHCHECK" in text
    assert "/health" in text
    images = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert {image.split(":")[0] for image in images} == {"python"}, (
        "plain names: a site's registry is its own"
    )
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE)
    assert all((ROOT / source).exists() for line in copied for source in line.split())


def test_systemd_is_told_when_the_node_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notify("READY=1")  # not started by systemd: nothing happens
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify("READY=1")
        assert manager.recv(100) == b"READY=1"


@pytest.mark.slow
def test_the_bill_of_materials_lists_what_the_node_runs_on() -> None:
    made = ROOT / "build" / "sbom.cdx.json"
    made.unlink(missing_ok=True)
    done = subprocess.run(
        ["make", "-o", "setup", "sbom"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    bill = json.loads(made.read_text())
    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == ("CycloneDX", "radius-dxa-node")
    listed = {normalised(component["name"]) for component in bill["components"]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {normalised(re.split(r"[<>=\[ ]", line)[0]) for line in project["dependencies"]}
    assert needed <= listed, needed - listed
    assert "file://" not in made.read_text(), "no path of the machine that made it"


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
