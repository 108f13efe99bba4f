"""The configuration check, for programs."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from dicom_node.diagnosis import Level
from dicom_node.web.changes import record_change
from dicom_node.web.checkups import CheckupDep
from dicom_node.web.context import JournalDep, Operator
from dicom_node.workflow.checkup import Report

__all__ = ["router"]

router = APIRouter(prefix="/doctor", tags=["configuration check"])


class FindingModel(BaseModel):
    """One line of the diagnosis."""

    level: Level
    subject: str
    message: str
    cure: str = Field(description="What to do about it; empty where nothing is wrong.")


class CheckModel(BaseModel):
    """What a check has found so far."""

    running: bool
    started_at: str = Field(description="Empty if none was ever made.")
    ended_at: str
    worst: Level
    findings: list[FindingModel]


@router.get("")
def show(user: Operator, checkup: CheckupDep) -> CheckModel:
    """Tell what the last check found, or has found so far."""
    return _check(checkup.report)


@router.post("/check", status_code=202)
def check(user: Operator, journal: JournalDep, checkup: CheckupDep) -> CheckModel:
    """Begin a check, unless one goes on; ask for its findings with GET."""
    if checkup.begin():
        record_change(journal, user, "doctor.check", "configuration", "")
    return _check(checkup.report)


def _check(report: Report) -> CheckModel:
    return CheckModel(
        running=report.running,
        started_at=report.started_at.isoformat() if report.started_at else "",
        ended_at=report.ended_at.isoformat() if report.ended_at else "",
        worst=report.worst,
        findings=[
            FindingModel(level=item.level, subject=item.subject, message=item.message, cure=item.cure)
            for item in report.findings
        ],
    )
