"""What the node remembers: the archive (files) and the journal (SQLite)."""

import sys

# sqlite_utils imports pandas wherever that is installed, to read column types that no journal has: 60 MB and
# a second for every process of the node. Telling it that there is none costs nothing; pandas itself stays
# importable for whoever wants it.
if "pandas" not in sys.modules:
    sys.modules["pandas"] = None  # type: ignore[assignment]
    try:
        import sqlite_utils  # noqa: F401
    finally:
        del sys.modules["pandas"]
