"""How the node stands, for programs."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter
from pydantic import BaseModel

from dicom_node.web.context import ArchiveDep, ConfigDep, JournalDep, Viewer
from dicom_node.workflow.overview import overview

__all__ = ["router"]

router = APIRouter(tags=["overview"])


class DestinationModel(BaseModel):
    """One destination; times are empty if there is none."""

    name: str
    kind: str
    state: str
    failures: int
    reason: str
    rests_until: str
    waiting: int
    unconfirmed: int
    dead: int
    oldest_waiting: str
    last_success: str


class OverviewModel(BaseModel):
    """What the console's first page shows."""

    running: bool
    today: dict[str, int]
    total: int
    last_received: str
    queued: int
    analysing: int
    oldest_waiting: str
    destinations: list[DestinationModel]
    disk_total_bytes: int
    disk_free_bytes: int
    kept_bytes: dict[str, int]


@router.get("/overview")
def show(user: Viewer, config: ConfigDep, journal: JournalDep, archive: ArchiveDep) -> OverviewModel:
    """Tell how the node stands now."""
    found = overview(config, archive, journal)
    return OverviewModel(
        running=found.running,
        today=dict(found.today),
        total=found.total,
        last_received=found.last_received,
        queued=found.queued,
        analysing=found.analysing,
        oldest_waiting=found.oldest_waiting,
        destinations=[DestinationModel(**asdict(item)) for item in found.destinations],
        disk_total_bytes=found.disk.total,
        disk_free_bytes=found.disk.free,
        kept_bytes=dict(found.disk.kept),
    )
