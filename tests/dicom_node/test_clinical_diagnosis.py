"""What doctor says of the FHIR server and the site's codes."""

from __future__ import annotations

from pathlib import Path

import pytest
from fhir_server import fhir_server
from node_support import load_config

from dicom_node.clinical_diagnosis import check_clinical
from dicom_node.workflow.clinical_import.fhir_codes import SHIPPED_CODES


def said(folder: Path, url: str, more: str = "") -> list[tuple[str, str]]:
    extra = f'[fhir]\nurl = "{url}"\nidentifier_system = "urn:oid:1"\n{more}'
    return [(str(item.level.name), item.message) for item in check_clinical(load_config(folder, extra=extra))]


def test_without_a_server_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert list(check_clinical(load_config(tmp_path))) == []


@pytest.mark.parametrize(("version", "level"), [("4.0.1", "OK"), ("4.3.0", "OK"), ("3.0.2", "FAIL")])
def test_the_server_is_asked_what_it_speaks(tmp_path: Path, version: str, level: str) -> None:
    with fhir_server([]) as server:
        server.version = version
        ((found, text),) = said(tmp_path, server.url)
    assert found == level
    assert version in text


def test_a_server_that_refuses_or_is_away_is_named_with_the_cure(tmp_path: Path) -> None:
    with fhir_server([], "Bearer other") as server:
        ((level, text),) = said(tmp_path, server.url)
        assert level == "FAIL"
        assert "check the credentials of [fhir]" in text
    ((level, text),) = said(tmp_path, server.url)
    assert (level, "cannot be reached" in text) == ("FAIL", True)


def test_a_sites_codes_are_read(tmp_path: Path) -> None:
    codes = tmp_path / "codes.toml"
    codes.write_text(SHIPPED_CODES.read_text())
    with fhir_server([]) as server:
        (good, _) = said(tmp_path, server.url, f'codes = "{codes}"\n')
        codes.write_text("nothing")
        (bad, _) = said(tmp_path, server.url, f'codes = "{codes}"\n')
    assert (good[0], bad[0]) == ("OK", "FAIL")
    assert "codes.toml" in bad[1]
