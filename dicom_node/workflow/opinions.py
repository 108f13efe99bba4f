"""Recognises what radiologists say of our results in documents that are sent back: `docs/opinions.md`.

A document that refers to a result of ours is never an input of an analysis, whatever it says.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import Dataset, dcmread

from dicom_node.observe.logs import fields
from dicom_node.storage.archive import Archive
from dicom_node.storage.clinical_records import Opinion, Source, Told, Verdict
from dicom_node.storage.journal import Journal
from dicom_node.storage.returned import OwnResult, ReturnedDocument

__all__ = ["Opinions", "Said", "said_in"]

logger = logging.getLogger(__name__)

LARGEST_BYTES = 20_000_000
"""Of a document that is read; larger ones are no opinion (assumption)."""

DEEPEST = 60
"""Nested content items that are followed."""

MOST_REFERENCES = 900
"""Referenced objects that are looked up: SQLite's least limit for parameters is 999."""

DISAGREEING_TITLES = {
    "113001": "Rejected for Quality Reasons",
    "113010": "Quality Issue",
    "113037": "Rejected for Patient Safety Reasons",
    "113038": "Incorrect Modality Worklist Entry",
}
"""Document titles of a Key Object Selection (CID 7010) that reject what it refers to."""

AGREEMENT = {"122775": Verdict.AGREE, "122776": Verdict.DISAGREE}
"""Agreement and Disagreement with prior findings (DCM, PS3.16 annex D)."""

TITLE_MODIFIER, KEY_OBJECT_DESCRIPTION, COMMENT = "113011", "113012", "121106"
OBSERVER_NAME = "121008"

_NOBODY = "unknown reader"


@dataclass(frozen=True, slots=True)
class Said:
    """What a document says of the result it refers to; `verdict` is None where it gives no opinion."""

    verdict: Verdict | None
    finding: str
    comment: str = ""
    amendments: dict[str, str] = field(default_factory=dict)
    reader: str = _NOBODY


class Opinions:
    """Work for the clock (`dicom_node.workflow.schedule`)."""

    def __init__(self, archive: Archive, journal: Journal) -> None:
        self._archive = archive
        self._journal = journal

    def look(self) -> int:
        """Read the documents that have come since the last look; return how many speak of our results."""
        documents, end = self._journal.returned_documents()
        taken = 0
        for document in documents:
            with fields(study=document.study_instance_uid):
                taken += self._look_at(document)
            self._journal.looked_at(document.instance_id)
        self._journal.looked_at(end)
        return taken

    def _look_at(self, document: ReturnedDocument) -> bool:
        content = self._read(document)
        if content is None:
            return False
        named = self._journal.own_results(list(_references(content))[:MOST_REFERENCES])
        if not named:
            return False
        about = next((item for item in named if _is_report(item.sop_class_uid)), named[0])
        try:
            said = said_in(content, predecessor=self._predecessor(content, named))
        except Exception as error:  # hostile bytes raise many kinds; each means the same
            logger.warning("a document about our results cannot be understood: %s", type(error).__name__)
            said = Said(None, "refers to a result of ours and cannot be understood; it is kept")
        self._journal.take_returned(document, said.finding, _opinion(said, about))
        return True

    def _read(self, document: ReturnedDocument) -> Dataset | None:
        if document.size > LARGEST_BYTES or document.path.name == "":
            return None
        try:
            return dcmread(self._archive.resolve(document.path), stop_before_pixels=True)
        except Exception:  # it can as little be read as an input: its analysis will say so
            return None

    def _predecessor(self, content: Dataset, named: list[OwnResult]) -> Dataset | None:
        """Return the report of ours that the document says to succeed, if its file is there."""
        succeeded = set(_uids(content, "PredecessorDocumentsSequence"))
        for item in named:
            path = self._archive.resolve(item.path)
            if item.sop_instance_uid in succeeded and _is_report(item.sop_class_uid) and path.is_file():
                return _report(path)
        return None


def said_in(document: Dataset, *, predecessor: Dataset | None = None) -> Said:
    """Return what a document that refers to a result of ours says of it.

    Parameters
    ----------
    predecessor : Dataset, optional
        Our report, where the document succeeds it (Predecessor Documents Sequence).
    """
    items = list(_items(document))
    comment = "; ".join(
        text
        for item in items
        if _concept(item) in (KEY_OBJECT_DESCRIPTION, COMMENT) and (text := _text(item, "TextValue"))
    )
    reader = _reader(document, items)
    title = _concept(document)
    if title in DISAGREEING_TITLES:
        why = [_meaning(item) for item in items if _concept(item) == TITLE_MODIFIER]
        words = "; ".join(filter(None, [DISAGREEING_TITLES[title], *why, comment]))
        return Said(
            Verdict.DISAGREE, f"rejects our result: {DISAGREEING_TITLES[title]}", words, reader=reader
        )
    verdicts = {AGREEMENT[code] for item in items for code in _codes(item) if code in AGREEMENT}
    if len(verdicts) == 2:
        return Said(None, "agrees and disagrees with our result at once; ask the reader", comment)
    if verdicts:
        (verdict,) = verdicts
        return Said(verdict, f"{verdict}s with our result", comment, reader=reader)
    if predecessor is not None and str(document.get("VerificationFlag", "")) == "VERIFIED":
        changed = _changed(predecessor, document)
        verdict = Verdict.AMEND if changed else Verdict.AGREE
        return Said(verdict, "is a verified successor of our report", comment, changed, reader)
    return Said(None, "refers to a result of ours and gives no opinion that is known; it is kept", comment)


def _opinion(said: Said, about: OwnResult) -> Opinion | None:
    if said.verdict is None:
        return None
    return Opinion(
        study_instance_uid=about.study_instance_uid,
        analysis_id=about.analysis_id,
        verdict=said.verdict,
        comment=said.comment,
        amendments=said.amendments,
        told=Told(source=Source.DICOM, recorded_by=said.reader),
    )


def _changed(ours: Dataset, theirs: Dataset) -> dict[str, str]:
    """Return the numbers that another version of a report changed, by their place; gone ones are empty."""
    before, after = dict(_numbers(ours)), dict(_numbers(theirs))
    return {
        place: after.get(place, "")
        for place in (*before, *(place for place in after if place not in before))
        if before.get(place) != after.get(place)
    }


def _numbers(document: Dataset) -> Iterator[tuple[str, str]]:
    """Yield (place, value) of every number; where a name comes again, its place says for which time."""
    seen: dict[str, int] = {}
    for item in _items(document):
        for measured in item.get("MeasuredValueSequence", None) or ():
            name = _text(_first(item, "ConceptNameCodeSequence"), "CodeMeaning") or "number"
            seen[name] = seen.get(name, 0) + 1
            place = name if seen[name] == 1 else f"{name} ({seen[name]})"
            unit = _text(_first(measured, "MeasurementUnitsCodeSequence"), "CodeValue")
            yield place, f"{_text(measured, 'NumericValue')} {unit}".strip()


def _items(document: Dataset, depth: int = 0) -> Iterator[Dataset]:
    """Yield every content item below the root."""
    if depth > DEEPEST:
        return
    for item in document.get("ContentSequence", None) or ():
        yield item
        yield from _items(item, depth + 1)


def _references(document: Dataset) -> dict[str, None]:
    """Return every object that the document refers to, in order."""
    found: dict[str, None] = {}
    for evidence in (
        "CurrentRequestedProcedureEvidenceSequence",
        "PertinentOtherEvidenceSequence",
        "PredecessorDocumentsSequence",
    ):
        found |= dict.fromkeys(_uids(document, evidence))
    for item in _items(document):
        for reference in item.get("ReferencedSOPSequence", None) or ():
            found[_text(reference, "ReferencedSOPInstanceUID")] = None
    found.pop("", None)
    return found


def _uids(document: Dataset, keyword: str) -> Iterator[str]:
    """Yield the SOP Instance UIDs of a hierarchical reference (PS3.3 table 10-3b)."""
    for study in document.get(keyword, None) or ():
        for series in study.get("ReferencedSeriesSequence", None) or ():
            for reference in series.get("ReferencedSOPSequence", None) or ():
                yield _text(reference, "ReferencedSOPInstanceUID")


def _reader(document: Dataset, items: list[Dataset]) -> str:
    """Return who verified the document, else who observed; a member of staff, never the patient."""
    verifier = _text(_first(document, "VerifyingObserverSequence"), "VerifyingObserverName")
    observers = (_text(item, "PersonName") for item in items if _concept(item) == OBSERVER_NAME)
    return verifier or next(filter(None, observers), "") or _NOBODY


def _codes(item: Dataset) -> Iterator[str]:
    """Yield the DCM codes that an item names or holds."""
    for keyword in ("ConceptNameCodeSequence", "ConceptCodeSequence"):
        code = _first(item, keyword)
        if _text(code, "CodingSchemeDesignator") == "DCM":
            yield _text(code, "CodeValue")


def _concept(item: Dataset) -> str:
    code = _first(item, "ConceptNameCodeSequence")
    return _text(code, "CodeValue") if _text(code, "CodingSchemeDesignator") == "DCM" else ""


def _meaning(item: Dataset) -> str:
    return _text(_first(item, "ConceptCodeSequence"), "CodeMeaning")


def _first(item: Dataset, keyword: str) -> Dataset:
    sequence = item.get(keyword, None)
    return sequence[0] if sequence else Dataset()


def _text(item: Dataset, keyword: str) -> str:
    return str(item.get(keyword, "") or "").strip()


def _is_report(sop_class_uid: str) -> bool:
    return sop_class_uid.startswith("1.2.840.10008.5.1.4.1.1.88.")


def _report(path: Path) -> Dataset:
    return dcmread(path, stop_before_pixels=True)
