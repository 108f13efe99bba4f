"""One console for a test, with a user for each role."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI
from web_support import console, console_config

from dicom_node.web import passwords


@pytest.fixture
def app(tmp_path: Path) -> Iterator[FastAPI]:
    with console(console_config(tmp_path)) as running:
        yield running


@pytest.fixture(scope="session")
def app_of_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """For tests that change nothing."""
    with console(console_config(tmp_path_factory.mktemp("console"))) as running:
        yield running


@pytest.fixture
def cheap_logins(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that log in often and test something else: half a second less each time."""
    cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", cheap)
