"""``[logging]``, ``[monitoring]`` and ``[audit]``: what administrators and auditors see."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dicom_node.settings import between, must, not_blank

__all__ = ["AuditSettings", "LoggingSettings", "MonitoringSettings"]


@dataclass(frozen=True, slots=True)
class LoggingSettings:
    """``[logging]``: how the node's log is written."""

    format: Literal["console", "json"] = "console"
    level: Literal["debug", "info", "warning", "error"] = "info"
    file: Path | None = None
    max_file_bytes: int = field(default=50_000_000, metadata=must(between(100_000)))
    kept_files: int = field(default=10, metadata=must(between(1, 1000)))
    library_texts: bool = False


@dataclass(frozen=True, slots=True)
class MonitoringSettings:
    """``[monitoring]``: the HTTP port of metrics, health and readiness."""

    enabled: bool = True
    host: str = field(default="127.0.0.1", metadata=must(not_blank))
    port: int = field(default=11113, metadata=must(between(0, 65535)))


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """``[audit]``: where DICOM audit messages (PS3.15 A.5) go."""

    transport: Literal["none", "tls", "udp", "file"] = "none"
    host: str = field(default="127.0.0.1", metadata=must(not_blank))
    port: int = field(default=6514, metadata=must(between(1, 65535)))
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    directory: Path = Path("../audit")
    source_id: str = field(default="RADIUSDXA", metadata=must(not_blank))
    enterprise_site_id: str = ""
    max_spooled_messages: int = field(default=100_000, metadata=must(between(100)))
