"""A Debian of its own in a folder, with systemd as its first process."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from node_under_fire import wait_for

from deployment_parts.site import REPOSITORY

BOOT_SECONDS = 60
_PASSED_ON = re.compile(r"(PIP|UV|SSL|REQUESTS)_\w+")


class Machine:
    """A container that shares this machine's kernel and network, and nothing else.

    Parameters
    ----------
    root : Path
        Its file system, made by `make`.
    from_host : sequence of Path
        What it sees of this machine's files, besides the repository (as ``/repository``), read-only.
    """

    def __init__(self, root: Path, from_host: Sequence[Path]) -> None:
        self.root = root
        self._shared = [f"--bind-ro={path}" for path in from_host] + [f"--bind-ro={REPOSITORY}:/repository"]
        self._first_process = 0

    def make(self, mirror: str | None) -> None:
        """Install the least that boots and can install more."""
        packages = "systemd,systemd-sysv,dbus,ca-certificates"
        command = ["debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", self.root]
        subprocess.run([*command, *([mirror] if mirror else [])], check=True, stdout=subprocess.DEVNULL)
        shutil.copy("/etc/resolv.conf", self.root / "etc" / "resolv.conf")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Boot, and switch off at the end."""
        command = ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit", "--capability=all"]
        process = subprocess.Popen(
            [*command, "--resolv-conf=off", *self._shared, f"--directory={self.root}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        try:
            assert wait_for(lambda: bool(children.read_text().split()), BOOT_SECONDS)
            self._first_process = int(children.read_text().split()[0])
            assert wait_for(lambda: "running" in self.try_to("systemctl is-system-running"), BOOT_SECONDS)
            yield
        finally:
            process.send_signal(signal.SIGTERM)  # an orderly shutdown
            process.wait(timeout=BOOT_SECONDS)

    def do(self, command: str) -> str:
        """Run a command as root inside, and return what it prints; an error if it fails."""
        done = self._run(command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def try_to(self, command: str) -> str:
        """Run a command as root inside, and return what it says, whatever comes of it."""
        done = self._run(command)
        return done.stdout + done.stderr

    def _run(self, command: str) -> subprocess.CompletedProcess[str]:
        passed = [f"{name}={value}" for name, value in os.environ.items() if _PASSED_ON.fullmatch(name)]
        own = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "DEBIAN_FRONTEND=noninteractive"]
        namespaces = ["--mount", "--pid", "--uts", "--ipc", "--cgroup", "--root", "--wd"]
        return subprocess.run(
            [
                *("nsenter", f"--target={self._first_process}", *namespaces),
                *("env", "-i", *own, *passed, "bash", "-c", command),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
