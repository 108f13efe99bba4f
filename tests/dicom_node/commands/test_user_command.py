"""``dicom-node user``: the only way to the console's first user."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from node_support import write_config

from dicom_node.cli import main
from dicom_node.config import NodeConfig
from dicom_node.storage.journal import Journal
from dicom_node.storage.users import Role
from dicom_node.web.passwords import is_password

PASSWORD = "four words which differ"  # noqa: S105 - of tests only


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = write_config(tmp_path)
    Journal(NodeConfig.load(path).node.data_dir / "journal.db").close()
    return path


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\nanother line\n")
    return path


def user(config: Path, *arguments: object) -> int:
    return main(["user", *map(str, arguments), "--config", str(config)])


def test_the_first_administrator_is_made_with_a_hashed_password(config: Path, secret: Path) -> None:
    assert user(config, "add", "anna", "--role", "administrator", "--password-file", secret) == 0
    with closing(Journal(NodeConfig.load(config).node.data_dir / "journal.db")) as journal:
        account = journal.account("ANNA")
        (change,) = journal.changes()
    assert account is not None
    assert account.role is Role.ADMINISTRATOR
    assert account.password_hash.startswith("$argon2id$")
    assert is_password(PASSWORD, account.password_hash)
    assert change.user.endswith("(command line)")
    assert (change.action, change.subject, change.detail) == ("user.add", "anna", "role administrator")


def test_a_short_password_is_refused_with_advice(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = tmp_path / "short"
    short.write_text("secret")
    assert user(config, "add", "anna", "--role", "viewer", "--password-file", short) == 1
    assert "choose one of 12 to 256" in capsys.readouterr().err
    assert user(config, "list") == 0
    assert "no user yet" in capsys.readouterr().out


def test_without_a_terminal_and_a_file_nothing_is_guessed(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert user(config, "add", "anna", "--role", "viewer") == 2
    assert "--password-file" in capsys.readouterr().err


def test_roles_change_users_are_disabled_and_the_last_administrator_stays(
    config: Path, secret: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, role in (("anna", "administrator"), ("bert", "viewer")):
        assert user(config, "add", name, "--role", role, "--password-file", secret) == 0
    assert user(config, "role", "bert", "--role", "operator", "--reason", "new duty") == 0
    assert user(config, "disable", "anna") == 1
    assert "only administrator" in capsys.readouterr().err
    assert user(config, "disable", "bert") == 0
    assert user(config, "list") == 0
    listed = capsys.readouterr().out
    assert "anna  administrator  enabled" in listed
    assert "bert  operator  disabled since" in listed
    assert user(config, "enable", "bert") == 0
    assert user(config, "passwd", "bert", "--password-file", secret) == 0
    assert user(config, "disable", "nobody") == 1
    assert "there are: anna, bert" in capsys.readouterr().err
