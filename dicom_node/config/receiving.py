"""``[node]`` and ``[receiver]``: who the node is, whom it listens to and the limits it keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dicom_node.settings import ae_title, between, each, must, not_blank

__all__ = ["NodeSettings", "ReceiverSettings"]

_AE_TITLES = each(ae_title)  # a field of that name hides the check within a class


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """``[node]``: who the node is and where it keeps its data."""

    ae_title: str = field(default="RADIUSDXA", metadata=must(ae_title))
    additional_ae_titles: tuple[str, ...] = field(default=(), metadata=must(_AE_TITLES))
    host: str = field(default="0.0.0.0", metadata=must(not_blank))  # noqa: S104 - scanners connect from other machines
    port: int = field(default=11112, metadata=must(between(0, 65535)))
    data_dir: Path = Path("../node_data")


@dataclass(frozen=True, slots=True)
class ReceiverSettings:
    """``[receiver]``: whom the node listens to, and the limits it keeps."""

    calling_ae_titles: tuple[str, ...] = field(default=(), metadata=must(each(ae_title)))
    maximum_associations: int = field(default=100, metadata=must(between(1, 500)))
    maximum_associations_per_ae: int = field(default=20, metadata=must(between(1, 500)))
    maximum_waiting_connections_per_address: int = field(default=20, metadata=must(between(1, 500)))
    maximum_pdu_size: int = field(default=262_144, metadata=must(between(4096, 1_048_576)))
    association_timeout_seconds: float = field(default=10.0, metadata=must(between(1, 300)))
    dimse_timeout_seconds: float = field(default=30.0, metadata=must(between(1, 3600)))
    idle_timeout_seconds: float = field(default=30.0, metadata=must(between(1, 3600)))
    message_timeout_seconds: float = field(default=3600.0, metadata=must(between(1, 86_400)))
    max_instance_bytes: int = field(default=4_000_000_000, metadata=must(between(1_000_000)))
    message_memory_bytes: int = field(default=4_194_304, metadata=must(between(65_536, 67_108_864)))
    min_free_bytes: int = field(default=2_000_000_000, metadata=must(between(0)))
    max_quarantine_bytes: int = field(default=1_000_000_000, metadata=must(between(0)))
    accept_deflated: bool = False
    analysed_version: Literal["newest", "first"] = "newest"
