"""The fault matrix: at which step which fault is injected, and what must come of it.

After every cell holds, besides what it says itself: nothing acknowledged is lost, no result is sent twice,
``quick_check`` is sound, nothing is left in the making, and the next good object is stored.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CELLS", "Cell"]


@dataclass(frozen=True)
class Cell:
    """One row of docs/reliability.md."""

    step: str
    fault: str
    expected: str


CELLS: dict[str, Cell] = {
    "1": Cell("accept", "client connects and stays silent", "closed in 15 s; a good client served in 1 s"),
    "2": Cell("accept", "half a PDU header, then silence", "closed in 15 s; a good client served in 1 s"),
    "3": Cell(
        "accept", "half an A-ASSOCIATE-RQ, then silence", "closed in 15 s; a good client served in 1 s"
    ),
    "4": Cell("accept", "one byte every 2 s", "closed in 15 s; a good client served in 1 s"),
    "5": Cell("accept", "200 connections at once", "every one answered or closed in 5 s"),
    "6": Cell("accept", "300 silent connections from one address", "a client from another address in 1 s"),
    "7": Cell("accept", "no file descriptor left", "refused, no busy loop, recovers in 15 s"),
    "8": Cell("accept", "no thread can be started", "refused, recovers in 15 s"),
    "9": Cell("negotiate", "probe, wrong version, bad AE title, 500 contexts", "rejected; slot back in 1 s"),
    "10": Cell("receive", "A-ABORT in the middle of an object", "not journalled; resend stored"),
    "11": Cell("receive", "connection reset in the middle of an object", "not journalled; resend stored"),
    "12": Cell("receive", "half a P-DATA PDU, then silence", "closed in 15 s; not journalled; resend stored"),
    "13": Cell(
        "receive", "PDU length FFFFFFFF; an endless object", "cut at the cap; memory + 100 MiB at most"
    ),
    "14": Cell("receive", "SIGKILL in the middle of an object", "serving again in 5 s; resend stored"),
    "15": Cell("receive", "SIGTERM in the middle of an object", "ends in 30 s; nothing acknowledged lost"),
    "16": Cell("write", "disk full (ENOSPC)", "0xA700; nothing visible in the archive"),
    "17": Cell("write", "file size limit (EFBIG)", "0xA700; nothing visible in the archive"),
    "18": Cell("write", "disk error (EIO)", "0xA700; nothing visible in the archive"),
    "19": Cell("sync file", "disk error (EIO) once", "0xA700; file dropped; the sync is not tried again"),
    "20": Cell("rename", "SIGKILL before", "not acknowledged; leftover removed"),
    "21": Cell("rename", "SIGKILL after", "not acknowledged; file without a row removed or adopted"),
    "22": Cell("sync directory", "disk error (EIO)", "0xA700"),
    "23": Cell("journal commit", "disk full (SQLITE_FULL)", "0xA700; the reserve lets the journal be mended"),
    "24": Cell(
        "journal commit", "database locked for 30 s (SQLITE_BUSY)", "0xA700 or stored; serving afterwards"
    ),
    "25": Cell("journal commit", "disk error, SIGKILL", "not acknowledged; resend gives one row"),
    "26": Cell("after commit", "SIGKILL before the answer", "resend: 0x0000, one row, one analysis"),
    "27": Cell("after commit", "client gone", "analysed once"),
    "28": Cell("queue", "SIGKILL with the lease held", "exactly one result set"),
    "29": Cell("queue", "clock set back 400 days; forward one day", "exactly one result set"),
    "30": Cell("compute", "worker out of memory", "ended at its limit; failed with a reason; others go on"),
    "31": Cell("compute", "worker hangs", "ended at its limit; failed with a reason; others go on"),
    "32": Cell("compute", "an object that kills the worker every time", "declined after N attempts; no loop"),
    "33": Cell("compute", "a model file with another hash", "the node refuses to start, and names it"),
    "34": Cell("write result", "disk full; SIGKILL", "no half result set; the same UIDs on the next run"),
    "35": Cell("send", "connection refused", "retried with back-off, then delivered once"),
    "36": Cell("send", "status 0xA700", "retried with back-off, then delivered once"),
    "37": Cell(
        "send", "cut after the data, before the answer", "same UIDs sent again; one object at the PACS"
    ),
    "38": Cell(
        "send", "peer stalls in the middle, never reads", "given up in 60 s; other destinations go on"
    ),
    "39": Cell(
        "journal at start", "corrupt page, truncated WAL, no file", "refuses to serve, says how to mend"
    ),
    "40": Cell(
        "console",
        "journal locked, disk full, 10,000 requests",
        "answers; an object takes 10 ms longer at most",
    ),
    "41": Cell("upgrade", "SIGKILL in the middle of a migration", "old or new schema, never one between"),
    "42": Cell(
        "backup", "SIGKILL in the middle; older journal restored", "older backup intact; differences listed"
    ),
    "P1": Cell("PACS", "down", "waits; delivered once when it is back"),
    "P2": Cell("PACS", "rejects the association for a while", "waits; delivered once"),
    "P3": Cell("PACS", "accepts, then 0xA700", "waits; delivered once"),
    "P4": Cell("PACS", "accepts, then silent", "given up after the time-out; delivered once later"),
    "P5": Cell("PACS", "disconnects in the middle of a C-STORE", "delivered once"),
    "P6": Cell("PACS", "does not know our AE title", "dead letter at once, with the cure"),
    "P7": Cell("PACS", "shows a wrong certificate", "nothing sent; the reason names the certificate"),
}
"""By number; P: at the PACS."""
