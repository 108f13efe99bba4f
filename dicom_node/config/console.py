"""``[console]``: the administrators' pages and the REST API."""

from __future__ import annotations

from dataclasses import dataclass, field

from dicom_node.settings import between, must, not_blank

__all__ = ["ConsoleSettings"]


def _root_path(value: str) -> str | None:
    good = value == "" or (value.startswith("/") and not value.endswith("/"))
    return None if good else 'empty, or a path such as "/radius": with a slash before and none after it'


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """``[console]``: where the console listens, and how long a login holds."""

    enabled: bool = True
    host: str = field(default="127.0.0.1", metadata=must(not_blank))
    port: int = field(default=8642, metadata=must(between(0, 65535)))
    root_path: str = field(default="", metadata=must(_root_path))
    trusted_proxies: tuple[str, ...] = ("127.0.0.1",)
    session_hours: float = field(default=12.0, metadata=must(between(0.1, 720)))
    idle_minutes: float = field(default=60.0, metadata=must(between(1, 1440)))
