"""Ends the fork server with its node, from its first moment on.

By itself it looks for its parent only when it has imported what workers need, which can take half a minute on
a busy machine: a node that was killed and started again meanwhile would have to share the machine with it.
A timer's signal does without a thread, which would not survive the forks, and without PR_SET_PDEATHSIG, which
strikes when the thread ends that started the process, not the process.
"""

from __future__ import annotations

import atexit
import os
import signal

__all__ = ["NODE_VARIABLE", "end_with_the_node", "look_no_more"]

NODE_VARIABLE = "RADIUS_DXA_NODE_PID"
"""Environment variable that names the node's process to those that it starts."""

LOOK_SECONDS = 0.2


def end_with_the_node() -> None:
    """Look from now on whether the node, which has started this process, is alive; else end at once."""
    node = os.environ.get(NODE_VARIABLE)
    if node is None:
        return

    def look(*_signal: object) -> None:
        if str(os.getppid()) != node:
            os._exit(0)

    signal.signal(signal.SIGALRM, look)
    signal.siginterrupt(signal.SIGALRM, False)
    signal.setitimer(signal.ITIMER_REAL, LOOK_SECONDS, LOOK_SECONDS)
    atexit.register(look_no_more)  # the interpreter forgets handlers as it ends: the signal would kill it


def look_no_more() -> None:
    """Leave it to the fork server, which is ready now."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
