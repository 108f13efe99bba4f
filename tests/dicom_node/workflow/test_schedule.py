"""Whatever happens to the machine's clock, jobs run: they take their times from it, not their being due."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from dicom_node.workflow import schedule as schedule_module
from dicom_node.workflow.schedule import Schedule


class WallClock(datetime):
    """The wall clock as the schedule sees it, set wrong by `error`."""

    error = timedelta()

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return datetime.now(UTC) + cls.error


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> type[WallClock]:
    monkeypatch.setattr(WallClock, "error", timedelta())
    monkeypatch.setattr(schedule_module, "datetime", WallClock)
    monkeypatch.setattr("apscheduler.schedulers.base.datetime", WallClock)
    return WallClock


def runs_again(ran: threading.Event, seconds: float) -> bool:
    ran.clear()
    return ran.wait(seconds)


@pytest.fixture
def ran(wall: type[WallClock]) -> Iterator[threading.Event]:
    ran = threading.Event()
    schedule = Schedule({"look": ran.set}, periods={"look": 0.2})
    schedule.start()
    try:
        assert runs_again(ran, 10)
        yield ran
    finally:
        schedule.stop()


def test_jobs_go_on_when_the_clock_is_set_back(ran: threading.Event, wall: type[WallClock]) -> None:
    wall.error = timedelta(days=-400)
    time.sleep(1)  # a turn that was due before the change may still come
    assert runs_again(ran, 10)
    assert runs_again(ran, 10)


def test_a_clock_set_forward_by_a_year_costs_one_turn(ran: threading.Event, wall: type[WallClock]) -> None:
    wall.error = timedelta(days=400)
    assert runs_again(ran, 5)
    assert runs_again(ran, 5)


def test_every_job_has_its_thread_from_the_start() -> None:
    before = threading.active_count()
    schedule = Schedule({f"job {number}": lambda: None for number in range(12)}, periods={})
    schedule.start()
    try:
        at_start = threading.active_count()
        assert at_start > before + 12, "one for each job, and the clock's own"
        time.sleep(1.5)
        assert threading.active_count() == at_start
    finally:
        schedule.stop()
    assert threading.active_count() == before
