"""Certificates are warned of before they expire, and nobody is told every hour."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from node_support import load_config
from own_ca import OwnAuthority

from dicom_node.errors import ConfigurationError
from dicom_node.network.certificates import CertificateWatch, expires_at, expiry_warning, shown_certificates
from dicom_node.observe.metrics import REGISTRY
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Severity


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.db")
    yield opened
    opened.close()


@pytest.fixture
def ca(tmp_path: Path) -> OwnAuthority:
    return OwnAuthority(tmp_path / "ca")


def test_a_certificate_that_expires_within_a_month_is_warned_of_once_a_day(
    journal: Journal, ca: OwnAuthority
) -> None:
    start = datetime.now(UTC)
    now = [start]
    shown = {
        "server": ca.issue("soon.example", days=20).certificate,
        "destination pacs": ca.issue("late.example", days=300).certificate,
    }
    watch = CertificateWatch(shown, journal, now=lambda: now[0])
    for hour in range(48):
        now[0] = start + timedelta(hours=hour)
        watch.look()
    events = journal.events()
    assert [event.code for event in events] == ["certificate_expires"] * 2
    assert events[0].severity == Severity.WARNING
    assert "server" in events[0].message
    assert "in 19 days" in events[0].message or "in 20 days" in events[0].message
    gauge = REGISTRY.get_sample_value(
        "radius_dxa_certificate_expiry_timestamp_seconds", {"certificate": "server"}
    )
    assert gauge == expires_at(shown["server"]).timestamp()


def test_an_expired_certificate_is_an_error_and_a_renewed_one_is_none(
    journal: Journal, ca: OwnAuthority
) -> None:
    leaf = ca.issue("node.example", days=-1)
    watch = CertificateWatch({"server": leaf.certificate}, journal)
    watch.look()
    (event,) = journal.events()
    assert (event.severity, event.code) == (Severity.ERROR, "certificate_expired")
    ca.issue("node.example")
    watch.look()
    assert len(journal.events()) == 1


def test_a_file_that_is_no_certificate_is_an_event_too(journal: Journal, tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("none")
    CertificateWatch({"server": tmp_path / "none.pem"}, journal).look()
    assert journal.events()[-1].code == "certificate_unreadable"
    with pytest.raises(ConfigurationError, match=r"none\.pem"):
        expires_at(tmp_path / "none.pem")


def test_the_warning_begins_thirty_days_ahead() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert expiry_warning(now + timedelta(days=31), now) is None
    assert "2026-01-30" in (expiry_warning(now + timedelta(days=29), now) or "")
    assert "expired" in (expiry_warning(now, now) or "")


def test_every_certificate_that_the_node_shows_is_watched(tmp_path: Path, ca: OwnAuthority) -> None:
    leaf = ca.issue("node.example")
    files = f"certificate = '{leaf.certificate}'\nprivate_key = '{leaf.private_key}'\n"
    config = load_config(
        tmp_path,
        extra=f"""
[tls]
enabled = true
trusted = '{ca.certificate}'
{files}
[[peer]]
name = "dxa"
ae_title = "DXA"
[peer.tls]
{files}
[[archive]]
name = "pacs"
ae_title = "PACS"
host = "127.0.0.1"
port = 104
[[destination]]
name = "pacs"
ae_title = "PACS"
host = "127.0.0.1"
port = 104
[destination.tls]
{files}
""",
    )
    assert set(shown_certificates(config)) == {"server", "destination pacs", "peer dxa"}
