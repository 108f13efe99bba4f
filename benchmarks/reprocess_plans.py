"""How long preview, making and following a plan of reprocessing take in a large journal (rows only).

.venv/bin/python benchmarks/reprocess_plans.py --studies 10000
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from dicom_node.config import NodeConfig
from dicom_node.storage.journal import Journal
from dicom_node.storage.reprocessing import PlanPace
from dicom_node.storage.selection import StudySelection
from dicom_node.workflow.reprocess_plans import make_plan, preview

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

RESULT_BYTES = 15_000
"""About what the JSON of one analysed study takes."""

AT_A_TIME = 1000


def main() -> None:
    from node_support import load_config

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = load_config(Path(folder))
        journal = Journal(Path(folder) / "data" / "journal.db")
        fill(journal, options.studies)
        print(f"{options.studies:,} studies, {os.cpu_count()} cores, Python {platform.python_version()}")
        for step, seconds in measured(journal, config).items():
            print(f"{step}: {1000 * seconds:,.1f} ms")
        journal.close()


def fill(journal: Journal, studies: int) -> None:
    """Journal analysed studies, half of them by a model that is no longer in force."""
    from node_support import outcome, receive_complete

    text = json.dumps({"device": "a scanner", "quality": [], "padding": "x" * RESULT_BYTES})
    for start in range(0, studies, AT_A_TIME):
        with journal._transaction():
            for number in range(start, min(studies, start + AT_A_TIME)):
                receive_complete(journal, f"1.2.{number}", patient_key=f"patient {number}")
                job = journal.claim_analysis("benchmark", 60)
                assert job is not None
                version = "0.1.0-n1-old" if number % 2 else ""
                journal.finish_analysis(job, outcome(model_version=version, result_json=text))


def measured(journal: Journal, config: NodeConfig) -> dict[str, float]:
    """Return seconds by step."""
    everything, pace = StudySelection(everything=True), PlanPace()
    outdated = StudySelection(model_older_than="current")
    figures = {
        "preview of all": timed(lambda: preview(journal, config, everything, pace)),
        "preview by model": timed(lambda: preview(journal, config, outdated, pace)),
        "making a plan of all": timed(
            lambda: make_plan(journal, config, everything, pace, by="benchmark", reason="to measure it")
        ),
    }

    def turn() -> None:
        journal.next_waiting(1)
        journal.new_studies_wait()
        journal.count_planned()
        journal.objects_received(within_seconds=60.0, at_most=61)

    return figures | {
        "reading its progress": timed(lambda: journal.plan(1)),
        "what a study's turn asks": timed(turn),
        "settling": timed(journal.settle_planned),
    }


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
