"""The systemd unit, step by step: installed, confined, loaded, killed, stopped, mended, booted."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

from node_under_fire import wait_for

from deployment_parts.machine import BOOT_SECONDS, Machine
from deployment_parts.site import REPOSITORY, RESULTS, STUDIES, Outcome, Site

_UNIT = "radius-dxa-node"
_CONFIG = f"/etc/{_UNIT}/node.toml"
_DATA = f"/var/lib/{_UNIT}"
_DICOM_NODE = f"/opt/{_UNIT}/.venv/bin/dicom-node"
_AS_NODE = f"runuser -u radius-dxa -- {_DICOM_NODE}"


def try_unit(machine: Machine, site: Site) -> Iterator[Outcome]:
    """Everything that happens to a unit in its life; the machine is made, and off."""
    with machine.running():
        yield from _installed(machine, site)
        yield from _confined(machine)
        yield from _loaded(machine, site)
        yield from _killed_and_stopped(machine)
        yield from _mended(machine)
    with machine.running():
        assert wait_for(lambda: _is_active(machine), BOOT_SECONDS)
        assert sum(_status(machine)["counts"]["studies"].values()) == STUDIES
        yield "machine switched off and on", "serves by itself, studies as before"


def documented_commands() -> list[str]:
    """The commands of the first block below the heading "systemd" of docs/operations.md."""
    page = (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")
    block = page.partition("### systemd")[2].split("```")[1]
    return [line for line in block.splitlines() if line]


def _installed(machine: Machine, site: Site) -> Iterator[Outcome]:
    """Follow the page, command by command; the editor's part is done by the site."""
    machine.do("apt-get update -q")
    begun = time.monotonic()
    for command in documented_commands():
        if command.startswith("$EDITOR"):
            site.edit(machine.root / _CONFIG[1:], _DATA)
            continue
        if command.startswith("systemctl enable"):
            yield "installed as operations.md says", f"{time.monotonic() - begun:.0f} s"
            begun = time.monotonic()
        machine.do(command.replace("<this repository>", "/repository").replace("apt ", "apt-get -y -q "))
    assert _is_active(machine)
    yield "`systemctl enable --now` until the port listens", f"{time.monotonic() - begun:.1f} s"
    exposure = machine.do(f"systemd-analyze security --no-pager {_UNIT}")
    yield "exposure by `systemd-analyze security`", re.findall(r"exposure level .*: (\S+ \w+)", exposure)[0]
    diagnosis = machine.do(f"{_AS_NODE} doctor --config {_CONFIG}")
    assert "fail" not in {line.split()[0] for line in diagnosis.splitlines()}
    yield "`dicom-node doctor` as the node's user", "nothing fails"


def _confined(machine: Machine) -> Iterator[Outcome]:
    """What the running process may do."""
    pid = _main_pid(machine)
    status = machine.do(f"cat /proc/{pid}/status")
    assert re.search(r"NoNewPrivs:\s1\n", status)
    assert re.search(r"CapBnd:\s0+\n", status)
    assert re.search(r"Seccomp:\s2\n", status)
    yield "the process", "no capability, no new privileges, system calls filtered"
    inside = f"nsenter --target {pid} --mount"
    for place in ("/opt/x", "/etc/x", "/usr/x"):
        assert "Read-only" in machine.try_to(f"{inside} touch {place}"), place
    machine.do(f"{inside} touch {_DATA}/x && rm {_DATA}/x")
    yield "its file system", f"read-only but for `{_DATA}`, its cache and its own `/tmp`"


def _loaded(machine: Machine, site: Site) -> Iterator[Outcome]:
    begun = time.monotonic()
    site.send_studies(lambda: _status(machine))
    yield (
        f"{STUDIES} sample studies sent; {RESULTS} results stored and committed at Orthanc",
        f"{time.monotonic() - begun:.0f} s",
    )
    assert site.is_healthy()
    yield "`/health`", "200"


def _killed_and_stopped(machine: Machine) -> Iterator[Outcome]:
    """The service manager's part: start again what died, stop what is told to."""
    begun, before = time.monotonic(), _main_pid(machine)
    machine.do(f"kill -9 {before}")
    assert wait_for(lambda: _main_pid(machine) not in (before, 0) and _is_active(machine), BOOT_SECONDS)
    yield "`kill -9`, until it serves again (2 s of it are RestartSec)", f"{time.monotonic() - begun:.1f} s"
    begun = time.monotonic()
    machine.do(f"systemctl stop {_UNIT}")
    yield "`systemctl stop`", f"{time.monotonic() - begun:.1f} s"


def _mended(machine: Machine) -> Iterator[Outcome]:
    """Lose the journal, and mend it: as root first, as people do."""
    machine.do(f"rm {_DATA}/journal.db*")
    refused = machine.try_to(f"{_DICOM_NODE} journal rebuild --config {_CONFIG}")
    assert "runuser -u radius-dxa" in refused, refused
    yield "journal lost; `journal rebuild` as root", "refused, with the command that is right"
    machine.do(f"{_AS_NODE} journal rebuild --config {_CONFIG}")
    machine.do(f"systemctl start {_UNIT}")
    assert sum(_status(machine)["counts"]["studies"].values()) == STUDIES
    yield "`journal rebuild` as the node's user, start", f"{STUDIES} studies are back"


def _main_pid(machine: Machine) -> int:
    return int(machine.do(f"systemctl show --property=MainPID --value {_UNIT}"))


def _is_active(machine: Machine) -> bool:
    return machine.try_to(f"systemctl is-active {_UNIT}").strip() == "active"


def _status(machine: Machine) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(machine.do(f"{_AS_NODE} status --json --config {_CONFIG}"))
    return told
