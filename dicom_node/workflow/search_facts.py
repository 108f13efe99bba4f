"""Reads what studies are found by, from archived headers and journalled results, a few studies at a turn.

A scheduled job: the receiver never reads a name. It follows every change of a study, and works through the
studies of a journal that was written before there was a search.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from dicom_node.network.header_texts import UnreadableHeaderError, read_texts
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.study_search import DueStudy, StudyFacts

__all__ = ["JOB_NAME", "SearchFacts"]

logger = logging.getLogger(__name__)

JOB_NAME = "study search"

STUDIES_AT_A_TURN = 50
"""About a tenth of a second's work for each second's turn: 100,000 old studies take half an hour."""

PATIENT_NAME, PATIENT_ID, STATION_NAME = 0x00100010, 0x00100020, 0x00081010
MANUFACTURER, MODEL_NAME, LATERALITY = 0x00080070, 0x00081090, 0x00200060
HEADER_TAGS = (PATIENT_NAME, PATIENT_ID, STATION_NAME, MANUFACTURER, MODEL_NAME, LATERALITY)

HORIZON = "10"
"""Years of the risk that lists show."""


class SearchFacts:
    """The job that keeps the facts of studies.

    Parameters
    ----------
    archive : Archive
        Where the headers are read.
    journal : Journal
        Where the facts go.
    """

    def __init__(self, archive: Archive, journal: Journal) -> None:
        self._archive = archive
        self._journal = journal

    def pump(self) -> int:
        """Read the facts of the next studies that are due; return of how many."""
        due = self._journal.due_studies(STUDIES_AT_A_TURN)
        if due:
            self._journal.record_facts([(study, self._facts(study)) for study in due])
        return len(due)

    def _facts(self, study: DueStudy) -> StudyFacts:
        header = self._header(study)
        document: dict[str, Any] = json.loads(study.result_json or "{}")
        risk = document.get("risk") or {}
        horizon = (risk.get("horizons") or {}).get(HORIZON) or {}
        return StudyFacts(
            patient_name=header.get(PATIENT_NAME),
            patient_id=header.get(PATIENT_ID),
            scanner=document.get("device") or _device(header),
            station=header.get(STATION_NAME),
            laterality=document.get("laterality") or header.get(LATERALITY, ""),
            risk_category=risk.get("category") or "",
            risk_10_years=horizon.get("probability"),
            engine_version=document.get("engine_version") or "",
            model_version=study.model_version,
            findings={item["code"]: item["severity"] for item in document.get("quality") or ()},
        )

    def _header(self, study: DueStudy) -> dict[int, str]:
        """Return the first header that names a patient; else what the last readable one says."""
        texts: dict[int, str] = {}
        for path in study.files:
            try:
                texts = read_texts(self._archive.resolve(path), HEADER_TAGS)
            except UnreadableHeaderError as error:
                logger.info("study %s: not read for the search: %s", study.study_instance_uid, error)
                continue
            if texts[PATIENT_NAME] or texts[PATIENT_ID]:
                return texts
        return texts


def _device(header: dict[int, str]) -> str:
    """Name a scanner as the engine does: manufacturer and model."""
    return f"{header.get(MANUFACTURER, '')} {header.get(MODEL_NAME, '')}".strip()
