"""What a person or a program fills in to have studies analysed again, as the journal wants it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field

from dicom_node.errors import OperationRefusedError
from dicom_node.storage.connection import timestamp
from dicom_node.storage.journal import Journal
from dicom_node.storage.reprocessing import PlanPace
from dicom_node.storage.selection import StudySelection

__all__ = ["NewReprocessing", "SelectionForm"]


def _empty_as_none(value: object) -> object:
    return None if value == "" else value


Day = Annotated[date | None, BeforeValidator(_empty_as_none)]
Rate = Annotated[
    Annotated[float, Field(ge=0, le=1_000_000)], BeforeValidator(lambda value: 0.0 if value == "" else value)
]
State = Literal["complete", "analyzing", "analyzed", "not_applicable", "rejected", "failed"]


class SelectionForm(BaseModel):
    """Which studies, all conditions together, and at which pace."""

    everything: bool = Field(False, description="Every study; needed where no condition is given.")
    received_from: Day = Field(None, description="First day of arrival (UTC).")
    received_until: Day = Field(None, description="Last day of arrival (UTC).")
    dated_from: Day = Field(None, description="First Study Date.")
    dated_until: Day = Field(None, description="Last Study Date.")
    patient_id: str = Field("", max_length=64, description="Patient ID (0010,0020).")
    scanner: str = Field("", max_length=200, description="Manufacturer and model, or station, with * and ?.")
    calling_ae: str = Field("", max_length=64, description="AE title that sent the study, with * and ?.")
    states: list[State] = Field(default_factory=list, description="Any of these states.")
    findings: list[str] = Field(default_factory=list, max_length=100, description="Any of these findings.")
    model_older_than: str = Field("", max_length=100, description="Version of a model, or current.")
    engine_older_than: str = Field("", max_length=100, description="Version of the engine, or current.")
    hours: str = Field(
        "", max_length=20, description="Hours, local time of the node, e.g. 22:00-06:00; empty: always."
    )
    studies_per_hour: Rate = Field(0.0, description="At most; 0: as fast as the node can.")

    def selection(self, journal: Journal) -> StudySelection:
        """Return the selection.

        Raises
        ------
        OperationRefusedError
            If no study of the Patient ID is known.
        """
        patients = journal.patient_keys(self.patient_id.strip()) if self.patient_id.strip() else ()
        if self.patient_id.strip() and not patients:
            raise OperationRefusedError("no study of that Patient ID is known; look at the list of studies")
        return StudySelection(
            patients=patients,
            received_from=_midnight(self.received_from),
            received_until=_midnight(self.received_until, days=1),
            dated_from=self.dated_from.strftime("%Y%m%d") if self.dated_from else "",
            dated_until=self.dated_until.strftime("%Y%m%d") if self.dated_until else "",
            scanner=self.scanner.strip(),
            calling_ae=self.calling_ae.strip(),
            states=tuple(self.states),
            findings=tuple(self.findings),
            model_older_than=self.model_older_than.strip(),
            engine_older_than=self.engine_older_than.strip(),
            everything=self.everything,
        )

    def pace(self) -> PlanPace:
        """Return when and how fast studies are queued."""
        return PlanPace(self.hours.strip(), self.studies_per_hour)


class NewReprocessing(SelectionForm):
    """A plan, made now; or a job that makes one whenever its cron expression comes."""

    cron: str = Field(
        "", max_length=100, description="Five fields, local time of the node; empty: once, now."
    )
    name: str = Field("", max_length=100, description="Of the job, where there is a cron expression.")
    reason: str = Field(min_length=1, max_length=500)


def _midnight(day: date | None, *, days: int = 0) -> str:
    return timestamp(datetime.combine(day, time.min, UTC) + timedelta(days=days)) if day else ""
