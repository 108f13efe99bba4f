"""What changed in the journal, told to open pages as server-sent events: the names of topics, no data.

A page refreshes its part with ``hx-get`` and ``hx-trigger="sse:studies"``. The journal is looked at once a
second for all browsers together, in detail only when somebody has written to it (``PRAGMA data_version``).
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from dicom_node.web.context import SessionsDep, Viewer, current_session

__all__ = ["TOPICS", "Feed", "router"]

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
HEARTBEAT_SECONDS = 15.0
"""A comment is sent this often, so that proxies keep the connection; then the session is looked at, too."""

TOPICS: Mapping[str, tuple[str, ...]] = {
    "studies": (
        "SELECT max(id) FROM instances",
        "SELECT max(id) FROM analyses",
        "SELECT state, count(*) FROM studies GROUP BY state",
        "SELECT count(*) FROM holds",
        # what lists say of a study is read from its result a moment after the analysis has ended
        "SELECT count(*), max(study_key) FROM study_facts INDEXED BY study_facts_due WHERE due > 0",
    ),
    "queue": (
        "SELECT count(*), max(id) FROM deliveries INDEXED BY deliveries_open"
        " WHERE state IN ('pending', 'sending')",
        "SELECT count(*), max(id) FROM deliveries INDEXED BY deliveries_dead WHERE state = 'dead'",
        "SELECT count(*), max(id) FROM deliveries INDEXED BY deliveries_stored WHERE state = 'stored'",
        "SELECT state, count(*) FROM analyses WHERE state IN ('queued', 'running') GROUP BY state",
        "SELECT breaker, failures, count(*) FROM destination_health GROUP BY breaker, failures",
    ),
    "jobs": (
        "SELECT max(id) FROM job_runs",
        "SELECT max(id) FROM job_requests",
        "SELECT name, updated_at FROM jobs",
        "SELECT name FROM job_pauses",
        "SELECT name, next_at FROM reprocessing_jobs",
        "SELECT id, state, waits_for FROM reprocessing_plans WHERE state IN ('running', 'paused')",
        "SELECT max(id) FROM reprocessing_plans",
    ),
    "changes": ("SELECT max(id) FROM changes",),
}
"""Topic -> questions to the journal; it changed when an answer did. Each must be answered by an index."""

router = APIRouter()


class Feed:
    """Looks at the journal and wakes every open page's stream."""

    def __init__(self, journal: Path) -> None:
        self._path = journal
        self._streams: set[asyncio.Queue[str]] = set()
        self._last: dict[str, object] = {}
        self._version: object = None
        self._connection: sqlite3.Connection | None = None

    async def run(self) -> None:
        """Look until cancelled; costs nothing while no page is open."""
        try:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                if self._streams:
                    for topic in await run_in_threadpool(self._changed):
                        for stream in self._streams:
                            stream.put_nowait(topic)
        finally:
            if self._connection is not None:
                self._connection.close()

    async def topics(self) -> AsyncIterator[str]:
        """Yield the topics that change from now on; an empty text when nothing has for a while."""
        stream: asyncio.Queue[str] = asyncio.Queue()
        self._streams.add(stream)
        try:
            while True:
                try:
                    yield await asyncio.wait_for(stream.get(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield ""
        finally:
            self._streams.discard(stream)

    def _changed(self) -> list[str]:
        try:
            connection = self._connection or self._open()
            version = connection.execute("PRAGMA data_version").fetchone()
            if version == self._version:
                return []
            answers: dict[str, object] = {
                topic: [connection.execute(sql).fetchall() for sql in questions]
                for topic, questions in TOPICS.items()
            }
        except sqlite3.Error as error:
            logger.warning("the journal cannot be looked at: %s", error)
            return []
        changed = [topic for topic, answer in answers.items() if self._last.get(topic, answer) != answer]
        self._version, self._last = version, answers
        return [*changed, "overview"] if changed else []

    def _open(self) -> sqlite3.Connection:
        uri = f"{self._path.absolute().as_uri()}?mode=ro"
        self._connection = sqlite3.connect(
            uri, uri=True, timeout=2, isolation_level=None, check_same_thread=False
        )
        return self._connection


@router.get("/live", include_in_schema=False)
async def live(request: Request, user: Viewer, sessions: SessionsDep) -> StreamingResponse:
    """Stream the names of topics that change."""

    async def events() -> AsyncIterator[str]:
        yield "retry: 3000\n\n"
        for topic in (
            *TOPICS,
            "overview",
        ):  # what changed while nobody listened: before, or between two streams
            yield f"event: {topic}\ndata: \n\n"
        async for topic in request.app.state.feed.topics():
            if topic:
                yield f"event: {topic}\ndata: \n\n"
            elif await run_in_threadpool(current_session, request, sessions) is None:
                return
            else:
                yield ": still here\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")
