"""Retention: what nothing needs any more goes, what anybody needs stays, whatever the mix of states."""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from node_support import FakeClock, outcome, receive, receive_complete, sent_to

from dicom_node.config import RetentionSettings
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import InstanceKind, ReceivedInstance, ResultRecord, StudyState
from dicom_node.storage.retention import ReleasedKind
from dicom_node.workflow.housekeeping import Retention

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
STRUCTURED_REPORT = "1.2.840.10008.5.1.4.1.1.88.33"
DAY = 86_400


@dataclass
class Ground:
    """An archive with its journal, and a clock to move."""

    archive: Archive
    journal: Journal
    clock: FakeClock

    def retention(self, **values: object) -> Retention:
        values.setdefault("reserve_bytes", 0)
        return Retention(
            RetentionSettings(**values),  # type: ignore[arg-type]
            self.archive,
            self.journal,
            clock=self.clock,
        )

    def receive(self, study: str, uid: str, *, complete: bool = True) -> Path:
        path = self.store(study, uid)
        add = receive_complete if complete else receive
        add(self.journal, study, uid=uid, content=uid.encode(), path=path)  # type: ignore[arg-type]
        return self.archive.resolve(path)

    def store(self, study: str, uid: str) -> str:
        return str(
            self.archive.store_instance(
                uid.encode(),
                hashlib.sha256(uid.encode()).hexdigest(),
                sop_class_uid=SECONDARY_CAPTURE,
                sop_instance_uid=uid,
                transfer_syntax_uid="1.2.840.10008.1.2.1",
            )
        )

    def answer(self, study: str, *classes: str, destinations: tuple[str, ...] = ("pacs",)) -> list[Path]:
        """Carry the study's queued analysis through to results in the outbox."""
        job = self.journal.claim_analysis("test", 60)
        assert job is not None
        records = []
        for number, sop_class in enumerate(classes, start=1):
            uid = f"{study}.9.{number}"
            path, digest = self.archive.store_result("a" * 64, uid.encode())
            records.append(ResultRecord(uid, sop_class, "test", str(path), digest))
        assert self.journal.finish_analysis(job, sent_to(outcome(results=tuple(records)), destinations))
        return [self.archive.resolve(record.path) for record in records]

    def deliver(self) -> None:
        for delivery in self.journal.claim_deliveries("pacs", owner="test", lease_seconds=60):
            self.journal.mark_delivered(delivery, 0)

    def close(self) -> None:
        self.journal.close()


def make_ground(folder: Path) -> Ground:
    clock = FakeClock()
    archive = Archive(folder)
    return Ground(archive, Journal(archive.journal_path, clock=clock), clock)


@pytest.fixture
def ground(tmp_path: Path):  # type: ignore[no-untyped-def]
    made = make_ground(tmp_path)
    yield made
    made.close()


def test_nothing_goes_unless_a_site_asks_for_it(ground: Ground) -> None:
    file = ground.receive("1.2", "1.2.1")
    ground.answer("1.2", SECONDARY_CAPTURE)
    ground.deliver()
    ground.clock.advance(10_000 * DAY)
    assert ground.retention().run() == 0
    assert file.is_file()


def test_an_answered_and_delivered_study_goes_when_its_time_is_over(ground: Ground) -> None:
    file = ground.receive("1.2", "1.2.1")
    picture, report = ground.answer("1.2", SECONDARY_CAPTURE, STRUCTURED_REPORT)
    ground.deliver()
    retention = ground.retention(keep_originals_days=30, keep_results_days=60)
    ground.clock.advance(29 * DAY)
    assert retention.run() == 0
    ground.clock.advance(2 * DAY)
    assert [(plan.kind, plan.files) for plan in retention.plan() if plan.files] == [
        (ReleasedKind.ORIGINAL, 1)
    ]
    assert retention.run() == 1
    assert (file.exists(), picture.exists()) == (False, True)
    ground.clock.advance(30 * DAY)
    assert retention.run() == 1
    assert not picture.exists()
    assert report.exists(), "a later report names the one it replaces"


def test_history_and_numbers_stay_when_files_go(ground: Ground) -> None:
    ground.receive("1.2", "1.2.1")
    ground.answer("1.2", SECONDARY_CAPTURE)
    ground.deliver()
    ground.clock.advance(31 * DAY)
    assert ground.retention(keep_originals_days=30, keep_results_days=30).run() == 2
    assert ground.journal.priors("somebody", before="20270101", excluding="") == [("20260101", "{}")]
    assert ground.journal.is_own_result("1.2.9.1")
    assert len(ground.journal.released_instances("1.2")) == 1


def test_a_released_object_that_comes_again_is_kept_again_and_opens_no_study(ground: Ground) -> None:
    file = ground.receive("1.2", "1.2.1")
    ground.answer("1.2", SECONDARY_CAPTURE)
    ground.deliver()
    ground.clock.advance(31 * DAY)
    retention = ground.retention(keep_originals_days=30)
    assert retention.run() == 1
    path = ground.store("1.2", "1.2.1")
    receive(ground.journal, "1.2", uid="1.2.1", content=b"1.2.1", path=path)
    study = ground.journal.study("1.2")
    assert study is not None
    assert study.state is StudyState.ANALYZED
    assert len(ground.journal.released_instances("1.2")) == 0
    assert file.is_file()


def test_bytes_that_come_again_between_release_and_removal_stay(ground: Ground) -> None:
    file = ground.receive("1.2", "1.2.1")
    ground.answer("1.2", SECONDARY_CAPTURE)
    ground.deliver()
    ground.clock.advance(31 * DAY)
    ended = ("analyzed",)
    assert (
        ground.journal.release(ReleasedKind.ORIGINAL, before=ground.clock(), ended_states=ended, limit=10)
        == 1
    )
    receive(ground.journal, "1.2", uid="1.2.1", content=b"1.2.1", path=ground.store("1.2", "1.2.1"))
    ground.retention().finish_interrupted()
    assert file.is_file()


def test_a_study_that_is_to_be_analysed_again_takes_its_files_back(ground: Ground) -> None:
    file = ground.receive("1.2", "1.2.1")
    (picture,) = ground.answer("1.2", SECONDARY_CAPTURE)
    ground.deliver()
    ground.clock.advance(31 * DAY)
    for kind in (ReleasedKind.ORIGINAL, ReleasedKind.RESULT):
        ground.journal.release(kind, before=ground.clock(), ended_states=("analyzed",), limit=10)
    assert ground.journal.requeue_study("1.2")
    ground.retention().finish_interrupted()
    assert file.is_file()
    assert picture.is_file()
    assert len(ground.journal.released_instances("1.2")) == 0


def test_what_a_peer_was_promised_or_somebody_holds_stays(ground: Ground) -> None:
    promised = ground.receive("1.2", "1.2.1")
    ground.answer("1.2")
    held = ground.receive("1.3", "1.3.1")
    ground.answer("1.3")
    ground.clock.advance(31 * DAY)
    ground.journal.hold_study("1.3", by="admin", reason="look again")
    ask_commitment(ground.journal, "1.2.1")
    retention = ground.retention(keep_originals_days=30)
    assert retention.run() == 0, "asked already, though not yet answered"
    ground.journal.settle_pledge(1, [0])
    assert retention.run() == 0
    ground.journal.settle_pledge(1, [0x0112])  # no such object instance: nothing was promised
    assert retention.run() == 1
    assert (promised.exists(), held.exists()) == (False, True)


def test_what_is_promised_between_release_and_removal_stays(ground: Ground) -> None:
    file = ground.receive("1.2", "1.2.1")
    ground.answer("1.2")
    ground.clock.advance(31 * DAY)
    ground.journal.release(ReleasedKind.ORIGINAL, before=ground.clock(), ended_states=("analyzed",), limit=10)
    ask_commitment(ground.journal, "1.2.1")
    ground.retention().finish_interrupted()
    assert file.is_file()
    assert not ground.journal.released_instances("1.2")


def ask_commitment(journal: Journal, uid: str) -> None:
    journal.record_commitment_request(
        "1.2.99",
        [(SECONDARY_CAPTURE, uid)],
        calling_ae="PACS",
        called_ae="RADIUSDXA",
        peer_address="192.0.2.1",
        due_in_seconds=0,
        expires_in_seconds=3600,
    )


def test_results_that_went_nowhere_stay(ground: Ground) -> None:
    ground.receive("1.2", "1.2.1")
    (picture,) = ground.answer("1.2", SECONDARY_CAPTURE, destinations=("",))
    ground.clock.advance(1000 * DAY)
    ground.retention(keep_results_days=1).run()
    assert picture.is_file()


def test_a_kept_state_outlives_its_age(ground: Ground) -> None:
    file = ground.receive("1.2", "1.2.1")
    ground.answer("1.2", SECONDARY_CAPTURE)
    ground.deliver()
    ground.clock.advance(1000 * DAY)
    assert ground.retention(keep_originals_days=1, keep_studies_in_states=("analyzed",)).run() == 0
    assert file.is_file()


def test_when_space_is_short_the_oldest_go_until_there_is_enough(ground: Ground) -> None:
    files = []
    for number in range(60):
        files.append(ground.receive(f"1.{number}", f"1.{number}.1"))
        ground.answer(f"1.{number}")
        ground.clock.advance(60)
    ground.clock.advance(2 * DAY)
    retention = Retention(
        RetentionSettings(keep_free_bytes=1000, reserve_bytes=0),
        ground.archive,
        ground.journal,
        clock=ground.clock,
        free_bytes=lambda _: 1000 if sum(file.exists() for file in files) <= 30 else 999,
    )
    assert retention.run() == 40  # whole batches
    assert [file.exists() for file in files] == [False] * 40 + [True] * 20


def test_not_more_than_a_minutes_worth_goes_in_a_minute(ground: Ground) -> None:
    for number in range(5):
        ground.receive(f"1.{number}", f"1.{number}.1")
        ground.answer(f"1.{number}")
    ground.clock.advance(2 * DAY)
    retention = ground.retention(keep_originals_days=1, files_per_minute=2)
    assert [retention.run() for _ in range(4)] == [2, 2, 1, 0]


def test_refused_objects_go_and_make_room_in_the_quarantine(ground: Ground) -> None:
    path = ground.archive.store_quarantined(b"noise", "ab" * 32)
    for uid in ("1.1", "1.2"):  # the same bytes under two names share one file
        ground.journal.record_instance(
            ReceivedInstance(
                sop_instance_uid=uid,
                sop_class_uid="",
                study_instance_uid="",
                series_instance_uid="",
                transfer_syntax_uid="",
                sha256="ab" * 32,
                path=str(path),
                size=5,
                kind=InstanceKind.QUARANTINED,
                reason_code="noise",
                reason="noise",
            )
        )
        ground.clock.advance(DAY)
    retention = ground.retention(keep_quarantine_days=1.5)
    assert retention.run() == 1
    assert ground.archive.resolve(path).is_file(), "the younger row still needs it"
    ground.clock.advance(DAY)
    assert retention.run() == 1
    assert not ground.archive.resolve(path).exists()
    assert ground.journal.quarantined_bytes() == 0


def test_old_events_are_forgotten(ground: Ground) -> None:
    ground.receive("1.2", "1.2.1")
    ground.clock.advance(10 * DAY)
    ground.receive("1.3", "1.3.1")
    ground.retention(keep_events_days=5).run()
    assert {event.study_instance_uid for event in ground.journal.events()} == {"1.3"}


STUDY_STATES = [str(state) for state in StudyState]
ANALYSIS_STATES = ["queued", "running", "done", "failed"]
DELIVERY_STATES = ["pending", "sending", "stored", "delivered", "dead", "discarded"]


@st.composite
def studies(draw: st.DrawFn) -> dict[str, object]:
    return {
        "state": draw(st.sampled_from(STUDY_STATES)),
        "analyses": draw(st.lists(st.sampled_from(ANALYSIS_STATES), max_size=2, unique=True)),
        "deliveries": draw(st.lists(st.sampled_from(DELIVERY_STATES), max_size=3)),
        "days_old": draw(st.sampled_from([0, 5, 20, 400])),
    }


@settings(max_examples=60, deadline=None)
@given(
    found=st.lists(studies(), min_size=1, max_size=6),
    keep=st.sets(st.sampled_from(["analyzed", "not_applicable", "rejected", "failed"])),
    days=st.sampled_from([0.0, 1.0, 10.0]),
    short_of_space=st.booleans(),
)
def test_whatever_the_mix_of_states_nothing_protected_ever_goes(
    found: list[dict[str, object]], keep: set[str], days: float, short_of_space: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ground = make_ground(Path(folder))
        files = {}
        for number, study in enumerate(found):
            files[f"1.{number}"] = _answered(ground, f"1.{number}", study)
        for number, study in enumerate(found):
            _bring_into_state(ground.archive.journal_path, f"1.{number}", study)
        retention = Retention(
            RetentionSettings(
                keep_originals_days=days,
                keep_results_days=days,
                keep_studies_in_states=tuple(sorted(keep)),  # type: ignore[arg-type]
                keep_free_bytes=1 if short_of_space else 0,
                reserve_bytes=0,
            ),
            ground.archive,
            ground.journal,
            clock=ground.clock,
            free_bytes=lambda _: 0,
        )
        retention.run()
        for number, study in enumerate(found):
            age = min([*([days] if days else []), *([1.0] if short_of_space else [])], default=None)
            may_go = (
                age is not None
                and study["days_old"] > age  # type: ignore[operator]
                and study["state"] in {"analyzed", "not_applicable", "rejected", "failed"} - keep
                and set(study["analyses"]) <= {"done", "failed"}  # type: ignore[call-overload]
                and set(study["deliveries"]) <= {"delivered", "discarded"}  # type: ignore[call-overload]
            )
            original, *results = files[f"1.{number}"]
            assert original.exists() is not may_go
            assert may_go or all(result.exists() for result in results)
        ground.close()


def _answered(ground: Ground, uid: str, study: dict[str, object]) -> list[Path]:
    now = ground.clock.now
    ground.clock.now = now - timedelta(days=study["days_old"])  # type: ignore[arg-type]
    files = [ground.receive(uid, f"{uid}.1")]
    files += ground.answer(uid, *[SECONDARY_CAPTURE] * len(study["deliveries"]))  # type: ignore[arg-type]
    ground.clock.now = now
    return files


_COPIED = (
    'study_instance_uid, "trigger", input_digest, identity, engine_version, model_version, attempts,'
    " interruptions, next_attempt_at, lease_owner, lease_expires_at, reason, status, result_json, queued_at,"
    " started_at, finished_at"
)


def _bring_into_state(path: Path, uid: str, study: dict[str, object]) -> None:
    """Put a study into any mix of states, legal or not."""
    with sqlite3.connect(path) as journal:
        journal.execute("UPDATE studies SET state = ? WHERE study_instance_uid = ?", (study["state"], uid))
        for state in study["analyses"]:  # type: ignore[attr-defined]
            journal.execute(
                f"INSERT INTO analyses ({_COPIED}, state) SELECT {_COPIED}, ?"  # noqa: S608 - our own columns
                " FROM analyses WHERE study_instance_uid = ? LIMIT 1",
                (state, uid),
            )
        for number, state in enumerate(study["deliveries"], start=1):  # type: ignore[arg-type]
            journal.execute(
                "UPDATE deliveries SET state = ? WHERE sop_instance_uid = ?", (state, f"{uid}.9.{number}")
            )
    journal.close()
