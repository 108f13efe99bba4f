"""Spoiled input on demand: objects, conversations, compressed frames and studies, any number of each.

    .venv/bin/python benchmarks/fuzz.py --runs 1000000 --seed 1
    .venv/bin/python benchmarks/fuzz.py --runs 20000 --level pixels

Objects and conversations go to a real receiver in a process of its own, frames and studies to a worker's. A
run is named by its seed and number, and the same again. What is spoiled, and what counts as wrong, stands in
tests/fuzz_mutations.py, tests/fuzz_runs.py and tests/fuzz_worker.py.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

LEVELS = ("objects", "conversations", "pixels", "studies")
MEMORY_DISK = Path("/dev/shm")  # noqa: S108 - fsync costs nothing there, so that runs are many


def main() -> None:
    from fuzz_runs import Found, fuzz_receiver, fuzz_worker

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10_000, help="of each level (default 10,000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--level", choices=LEVELS, action="append", help="default: objects, conversations")
    parser.add_argument("--folder", type=Path, default=MEMORY_DISK if MEMORY_DISK.is_dir() else None)
    options = parser.parse_args()
    all_found: list[Found] = []
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        for level in options.level or LEVELS[:2]:
            if level in ("pixels", "studies"):
                found = fuzz_worker(level, runs=options.runs, seed=options.seed)
            else:
                found = fuzz_receiver(level, Path(name), runs=options.runs, seed=options.seed)
            all_found.append(found)
    print("| level | runs | runs/s | deaths | longest s | over 5 s | wrong | peak MiB | outcomes |")
    print("|---|---|---|---|---|---|---|---|---|")
    for found in all_found:
        outcomes = ", ".join(f"{name} {count}" for name, count in found.outcomes.most_common(8))
        print(
            f"| {found.level} | {found.runs} | {found.runs / found.seconds:.0f} | {found.deaths} "
            f"| {found.longest:.2f} | {len(found.hung)} | {len(found.wrong)} | {found.peak_mib:.0f} "
            f"| {outcomes} |"
        )
    for found in all_found:
        for line in (*found.hung, *found.wrong):
            print(line)
    sys.exit(not all(found.sound for found in all_found))


if __name__ == "__main__":
    main()
