"""The node's process keeps its memory small however many threads it has had."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest

THREADS_THAT_ALLOCATE = """
import sys, threading
from pathlib import Path
from dicom_node.workflow.memory import share_one_heap

def reserved_mib():
    return int(Path("/proc/self/status").read_text().split("VmSize:")[1].split()[0]) / 1024

if sys.argv[1] == "shared":
    share_one_heap()
threading.stack_size(256 * 1024)
before, everyone = reserved_mib(), threading.Barrier(8)

def allocate():
    kept = [bytes(2000) for _ in range(100)]
    everyone.wait()

threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(reserved_mib() - before)
"""


THREADS_THAT_LIVE_ON = """
import ctypes, os, sys, threading
from dicom_node.workflow.memory import share_one_heap, start_without_thread_caches

if sys.argv[1] == "without caches":
    sys.executable = os.environ.get("INTERPRETER", sys.executable)
    start_without_thread_caches()
share_one_heap()

class HeapFigures(ctypes.Structure):  # struct mallinfo2 of malloc.h
    _fields_ = [(f"field_{number}", ctypes.c_size_t) for number in range(7)] + [
        ("bytes_in_use", ctypes.c_size_t), ("bytes_free", ctypes.c_size_t), ("bytes_at_top", ctypes.c_size_t)
    ]

mallinfo2 = ctypes.CDLL(None).mallinfo2
mallinfo2.restype = HeapFigures
done, end = threading.Barrier(9), threading.Event()

def allocate_and_free():
    for size in range(540, 1000, 16):
        kept = [bytes(size) for _ in range(7)]
        del kept
    done.wait()
    end.wait()

before = mallinfo2().bytes_in_use
for _ in range(8):
    threading.Thread(target=allocate_and_free, daemon=True).start()
done.wait()
print(mallinfo2().bytes_in_use - before, os.getpid(), os.environ.get("GLIBC_TUNABLES"))
end.set()
"""


def reserved_by_threads(how: str) -> float:
    run = subprocess.run(
        [sys.executable, "-c", THREADS_THAT_ALLOCATE, how], capture_output=True, text=True, check=True
    )
    return float(run.stdout)


@dataclass(frozen=True)
class Caches:
    """What a process said whose threads had freed all that they allocated."""

    kept_bytes: int
    same_process: bool
    tunables: str


def caches_of_threads(
    how: str, folder: Path, environment: Mapping[str, str] = MappingProxyType({})
) -> Caches:
    script = folder / "threads.py"
    script.write_text(THREADS_THAT_LIVE_ON)
    process = subprocess.Popen(
        [sys.executable, script, how], stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    answer, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    kept, process_id, tunables = answer.split()
    return Caches(int(kept), int(process_id) == process.pid, tunables)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="an option of glibc")
def test_threads_share_one_heap_instead_of_reserving_64_mib_each() -> None:
    assert reserved_by_threads("apart") > 64
    assert reserved_by_threads("shared") < 64


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="an option of glibc")
def test_threads_that_live_on_keep_nothing_of_what_they_freed(tmp_path: Path) -> None:
    assert caches_of_threads("with caches", tmp_path).kept_bytes > 500_000
    without = caches_of_threads("without caches", tmp_path)
    assert without.kept_bytes < 100_000
    assert without.same_process, "a service manager watches this process"
    assert without.tunables == "None", "the workers have their caches"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="an option of glibc")
def test_what_the_administrator_asks_of_glibc_stays_asked(tmp_path: Path) -> None:
    wish = "glibc.malloc.perturb=85"
    assert caches_of_threads("without caches", tmp_path, {"GLIBC_TUNABLES": wish}).tunables == wish


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="an option of glibc")
def test_a_machine_that_takes_the_setting_away_is_not_asked_for_ever(tmp_path: Path) -> None:
    interpreter = tmp_path / "python"  # as glibc does for a program with file capabilities, to bind port 104
    interpreter.write_text(f'#!/bin/sh\nunset GLIBC_TUNABLES\nexec "{sys.executable}" "$@"\n')
    interpreter.chmod(0o700)
    assert caches_of_threads("without caches", tmp_path, {"INTERPRETER": str(interpreter)}).same_process


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="an option of glibc")
def test_where_it_cannot_start_anew_it_goes_on(tmp_path: Path) -> None:
    found = caches_of_threads("without caches", tmp_path, {"INTERPRETER": str(tmp_path / "nowhere")})
    assert found.kept_bytes > 500_000
    assert found.tunables == "None"
