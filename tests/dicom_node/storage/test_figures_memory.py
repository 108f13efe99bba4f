"""A scrape of the metrics takes no more memory with more studies: it comes every few seconds, for years."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
import threading
from pathlib import Path
from pydicom.uid import generate_uid
from dicom_node.storage.figures import read_figures
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import InstanceKind, ReceivedInstance

def anonymous_kib():
    return int(Path("/proc/self/status").read_text().split("RssAnon:")[1].split()[0])

def receive(numbers):
    for number in numbers:
        uid = generate_uid(entropy_srcs=[str(number)])
        journal.record_instance(ReceivedInstance(
            sop_instance_uid=uid + ".1", sop_class_uid="1.2.840.10008.5.1.4.1.1.7", study_instance_uid=uid,
            series_instance_uid=uid + ".0", transfer_syntax_uid="1.2.840.10008.1.2", sha256=f"{number:064x}",
            path=f"instances/{number}.dcm", size=1, kind=InstanceKind.INPUT, reason_code="", reason="",
            calling_ae="A", called_ae="B", peer_address="", association_id="", patient_key=f"{number:064x}",
            study_date="20260101"))

path = Path(sys.argv[1])
journal = Journal(path)
held = []
for begin in range(0, 21_000, 1_500):
    receive(range(begin, begin + 1_500))
    for _ in range(3):  # each in a thread of its own, as each scrape is answered
        scrape = threading.Thread(target=read_figures, args=(path,))
        scrape.start()
        scrape.join()
    held.append(anonymous_kib())
print(*held)
"""


@pytest.mark.slow
def test_counting_ever_more_studies_keeps_no_more_memory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "journal.db")]
    held = [int(kib) for kib in subprocess.check_output(command, text=True).split()]
    grown = held[-1] - held[-6]
    assert grown < 70, f"{grown} KiB for the last 7,500 studies; what is cached of their index would be 140"
