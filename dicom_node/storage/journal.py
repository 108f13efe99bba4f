"""The journal: the truth about every study, analysis, result and delivery (law 2 of the house).

Nothing lives only in memory: work is claimed by a lease, and a lease that expired, or whose owner died, is
picked up again. The methods live with their tables:

- `dicom_node.storage.events`: what an administrator reads;
- `dicom_node.storage.studies`: instances and studies;
- `dicom_node.storage.analyses`: analyses and results;
- `dicom_node.storage.outbox`: deliveries; `dicom_node.storage.commitments`: what has yet to be confirmed;
- `dicom_node.storage.waiting`: what has not been delivered, page by page;
- `dicom_node.storage.replacements`: results sent in another SOP class;
- `dicom_node.storage.health`: destinations that are down; `dicom_node.storage.notices`: what is told by mail;
- `dicom_node.storage.routings`: routes, holds, what archives count;
- `dicom_node.storage.completions`: what a complete study sets off;
- `dicom_node.storage.rebuild`: what a rebuilt or restored journal is told;
- `dicom_node.storage.retrievals`: what is to be fetched from archives;
- `dicom_node.storage.priors`: searches for priors, studies that are history only;
- `dicom_node.storage.retention`: files whose time is over;
- `dicom_node.storage.pledges`: what peers asked to be kept;
- `dicom_node.storage.set_back`: what a clock that was set back would keep waiting;
- `dicom_node.storage.reprocessing`: plans of reprocessing, over what `dicom_node.storage.selection` selects;
- `dicom_node.storage.jobs`: what became of periodic jobs, and what people want of them;
- `dicom_node.storage.audits`: what auditors are to be told;
- `dicom_node.storage.users`: who may use the console; `dicom_node.storage.changes`: what people changed;
- `dicom_node.storage.study_search`: what studies are found by; `dicom_node.storage.study_history`: one study;
- `dicom_node.storage.clinical`: facts and outcomes of patients, entries for studies;
- `dicom_node.storage.surveillance`: figures by scanner and month, and alarms;
- `dicom_node.storage.opinions`: corrections, and what radiologists say of results;
- `dicom_node.storage.returned`: documents in which they say it;
- `dicom_node.storage.fhir_reading`: how far FHIR servers were read;
- `dicom_node.storage.overview_counts`, `dicom_node.storage.queries`: what commands ask, read-only.
"""

from __future__ import annotations

import os
import uuid

from dicom_node.storage.audits import AuditTables
from dicom_node.storage.change_search import ChangeSearch
from dicom_node.storage.fhir_reading import FhirReading
from dicom_node.storage.health import HealthTable
from dicom_node.storage.jobs import JobTables
from dicom_node.storage.learning import LearningTables
from dicom_node.storage.notices import Notices
from dicom_node.storage.overview_counts import OverviewCounts
from dicom_node.storage.pledges import Pledges
from dicom_node.storage.queries import Queries
from dicom_node.storage.rebuild import Recovery
from dicom_node.storage.records import Severity
from dicom_node.storage.replacements import Replacements
from dicom_node.storage.reprocessing import ReprocessingTables
from dicom_node.storage.retention import Releases
from dicom_node.storage.returned import ReturnedDocuments
from dicom_node.storage.set_back import SetBackClock
from dicom_node.storage.study_history import StudyHistory
from dicom_node.storage.study_search import StudySearch
from dicom_node.storage.surveillance import SurveillanceTables
from dicom_node.storage.users import Users
from dicom_node.storage.waiting import WaitingTables

__all__ = ["Journal", "lease_owner"]


class Journal(
    ReturnedDocuments,
    FhirReading,
    WaitingTables,
    Queries,
    ReprocessingTables,
    Releases,
    AuditTables,
    Pledges,
    Recovery,
    Replacements,
    HealthTable,
    Notices,
    SetBackClock,
    StudySearch,
    StudyHistory,
    Users,
    OverviewCounts,
    ChangeSearch,
    JobTables,
    LearningTables,
    SurveillanceTables,
):
    """Every table of the journal behind one connection.

    The node's threads share one instance; a command line beside the node opens its own. Worker processes
    never open it.
    """

    def recover(self, owner: str) -> int:
        """Take back what a dead node left claimed; called once at start, under the data directory's lock.

        The node's death is not the work's fault, so the attempt is given back; an analysis remembers the
        interruption and queues up behind those that were never interrupted.

        Returns
        -------
        int
            How many analyses, deliveries and retrievals were taken back.
        """
        with self._transaction():
            # a running analysis whose study has a newer one, waiting or running since the first one's lease
            # had expired, would collide with it: the newer one does
            self._execute(
                """
                UPDATE analyses SET state = 'failed', reason = 'interrupted; a newer analysis is queued',
                    finished_at = :now, lease_owner = '', lease_expires_at = ''
                WHERE state = 'running' AND lease_owner <> :owner AND EXISTS
                    (SELECT 1 FROM analyses AS other
                     WHERE other.study_instance_uid = analyses.study_instance_uid
                       AND (other.state = 'queued' OR other.state = 'running' AND other.id > analyses.id))
                """,
                {"owner": owner, "now": self._now()},
            )
            analyses = self._execute(
                "UPDATE analyses SET state = 'queued', attempts = attempts - 1,"
                " interruptions = interruptions + 1, next_attempt_at = :now,"
                " lease_owner = '', lease_expires_at = '' WHERE state = 'running' AND lease_owner <> :owner",
                {"owner": owner, "now": self._now()},
            )
            self._execute(
                "UPDATE studies SET state = 'complete' WHERE state = 'analyzing' AND study_instance_uid IN"
                " (SELECT study_instance_uid FROM analyses WHERE state = 'queued')"
            )
            deliveries = self._execute(
                "UPDATE deliveries SET state = 'pending', attempts = attempts - 1, next_attempt_at = :now,"
                " lease_owner = '', lease_expires_at = '' WHERE state = 'sending' AND lease_owner <> :owner",
                {"owner": owner, "now": self._now()},
            )
            retrievals = self._recover_retrievals(owner)
            if analyses + deliveries + retrievals:
                self.note_event(
                    Severity.WARNING,
                    "node_recovered",
                    f"the node had stopped in the middle of {analyses} analyses, {deliveries} deliveries and "
                    f"{retrievals} retrievals; "
                    "they are queued again",
                )
            return analyses + deliveries + retrievals

    def summary(self) -> dict[str, dict[str, int]]:
        """Return how many rows are in each state, by table (``studies``, ``analyses``, ``deliveries``)."""
        return {
            table: {
                row["state"]: row["rows"]
                for row in self._rows(f"SELECT state, count(*) AS rows FROM {table} GROUP BY state")  # noqa: S608
            }
            for table in ("studies", "analyses", "deliveries")
        }


def lease_owner() -> str:
    """Return a name for this process that no other process, before or after, has."""
    return f"{os.getpid()}-{uuid.uuid4().hex}"
