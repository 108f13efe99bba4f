"""The container, step by step: built, started as its file says, confined, loaded, killed, stopped."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from node_under_fire import wait_for

from deployment_parts.site import REPOSITORY, RESULTS, STUDIES, Outcome, Site

_CONTAINERFILE = "conf/deploy/Containerfile"
_NAME = "radius-dxa"
_USER = 10001
_START_SECONDS = 60


def try_container(folder: Path, site: Site, build_options: Sequence[str]) -> Iterator[Outcome]:
    """Everything that happens to a container in its life; it is removed at the end."""
    build, run = documented_commands()
    begun = time.monotonic()
    _podman(*build, *build_options, ".")
    yield "built as its file says", f"{time.monotonic() - begun:.0f} s"
    conf, data = folder / "conf", folder / "data"
    shutil.copytree(REPOSITORY / "conf", conf)
    site.edit(conf / "node.toml", "/data")
    data.mkdir(mode=0o700)
    shutil.chown(data, _USER, _USER)
    places = {"/srv/radius-dxa/conf": str(conf), "/srv/radius-dxa/data": str(data)}
    try:
        yield from _lived(site, [_replaced(word, places) for word in run])
    finally:
        with suppress(subprocess.CalledProcessError):
            _podman("rm", "--force", _NAME)


def documented_commands() -> tuple[list[str], list[str]]:
    """``build`` and ``run`` of the Containerfile's head, without the last word of ``build``."""
    head = (REPOSITORY / _CONTAINERFILE).read_text(encoding="utf-8").partition("\nFROM")[0]
    text = head.replace("\\\n#", " ").replace("#", "\n")
    commands = [shlex.split(line) for line in re.findall(r"podman ((?:build|run) .*)", text)]
    build, run = commands
    assert (build[0], build[-1], run[0]) == ("build", ".", "run")
    return build[:-1], run


def _replaced(word: str, places: dict[str, str]) -> str:
    """Put this machine's folders in; the network is shared, since the PACS is on the loopback address."""
    for documented, here in places.items():
        word = word.replace(documented, here)
    return "--network=host" if word == "-p" else word


def _lived(site: Site, run: list[str]) -> Iterator[Outcome]:
    ports = [word for word in run if re.fullmatch(r"[\d.:]*11112", word)]
    begun = time.monotonic()
    _podman(*(word for word in run if word not in ports))
    assert wait_for(site.is_healthy, _START_SECONDS), _podman("logs", _NAME)
    yield "started as its file says, until `/health` answers", f"{time.monotonic() - begun:.1f} s"
    status = _podman("exec", _NAME, "cat", "/proc/1/status")
    assert re.search(rf"Uid:\s{_USER}\s", status)
    assert re.search(r"CapBnd:\s0+\n", status)
    assert re.search(r"NoNewPrivs:\s1\n", status)
    assert _podman("exec", _NAME, "sh", "-c", "touch /x /opt/x || echo refused").strip() == "refused"
    yield "the process", f"user {_USER}, no capability, no new privileges; can write `/data` and `/tmp` only"
    begun = time.monotonic()
    site.send_studies(_status)
    seconds = time.monotonic() - begun
    yield (
        f"{STUDIES} sample studies sent; {RESULTS} results stored and committed at Orthanc",
        f"{seconds:.0f} s",
    )
    _podman("healthcheck", "run", _NAME)
    yield "its HEALTHCHECK", "healthy"
    yield from _killed_and_stopped(site)


def _killed_and_stopped(site: Site) -> Iterator[Outcome]:
    _podman("kill", "--signal=KILL", _NAME)
    begun = time.monotonic()
    _podman("start", _NAME)
    assert wait_for(site.is_healthy, _START_SECONDS), _podman("logs", _NAME)
    assert sum(_status()["counts"]["studies"].values()) == STUDIES
    yield (
        "killed, started again, until `/health` answers",
        f"{time.monotonic() - begun:.1f} s; studies as before",
    )
    begun = time.monotonic()
    _podman("stop", _NAME)
    assert _podman("inspect", "--format={{.State.ExitCode}}", _NAME).strip() == "0"
    yield "`podman stop`", f"{time.monotonic() - begun:.1f} s, exit status 0"


def _status() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(
        _podman("exec", _NAME, "dicom-node", "status", "--json", "--config", "/conf/node.toml")
    )
    return told


def _podman(*words: str) -> str:
    done = subprocess.run(["podman", *words], cwd=REPOSITORY, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"podman {shlex.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout
