"""What `doctor` looks at of ``[logging]``, ``[monitoring]`` and ``[audit]``."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from dicom_node.config import AuditSettings, NodeConfig
from dicom_node.diagnosis import Finding, Level
from dicom_node.errors import ConfigurationError

__all__ = ["check_observing", "is_loopback"]


def check_observing(config: NodeConfig) -> Iterator[Finding]:
    """Check that the log, the monitoring port and the audit trail can be had."""
    if config.logging.file is not None:
        yield _check_log_file(config.logging.file)
    if config.logging.library_texts:
        yield Finding(
            Level.WARN,
            "logging",
            "[logging] library_texts = true: the log may hold patient data; turn it off soon",
        )
    yield _check_monitoring(config)
    yield _check_audit(config.audit)


def _check_log_file(path: Path) -> Finding:
    folder = next(parent for parent in path.parents if parent.exists())
    target = path if path.exists() else folder
    if os.access(target, os.W_OK):
        return Finding(Level.OK, "logging", f"to {path}")
    return Finding(
        Level.FAIL, "logging", f"[logging] file = {str(path)!r}: {target} cannot be written; set its owner"
    )


def _check_monitoring(config: NodeConfig) -> Finding:
    from dicom_node.storage.archive import is_locked

    settings = config.monitoring
    if not settings.enabled:
        return Finding(Level.OK, "monitoring", "off")
    where = f"http://{settings.host}:{settings.port}/metrics"
    if not is_locked(config.node.data_dir):
        try:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((settings.host, settings.port))
        except OSError as error:
            return Finding(
                Level.FAIL,
                "monitoring",
                f"{settings.host}:{settings.port} cannot be had ({error.strerror}); set [monitoring] port",
            )
    if not is_loopback(settings.host):
        return Finding(
            Level.WARN,
            "monitoring",
            f"{where} asks for no password; keep others away by a firewall or a proxy",
        )
    return Finding(Level.OK, "monitoring", where)


def _check_audit(settings: AuditSettings) -> Finding:
    from dicom_node.observe.audit_transport import open_transport

    if settings.transport == "none":
        return Finding(Level.OK, "audit", "off: [audit] transport says where audit messages are to go")
    if settings.transport == "udp":
        return Finding(
            Level.OK, "audit", f"by UDP to {settings.host}:{settings.port}; nobody says if they arrive"
        )
    try:
        transport = open_transport(settings)
        transport.send([])
        transport.close()
    except ConfigurationError as error:
        return Finding(Level.FAIL, "audit", str(error))
    except OSError as error:
        return Finding(
            Level.FAIL, "audit", f"no message can be sent: {error}; messages wait until it is mended"
        )
    where = (
        settings.directory if settings.transport == "file" else f"{settings.host}:{settings.port} over TLS"
    )
    return Finding(Level.OK, "audit", f"to {where}")


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
