"""What `doctor` says of the data directory's life: journal, reserve, retention and copies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from dicom_node.config import NodeConfig
from dicom_node.diagnosis import Finding, Level
from dicom_node.storage.connection import utc_now

__all__ = ["check_keeping"]

STALE_BACKUP = timedelta(hours=36)
"""A nightly copy that is older has missed a night."""


def check_keeping(config: NodeConfig) -> Iterator[Finding]:
    """Check the journal, the reserve, what retention lets go, and how old the newest copy is."""
    if (config.node.data_dir / "journal.db").is_file():
        yield _check_journal(config)
        yield _check_reserve(config)
    yield _check_retention(config)
    yield _check_backup(config)


def _check_journal(config: NodeConfig) -> Finding:
    from dicom_node.storage.soundness import CURE, damages

    path = config.node.data_dir / "journal.db"
    found = damages(path)
    if found:
        return Finding(Level.FAIL, "journal", f"{path} is damaged ({found[0]}); {CURE}")
    return Finding(Level.OK, "journal", f"{path.stat().st_size / 1e6:.1f} MB, quick_check finds it sound")


def _check_reserve(config: NodeConfig) -> Finding:
    from dicom_node.storage.archive import is_locked
    from dicom_node.storage.reserve import Reserve

    size = config.retention.reserve_bytes
    if size == 0:
        return Finding(Level.WARN, "reserve", "[retention] reserve_bytes = 0: a full disk is hard to mend")
    if Reserve(config.node.data_dir, size).is_held:
        return Finding(Level.OK, "reserve", f"{size / 1e6:.0f} MB are held for a full disk")
    if not is_locked(config.node.data_dir):
        return Finding(Level.OK, "reserve", "not held; the node takes it a minute after its start")
    return Finding(
        Level.WARN, "reserve", "not held: it was given up on a full disk; free some space, the node takes it"
    )


def _check_retention(config: NodeConfig) -> Finding:
    settings = config.retention
    periods = {
        "originals": settings.keep_originals_days,
        "results": settings.keep_results_days,
        "refused objects": settings.keep_quarantine_days,
        "events": settings.keep_events_days,
    }
    kept = ", ".join(f"{what} {days:g} days" for what, days in periods.items() if days)
    plan = f"kept: {kept or 'everything, for good'}"
    if settings.keep_free_bytes:
        plan += f"; the oldest go while less than {settings.keep_free_bytes / 1e9:.1f} GB is free"
    if 0 < settings.keep_free_bytes <= config.receiver.min_free_bytes:
        return Finding(
            Level.WARN,
            "retention",
            f"{plan}; [retention] keep_free_bytes must be above [receiver] min_free_bytes, or objects are "
            "refused before anything is released",
        )
    return Finding(Level.OK, "retention", plan)


def _check_backup(config: NodeConfig) -> Finding:
    from dicom_node.storage.backup import newest_backup

    directory = config.backup.directory
    if directory is None:
        return Finding(
            Level.WARN,
            "backup",
            "no nightly copies: set [backup] directory, best on another disk; without a copy a lost journal "
            "is rebuilt from the files, without calling AE titles, times and what was delivered",
        )
    newest = newest_backup(directory)
    if newest is None:
        return Finding(Level.WARN, "backup", f"no copy in {directory} yet; dicom-node backup makes one")
    age = utc_now() - newest.made_at
    hours = age.total_seconds() / 3600
    if age > STALE_BACKUP:
        return Finding(
            Level.WARN,
            "backup",
            f"the newest copy in {directory} is {hours:.0f} h old; look for backup_failed",
        )
    return Finding(Level.OK, "backup", f"the newest copy in {directory} is {hours:.0f} h old")
