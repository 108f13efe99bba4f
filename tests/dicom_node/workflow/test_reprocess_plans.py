"""Many studies are analysed again behind all that is new; each once per plan, whenever the node dies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from node_support import FakeClock, load_config, outcome, receive, receive_complete

from analysis import __version__
from analysis.risk.versions import list_versions
from dicom_node.config import NodeConfig
from dicom_node.errors import ConfigurationError
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.reprocessing import ItemState, PlanPace, PlanState
from dicom_node.storage.selection import StudySelection
from dicom_node.workflow.reprocess_plans import make_plan, preview, progress, selected, set_job
from dicom_node.workflow.reprocess_runner import ReprocessRunner
from dicom_node.workflow.routing import Router

ALL = StudySelection(everything=True)
FAST = PlanPace()


@dataclass
class Ground:
    """A journal, a configuration, and the runner as a node has it, with a receiver whose load a test sets."""

    config: NodeConfig
    journal: Journal
    clock: FakeClock
    associations: int = 0

    def __post_init__(self) -> None:
        self.new_node()

    def new_node(self) -> None:
        """Go on as the next node does after this one was killed."""
        self.journal.recover("the new node")
        router = Router(self.config.routes, Archive(self.config.node.data_dir), self.journal)
        self.runner = ReprocessRunner(
            self.config,
            self.journal,
            router,
            open_associations=lambda: self.associations,
            clock=self.clock,
        )

    def receive(self, *studies: str, seconds: float = 100.0, **facts: str) -> None:
        """Have studies received and analysed, long ago."""
        for number, uid in enumerate(studies):
            receive_complete(
                self.journal,
                uid,
                patient_key=facts.get("patient_key", uid),
                **{name: value for name, value in facts.items() if name == "calling_ae"},
                study_date=facts.get("study_date", f"202001{number % 28 + 1:02}"),
            )
            self.analyze(seconds=0.5, **{n: v for n, v in facts.items() if n.endswith("_version")})
        self.clock.advance(seconds)

    def analyze(
        self, *, comparison: str = "", seconds: float = 0.0, status: str = "analyzed", **versions: str
    ) -> str:
        """Carry out the waiting analysis that comes first; return its study."""
        job = self.journal.claim_analysis("test", 60)
        assert job is not None
        self.clock.advance(seconds)
        done = replace(outcome(status, **versions), comparison=comparison)
        assert self.journal.finish_analysis(job, done)
        return job.study_instance_uid

    def plan(self, selection: StudySelection = ALL, pace: PlanPace = FAST) -> int:
        return make_plan(self.journal, self.config, selection, pace, by="eve", reason="a new model")


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    clock = FakeClock()
    config = load_config(tmp_path, extra="[reprocessing]\nin_flight = 2\n")
    journal = Journal(tmp_path / "data" / "journal.db", clock=clock)
    yield Ground(config, journal, clock)
    journal.close()


def in_force(config: NodeConfig) -> str:
    return next(item.version for item in list_versions(config.analysis.models) if item.active)


class TestSelection:
    def chosen(self, ground: Ground, **conditions: object) -> list[str]:
        selection = StudySelection(**conditions)  # type: ignore[arg-type]
        again = StudySelection.from_json(selection.to_json())
        assert again == selection, "a job's conditions outlast the process"
        return [item.study_instance_uid for item in selected(ground.journal, ground.config, again)]

    def test_by_day_of_arrival_and_of_the_study(self, ground: Ground) -> None:
        for number in range(4):  # on the 2nd, 3rd, 4th and 5th of January 2026
            ground.receive(f"1.{number}", seconds=86_400, study_date=f"2019010{number + 1}")
        assert self.chosen(ground, received_from="2026-01-03", received_until="2026-01-05") == ["1.1", "1.2"]
        assert self.chosen(ground, dated_from="20190102", dated_until="20190103") == ["1.1", "1.2"]

    def test_by_sender_patient_and_state(self, ground: Ground) -> None:
        ground.receive("1.1", calling_ae="HOLOGIC1")
        ground.receive("1.2", calling_ae="LUNAR", patient_key="a digest")
        receive_complete(ground.journal, "1.3")
        ground.analyze(status="rejected")
        receive(ground.journal, "1.4")
        assert self.chosen(ground, calling_ae="hologic*") == ["1.1"]
        assert self.chosen(ground, patients=("a digest",)) == ["1.2"]
        assert self.chosen(ground, states=("rejected", "failed")) == ["1.3"]
        assert set(self.chosen(ground, everything=True)) == {"1.1", "1.2", "1.3"}, "1.4 is still arriving"

    def test_by_scanner_and_quality_finding(self, ground: Ground) -> None:
        ground.receive("1.1", "1.2")
        from dicom_node.storage.study_search import StudyFacts

        scanners = {"1.1": "HOLOGIC Horizon", "1.2": "GE Lunar"}
        ground.journal.record_facts(
            [
                (
                    due,
                    StudyFacts(
                        scanner=scanners[due.study_instance_uid],
                        station="ROOM 7",
                        findings={"motion": "warning"} if due.study_instance_uid == "1.2" else {},
                    ),
                )
                for due in ground.journal.due_studies(10)
            ]
        )
        assert self.chosen(ground, scanner="hologic*") == ["1.1"]
        assert self.chosen(ground, scanner="room ?") == ["1.1", "1.2"]
        assert self.chosen(ground, findings=("motion", "clipped")) == ["1.2"]

    def test_by_versions_that_are_older_or_no_longer_in_force(self, ground: Ground) -> None:
        ground.receive("1.1", model_version="0.2.9-n99-abc", engine_version="0.4.0")
        ground.receive("1.2", model_version="0.3.0-n100-ffe", engine_version="0.10.0")
        ground.receive("1.3", model_version=in_force(ground.config), engine_version=__version__)
        ground.receive("1.4", model_version="", engine_version=__version__)
        assert self.chosen(ground, model_older_than="0.3.0-n100-000") == ["1.1"]
        assert self.chosen(ground, model_older_than="current") == ["1.1", "1.2"]
        assert self.chosen(ground, engine_older_than="0.5.0") == ["1.1"], "0.10 comes after 0.5"
        assert set(self.chosen(ground, engine_older_than="current")) == {"1.1", "1.2"}

    def test_nothing_said_is_not_everything(self, ground: Ground) -> None:
        with pytest.raises(ConfigurationError, match="nothing says which studies"):
            self.chosen(ground)

    def test_an_unknown_study_is_named(self, ground: Ground) -> None:
        with pytest.raises(ConfigurationError, match=r"'9\.9' was never received"):
            self.chosen(ground, studies=("9.9",))


class TestPreview:
    def test_it_says_what_would_change_and_how_long_it_takes(self, ground: Ground) -> None:
        ground.receive("1.1", "1.2", model_version="0.1.0", engine_version="0.1.0")
        ground.receive("1.3", model_version=in_force(ground.config), engine_version=__version__)
        found = preview(ground.journal, ground.config, ALL, FAST)
        assert len(found.studies) == 3
        assert found.changing_model == found.changing_engine == ("1.1", "1.2")
        assert found.by_model == {"0.1.0": 2, in_force(ground.config): 1}
        assert found.seconds_per_study == pytest.approx(0.5, abs=0.01)
        assert found.seconds == pytest.approx(1.5 / ground.config.execution.workers, abs=0.05)
        assert ground.journal.plans() == [], "nothing is done"

    def test_rate_and_hours_count(self, ground: Ground) -> None:
        ground.receive("1.1", "1.2", "1.3")
        slow = preview(ground.journal, ground.config, ALL, PlanPace(studies_per_hour=1))
        assert slow.seconds == pytest.approx(3 * 3600)
        night = preview(ground.journal, ground.config, ALL, PlanPace("23:00-01:00", 1))
        assert night.seconds == pytest.approx(86_400 + 3600), "two hours tonight, one tomorrow"

    def test_what_must_be_fetched_is_counted(self, ground: Ground) -> None:
        ground.receive("1.1", "1.2")
        with ground.journal._transaction():
            ground.journal._execute(
                "UPDATE instances SET released_at = 'then' WHERE study_instance_uid = '1.2'"
            )
        assert preview(ground.journal, ground.config, ALL, FAST).to_fetch == 1

    def test_hours_that_are_none_are_refused(self, ground: Ground) -> None:
        ground.receive("1.1")
        with pytest.raises(ConfigurationError, match="19:00-07:00"):
            preview(ground.journal, ground.config, ALL, PlanPace("22-6"))


class TestPlan:
    def test_each_study_is_analysed_once_and_the_plan_tells_what_became_of_it(self, ground: Ground) -> None:
        ground.receive("1.1", "1.2", "1.3", "1.4")
        plan = ground.plan()
        assert ground.runner.pump() == 2, "no more than are in flight at a time"
        assert ground.runner.pump() == 0
        assert ground.analyze(comparison="changed") == "1.1"
        assert ground.analyze(comparison="unchanged") == "1.2"
        ground.runner.pump()
        ground.analyze(status="rejected")
        job = ground.journal.claim_analysis("test", 60)
        assert job is not None
        ground.journal.fail_analysis(job, "no memory", retry_at=None)
        ground.runner.pump()
        done = ground.journal.plan(plan)
        assert done.state is PlanState.DONE
        assert done.items == {
            ItemState.CHANGED: 1,
            ItemState.UNCHANGED: 1,
            ItemState.DECLINED: 1,
            ItemState.FAILED: 1,
        }
        assert ground.runner.pump() == 0
        assert ground.journal.summary()["analyses"] == {"done": 7, "failed": 1}

    def test_a_patients_earlier_studies_come_first(self, ground: Ground) -> None:
        ground.receive("1.1", study_date="20240101", patient_key="one")
        ground.receive("1.2", study_date="20190101", patient_key="one")
        ground.plan()
        ground.runner.pump()
        assert [ground.analyze(), ground.analyze()] == ["1.2", "1.1"]

    def test_after_a_crash_it_goes_on_where_it_was(self, ground: Ground) -> None:
        ground.receive(*(f"1.{number}" for number in range(10)))
        before = ground.journal.summary()["analyses"]["done"]
        plan = ground.plan()
        while ground.journal.plan(plan).state is PlanState.RUNNING:
            ground.runner.pump()
            ground.journal.claim_analysis("a node that dies", 60)
            ground.new_node()
            while ground.journal.summary()["analyses"].get("queued"):
                ground.analyze(comparison="changed")
            ground.new_node()
            ground.runner.pump()
        assert ground.journal.plan(plan).items == {ItemState.CHANGED: 10}
        assert ground.journal.summary()["analyses"] == {"done": before + 10}

    def test_new_studies_come_first(self, ground: Ground) -> None:
        ground.receive("1.1", "1.2", "1.3", "1.4")
        plan = ground.plan()
        ground.runner.pump()
        receive_complete(ground.journal, "2.1", patient_key="new", study_date="20260101")
        assert ground.analyze() == "2.1", "before those of the plan that were queued earlier"
        receive_complete(ground.journal, "2.2", patient_key="newer")
        ground.analyze(), ground.analyze()
        receive_complete(ground.journal, "2.3", patient_key="newest")
        ground.clock.advance(120)
        assert ground.runner.pump() == 0
        assert "new studies, which are analysed first" in ground.journal.plan(plan).waits_for
        assert ground.analyze() == "2.3"
        assert ground.runner.pump() == 1, "another one is queued already"
        assert ground.journal.plan(plan).waits_for == ""

    def test_a_new_follow_up_does_not_wait_for_an_earlier_study_of_a_plan(self, ground: Ground) -> None:
        ground.receive("1.1", patient_key="one", study_date="20190101")
        ground.plan()
        ground.runner.pump()
        receive_complete(ground.journal, "2.1", patient_key="one", study_date="20260101")
        assert ground.analyze() == "2.1"

    def test_it_waits_while_the_receiver_is_busy(self, ground: Ground) -> None:
        ground.receive("1.1")
        plan = ground.plan()
        ground.associations = 5
        assert ground.runner.pump() == 0
        assert "more than 4 associations are open" in ground.journal.plan(plan).waits_for
        ground.associations = 0
        for _ in range(61):
            receive(ground.journal, "2.1")
        assert ground.runner.pump() == 0
        assert "more than 60 objects came within a minute" in ground.journal.plan(plan).waits_for
        ground.clock.advance(61)
        assert ground.runner.pump() == 1

    def test_it_keeps_its_hours_and_its_rate(self, ground: Ground) -> None:
        ground.receive("1.1", "1.2", "1.3")
        ground.clock.now = datetime(2026, 1, 5, 12).astimezone()
        plan = ground.plan(pace=PlanPace("22:00-06:00", studies_per_hour=60))
        assert ground.runner.pump() == 0
        assert "the hours 22:00-06:00" in ground.journal.plan(plan).waits_for
        ground.clock.now = datetime(2026, 1, 5, 23).astimezone()
        assert ground.runner.pump() == 1
        assert "60 studies per hour" in ground.journal.plan(plan).waits_for
        ground.clock.advance(59)
        assert ground.runner.pump() == 0
        ground.clock.advance(2)
        assert ground.runner.pump() == 1

    def test_it_can_be_paused_resumed_and_cancelled(self, ground: Ground) -> None:
        ground.receive("1.1", "1.2", "1.3", "1.4", "1.5")
        plan = ground.plan()
        assert ground.journal.pause_plan(plan, by="eve", reason="the PACS is being mended")
        assert ground.runner.pump() == 0
        assert not ground.journal.pause_plan(plan, by="eve", reason="again")
        assert ground.journal.resume_plan(plan, by="eve", reason="mended")
        assert ground.runner.pump() == 2
        assert ground.journal.cancel_plan(plan, by="eve", reason="wrong model")
        ground.analyze(comparison="changed"), ground.analyze(comparison="changed")
        assert ground.runner.pump() == 0
        ended = ground.journal.plan(plan)
        assert ended.state is PlanState.CANCELLED
        assert ended.items == {ItemState.CHANGED: 2, ItemState.CANCELLED: 3}, "what was queued is analysed"
        assert not ground.journal.resume_plan(plan, by="eve", reason="")
        told = [event.message for event in ground.journal.events() if event.code.startswith("reprocessing")]
        assert any("wrong model" in message for message in told)

    def test_what_cannot_be_analysed_now_is_skipped_and_says_why(self, ground: Ground) -> None:
        ground.receive("1.1", "1.2", "1.3")
        plan = ground.plan()
        ground.journal.hold_study("1.1", by="eve", reason="wrong patient")
        receive(ground.journal, "1.2")
        assert ground.journal.requeue_study("1.3")
        ground.analyze()
        assert ground.journal.requeue_study("1.3")
        ground.journal.hold_study("1.3", by="eve", reason="so that nothing new waits")
        ground.journal.release_study("1.3", by="eve", reason="")
        ground.clock.advance(-1)
        ground.runner._waits_for = lambda plan: ""  # type: ignore[method-assign]
        ground.runner.pump()
        reasons = {item.study_instance_uid: item.reason for item in ground.journal.plan_items(plan)}
        assert "held" in reasons["1.1"]
        assert "still arriving" in reasons["1.2"]
        assert "queued already" in reasons["1.3"]
        assert ground.journal.plan(plan).items == {ItemState.SKIPPED: 3}

    def test_results_of_a_plan_are_sent_after_those_of_new_studies(self, ground: Ground) -> None:
        from dicom_node.storage.records import ResultRecord

        def finish(uid: str, result: str) -> None:
            job = ground.journal.claim_analysis("test", 60)
            assert job is not None and job.study_instance_uid == uid
            record = ResultRecord(result, "1.2.840.10008.5.1.4.1.1.7", "summary", f"results/{result}", "ab")
            done = replace(outcome(identity=uid * 9, results=(record,)), sets={"pacs": (result,)})
            assert ground.journal.finish_analysis(job, done)

        ground.receive("1.1")
        ground.plan()
        ground.runner.pump()
        finish("1.1", "9.1")
        receive_complete(ground.journal, "2.1", patient_key="new")
        finish("2.1", "9.2")
        claimed = ground.journal.claim_deliveries("pacs", owner="test", lease_seconds=60)
        assert next(item.sop_instance_uid for item in claimed) == "9.2"

    def test_progress_tells_rate_and_expected_end(self, ground: Ground) -> None:
        ground.receive(*(f"1.{number}" for number in range(10)))
        plan = ground.plan()
        assert progress(ground.journal, ground.journal.plan(plan), now=ground.clock()).per_hour is None
        for _ in range(2):
            ground.runner.pump()
            ground.analyze(), ground.analyze()
            ground.clock.advance(60)
            ground.runner._journal.settle_planned()
        now = progress(ground.journal, ground.journal.plan(plan), now=ground.clock())
        assert (now.settled, now.studies) == (4, 10)
        assert now.per_hour == pytest.approx(4 * 3600 / 120)
        assert now.expected_end == ground.clock() + timedelta(seconds=180)


class TestJobs:
    def test_a_job_makes_a_plan_whenever_its_time_comes(self, ground: Ground) -> None:
        ground.receive("1.1", "1.2")
        ground.clock.now = datetime.now(UTC)
        first = set_job(
            ground.journal, "nightly", "0 22 * * *", ALL, PlanPace("22:00-06:00"),
            source="command", by="eve", reason="to follow the model",
        )  # fmt: skip
        assert ground.runner.pump() == 0 and ground.journal.plans() == []
        ground.clock.now = first + timedelta(minutes=1)
        ground.runner.pump()
        (plan,) = ground.journal.plans()
        assert (plan.job, plan.requested_by, plan.studies) == ("nightly", "eve", 2)
        ground.runner.pump()
        assert len(ground.journal.plans()) == 1
        (job,) = ground.journal.reprocessing_jobs()
        assert datetime.fromisoformat(job.next_at) == first + timedelta(days=1)
        assert ground.journal.remove_reprocessing_job("nightly", by="eve", reason="enough")

    def test_a_night_on_which_nothing_fits_makes_no_plan(self, ground: Ground) -> None:
        ground.clock.now = datetime.now(UTC)
        none = StudySelection(states=("failed",))
        first = set_job(
            ground.journal, "failed", "0 22 * * *", none, FAST, source="console", by="eve", reason=""
        )
        ground.clock.now = first
        ground.runner.pump()
        assert ground.journal.plans() == []
        assert "no study fits" in [event.message for event in ground.journal.events()][-1]

    def test_jobs_of_the_configuration_follow_it(self, ground: Ground, tmp_path: Path) -> None:
        job = '[[job]]\nname = "model"\ncron = "30 1 * * 0"\nmodel_older_than = "current"\n'
        ground.config = load_config(tmp_path, extra=job)
        ground.new_node()
        ground.runner.begin()
        ground.runner.begin()
        (known,) = ground.journal.reprocessing_jobs()
        assert (known.name, known.source) == ("model", "configuration")
        assert datetime.fromisoformat(known.next_at).astimezone().strftime("%a %H:%M") == "Sun 01:30"
        with pytest.raises(ConfigurationError, match="from the configuration"):
            set_job(ground.journal, "model", "0 0 * * *", ALL, FAST, source="console", by="eve", reason="")
        ground.config = load_config(tmp_path)
        ground.new_node()
        ground.runner.begin()
        assert ground.journal.reprocessing_jobs() == []

    @pytest.mark.parametrize("wrong", ["", "0 22 * *", "0 25 * * *", "0 0 31 2 *", "never at all you know"])
    def test_an_expression_that_never_comes_is_refused(self, ground: Ground, wrong: str) -> None:
        with pytest.raises(ConfigurationError, match="cron expression"):
            set_job(ground.journal, "x", wrong, ALL, FAST, source="command", by="eve", reason="")

    def test_an_expression_of_the_configuration_is_checked_before_anything_starts(
        self, tmp_path: Path
    ) -> None:
        job = '[[job]]\nname = "all"\ncron = "0 0 31 2 *"\neverything = true\n'
        with pytest.raises(ConfigurationError, match=r"\[\[job\]\] 1 \(all\): .* never comes"):
            load_config(tmp_path, extra=job)

    def test_a_configured_job_without_a_condition_must_say_everything(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="everything = true"):
            load_config(tmp_path, extra='[[job]]\nname = "all"\ncron = "0 0 1 * *"\n')


def test_a_selection_is_journalled_as_plain_conditions() -> None:
    assert json.loads(StudySelection(states=("failed",)).to_json()) == {"states": ["failed"]}
