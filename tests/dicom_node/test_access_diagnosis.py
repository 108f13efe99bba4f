"""What doctor says of ports, peers and certificates."""

from __future__ import annotations

from pathlib import Path

import pytest
from node_support import load_config
from own_ca import OwnAuthority
from real_peers import pick_free_port

from dicom_node.access_diagnosis import check_access
from dicom_node.diagnosis import Level
from dicom_node.errors import ConfigurationError

PEER = '[[peer]]\nname = "dxa"\nae_title = "SCANNER"\n'


def findings(folder: Path, extra: str = "") -> dict[str, tuple[Level, str]]:
    return {
        found.subject: (found.level, found.message)
        for found in check_access(load_config(folder, extra=extra))
    }


@pytest.mark.parametrize(
    ("extra", "level", "text"),
    [
        ("", Level.WARN, "anybody who reaches the port may send"),
        ('[access]\npolicy = "listed"\n', Level.FAIL, "there is no [[peer]]"),
        ('[access]\npolicy = "listed"\n' + PEER, Level.WARN, "dxa: known by AE title alone"),
        ('[receiver]\ncalling_ae_titles = ["OLD"]\n', Level.WARN, "OLD: known by AE title alone"),
        (
            f'[access]\npolicy = "listed"\n{PEER}addresses = ["192.0.2.0/24"]\n',
            Level.OK,
            "only 1 listed peers",
        ),
    ],
)
def test_doctor_says_how_open_the_node_is(tmp_path: Path, extra: str, level: Level, text: str) -> None:
    found = findings(tmp_path, extra)["access"]
    assert found[0] is level
    assert text in found[1]


def test_doctor_checks_tls_port_files_and_expiry(tmp_path: Path) -> None:
    ca = OwnAuthority(tmp_path / "ca")
    leaf = ca.issue("node.example", days=10)
    tls = f"""
[tls]
enabled = true
port = {pick_free_port()}
certificate = '{leaf.certificate}'
private_key = '{leaf.private_key}'
trusted = '{ca.certificate}'
"""
    found = findings(tmp_path, tls)
    assert found["TLS"] == (Level.OK, "files are sound; client certificate required")
    assert found["port, TLS"][0] is Level.OK
    assert found["certificate, server"][0] is Level.WARN
    assert "renew it" in found["certificate, server"][1]
    ca.issue("node.example", days=-1)
    assert findings(tmp_path, tls)["certificate, server"][0] is Level.FAIL
    leaf.private_key.write_text("nonsense")
    assert findings(tmp_path, tls)["TLS"][0] is Level.FAIL


@pytest.mark.parametrize(
    ("extra", "complaint"),
    [
        ("[tls]\nenabled = true\n", r"\[tls\] certificate is missing"),
        ("[tls]\nplain = false\n", r"the node would listen nowhere"),
        (PEER + 'addresses = ["300.1.1.1"]\n', r"\[\[peer\]\] 1 addresses .* CIDR"),
        (PEER + 'services = ["move"]\n', r"must be a list of 'verify', 'store', 'commit'"),
        (PEER + "port = 104\n", r"host and port belong together"),
        (PEER + PEER, r"'dxa': used twice"),
        (PEER + "tls = 1\n", r"\[\[peer\]\] 1 tls = 1: must be a table"),
        (PEER + "called_ae_titles = ['TOO LONG FOR AN AE TITLE']\n", r"1 to 16 printable"),
    ],
)
def test_a_mistake_is_named_with_key_and_remedy(tmp_path: Path, extra: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        load_config(tmp_path, extra=extra)


def test_certificate_and_key_of_a_destination_belong_together(tmp_path: Path) -> None:
    leaf = OwnAuthority(tmp_path / "ca").issue("node.example")
    destination = '[[destination]]\nname = "p"\nae_title = "P"\nhost = "h"\nport = 104\n[destination.tls]\n'
    with pytest.raises(ConfigurationError, match="certificate and private_key belong together"):
        load_config(tmp_path, extra=f"{destination}certificate = '{leaf.certificate}'\n")
    config = load_config(tmp_path, extra=destination)
    assert config.destinations[0].tls is not None  # a table that is there means TLS
    assert load_config(tmp_path, extra=f"{destination}enabled = false\n").destinations[0].tls is None
