"""What runs every second must not read tables that grow for years: it finds its rows by an index."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from dicom_node.storage.journal import Journal
from dicom_node.storage.records import StudyState
from dicom_node.storage.retrievals import RetrievalPurpose

NOW = datetime(2026, 3, 1, tzinfo=UTC)

PERIODIC: dict[str, Callable[[Journal], object]] = {
    "claim an analysis": lambda journal: journal.claim_analysis("owner", 60, priors_seconds=60),
    "claim deliveries": lambda journal: journal.claim_deliveries("pacs", owner="owner", lease_seconds=60),
    "claim a retrieval": lambda journal: journal.claim_retrieval(
        "pacs", owner="owner", lease_seconds=60, first=True
    ),
    "give up unserved retrievals": lambda journal: journal.give_up_unserved(["pacs"]),
    "studies that arrive": lambda journal: journal.studies_in_state(StudyState.RECEIVING),
    "completion requests": lambda journal: journal.completion_requests(),
    "searches for priors": lambda journal: journal.prior_searches(),
    "analyses without a search": lambda journal: journal.analyses_awaiting_priors(),
    "confirmations": lambda journal: journal.due_confirmations("pacs"),
    "pledges": lambda journal: journal.due_pledge(),
    "notices": lambda journal: journal.collect_notices([], [], lambda _event: ""),
    "audits": lambda journal: journal.untold([], limit=100),
    "stuck studies": lambda journal: journal.stuck_studies(NOW),
    "a clock set back": lambda journal: journal.forgive_future(),
    "dead letters": lambda journal: journal.dead_letters(),
    "counts of what waits": lambda journal: journal.open_counts(),
    "a page of what waits": lambda journal: journal.open_deliveries(destination="pacs"),
    "studies whose search facts are due": lambda journal: journal.due_studies(50),
    "revive dead letters": lambda journal: journal.revive_deliveries(),
    "discard a study's dead letters": lambda journal: journal.discard_deliveries(study_instance_uid="1.2"),
}

SMALL = {"holds", "completion_requests", "heads", "next", "notices", "notice_bookmark", "audit_bookmark"}
SMALL |= {"page", "audit_transfers", "json_each", "CONSTANT", "fetched_histories"}
OF_FEW_ROWS = {"study_facts_due", "deliveries_open", "deliveries_dead", "deliveries_stored"}
OF_FEW_ROWS |= {"retrievals_open_once", "prior_searches_open"}
"""Partial indexes: they hold what is open, however much is done."""


@pytest.mark.parametrize("name", PERIODIC)
def test_no_table_that_grows_is_read_as_a_whole(
    journal: Journal, queue: Callable[[str], None], name: str
) -> None:
    queue("1.2.3")
    journal.request_retrieval("1.2.4", "pacs", RetrievalPurpose.ASKED)
    journal.collect_notices([], [], lambda _event: "")
    seen: list[str] = []
    for connection in (journal._database.conn, journal._reader):
        connection.set_trace_callback(seen.append)
    PERIODIC[name](journal)
    for connection in (journal._database.conn, journal._reader):
        connection.set_trace_callback(None)
    asked = [sql for sql in seen if re.match(r"\s*(SELECT|WITH|UPDATE|DELETE)", sql)]
    assert asked
    whole = [(step, sql) for sql in asked for step in plan(journal, sql) if is_whole(step)]
    assert not whole


def plan(journal: Journal, sql: str) -> list[str]:
    """How SQLite finds the rows; without statistics, which the journal has none of, size is no matter."""
    connection = sqlite3.connect(journal.path)
    try:
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}")]
    finally:
        connection.close()


def is_whole(step: str) -> bool:
    found = re.match(r"SCAN (\w+)(?: .*INDEX (\w+))?", step)
    return bool(found) and found[1] not in SMALL and found[2] not in OF_FEW_ROWS
