"""Imported once by the fork server, so that every worker process starts warm."""

import reports  # noqa: F401
