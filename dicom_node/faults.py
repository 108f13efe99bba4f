"""Named step boundaries at which a crash drill may kill the node.

The environment variable ``RADIUS_DXA_KILL_AT`` holds the name of one point, and after a colon which passing
strikes (``receiver.after_commit:3``; without it, the first). Unset, as in every normal run, `reach` does
nothing. SIGKILL is used: no handler runs, nothing is flushed, as when the power fails.

``RADIUS_DXA_KILL_TOKEN`` may name a file: only who removes it strikes, so that the successor of a worker,
which inherits both variables, lives.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

__all__ = ["ENVIRONMENT_VARIABLE", "POINTS", "TOKEN_VARIABLE", "reach"]

ENVIRONMENT_VARIABLE = "RADIUS_DXA_KILL_AT"

TOKEN_VARIABLE = "RADIUS_DXA_KILL_TOKEN"  # noqa: S105 - no secret

POINTS = (
    "receiver.before_write",
    "receiver.before_file_sync",
    "receiver.before_rename",
    "receiver.after_rename",
    "receiver.before_commit",
    "receiver.after_commit",
    "receiver.after_answer",
    "completion.before_commit",
    "completion.after_commit",
    "execution.after_claim",
    "worker.before_analysis",
    "worker.after_analysis",
    "worker.between_results",
    "worker.after_results",
    "execution.before_finish",
    "execution.after_finish",
    "delivery.after_claim",
    "delivery.before_send",
    "delivery.after_answer",
    "delivery.after_mark",
    "commitment.before_request",
    "commitment.after_report",
    "retrieval.after_claim",
    "retrieval.before_finish",
    "reprocessing.before_queue",
    "reprocessing.after_queue",
    "learning.before_training",
    "learning.before_registration",
    "learning.in_registration",
    "learning.after_registration",
    "retention.before_unlink",
    "retention.after_unlink",
    "backup.in_the_middle",
    "migration.in_the_middle",
)
"""Every point, in the order of a study's way through the node."""

_lock = threading.Lock()
_passings = 0


def reach(point: str) -> None:
    """Kill this process if the drill asks for it at `point`."""
    if _WANTED and point == _WANTED:
        _strike()


def _strike() -> None:
    global _passings  # noqa: PLW0603 - counts over the whole process, like the variable itself
    with _lock:
        _passings += 1
        if _passings < _TURN:
            return
    if _TOKEN:
        try:
            Path(_TOKEN).unlink()
        except FileNotFoundError:
            return
    os.kill(os.getpid(), signal.SIGKILL)


def _wanted(text: str) -> tuple[str, int]:
    point, _, turn = text.partition(":")
    if point and point not in POINTS:
        raise ValueError(f"{ENVIRONMENT_VARIABLE}={text!r}: no such point; there are: {', '.join(POINTS)}")
    return point, int(turn or 1)


_TOKEN = os.environ.get(TOKEN_VARIABLE, "")
_WANTED, _TURN = _wanted(os.environ.get(ENVIRONMENT_VARIABLE, ""))
