"""Whose data directory is it? Files that another user has made keep a node from starting."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from node_support import write_config

from dicom_node.cli import EXIT_USAGE, main
from dicom_node.data_directory import check_data_directory
from dicom_node.errors import ConfigurationError

NOBODY = 65534


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data directory of a user of its own, where that user can get at it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "node_data"
        (path / "instances").mkdir(parents=True)
        (path / "journal.db").touch(0o600)
        yield path


@contextmanager
def acting_as(user: int) -> Iterator[None]:
    before = os.geteuid()
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(before)


def give(path: Path, user: int) -> None:
    for each in (path.parent, path, *path.rglob("*")):
        os.chown(each, user, user)


@pytest.mark.root
@pytest.mark.parametrize("command", ["status", "doctor", "backup", "journal rebuild"])
def test_root_is_sent_to_the_user_whose_data_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    config = write_config(tmp_path)
    data_dir = tmp_path / "data"
    data_dir.mkdir(exist_ok=True)
    os.chown(data_dir, NOBODY, NOBODY)
    assert main([*command.split(), "--config", str(config)]) in (1, EXIT_USAGE)
    told = "".join(capsys.readouterr())
    assert "belongs to nobody" in told
    assert "runuser -u nobody -- dicom-node" in told
    assert list(data_dir.iterdir()) == [], "nothing is written that nobody could not open"


@pytest.mark.root
@pytest.mark.parametrize("name", ["journal.db", "instances"])
def test_a_file_that_root_has_left_is_named_with_the_cure(data_dir: Path, name: str) -> None:
    give(data_dir, NOBODY)
    os.chown(data_dir / name, 0, 0)
    with (
        acting_as(NOBODY),
        pytest.raises(
            ConfigurationError, match=rf"{name}: belongs to root, user nobody .*chown -R nobody: /"
        ),
    ):
        check_data_directory(data_dir)


@pytest.mark.root
def test_what_is_not_the_nodes_own_may_be_anybodys(data_dir: Path) -> None:
    give(data_dir, NOBODY)
    (data_dir / "lost+found").mkdir(0o700)
    with acting_as(NOBODY):
        check_data_directory(data_dir)


def test_a_new_directory_is_fine(tmp_path: Path) -> None:
    check_data_directory(tmp_path / "new")
