"""The source image as the writer sees it: a normalised copy of its header."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydicom import Dataset, config
from pydicom.sr.coding import Code
from pydicom.tag import BaseTag
from pydicom.valuerep import PersonName, validate_value

from analysis.errors import AnalysisError
from reports.identity import ResultKind, result_uid
from reports.options import DEFAULT_OPTIONS, ReportOptions

if TYPE_CHECKING:
    from analysis.results import ImageEvidence, Revision, SourceImage, StudyAnalysis
    from analysis.wording.names import Language

CHARACTER_SET = "ISO_IR 192"
"""Specific Character Set (0008,0005) of every result: UTF-8 holds every name any source can hold."""

TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
"""Type 2 attributes of the Patient and General Study modules: highdicom needs them, empty is legal."""

LEGAL_SEX = ("M", "F", "O", "")
"""Enumerated values of Patient's Sex (0010,0040), PS3.3 C.7.1.1."""

NO_DATE, NO_TIME = "19000101", "000000"
"""Stand in for a Content Date and Time no source attribute provides: both are type 1 in an SR document, and
1900-01-01 cannot be mistaken for the day of an examination."""

_DATE_ATTRIBUTES = ("Acquisition", "Content", "Series", "Study")
_ESCAPE_SEQUENCE = re.compile("\x1b[\x20-\x2f]*[\x30-\x7e]")
_CONTROL_CHARACTER = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")
_OLD_FORM = {
    "DA": re.compile(r"(\d{4})\.(\d\d)\.(\d\d)"),
    "TM": re.compile(r"(\d\d):(\d\d):(\d\d)(\.\d{1,6})?"),
}
_TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_IDENTITY_DROPPED_IF_ILLEGAL = frozenset({"AS", "CS", "DA", "DS", "IS", "TM", "UI"})


@dataclass(frozen=True, slots=True)
class ReportContext:
    """What every writer needs.

    Attributes
    ----------
    analysis : StudyAnalysis
    image : SourceImage
        The analysed image, or the vendor's document where there is none.
    evidence : ImageEvidence or None
        The pixels behind the analysis; ``None`` where the study reports numbers without an image.
    header : Dataset
        Normalised header of the source image (see `normalised_header`), without pixels.
    predecessors : tuple of Dataset
        Structured Reports that these results replace.
    options : ReportOptions
    revisions : tuple of Revision
        What changed against them.
    """

    analysis: StudyAnalysis
    image: SourceImage
    evidence: ImageEvidence | None
    header: Dataset
    predecessors: tuple[Dataset, ...]
    options: ReportOptions
    revisions: tuple[Revision, ...] = ()

    @property
    def language(self) -> Language:
        """Of everything people read."""
        return self.options.language

    @property
    def pixels(self) -> ImageEvidence:
        """The pixels behind the analysis; an AnalysisError if there are none."""
        if self.evidence is None:
            raise AnalysisError(f"study {self.analysis.study_instance_uid}: there is no picture to draw on")
        return self.evidence

    @property
    def content_date_time(self) -> tuple[str, str]:
        """DICOM date and time given to the results: those of the acquisition, never those of the clock."""
        return content_date_time(self.header)

    def replaced_by(self, title: Code, sop_instance_uid: str) -> list[Dataset]:
        """Return the predecessors with this document title; a report never replaces itself."""
        return [
            document
            for document in self.predecessors
            if document.ConceptNameCodeSequence[0].CodeValue == title.value
            and document.SOPInstanceUID != sop_instance_uid
        ]

    def uid(self, use: str, kind: ResultKind) -> str:
        """Return the deterministic UID of one use (``instance``, ``series``, ...) of one kind of result."""
        made_of = f"{self.analysis.identity}|{self.options.rendering}"
        if kind is ResultKind.REPORT and ResultKind.MEASUREMENTS not in self.options.results:
            made_of += "|alone"  # it refers to the measurements, where a site has them
        return result_uid(made_of, f"{use}:{kind}")


def report_context(
    analysis: StudyAnalysis,
    source: Sequence[Dataset],
    *,
    options: ReportOptions = DEFAULT_OPTIONS,
    predecessors: Sequence[Dataset] = (),
    revisions: Sequence[Revision] = (),
) -> ReportContext:
    """Find the analysed image among the study's datasets and gather what the writers need.

    Raises
    ------
    AnalysisError
        The analysis names no source or carries no pixels of it, or the source is not in `source`.
    """
    shows_image = analysis.source is not None and analysis.source.rows > 0
    if analysis.source is None or (shows_image and analysis.evidence is None):
        raise AnalysisError(
            f"study {analysis.study_instance_uid}: an analysed study must name its source image and carry "
            "its evidence; analyse the study again"
        )
    wanted = analysis.source.sop_instance_uid
    for dataset in source:
        if str(dataset.get("SOPInstanceUID", "")) == wanted:
            header = normalised_header(dataset)
            return ReportContext(
                analysis,
                analysis.source,
                analysis.evidence,
                header,
                tuple(predecessors),
                options,
                tuple(revisions),
            )
    raise AnalysisError(
        f"study {analysis.study_instance_uid}: the analysed image {wanted} is not among the {len(source)} "
        "datasets given to compose(); pass the same datasets that were analysed"
    )


def normalised_header(dataset: Dataset) -> Dataset:
    """Copy a source image's header into a form highdicom can work with; `dataset` stays untouched.

    Text is decoded and declared as UTF-8, absent type 2 attributes become empty, an illegal Patient's Sex
    becomes empty, dates of the old form get the new one, malformed
    dates and numbers are dropped, as are elements too damaged to be read. Nothing is
    invented.
    """
    header = Dataset()
    for tag in sorted(dataset.keys()):
        if not tag.is_private and tag.group <= 0x0040 and _is_readable(dataset, tag):
            header.add(copy.deepcopy(dataset[tag]))
    header.SpecificCharacterSet = CHARACTER_SET
    _clean_text(header)
    _modernise_dates(header)
    _drop_malformed(header)
    for keyword in TYPE_2:
        if header.get(keyword) is None:
            setattr(header, keyword, "")
    if header.PatientSex not in LEGAL_SEX:
        header.PatientSex = ""
    if not header.get("Modality"):
        header.Modality = "OT"
    return header


def content_date_time(header: Dataset) -> tuple[str, str]:
    """Return date and time of acquisition, else of content, series or study, as DICOM DA and TM values."""
    for stem in _DATE_ATTRIBUTES:
        day = str(header.get(f"{stem}Date") or "").replace(".", "")
        if day:
            return day, str(header.get(f"{stem}Time") or NO_TIME)
    return NO_DATE, NO_TIME


def source_image_name(header: Dataset) -> str:
    """Name an image or a document the way viewers list it, e.g. ``series 1, image 1``."""
    series, instance = header.get("SeriesNumber"), header.get("InstanceNumber")
    kind = "image" if "Rows" in header else "document"
    return f"series {'?' if series is None else series}, {kind} {'?' if instance is None else instance}"


def _is_readable(dataset: Dataset, tag: BaseTag) -> bool:
    """Whether pydicom can convert an element and all within it; it raises errors of many classes if not."""
    try:
        element = dataset[tag]
        return element.VR != "SQ" or all(
            _is_readable(item, inner) for item in element.value for inner in list(item.keys())
        )
    except Exception:
        return False


def _clean_text(header: Dataset) -> None:
    """Rebuild every text value from its decoded form, so that it is written as UTF-8.

    pydicom decodes by the source's character set when an element is first read, but 3.0 leaves the escape
    sequences of ISO 2022 IR 58 (GB 2312) in the text, and undeclared character sets can yield control
    characters; neither is legal in a name.
    """
    for element in header.iterall():
        if element.VR not in _TEXT_VRS or element.is_empty:
            continue
        if element.VM > 1:
            element.value = [_clean(value, element.VR) for value in element.value]
        else:
            element.value = _clean(element.value, element.VR)


def _clean(value: object, vr: str) -> object:
    text = _CONTROL_CHARACTER.sub("", _ESCAPE_SEQUENCE.sub("", str(value)))
    return PersonName(text) if vr == "PN" else text


def _modernise_dates(header: Dataset) -> None:
    """Write dates and times of the standard's predecessor as today's: 2026.11.05, 10:15:00 (PS3.5 6.2)."""
    for element in header:
        if element.VR in _OLD_FORM and isinstance(element.value, str):
            found = _OLD_FORM[element.VR].fullmatch(element.value.strip())
            if found:
                element.value = "".join(found.groups(default=""))


def _drop_malformed(header: Dataset) -> None:
    for element in list(header):
        if element.VR not in _IDENTITY_DROPPED_IF_ILLEGAL or element.is_empty:
            continue
        values = element.value if element.VM > 1 else [element.value]
        try:
            for value in values:
                validate_value(element.VR, str(value), config.RAISE)
        except ValueError:
            del header[element.tag]
