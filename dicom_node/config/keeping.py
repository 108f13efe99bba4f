"""``[retention]`` and ``[backup]``: how long files are kept, and where copies of the journal go."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from dicom_node.settings import between, must

__all__ = ["BackupSettings", "EndState", "RetentionSettings"]

EndState = Literal["analyzed", "not_applicable", "rejected", "failed"]


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """``[retention]``: what may be released, and when; 0 means never.

    Attributes
    ----------
    keep_originals_days, keep_results_days, keep_quarantine_days, keep_events_days : float
        Age at which received objects, results, refused objects and events may go.
    keep_studies_in_states : tuple of str
        Studies that ended in one of these states are kept whatever their age.
    keep_free_bytes : int
        While less is free on the disk, the oldest files that may go do so, whatever their age.
    files_per_minute : int
        Most files released in a minute, so that receiving never waits for it.
    reserve_bytes : int
        Size of the reserve file that is given up when the disk is full.
    """

    keep_originals_days: float = field(default=0.0, metadata=must(between(0, 36_500)))
    keep_results_days: float = field(default=0.0, metadata=must(between(0, 36_500)))
    keep_quarantine_days: float = field(default=0.0, metadata=must(between(0, 36_500)))
    keep_events_days: float = field(default=0.0, metadata=must(between(0, 36_500)))
    keep_studies_in_states: tuple[EndState, ...] = ("failed",)
    keep_free_bytes: int = field(default=0, metadata=must(between(0)))
    files_per_minute: int = field(default=600, metadata=must(between(1, 100_000)))
    reserve_bytes: int = field(default=16_777_216, metadata=must(between(0, 1_073_741_824)))


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """``[backup]``: nightly copies of the journal, and of the files if wanted.

    Attributes
    ----------
    directory : Path, optional
        Where copies go, best on another disk; None = no nightly copies.
    hour : int
        Hour of the day, UTC, after which the day's copy is made.
    keep : int
        How many copies of the journal are kept.
    with_files : bool
        Copy the archive's files as well; only those that are not there yet.
    """

    directory: Path | None = None
    hour: int = field(default=2, metadata=must(between(0, 23)))
    keep: int = field(default=7, metadata=must(between(1, 1000)))
    with_files: bool = False
