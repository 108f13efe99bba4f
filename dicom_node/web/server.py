"""Serves the console: one process, one port, until SIGTERM."""

from __future__ import annotations

import socket

import uvicorn

from dicom_node.config import NodeConfig
from dicom_node.web.app import create_app

__all__ = ["serve"]

MAXIMUM_CONNECTIONS = 500
"""Further ones are answered with 503; an open page holds one, and for a moment a few more."""
STOP_SECONDS = 2
"""How long a stop waits for requests that are being answered; streams of events never end by themselves."""


def serve(config: NodeConfig, listening: socket.socket) -> None:
    """Answer at a socket that listens until the process is told to end."""
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(config),
            log_config=None,
            access_log=False,  # addresses of pages are no news, and the journal knows every change
            server_header=False,
            proxy_headers=True,
            forwarded_allow_ips=list(config.console.trusted_proxies),
            timeout_graceful_shutdown=STOP_SECONDS,
            limit_concurrency=MAXIMUM_CONNECTIONS,
        )
    )
    server.run(sockets=[listening])
