"""The crash drill on demand: kills the node again and again beside a real Orthanc.

    .venv/bin/python benchmarks/crash.py --kills 1000 --seed 1

Writes docs/crash-drill.md. Needs Debian's orthanc and orthanc-dicomweb. What is killed, and what must hold,
stands in tests/crash/drill.py.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY / "tests" / "crash")]


def main() -> None:
    from drill import run_drill
    from real_peers import known_to_orthanc, pick_free_port, running_orthanc

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "docs" / "crash-drill.md")
    options = parser.parse_args()
    port = pick_free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_orthanc(folder / "orthanc", settings=known_to_orthanc("RADIUSDXA", port)) as orthanc:
            report = run_drill(folder, orthanc, node_port=port, kills=options.kills, seed=options.seed)
    text = "\n".join(
        (
            "# Crash drill",
            f"`benchmarks/crash.py --kills {options.kills} --seed {options.seed}`, "
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {platform.machine()}, "
            f"Python {platform.python_version()}. Named points are step boundaries "
            "(`dicom_node/faults.py`); the rest are random moments of the node or of a worker.",
            "",
            "| what | found |",
            "|---|---|",
            *report.lines(),
            "",
        )
    )
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
