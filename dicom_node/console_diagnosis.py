"""What `doctor` looks at of ``[console]``."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

from dicom_node.config import NodeConfig
from dicom_node.diagnosis import Finding, Level
from dicom_node.errors import ConfigurationError
from dicom_node.observing_diagnosis import is_loopback

__all__ = ["check_console"]


def check_console(config: NodeConfig) -> Iterator[Finding]:
    """Check that the console can listen, is not open to a network, and that somebody can log in."""
    from dicom_node.console_process import listen
    from dicom_node.storage.archive import is_locked

    settings = config.console
    if not settings.enabled:
        yield Finding(Level.OK, "console", "off")
        return
    if not is_locked(config.node.data_dir):
        try:
            listen(settings).close()
        except ConfigurationError as error:
            yield Finding(Level.FAIL, "console", str(error))
            return
    where = f"http://{settings.host}:{settings.port}{settings.root_path}/"
    if not is_loopback(settings.host):
        yield Finding(
            Level.WARN,
            "console",
            f"{where} takes passwords and shows patients without encryption; "
            'set [console] host = "127.0.0.1" and let a reverse proxy speak HTTPS',
        )
    elif not _somebody_can_log_in(config):
        yield Finding(
            Level.OK,
            "console",
            f"{where}; nobody can log in yet: dicom-node user add NAME --role administrator",
        )
    else:
        yield Finding(Level.OK, "console", where)


def _somebody_can_log_in(config: NodeConfig) -> bool:
    """Look without changing the journal: it may be of an earlier version, which knows no users."""
    path = config.node.data_dir / "journal.db"
    if not path.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as journal:
            found = journal.execute("SELECT 1 FROM users WHERE disabled_at = '' LIMIT 1").fetchone()
    except sqlite3.OperationalError:
        return False
    return found is not None
