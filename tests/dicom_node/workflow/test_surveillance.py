"""Surveillance over a site's journal: what drifts is found, told once, and told again when it is over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from node_support import wait_until, write_config
from surveillance_site import TODAY, Site

from dicom_node.config import NodeConfig
from dicom_node.observe.notifications import TITLES
from dicom_node.storage.journal import Journal
from dicom_node.storage.surveillance import Figure
from dicom_node.workflow.surveillance.gather import months_until
from dicom_node.workflow.surveillance.nightly import NightlySurveillance, surveillance_due
from dicom_node.workflow.surveillance.run import run_surveillance
from dicom_node.workflow.surveillance.view import figures_as_csv, surveillance_view

HOLOGIC, LUNAR = "HOLOGIC Horizon A (DXA1)", "GE Lunar Prodigy"
MONTHS = months_until(TODAY, 6)


@pytest.fixture
def config(tmp_path: Path) -> NodeConfig:
    return NodeConfig.load(write_config(tmp_path, extra="[surveillance]\nmonths = 8\n"))


@pytest.fixture
def journal_path(config: NodeConfig) -> Path:
    config.node.data_dir.mkdir(parents=True, exist_ok=True)
    return config.node.data_dir / "journal.db"


@pytest.fixture
def site(journal_path: Path) -> Site:
    return Site(journal_path)


@pytest.fixture
def journal(site: Site) -> Iterator[Journal]:
    opened = Journal(site.path)
    yield opened
    opened.close()


def run(journal: Journal, config: NodeConfig, today: date = TODAY) -> None:
    run_surveillance(
        journal, config, clock=lambda: datetime(today.year, today.month, today.day, 3, tzinfo=UTC)
    )


def crossed(journal: Journal) -> set[tuple[str, str, str]]:
    return {(one.scanner, one.kind, one.subject) for one in journal.surveillance_figures() if one.crossed}


def told(journal: Journal) -> list[tuple[str, str]]:
    return [(e.code, e.message) for e in journal.events(limit=1000) if e.code.startswith("surveillance_")]


def denser(month: str, features: dict[str, np.ndarray]) -> None:
    if month >= MONTHS[-3]:
        features["one_third.bmd_g_cm2"] += 0.12


def test_a_site_like_the_training_cohort_raises_no_alarm(
    site: Site, journal: Journal, config: NodeConfig
) -> None:
    for scanner in (HOLOGIC, LUNAR):
        site.add_months(scanner, MONTHS, opinions=60)
    run(journal, config)
    assert crossed(journal) == set()
    assert told(journal) == []
    kinds = {one.kind for one in journal.surveillance_figures()}
    assert kinds == {"quality", "declined", "feature", "risk", "agreement"}


def test_a_scanner_that_reads_denser_is_named_and_the_other_is_not(
    site: Site, journal: Journal, config: NodeConfig
) -> None:
    site.add_months(HOLOGIC, MONTHS, change=denser)
    site.add_months(LUNAR, MONTHS)
    run(journal, config)
    assert (HOLOGIC, "feature", "one_third.bmd_g_cm2") in crossed(journal)
    assert {scanner for scanner, *_ in crossed(journal)} == {HOLOGIC}
    [(code, message)] = told(journal)
    assert code == "surveillance_crossed"
    assert message.startswith(f"{HOLOGIC}: ")
    assert "BMD on calibrated pixels of the one-third radius has drifted in 2026-10" in message


def test_an_alarm_is_told_once_however_often_surveillance_runs(
    site: Site, journal: Journal, config: NodeConfig
) -> None:
    site.add_months(HOLOGIC, MONTHS, change=denser)
    for _ in range(3):
        run(journal, config)
    assert len(told(journal)) == 1


def test_when_the_scanner_is_mended_that_is_told_once_too(
    site: Site, journal: Journal, config: NodeConfig
) -> None:
    site.add_months(HOLOGIC, MONTHS[:-1], change=denser)
    run(journal, config)
    assert journal.surveillance_alarms(only_open=True)
    site.add_months(HOLOGIC, MONTHS[-1:], 80)
    run(journal, config)
    assert journal.surveillance_alarms(only_open=True)  # the present month is not over
    later = TODAY + timedelta(days=30)
    for _ in range(2):
        run(journal, config, later)
    assert not journal.surveillance_alarms(only_open=True)
    assert [code for code, _ in told(journal)] == ["surveillance_crossed", "surveillance_back"]
    assert f"over since {MONTHS[-1]}" in told(journal)[1][1]
    assert all(alarm.ended_month == MONTHS[-1] for alarm in journal.surveillance_alarms())


def test_everything_that_is_told_has_a_title_and_no_patient(
    site: Site, journal: Journal, config: NodeConfig
) -> None:
    site.add_months(HOLOGIC, MONTHS, change=denser, findings={"motion_suspected": 0.6}, declined=0.4)
    run(journal, config)
    for code, message in told(journal):
        assert code in TITLES
        assert "patient-" not in message
        assert "1.2." not in message


def test_a_few_studies_are_shown_and_never_judged(site: Site, journal: Journal, config: NodeConfig) -> None:
    site.add_months(HOLOGIC, MONTHS, 20, change=denser, findings={"motion_suspected": 1.0}, declined=0.5)
    run(journal, config)
    assert journal.surveillance_figures()
    assert not any(one.judged for one in journal.surveillance_figures())
    assert told(journal) == []


def test_a_finding_that_most_studies_have_is_an_alarm_unless_the_site_accepts_it(
    site: Site, journal: Journal, config: NodeConfig, tmp_path: Path
) -> None:
    site.add_months(HOLOGIC, MONTHS, findings={"spacing_from_exposed_area": 0.9})
    run(journal, config)
    assert crossed(journal) == {(HOLOGIC, "quality", "spacing_from_exposed_area")}
    accepting = write_config(
        tmp_path, extra='[surveillance]\naccepted_findings = ["spacing_from_exposed_area"]\n'
    )
    run(journal, NodeConfig.load(accepting))
    assert crossed(journal) == set()


def test_refused_studies_are_counted_by_reason(site: Site, journal: Journal, config: NodeConfig) -> None:
    site.add_months(HOLOGIC, MONTHS, 100, declined=0.4)
    run(journal, config)
    assert (HOLOGIC, "declined", "") in crossed(journal)
    newest = _figure(journal, "declined", "", MONTHS[-2])
    reasons = [
        _figure(journal, "declined", reason, MONTHS[-2]).detail["count"]
        for reason in ("radius_not_found", "side_conflict")
    ]
    assert sum(reasons) == newest.detail["count"]


def test_radiologists_who_disagree_are_heard(site: Site, journal: Journal, config: NodeConfig) -> None:
    site.add_months(HOLOGIC, MONTHS, opinions=70, agree=0.5)
    run(journal, config)
    assert (HOLOGIC, "agreement", "") in crossed(journal)


def test_twice_as_many_fractures_as_predicted_are_found_once_they_are_ripe(
    site: Site, journal: Journal, config: NodeConfig
) -> None:
    site.add_months(HOLOGIC, months_until(TODAY, 20), 100, worse=lambda month: 2.5, outcomes_until=TODAY)
    run(journal, config)
    outcome = [one for one in journal.surveillance_figures("outcome", HOLOGIC) if one.subject == "1"]
    judged = [one for one in outcome if one.judged]
    assert judged[-1].crossed
    assert judged[-1].month < outcome[-1].month  # the youngest patients are waited for
    assert outcome[-1].detail["waiting"] == "follow_up"
    ratio = judged[-1].detail["ratio"]
    assert ratio["low"] < 2.4 < ratio["high"]
    assert "observed to predicted fractures" in told(journal)[0][1]


def test_outcomes_as_predicted_raise_no_alarm(site: Site, journal: Journal, config: NodeConfig) -> None:
    site.add_months(HOLOGIC, months_until(TODAY, 20), 100, outcomes_until=TODAY)
    run(journal, config)
    assert any(one.judged for one in journal.surveillance_figures("outcome"))
    assert crossed(journal) == set()


def test_the_same_journal_gives_the_same_figures(site: Site, journal: Journal, config: NodeConfig) -> None:
    site.add_months(HOLOGIC, MONTHS, change=denser, opinions=30, outcomes_until=TODAY)
    run(journal, config)
    once = journal.surveillance_figures()
    run(journal, config)
    assert journal.surveillance_figures() == once


def test_a_patient_with_both_arms_measured_counts_once_in_distributions(
    site: Site, journal: Journal, config: NodeConfig
) -> None:
    site.add_months(HOLOGIC, MONTHS[-2:-1], 60, declined=0.0)
    with journal._transaction():
        journal._execute("UPDATE studies SET patient_key = 'the same' WHERE rowid <= 11")
    run(journal, config)
    assert _figure(journal, "risk", "deployable", MONTHS[-2]).detail["subjects"] == 50


def test_models_without_a_reference_are_watched_as_far_as_that_goes(
    site: Site, journal: Journal, config: NodeConfig
) -> None:
    site.add_months(HOLOGIC, MONTHS)
    with journal._transaction():
        journal._execute("UPDATE analyses SET result_json = replace(result_json, '-n10285-', '-unknown-')")
    run(journal, config)
    assert {one.kind for one in journal.surveillance_figures()} == {"quality", "declined"}


def test_it_is_due_once_a_night(site: Site, journal: Journal, config: NodeConfig) -> None:
    now = datetime.now(UTC)
    evening = now.replace(hour=23, minute=0)
    assert surveillance_due(journal, config, evening)
    run(journal, config)
    assert not surveillance_due(journal, config, now + timedelta(seconds=1))
    assert surveillance_due(journal, config, now + timedelta(days=1))


def test_the_export_has_a_line_for_every_figure(site: Site, journal: Journal, config: NodeConfig) -> None:
    site.add_months("=cmd|'calc'!A1", MONTHS)
    run(journal, config)
    lines = figures_as_csv(journal.surveillance_figures()).splitlines()
    assert len(lines) == len(journal.surveillance_figures()) + 1
    assert all(line.startswith("\"'=cmd") or line.startswith("'=cmd") for line in lines[1:])


def test_the_view_has_a_card_for_each_scanner_and_all_together_last(
    site: Site, journal: Journal, config: NodeConfig
) -> None:
    for scanner in (LUNAR, HOLOGIC):
        site.add_months(scanner, months_until(TODAY, 18), 30, outcomes_until=TODAY)
    run(journal, config)
    view = surveillance_view(journal)
    assert [card.scanner for card in view.cards] == [LUNAR, HOLOGIC, ""]
    assert set(view.cards[-1].figures) == {"outcome"}
    assert view.run is not None
    assert view.run.state == "done"


def _figure(journal: Journal, kind: str, subject: str, month: str) -> Figure:
    return next(
        one for one in journal.surveillance_figures(kind) if (one.subject, one.month) == (subject, month)
    )


@pytest.mark.slow  # a process at the lowest priority
def test_the_clock_has_it_run_in_a_process_of_its_own_and_not_again_that_night(
    site: Site, journal: Journal, config: NodeConfig
) -> None:
    site.add_months(HOLOGIC, MONTHS[:2], 30)
    nightly = NightlySurveillance(config, journal)
    try:
        nightly.look()
        wait_until(
            lambda: bool(journal.surveillance_runs()) and journal.surveillance_runs()[0].state == "done",
            seconds=60,
        )
        nightly.look()
        nightly.look()
    finally:
        nightly.stop()
    [only] = journal.surveillance_runs()
    assert (only.state, only.reason) == ("done", "")


def test_a_run_that_fails_leaves_the_figures_of_the_one_before(
    site: Site, journal: Journal, config: NodeConfig
) -> None:
    site.add_months(HOLOGIC, MONTHS[:2])
    run(journal, config)
    before = journal.surveillance_figures()
    with journal._transaction():
        journal._execute("UPDATE surveyed_analyses SET inputs = 'no JSON'")
    with pytest.raises(ValueError):
        run(journal, config)
    assert journal.surveillance_figures() == before
    assert journal.surveillance_runs()[0].state == "failed"
