"""May this process keep the node's data where the configuration says? Asked before anything is written."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from dicom_node.errors import ConfigurationError

__all__ = ["check_data_directory", "refuse_root"]

_OWN_PATHS = (
    *("journal.db*", "node.lock", "running", "reserve", "console.key"),
    *("instances", "results", "quarantine", "tmp"),
)
"""What the node writes in the data directory itself; a disk's ``lost+found`` does not concern it."""


def check_data_directory(data_dir: Path) -> None:
    """Refuse a data directory that an upgrade would remove, or that holds what this user cannot write.

    Raises
    ------
    ConfigurationError
        If it lies inside the package, as with the shipped configuration of a wheel, or if it or one of its
        files or folders is another user's and closed to this one.
    """
    if Path(__file__).resolve().parent in data_dir.parents:
        raise ConfigurationError(
            f"[node] data_dir = {str(data_dir)!r}: lies inside the installed package; copy its conf "
            "directory to a place of yours and name that node.toml with --config"
        )
    for path in _own_paths(data_dir):
        owner, user = path.stat().st_uid, os.geteuid()
        if owner != user and not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
            raise ConfigurationError(
                f"{path}: belongs to {_name(owner)}, user {_name(user)} cannot read and write it; as root: "
                f"chown -R {_name(user)}: {data_dir}"
            )


def refuse_root(data_dir: Path) -> None:
    """Keep root from a data directory of another user: the node could not open what root would write there.

    Raises
    ------
    ConfigurationError
        If this process is root's and the directory is not.
    """
    if os.geteuid() == 0 and data_dir.is_dir() and (owner := data_dir.stat().st_uid) != 0:
        raise ConfigurationError(
            f"[node] data_dir = {str(data_dir)!r}: belongs to {_name(owner)}, who could not open what root "
            f"writes there; say this as its user: runuser -u {_name(owner)} -- dicom-node ..."
        )


def _own_paths(data_dir: Path) -> Iterator[Path]:
    if data_dir.is_dir():
        yield data_dir
        for pattern in _OWN_PATHS:
            yield from sorted(data_dir.glob(pattern))


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # a container's user need not have a name
        return str(user)
