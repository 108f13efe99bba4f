"""``[completion]``: when a study counts as complete."""

from __future__ import annotations

from dataclasses import dataclass, field

from dicom_node.settings import between, must

__all__ = ["CompletionSettings"]


@dataclass(frozen=True, slots=True)
class CompletionSettings:
    """``[completion]``: when a study counts as complete."""

    quiet_seconds: float = field(default=10.0, metadata=must(between(0, 86_400)))
