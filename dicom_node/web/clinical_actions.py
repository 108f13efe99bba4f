"""What operators enter on a study's clinical page, and programs through the REST API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dicom_node.clinical_catalogue import parsed
from dicom_node.errors import OperationRefusedError
from dicom_node.storage.clinical_records import (
    Added,
    ClinicalFact,
    Outcome,
    OutcomeKind,
    Source,
    Told,
)
from dicom_node.storage.journal import Journal
from dicom_node.web.changes import record_change
from dicom_node.web.context import User

__all__ = ["ClinicalActions"]


class ClinicalActions:
    """Entries of one person for one study and its patient.

    Each journals the change in the transaction that makes it. A value that cannot be raises
    `ConfigurationError`, and `OperationRefusedError` what is not to be done as things stand.
    """

    def __init__(self, journal: Journal, user: User, study_instance_uid: str) -> None:
        self._journal = journal
        self._user = user
        self._uid = study_instance_uid

    def enter_fact(self, name: str, value: str, since: str, until: str, reason: str, *, again: bool) -> None:
        """Enter something known of the patient from a day on; it supersedes what stands of that day.

        Parameters
        ----------
        value : str
            As a form spells it, see `dicom_node.clinical_catalogue.parsed`.
        again : bool
            Whether the study is analysed again with it.
        """
        with self._changing("context.enter", reason, name, again=again):
            self._require_change(
                self._journal.add_fact(
                    ClinicalFact(
                        patient_key=self._patient(),
                        name=name,
                        value=parsed(name, value),
                        valid_from=since,
                        valid_until=until,
                        told=self._told(reason),
                    )
                )
            )

    def enter_outcome(
        self, kind: OutcomeKind, on: str, site: str, mechanism: str, reason: str, *, again: bool
    ) -> None:
        """Enter what became of the patient; `site` and `mechanism` are read of a fracture only."""
        is_fracture = kind is OutcomeKind.FRACTURE
        with self._changing("outcomes.enter", reason, kind, again=again):
            self._require_change(
                self._journal.add_outcome(
                    Outcome(
                        patient_key=self._patient(),
                        kind=kind,
                        occurred_on=on,
                        site=site if is_fracture else "",
                        mechanism=mechanism if is_fracture else "",
                        told=self._told(reason),
                    )
                )
            )

    def enter_for_study(self, field: str, value: str, reason: str) -> None:
        """Enter something for this study only, or, with an empty value, take it back."""
        entered = parsed(field, value) if value.strip() else None
        with self._changing("study.site_entry", reason, field):
            self._require_change(
                self._journal.add_site_entry(self._uid, field, entered, self._user.name, reason)
            )

    def withdraw_fact(self, fact_id: int, reason: str) -> None:
        """Take a fact of the study's patient back."""
        self._require_own(fact_id, [item.id for item in self._journal.facts(self._patient())])
        with self._changing("context.withdraw", reason, str(fact_id)):
            self._journal.withdraw_fact(fact_id, self._told(reason))

    def withdraw_outcome(self, outcome_id: int, reason: str) -> None:
        """Take an outcome of the study's patient back."""
        self._require_own(outcome_id, [item.id for item in self._journal.outcomes(self._patient())])
        with self._changing("outcomes.withdraw", reason, str(outcome_id)):
            self._journal.withdraw_outcome(outcome_id, self._told(reason))

    @contextmanager
    def _changing(self, action: str, reason: str, detail: str, *, again: bool = False) -> Iterator[None]:
        with self._journal.all_or_nothing():
            yield
            record_change(self._journal, self._user, action, self._uid, reason, detail=detail)
            if again:
                self._journal.analyse_again(self._uid, "clinical_context")

    def _patient(self) -> str:
        study = self._journal.study(self._uid)
        if study is None or not study.patient_key:
            raise OperationRefusedError(
                "the study has no Patient ID, so it is not known whose it is; enter values for the study only"
            )
        return study.patient_key

    def _told(self, reason: str) -> Told:
        return Told(source=Source.CONSOLE, recorded_by=self._user.name, reason=reason)

    def _require_change(self, added: Added) -> None:
        if added is Added.UNCHANGED:
            raise OperationRefusedError("that is what stands already; nothing was changed")

    def _require_own(self, row: int, standing: list[int]) -> None:
        if row not in standing:
            raise OperationRefusedError(f"no entry {row} of this patient stands; it may be corrected already")
