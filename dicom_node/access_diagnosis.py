"""What `doctor` finds about ports, who may speak, and certificates."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from dicom_node.config import NodeConfig
from dicom_node.diagnosis import Finding, Level
from dicom_node.errors import ConfigurationError, DeliveryError, PermanentDeliveryError

__all__ = ["check_access"]


def check_access(config: NodeConfig) -> Iterator[Finding]:
    """Check the ports, then the policy, then every certificate."""
    from dicom_node.storage.archive import is_locked

    running = is_locked(config.node.data_dir)
    if config.tls.plain:
        yield _check_plain_port(config) if running else _check_free(config, "[node]", config.node.port)
    if config.tls.enabled:
        yield _check_tls_port(config) if running else _check_free(config, "[tls]", config.tls.port)
    yield _check_policy(config)
    yield from _check_tls(config)


def _check_plain_port(config: NodeConfig) -> Finding:
    from dicom_node.network.sender import Peer, Timeouts, echo

    node = config.node
    if node.port == 0:
        return Finding(Level.OK, "node", "running at a port of its own choice")
    calling = (config.receiver.calling_ae_titles or (node.ae_title,))[0]
    try:
        peer = Peer(node.ae_title, _reachable(node.host), node.port)
        echo(peer, calling_ae_title=calling, timeouts=Timeouts(3, 5))
    except PermanentDeliveryError:  # it answered, but does not list this program as a peer
        pass
    except DeliveryError as error:
        return Finding(Level.FAIL, "node", f"running, but {error}")
    return Finding(Level.OK, "node", f"running and answering at port {node.port}")


def _check_tls_port(config: NodeConfig) -> Finding:
    host, port = _reachable(config.node.host), config.tls.port
    if port == 0:
        return Finding(Level.OK, "node, TLS", "running at a port of its own choice")
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError as error:
        return Finding(Level.FAIL, "node, TLS", f"running, but {host}:{port} does not answer ({error})")
    return Finding(Level.OK, "node, TLS", f"running and listening at port {port}")


def _check_free(config: NodeConfig, table: str, port: int) -> Finding:
    host = config.node.host
    subject = "port" if table == "[node]" else "port, TLS"
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return Finding(
            Level.FAIL,
            subject,
            f"{host}:{port} cannot be had ({error.strerror}); set [node] host and {table} port",
        )
    return Finding(Level.OK, subject, f"{host}:{port} is free; the node is not running")


def _check_policy(config: NodeConfig) -> Finding:
    listed = config.access.policy == "listed" or bool(config.receiver.calling_ae_titles)
    if not listed:
        return Finding(
            Level.WARN,
            "access",
            "anybody who reaches the port may send: [access] policy is open; list the scanners as [[peer]] "
            'and set policy = "listed"',
        )
    if not config.peers and not config.receiver.calling_ae_titles:
        return Finding(Level.FAIL, "access", '[access] policy = "listed", but there is no [[peer]]; add one')
    loose = [peer.name for peer in config.peers if not peer.addresses and not peer.certificate_name]
    if loose or config.receiver.calling_ae_titles:
        who = ", ".join([*loose, *config.receiver.calling_ae_titles])
        return Finding(
            Level.WARN,
            "access",
            f"{who}: known by AE title alone, which anybody can use; give each a [[peer]] with addresses",
        )
    return Finding(Level.OK, "access", f"only {len(config.peers)} listed peers may speak to the node")


def _check_tls(config: NodeConfig) -> Iterator[Finding]:
    from dicom_node.network.certificates import shown_certificates
    from dicom_node.network.tls import client_context, server_context

    if config.tls.enabled:
        try:
            server_context(config.tls)
        except ConfigurationError as error:
            yield Finding(Level.FAIL, "TLS", f"[tls] {error}")
        else:
            mutual = config.tls.client_certificate
            yield Finding(Level.OK, "TLS", f"files are sound; client certificate {mutual}")
    called = {
        **{f"destination {item.name}": item.tls for item in config.destinations},
        **{f"peer {item.name}": item.tls for item in config.peers},
        **{f"archive {item.name}": item.tls for item in config.archives},
    }
    for name, tls in called.items():
        try:
            if tls is not None:
                client_context(tls)
        except ConfigurationError as error:
            yield Finding(Level.FAIL, f"TLS to {name}", str(error))
    for name, path in shown_certificates(config).items():
        yield _check_expiry(name, path)


def _check_expiry(name: str, path: Path) -> Finding:
    from dicom_node.network.certificates import expires_at, expiry_warning

    subject, now = f"certificate, {name}", datetime.now(UTC)
    try:
        expiry = expires_at(path)
    except ConfigurationError as error:
        return Finding(Level.FAIL, subject, str(error))
    warning = expiry_warning(expiry, now)
    if warning:
        return Finding(Level.FAIL if expiry <= now else Level.WARN, subject, f"{path} {warning}")
    return Finding(Level.OK, subject, f"good until {expiry:%Y-%m-%d}")


def _reachable(host: str) -> str:
    return "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 - compared, not bound
