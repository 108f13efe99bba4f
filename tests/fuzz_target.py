"""A receiver in a process of its own, so that its death is seen; says its port, ends with its input.

python tests/fuzz_target.py FOLDER
"""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path

from running_receiver import receiving

SETTINGS = {
    "accept_deflated": True,
    "max_instance_bytes": 8_000_000,
    "max_quarantine_bytes": 4_000_000,
    "association_timeout_seconds": 2,
    "dimse_timeout_seconds": 2,
    "idle_timeout_seconds": 10,
}


def main() -> None:
    """Serve until the parent closes our standard input."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")  # as the node does
    with receiving(Path(sys.argv[1]), settings=SETTINGS) as running:
        sys.stdout.write(f"{running.port}\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
