"""Several connections to one journal, in one process and in others, leave each other their locks."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Severity

LOOK = """
import sys
from contextlib import closing
from pathlib import Path
from dicom_node.storage.journal import Journal
with closing(Journal(Path(sys.argv[1]))) as journal:
    print(" ".join(event.code for event in journal.events()))
"""


def look(path: Path) -> list[str]:
    """What another process sees, which then closes the journal as the last one would."""
    done = subprocess.run([sys.executable, "-c", LOOK, path], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_second_connection_that_closes_leaves_the_first_its_locks(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    with closing(Journal(path)) as journal:
        journal.note_event(Severity.INFO, "first", "before")
        Journal(path).close()
        assert look(path) == ["first"]
        journal.note_event(Severity.INFO, "second", "after another process came and went")
        assert look(path) == ["first", "second"]
