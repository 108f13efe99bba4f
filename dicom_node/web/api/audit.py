"""What people changed, for programs of an administrator."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from dicom_node.storage.change_search import ChangeFilter
from dicom_node.web.context import Administrator, JournalDep
from dicom_node.web.pages.audit import change_filter

__all__ = ["router"]

router = APIRouter(prefix="/audit", tags=["audit"])


class ChangeModel(BaseModel):
    """One change by a person or a program."""

    id: int
    at: str
    user: str
    action: str
    subject: str
    reason: str
    detail: str


@router.get("/changes")
def changes(
    reader: Administrator,
    journal: JournalDep,
    wanted: Annotated[ChangeFilter, Depends(change_filter)],
    before: Annotated[int | None, Query(ge=0, description="Only changes with a smaller id.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[ChangeModel]:
    """List changes, newest first."""
    found = journal.search_changes(wanted, before_id=before, limit=limit)
    return [
        ChangeModel(
            id=change.id,
            at=change.at,
            user=change.user,
            action=change.action,
            subject=change.subject,
            reason=change.reason,
            detail=change.detail,
        )
        for change in found
    ]
