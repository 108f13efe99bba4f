"""A site's mistakes in routes and completion profiles are named with key, value and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from node_support import write_config

from dicom_node.config import Condition, NodeConfig
from dicom_node.diagnosis import Finding, diagnose
from dicom_node.errors import ConfigurationError
from dicom_node.network.sender import Peer

PACS = ("pacs", Peer("PACS", "127.0.0.1", 104))
ROUTE = '[[route]]\nname = "r"\n'


def load(folder: Path, text: str) -> NodeConfig:
    path = write_config(folder, destinations=[PACS])
    path.write_text(path.read_text() + text)
    return NodeConfig.load(path)


def test_a_route_says_what_it_wants_and_has_defaults_for_the_rest(tmp_path: Path) -> None:
    text = 'when = { calling_ae = "LUNAR*", modality = ["DX", "CR"] }\n'
    (route,) = load(tmp_path, ROUTE + text).routes
    assert route.when == (Condition("calling_ae", ("LUNAR*",)), Condition("modality", ("DX", "CR")))
    assert (route.action, route.destinations, route.forward_to) == (("analyse",), None, ())
    assert (route.guideline, route.models, route.priority) == (None, None, 5)


def test_a_profile_expects_numbers_of_kinds(tmp_path: Path) -> None:
    text = '[[completion.profile]]\nname = "p"\nwhen = { manufacturer = "GE*" }\n'
    expect = 'expect = [{ kind = "image", at_least = 2 }, { sop_class = "ComprehensiveSRStorage" }]\n'
    (profile,) = load(tmp_path, text + expect).completion.profiles
    assert [item.at_least for item in profile.expect] == [2, 1]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            ROUTE + 'when = { modalty = "DX" }\n',
            r"\[\[route\]\] 1 when modalty = 'DX': .*did you mean 'modality'",
        ),
        (ROUTE + "when = { modality = 3 }\n", r"when modality = 3: must be a text or a list of texts"),
        (ROUTE + "when = { modality = [] }\n", r"when modality = \[\]: must be a text or a list of texts"),
        (ROUTE + 'when = "DX"\n', r"when = 'DX': must be a table, e.g. \{ modality"),
        (ROUTE + 'when = { kind = "picture" }\n', r"kind = 'picture': must be one of image, report"),
        (
            ROUTE + 'when = { peer_address = "10.1.2.3/16" }\n',
            r"peer_address = .*must be an address or a network",
        ),
        (ROUTE + 'action = "delete"\n', r"action = \['delete'\]: must be a list of 'analyse', 'forward'"),
        (ROUTE + "action = []\n", r"action = \[\]: must name"),
        (ROUTE + 'action = ["analyse", "discard"]\n', r"action: 'discard' stands alone"),
        (ROUTE + 'action = ["forward"]\n', r'action "forward": needs forward_to'),
        (ROUTE + 'forward_to = ["pacs"]\n', r"forward_to: needs action"),
        (
            ROUTE + 'action = "store"\ndestinations = ["pacs"]\n',
            r"destinations: needs action = \[\"analyse\"",
        ),
        (
            ROUTE + 'destinations = ["pax"]\n',
            r"destinations = 'pax': no \[\[destination\]\] .* there are: pacs",
        ),
        (ROUTE + 'action = "forward"\nforward_to = ["pax"]\n', r"forward_to = 'pax': no \[\[destination\]\]"),
        (
            ROUTE + 'guideline = "gone.toml"\n',
            r"\[\[route\]\] 1 guideline = 'gone.toml': must be a path that exists",
        ),
        (ROUTE + "priority = 10\n", r"priority = 10: must be from 0 to 9"),
        (ROUTE + ROUTE, r"\[\[route\]\] 2 name = 'r': used twice"),
        ('[[route]]\nname = "default"\n', r"name = 'default': used twice, or the node's own word"),
        ("[[route]]\n", r"\[\[route\]\] 1 name is missing"),
        ("[route]\nname = 'r'\n", r"route: must be a list of tables; write \[\[route\]\]"),
        ('[[completion.profile]]\nname = "p"\n', r"\[\[completion.profile\]\] 1 expect is missing; add"),
        ('[[completion.profile]]\nname = "p"\nexpect = [{ at_least = 1 }]\n', r"expect 1: must say what"),
        ('[[completion.profile]]\nname = "p"\nexpect = [{ kind = "image", at_least = 0 }]\n', r"from 1 to"),
    ],
)
def test_a_mistake_is_named_with_key_value_and_remedy(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        load(tmp_path, text)


def test_the_archive_that_counts_must_be_configured(tmp_path: Path) -> None:
    path = write_config(tmp_path)
    path.write_text(path.read_text().replace("[completion]", '[completion]\ncount_at = "pax"'))
    with pytest.raises(ConfigurationError, match=r"count_at = 'pax': no \[\[archive\]\] has this name"):
        NodeConfig.load(path)


def findings(folder: Path, text: str) -> dict[str, Finding]:
    return {item.subject: item for item in diagnose(load(folder, text))}


def test_doctor_names_a_route_that_never_decides(tmp_path: Path) -> None:
    wide = '[[route]]\nname = "wide"\nwhen = { modality = ["DX", "CR"] }\n'
    narrow = '[[route]]\nname = "narrow"\nwhen = { modality = "DX", calling_ae = "A" }\n'
    found = findings(tmp_path, wide + narrow)
    assert found["route wide"].level == "ok"
    assert found["route narrow"].level == "warn"
    assert "never decides: 'wide'" in found["route narrow"].message


def test_doctor_fails_on_a_guideline_that_a_route_names_and_that_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "broken.toml").write_text("nonsense = 3\n")
    found = findings(tmp_path, ROUTE + 'guideline = "broken.toml"\n')
    assert found["route r"].level == "fail"
    assert "[[route]] 'r'" in found["route r"].message


def test_doctor_warns_of_a_route_that_discards(tmp_path: Path) -> None:
    found = findings(tmp_path, ROUTE + 'action = "discard"\nwhen = { modality = "PR" }\n')
    assert found["route r"].level == "warn" and "discard" in found["route r"].message
