"""What a [[destination]] may say, and what it is told when it says something else."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest

from dicom_node.config.delivering import Destination, hours_of, read_destinations
from dicom_node.errors import ConfigurationError

DICOM = {"name": "pacs", "ae_title": "PACS", "host": "pacs.example", "port": 104}
STOW = {"name": "web", "type": "stow", "url": "https://pacs.example/dicom-web"}
FOLDER = {"name": "share", "type": "folder", "path": "results"}


def read(entry: dict[str, object], base: Path) -> Destination:
    (destination,) = read_destinations({"destination": [entry]}, base)
    return destination


@pytest.mark.parametrize("entry", [DICOM, STOW, FOLDER])
def test_each_type_needs_no_more_than_its_own_keys(entry: dict[str, object], tmp_path: Path) -> None:
    assert read(entry, tmp_path).confirm == "store"


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({**STOW, "url": "ftp://pacs"}, "must be an address such as https"),
        ({**STOW, "url": "https://user:secret@pacs/"}, "without user name and password"),
        ({"name": "web", "type": "stow"}, "url is missing"),
        ({"name": "share", "type": "folder"}, "path is missing"),
        ({**STOW, "port": 104}, 'port: belongs to type = "dicom"'),
        ({**DICOM, "path": "results"}, 'path: belongs to type = "folder"'),
        ({**STOW, "confirm": "commitment"}, 'type = "stow" knows "store" or "find"'),
        ({**FOLDER, "confirm": "find"}, 'type = "folder" knows "store"'),
        ({**STOW, "username": "node"}, "username and password_file belong together"),
        ({**DICOM, "hours": "19-07"}, "hours in the form"),
        ({**DICOM, "hours": "24:00-07:00"}, "hours in the form"),
        ({**DICOM, "hours": "07:00-07:00"}, "begin and end at different times"),
        ({**DICOM, "give_up_days": -1}, "give_up_days"),
    ],
)
def test_a_mistake_of_a_destination_is_named(
    entry: dict[str, object], complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        read(entry, tmp_path)


def test_a_token_and_a_password_exclude_each_other_and_belong_to_the_web(tmp_path: Path) -> None:
    for name in ("token", "password"):
        (tmp_path / name).write_text("secret")
    password = {"username": "node", "password_file": "password"}
    assert read({**STOW, **password}, tmp_path).username == "node"
    with pytest.raises(ConfigurationError, match="exclude each other"):
        read({**STOW, **password, "token_file": "token"}, tmp_path)
    with pytest.raises(ConfigurationError, match='belong to type = "stow"'):
        read({**DICOM, "token_file": "token"}, tmp_path)


def test_hours_are_read_as_local_times_of_day() -> None:
    assert hours_of("19:00-07:30") == (time(19), time(7, 30))
