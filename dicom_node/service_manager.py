"""Tells systemd how the node is doing (sd_notify(3)), where systemd has started it."""

from __future__ import annotations

import os
import socket

__all__ = ["notify"]


def notify(state: str) -> None:
    """Send e.g. ``READY=1`` or ``STOPPING=1``; nothing happens without ``NOTIFY_SOCKET``."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # a name in the abstract namespace (unix(7))
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as messages:
        messages.sendto(state.encode(), address)
