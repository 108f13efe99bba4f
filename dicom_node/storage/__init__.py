"""What the node remembers: the archive (files) and the journal (SQLite)."""

from dicom_node.optional_imports import without

# pandas, for column types that no journal has, would cost every process of the node 60 MB and a second
with without("pandas"):
    import sqlite_utils  # noqa: F401
