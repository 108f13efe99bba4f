"""What the site enters for a study, and what radiologists say of its results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from dicom_node.clinical_catalogue import checked, item_of
from dicom_node.errors import ConfigurationError
from dicom_node.storage.analyses import AnalysisTables
from dicom_node.storage.clinical_records import Added, Opinion, Source, Told, Verdict
from dicom_node.storage.connection import Row
from dicom_node.storage.records import Severity

__all__ = ["OpinionTables"]


class OpinionTables(AnalysisTables):
    """The table ``opinions``, and entries for studies with the new analysis that each asks for."""

    def add_site_entry(
        self,
        study_instance_uid: str,
        field: str,
        value: Any,
        user: str,
        reason: str,
        *,
        source: Source = Source.CONSOLE,
    ) -> Added:
        """Enter or correct something for one study; a new analysis is queued if one was made before.

        Parameters
        ----------
        field : str
            A name of `dicom_node.clinical_catalogue.CATALOGUE`, e.g. ``laterality``, ``forearm_length_mm``.
        value
            None takes an earlier entry back.

        Returns
        -------
        Added
            ``unchanged``, and nothing is queued, if the entry stands already.

        Raises
        ------
        ConfigurationError
            For an unknown study or field, or a value that the field cannot have.
        """
        if item_of(field).of == "patient":
            raise ConfigurationError(f"{field} is told of the patient, not entered for a study")
        recorded = json.dumps(None if value is None else checked(field, value), ensure_ascii=False)
        with self._transaction():
            if self.study(study_instance_uid) is None:
                raise ConfigurationError(f"study {study_instance_uid!r} was never received")
            standing = self._row(
                "SELECT id, value FROM site_entries"
                " WHERE study_instance_uid = ? AND field = ? AND superseded_by IS NULL",
                (study_instance_uid, field),
            )
            if recorded == (standing["value"] if standing else "null"):
                return Added.UNCHANGED
            if standing:  # by itself for a moment: only one row of a field may stand
                self._execute("UPDATE site_entries SET superseded_by = id WHERE id = ?", (standing["id"],))
            told = Told(source=source, recorded_by=user, reason=reason)
            content = {"study_instance_uid": study_instance_uid, "field": field, "value": recorded}
            new = self._insert_told("site_entries", content, told)
            if standing:
                self._execute("UPDATE site_entries SET superseded_by = ? WHERE id = ?", (new, standing["id"]))
            self.note_event(
                Severity.INFO,
                "site_entry",
                f"{field} was entered or corrected",
                study_instance_uid=study_instance_uid,
            )
            self.analyse_again(study_instance_uid, "site_entry")
            return Added.CORRECTED if standing else Added.NEW

    def analyse_again(self, study_instance_uid: str, trigger: str) -> bool:
        """Queue another analysis of a study that was analysed before; False if there is nothing to queue.

        A study that is still arriving or waiting is analysed with what is known by then anyway.
        """
        with self._transaction():
            analysed = self._row(
                "SELECT 1 FROM analyses WHERE study_instance_uid = ? AND state <> 'queued'",
                (study_instance_uid,),
            )
            return analysed is not None and self.requeue_study(study_instance_uid, trigger)

    def add_opinion(
        self,
        study_instance_uid: str,
        analysis_id: int,
        verdict: Verdict | str,
        *,
        comment: str = "",
        amendments: Mapping[str, str] = MappingProxyType({}),
        user: str,
        source: Source | str = Source.CONSOLE,
        reference: str = "",
    ) -> Added:
        """Record what a radiologist says of an analysis' result.

        Their latest opinion of one analysis stands; earlier ones are kept.

        Parameters
        ----------
        reference : str
            SOP Instance UID of the object that says so, if one does: it is recorded once.

        Raises
        ------
        ConfigurationError
            If the analysis is not the study's or made no result, or the verdict is unknown, or an amendment
            says nothing.
        """
        verdict, source = _verdict(verdict), Source(source)
        if verdict is Verdict.AMEND and not comment.strip() and not amendments:
            raise ConfigurationError("an amendment must say what is to be changed: give a comment or values")
        with self._transaction():
            if not self._rows(
                "SELECT 1 FROM analyses WHERE id = ? AND study_instance_uid = ? AND state = 'done'",
                (analysis_id, study_instance_uid),
            ):
                raise ConfigurationError(
                    f"analysis {analysis_id} made no result of study {study_instance_uid}; give one that did"
                )
            content = {
                "study_instance_uid": study_instance_uid,
                "analysis_id": analysis_id,
                "verdict": verdict,
                "comment": comment,
                "amendments": json.dumps(dict(amendments), ensure_ascii=False, sort_keys=True),
            }
            told = Told(source=source, reference=reference, recorded_by=user)
            return self._opine(content, told)

    def opinions(
        self, study_instance_uid: str = "", *, history: bool = False, since: str = ""
    ) -> list[Opinion]:
        """Return the opinions that stand, or all ever told, of one study or of all, oldest first.

        Parameters
        ----------
        since : str
            Only those recorded at that time or later, ISO 8601 UTC.
        """
        standing = "" if history else "AND superseded_by IS NULL"
        rows = self._rows(
            f"SELECT * FROM opinions WHERE (:study = '' OR study_instance_uid = :study)"  # noqa: S608
            f" AND recorded_at >= :since {standing} ORDER BY id",
            {"study": study_instance_uid, "since": since},
        )
        return [_opinion(row) for row in rows]

    def _opine(self, content: dict[str, Any], told: Told) -> Added:
        if told.reference and self._rows("SELECT 1 FROM opinions WHERE reference = ?", (told.reference,)):
            return Added.UNCHANGED
        same = {"analysis_id": content["analysis_id"], "recorded_by": told.recorded_by}
        earlier = self._row(
            "SELECT * FROM opinions WHERE analysis_id = :analysis_id AND recorded_by = :recorded_by"
            " AND superseded_by IS NULL",
            same,
        )
        if earlier and not told.reference and all(earlier[name] == value for name, value in content.items()):
            return Added.UNCHANGED
        new = self._insert_told("opinions", content, told)
        if earlier:
            self._execute("UPDATE opinions SET superseded_by = ? WHERE id = ?", (new, earlier["id"]))
        return Added.CORRECTED if earlier else Added.NEW


def _verdict(text: str) -> Verdict:
    try:
        return Verdict(text)
    except ValueError:
        raise ConfigurationError(f"verdict {text!r} must be one of {', '.join(Verdict)}") from None


def _opinion(row: Row) -> Opinion:
    told = Told(
        source=Source(row.pop("source")),
        **{name: row.pop(name) for name in ("origin", "reference", "recorded_by", "reason")},
    )
    return Opinion(
        **row | {"verdict": Verdict(row["verdict"]), "amendments": json.loads(row["amendments"])}, told=told
    )
