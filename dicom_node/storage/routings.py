"""How studies were routed, which ones an administrator holds or completes, and what an archive counts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from dicom_node.storage.events import EventLog
from dicom_node.storage.records import DEFAULT_PRIORITY, DEFAULT_ROUTE_NAME, Severity

__all__ = [
    "DEFAULT_ROUTING",
    "ExpectedCount",
    "Hold",
    "RoutedInstance",
    "Routing",
    "RoutingTables",
    "StudyRequest",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """What a route decided for one study.

    Attributes
    ----------
    destinations : tuple of str or None
        Names of destinations that get results; None = every one.
    guideline, models : str
        Absolute paths in place of those of ``[analysis]``; empty = those of ``[analysis]``.
    reasons : tuple of str
        Why the route fits; without values of the data set, which may name a patient.
    """

    route: str = DEFAULT_ROUTE_NAME
    actions: tuple[str, ...] = ("analyse",)
    destinations: tuple[str, ...] | None = None
    forward_to: tuple[str, ...] = ()
    guideline: str = ""
    models: str = ""
    priority: int = DEFAULT_PRIORITY
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        told = {
            "analyse": f"results to {_listed(self.destinations)}",
            "forward": f"originals to {_listed(self.forward_to)}",
            "store": "kept, nothing else",
            "discard": "not kept",
        }
        what = ", ".join(f"{action} ({told[action]})" for action in self.actions)
        return f"route {self.route!r}: {what}"


DEFAULT_ROUTING = Routing(reasons=("no route of the site fits",))


@dataclass(frozen=True, slots=True)
class RoutedInstance:
    """One received input, as far as a route may ask about it."""

    sop_class_uid: str
    transfer_syntax_uid: str
    sha256: str
    path: PurePosixPath
    """Relative to the data directory."""
    calling_ae: str
    called_ae: str
    peer_address: str


@dataclass(frozen=True, slots=True)
class Hold:
    """A study that an administrator holds back."""

    study_instance_uid: str
    held_by: str
    reason: str
    held_at: str


@dataclass(frozen=True, slots=True)
class StudyRequest:
    """An administrator's wish that a study count as complete now."""

    study_instance_uid: str
    requested_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class ExpectedCount:
    """What an archive said when it was asked how many objects of a study it has."""

    archive: str
    instances: int | None
    """None: it did not say, for `problem`."""
    problem: str
    asked_at: str


class RoutingTables(EventLog):
    """The tables ``routings``, ``holds``, ``completion_requests``, ``expected_counts`` and ``shortfalls``."""

    def routing(self, study_instance_uid: str) -> Routing:
        """Return how a study was routed when it was last complete; the default if it never was."""
        row = self._row(
            "SELECT route, actions, destinations, forward_to, guideline, models, priority, reasons"
            " FROM routings WHERE study_instance_uid = ?",
            (study_instance_uid,),
        )
        if row is None:
            return DEFAULT_ROUTING
        for name in ("actions", "destinations", "forward_to", "reasons"):
            row[name] = None if row[name] is None else tuple(json.loads(row[name]))
        return Routing(**row)

    def record_routing(self, study_instance_uid: str, routing: Routing) -> None:
        """Journal what a route decided for a study, in place of what was decided before."""
        with self._transaction():
            self._execute(
                "INSERT OR REPLACE INTO routings (study_instance_uid, route, actions, destinations,"
                " forward_to, guideline, models, priority, reasons, decided_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    study_instance_uid,
                    routing.route,
                    json.dumps(routing.actions),
                    None if routing.destinations is None else json.dumps(routing.destinations),
                    json.dumps(routing.forward_to),
                    routing.guideline,
                    routing.models,
                    routing.priority,
                    json.dumps(routing.reasons),
                    self._now(),
                ),
            )
            self.note_event(
                Severity.INFO,
                "study_routed",
                f"{routing}; {'; '.join(routing.reasons)}",
                study_instance_uid=study_instance_uid,
            )

    def count_routes(self) -> dict[str, int]:
        """Return how many studies each route decided, by its name."""
        rows = self._rows("SELECT route, count(*) AS studies FROM routings GROUP BY route ORDER BY route")
        return {row["route"]: row["studies"] for row in rows}

    def routed_instances(self, study_instance_uid: str) -> tuple[RoutedInstance, ...]:
        """Return every input of a study, each version, in order of arrival."""
        rows = self._rows(
            "SELECT sop_class_uid, transfer_syntax_uid, sha256, path, calling_ae, called_ae, peer_address"
            " FROM instances WHERE study_instance_uid = ? AND kind = 'input' ORDER BY id",
            (study_instance_uid,),
        )
        return tuple(RoutedInstance(**{**row, "path": PurePosixPath(row["path"])}) for row in rows)

    def count_inputs(self, study_instance_uid: str) -> int:
        """Return how many objects of a study were received, each once however many versions came."""
        row = self._row(
            "SELECT count(DISTINCT sop_instance_uid) AS objects FROM instances"
            " WHERE study_instance_uid = ? AND kind = 'input'",
            (study_instance_uid,),
        )
        return int(row["objects"]) if row else 0

    def hold_study(self, study_instance_uid: str, *, by: str, reason: str) -> bool:
        """Hold a study back: it is neither completed, analysed nor delivered; False if it is held already."""
        with self._transaction():
            held = self._execute(
                "INSERT INTO holds VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (study_instance_uid, by, reason, self._now()),
            )
            if held:
                self._note_request(study_instance_uid, "study_held", f"held by {by}: {reason}")
            return bool(held)

    def release_study(self, study_instance_uid: str, *, by: str, reason: str) -> bool:
        """Let a held study go on; False if it is not held."""
        with self._transaction():
            released = self._execute("DELETE FROM holds WHERE study_instance_uid = ?", (study_instance_uid,))
            if released:
                self._note_request(study_instance_uid, "study_released", f"released by {by}: {reason}")
            return bool(released)

    def holds(self) -> dict[str, Hold]:
        """Return every hold by Study Instance UID."""
        return {row["study_instance_uid"]: Hold(**row) for row in self._rows("SELECT * FROM holds")}

    def request_completion(self, study_instance_uid: str, *, by: str, reason: str) -> None:
        """Ask the node to count a study as complete now, whatever is missing."""
        with self._transaction():
            self._execute(
                "INSERT OR REPLACE INTO completion_requests VALUES (?, ?, ?, ?)",
                (study_instance_uid, by, reason, self._now()),
            )
            self._note_request(
                study_instance_uid, "completion_requested", f"to be completed now, by {by}: {reason}"
            )

    def completion_requests(self) -> list[StudyRequest]:
        """Return the requests that the node has not carried out yet, oldest first."""
        rows = self._rows(
            "SELECT study_instance_uid, requested_by, reason FROM completion_requests ORDER BY requested_at"
        )
        return [StudyRequest(**row) for row in rows]

    def drop_completion_request(self, study_instance_uid: str) -> None:
        """Forget a request: it is carried out, or there is nothing to complete any more."""
        with self._transaction():
            self._execute(
                "DELETE FROM completion_requests WHERE study_instance_uid = ?", (study_instance_uid,)
            )

    def record_count(
        self, study_instance_uid: str, archive: str, instances: int | None, *, problem: str = ""
    ) -> None:
        """Journal how many objects of a study an archive says it has, or why it did not say."""
        with self._transaction():
            self._execute(
                "INSERT OR REPLACE INTO expected_counts VALUES (?, ?, ?, ?, ?)",
                (study_instance_uid, archive, instances, problem, self._now()),
            )

    def expected_count(self, study_instance_uid: str) -> ExpectedCount | None:
        """Return the archive's last answer about a study, None if it was never asked."""
        row = self._row(
            "SELECT archive, instances, problem, asked_at FROM expected_counts WHERE study_instance_uid = ?",
            (study_instance_uid,),
        )
        return ExpectedCount(**row) if row else None

    def record_shortfall(self, study_instance_uid: str, missing: str) -> None:
        """Journal what a study lacks although it counts as complete; empty = nothing any more."""
        with self._transaction():
            self._execute("DELETE FROM shortfalls WHERE study_instance_uid = ?", (study_instance_uid,))
            if missing:
                self._execute("INSERT INTO shortfalls VALUES (?, ?)", (study_instance_uid, missing))

    def shortfall(self, study_instance_uid: str) -> str:
        """Return what is known to be missing of a study that counts as complete; empty without."""
        row = self._row("SELECT missing FROM shortfalls WHERE study_instance_uid = ?", (study_instance_uid,))
        return str(row["missing"]) if row else ""

    def _note_request(self, study_instance_uid: str, code: str, message: str) -> None:
        self.note_event(Severity.WARNING, code, message, study_instance_uid=study_instance_uid)


def _listed(names: Sequence[str] | None) -> str:
    if names is None:
        return "every destination"
    return ", ".join(names) or "nobody"
