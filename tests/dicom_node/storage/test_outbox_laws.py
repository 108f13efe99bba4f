"""Whatever happens in whatever order, a delivery is never lost, never claimed by two, never called delivered
before it is confirmed."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule
from node_support import sent_to, undelivered_paths

from dicom_node.storage.commitments import MAX_REFUSALS
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import AnalysisOutcome, Delivery, InstanceKind, ReceivedInstance, ResultRecord

LEASE_SECONDS = 60
OBJECTS = 3


class OutboxMachine(RuleBasedStateMachine):
    """Workers claim, send, fail, stall and die; the clock moves only forwards."""

    claimed = Bundle("claimed")

    @initialize()
    def open_journal(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.now = datetime(2026, 3, 1, tzinfo=UTC)
        self.journal = Journal(Path(self.folder.name, "journal.db"), clock=lambda: self.now)
        self.delivered: set[int] = set()
        self.buried: set[int] = set()
        self.accepted: set[int] = set()
        self.leases: dict[int, tuple[Delivery, datetime]] = {}
        self._analyse_one_study()

    def _analyse_one_study(self) -> None:
        fields = dict.fromkeys(ReceivedInstance.__dataclass_fields__, "1.2")
        self.journal.record_instance(
            ReceivedInstance(**{**fields, "size": 1, "kind": InstanceKind.INPUT})  # type: ignore[arg-type]
        )
        study = self.journal.study("1.2")
        assert study is not None
        self.journal.complete_study(study, "quiet")
        job = self.journal.claim_analysis("owner", 60)
        assert job is not None
        results = tuple(ResultRecord(f"1.2.{n}", "1.2", "report", "p", "s") for n in range(OBJECTS))
        outcome = AnalysisOutcome(
            status="analyzed",
            reason="",
            identity="i",
            engine_version="1",
            model_version="1",
            result_json="{}",
            results=results,
        )
        assert self.journal.finish_analysis(job, sent_to(outcome, ["pacs"]))

    @rule(target=claimed, owner=st.sampled_from("ab"))
    def claim(self, owner: str) -> object:
        deliveries = self.journal.claim_deliveries("pacs", owner=owner, lease_seconds=LEASE_SECONDS)
        for delivery in deliveries:
            assert delivery.id not in self.delivered | self.buried | self.accepted
            _, expires = self.leases.get(delivery.id, (None, self.now))
            assert expires <= self.now, "claimed while another lease was running"
            self.leases[delivery.id] = (delivery, self.now + timedelta(seconds=LEASE_SECONDS))
        return multiple(*deliveries)

    @rule(delivery=consumes(claimed))
    def arrive(self, delivery: Delivery) -> None:
        self.journal.mark_delivered(delivery, 0)
        self.delivered.add(delivery.id)
        self.buried.discard(delivery.id)
        self.accepted.discard(delivery.id)
        self.leases.pop(delivery.id, None)

    @rule(delivery=consumes(claimed))
    def accept(self, delivery: Delivery) -> None:
        if self._let_go(delivery):
            self.journal.mark_stored(delivery, 0, verify_at=self.now)
            self.accepted.add(delivery.id)

    @rule(loses=st.booleans(), twice=st.booleans())
    def report(self, loses: bool, twice: bool) -> None:
        rows = self.journal.due_confirmations("pacs")
        transaction = f"2.25.{len(rows)}"
        self.journal.begin_commitment(rows, transaction)
        uids = [row.sop_instance_uid for row in rows]
        failed = dict.fromkeys(uids[:1], "no such object") if loses else {}
        for _ in range(1 + twice):
            self.journal.commitment_reported(transaction, [uid for uid in uids if uid not in failed], failed)
        for row in rows:
            self.accepted.remove(row.id)
            if row.sop_instance_uid not in failed:
                self.delivered.add(row.id)
            elif row.refusals + 1 >= MAX_REFUSALS:
                self.buried.add(row.id)

    @rule(delivery=consumes(claimed), seconds=st.sampled_from([0, 30, 90]))
    def postpone(self, delivery: Delivery, seconds: int) -> None:
        self.journal.retry_delivery_at(delivery, self.now + timedelta(seconds=seconds), reason="busy")
        self._let_go(delivery)

    @rule(delivery=consumes(claimed))
    def bury(self, delivery: Delivery) -> None:
        self.journal.bury_delivery(delivery, reason="refused")
        if self._let_go(delivery):
            self.buried.add(delivery.id)

    @rule()
    def revive(self) -> None:
        assert self.journal.revive_deliveries() == len(self.buried)
        self.buried.clear()

    @rule(seconds=st.sampled_from([1, 30, LEASE_SECONDS + 1]))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def restart(self) -> None:
        self.journal.recover("a new process")
        self.leases.clear()

    def _let_go(self, delivery: Delivery) -> bool:
        """A delivery is let go only by who holds its lease."""
        held = self.leases.get(delivery.id, (None, None))[0] == delivery
        if held:
            del self.leases[delivery.id]
        return held

    @invariant()
    def every_delivery_is_somewhere(self) -> None:
        counts = self.journal.summary()["deliveries"]
        assert sum(counts.values()) == OBJECTS
        assert counts.get("delivered", 0) == len(self.delivered)
        assert counts.get("dead", 0) == len(self.buried)
        assert counts.get("sending", 0) == len(self.leases)
        assert counts.get("stored", 0) == len(self.accepted)
        needed = undelivered_paths(self.journal)
        assert needed == ({"p"} if len(self.delivered) < OBJECTS else frozenset())

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.journal.close()
            self.folder.cleanup()


OutboxMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
TestOutbox = OutboxMachine.TestCase
