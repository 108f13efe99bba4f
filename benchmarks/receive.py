"""Receiving side by side: this node, Orthanc, two in pynetdicom, and storescp; writes docs/receive.json.

    .venv/bin/python benchmarks/receive.py            # an hour on an idle machine at most
    .venv/bin/python benchmarks/receive.py --quick    # does it run?

Every receiver is a process of its own that runs all the time; in each round each of them is sent the same
number of new instances, in an order that changes from round to round. After each, what was acknowledged is
compared with the files on disk and the rows of the index: no figure comes from a receiver that lost one.
Figures of different rounds are compared in pairs; the table shows medians and ranges of the ratios.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from contextlib import ExitStack
from pathlib import Path

from receive_parts.disk import file_system
from receive_parts.page import page, result
from receive_parts.receivers import RECEIVERS, Receiver
from receive_parts.sender import SIZES, connect_at_once, send

REPOSITORY = Path(__file__).parent.parent
CONNECTS = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--instances", type=int, default=160, help="in each round; a multiple of 16")
    parser.add_argument("--quick", action="store_true", help="one small round; writes nothing")
    parser.add_argument("--only", nargs="*", default=[], help="parts of receivers' names")
    parser.add_argument("--folder", type=Path, help="where they write; a temporary one by default")
    options = parser.parse_args()
    rounds, instances = (1, 16) if options.quick else (options.rounds, options.instances)
    sizes = ["200 KB"] if options.quick else list(SIZES)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        measured = measure(Path(folder), options.only, sizes, rounds, instances)
        disk = file_system(Path(folder))
    found = result(measured, rounds=rounds, instances=instances, disk=disk)
    print(page(found))
    if not options.quick and not options.only:
        (REPOSITORY / "docs" / "receive.json").write_text(json.dumps(found, indent=1) + "\n")
        _renew_page(page(found))


def measure(
    folder: Path, only: list[str], sizes: list[str], rounds: int, instances: int
) -> list[dict[str, object]]:
    """Return one record for each round, receiver, size and number of associations, and for each set-up."""
    records: list[dict[str, object]] = []
    with ExitStack() as running:
        receivers: list[Receiver] = []
        for number, kind in enumerate(RECEIVERS):
            if kind.missing():
                print(f"{kind.name} is left out: {kind.missing()}")
            elif not only or any(part in kind.name for part in only):
                receivers.append(running.enter_context(kind(folder / str(number))))
        acknowledged = dict.fromkeys(receivers, 0)
        for turn in range(-1, rounds):  # the first one warms up
            for size in sizes:
                for associations in (1, 4, 16):
                    for receiver in _in_turn(receivers, turn):
                        record = _store(receiver, size, associations, instances)
                        acknowledged[receiver] += instances
                        _check(receiver, acknowledged[receiver])
                        records.append({"round": turn, **record})
        records += [
            {"round": -1, "receiver": receiver.name, "memory_mib": receiver.memory_mib()}
            for receiver in receivers
        ]
    return records


def _store(receiver: Receiver, size: str, associations: int, instances: int) -> dict[str, object]:
    connected, setup = connect_at_once(receiver.port, receiver.ae_title, associations)
    study = f"1.2.826.0.1.3680043.10.999.{associations}"
    for association in connected:
        association.prepare(size, study)
    before = receiver.cpu_seconds()
    seconds = send(connected, instances)
    cpu = receiver.cpu_seconds() - before
    for association in connected:
        association.release()
    return {
        "receiver": receiver.name,
        "durable": receiver.durable,
        "size": size,
        "associations": associations,
        "per_second": instances / seconds,
        "cpu_ms": 1000 * cpu / instances,
        "setup_ms": 1000 * setup,
    }


def _check(receiver: Receiver, acknowledged: int) -> None:
    """Stop if a receiver has lost what it acknowledged."""
    files, rows = receiver.files(), receiver.rows()
    if files != acknowledged or rows not in (None, acknowledged):
        raise SystemExit(f"{receiver.name}: {acknowledged} acknowledged, {files} files, {rows} rows")


def _in_turn(receivers: list[Receiver], turn: int) -> list[Receiver]:
    start = turn % len(receivers)
    return receivers[start:] + receivers[:start]


def _renew_page(text: str) -> None:
    path = REPOSITORY / "docs" / "receiving.md"
    before, start, rest = path.read_text(encoding="utf-8").partition("<!-- measured -->\n")
    _, end, after = rest.partition("<!-- end -->\n")
    path.write_text(before + start + text + "\n" + end + after, encoding="utf-8")


if __name__ == "__main__":
    main()
