"""The node's process keeps its memory small however many threads it has had."""

from __future__ import annotations

import platform
import subprocess
import sys

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


def reserved_by_threads(how: str) -> float:
    run = subprocess.run(
        [sys.executable, "-c", THREADS_THAT_ALLOCATE, how], capture_output=True, text=True, check=True
    )
    return float(run.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="an option of glibc")
def test_threads_share_one_heap_instead_of_reserving_64_mib_each() -> None:
    assert reserved_by_threads("apart") > 64
    assert reserved_by_threads("shared") < 64
