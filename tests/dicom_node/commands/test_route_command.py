"""``dicom-node route`` says which route a study takes, and why no earlier one, before it is sent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from node_support import write_config
from scripted_scp import write_object

from dicom_node.cli import main
from dicom_node.network.sender import Peer

ROUTES = """
[[route]]
name = "lunar"
when = { calling_ae = "LUNAR*", modality = "DX" }
[[route]]
name = "odd"
when = { modality = ["OT", "XX"], called_ae = "RADIUSDXA" }
action = ["analyse", "forward"]
destinations = []
forward_to = ["pacs"]
priority = 7
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = write_config(tmp_path, destinations=[("pacs", Peer("PACS", "127.0.0.1", 104))], extra=ROUTES)
    return str(path)


def test_the_table_tells_what_each_route_wanted_and_found(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_object(tmp_path / "a.dcm", study="1.2")
    sent = ["--calling-ae", "LUNAR1", "--called-ae", "RADIUSDXA"]
    assert main(["route", str(file), *sent, "--config", config]) == 0
    out = capsys.readouterr().out
    assert "Routes for study 1.2" in out
    assert "no: modality does not fit" in out
    assert "calling_ae = 'LUNAR*'" in out and "yes, LUNAR*" in out
    assert "route 'odd' decides: analyse, forward; priority 7" in out
    assert "results to: nobody" in out and "originals to: pacs" in out


def test_what_was_not_given_is_not_found_and_the_default_decides(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_object(tmp_path / "a.dcm", study="1.2")
    assert main(["route", str(file), "--json", "--config", config]) == 0
    (study,) = json.loads(capsys.readouterr().out)
    assert (study["route"], study["actions"], study["destinations"]) == ("default", ["analyse"], None)
    lunar, odd, default = study["verdicts"]
    assert [lunar["decides"], odd["decides"], default["decides"]] == [False, False, True]
    assert odd["conditions"] == [
        {"attribute": "modality", "patterns": ["OT", "XX"], "found": ["OT"], "fits": "OT"},
        {"attribute": "called_ae", "patterns": ["RADIUSDXA"], "found": [], "fits": None},
    ]


def test_files_of_several_studies_are_judged_study_by_study(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [write_object(tmp_path / f"{n}.dcm", study=f"1.{n % 2}") for n in range(3)]
    assert main(["route", *map(str, files), "--json", "--config", config]) == 0
    assert [study["study_instance_uid"] for study in json.loads(capsys.readouterr().out)] == ["1.0", "1.1"]


def test_a_file_that_is_no_dicom_object_is_named_and_the_rest_is_judged(
    tmp_path: Path, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text.txt").write_text("hello")
    file = write_object(tmp_path / "a.dcm", study="1.2")
    assert main(["route", str(tmp_path / "text.txt"), str(file), "--config", config]) == 1
    captured = capsys.readouterr()
    assert "text.txt: is no DICOM object of a study" in captured.err
    assert "route 'default' decides" in captured.out
