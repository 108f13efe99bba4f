"""DICOM files on disk, grouped into studies: what ``analyze`` and ``demo`` are pointed at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from analysis.acquisition import header
from dicom_node.errors import ConfigurationError

SIDECAR_SUFFIXES = {".json", ".md", ".png", ".txt", ".csv", ".toml"}
"""Files that lie beside DICOM files in a folder and are not meant as input."""


@dataclass
class StudyOnDisk:
    """All readable objects of one study, in the order of their paths."""

    study_instance_uid: str
    paths: list[Path] = field(default_factory=list)
    datasets: list[Dataset] = field(default_factory=list)

    def first(self, keyword: str) -> str:
        """First non-empty value of an attribute among the study's objects as text, else ``""``."""
        return next(filter(None, (header.text(dataset, keyword) for dataset in self.datasets)), "")

    @property
    def patient_id(self) -> str:
        return self.first("PatientID")

    @property
    def study_date(self) -> date | None:
        return parse_date(self.first("StudyDate"))


@dataclass(frozen=True)
class UnreadableFile:
    """A file that is not a usable DICOM object, and why."""

    path: Path
    reason: str


def read_studies(paths: Sequence[Path]) -> tuple[list[StudyOnDisk], list[UnreadableFile]]:
    """Read files and folders.

    Parameters
    ----------
    paths : sequence of Path
        Files, or folders searched through all their levels. A file named outright must be DICOM;
        in a folder, files with a side-car suffix (``truth.json``, pictures, notes) are passed over.

    Returns
    -------
    studies : list of StudyOnDisk
        Ordered by Study Date, then by Study Instance UID, so that a prior comes before its follow-up.
    unreadable : list of UnreadableFile

    Raises
    ------
    ConfigurationError
        A path does not exist.
    """
    studies: dict[str, StudyOnDisk] = {}
    unreadable: list[UnreadableFile] = []
    for path in files_below(paths):
        try:
            dataset = dcmread(path)
        except Exception as error:  # pydicom raises many kinds on hostile bytes; each is one bad file
            unreadable.append(UnreadableFile(path, _why_unreadable(path, error)))
            continue
        uid = header.text(dataset, "StudyInstanceUID")
        if not uid or not header.text(dataset, "SOPInstanceUID"):
            missing = "Study Instance UID (0020,000D)" if not uid else "SOP Instance UID (0008,0018)"
            unreadable.append(UnreadableFile(path, f"{missing} is missing; export the object again"))
            continue
        study = studies.setdefault(uid, StudyOnDisk(uid))
        study.paths.append(path)
        study.datasets.append(dataset)
    ordered = sorted(studies.values(), key=lambda s: (s.study_date or date.max, s.study_instance_uid))
    return ordered, unreadable


def parse_date(value: object) -> date | None:
    """Read a DICOM DA value; None where it is absent or not a date."""
    try:
        return datetime.strptime(str(value), "%Y%m%d").date()
    except ValueError:
        return None


def files_below(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield files as they are and folders' files in order of path, without side-cars; see `read_studies`."""
    for path in paths:
        if path.is_dir():
            inside = (p for p in sorted(path.rglob("*")) if p.is_file())
            yield from (p for p in inside if p.suffix.lower() not in SIDECAR_SUFFIXES)
        elif path.exists():
            yield path
        else:
            raise ConfigurationError(f"PATH = {str(path)!r}: no such file or folder; check the spelling")


def _why_unreadable(path: Path, error: Exception) -> str:
    if isinstance(error, InvalidDicomError):
        empty = path.stat().st_size == 0
        what = "the file is empty" if empty else "it has no DICM prefix (PS3.10 7.1)"
        return f"not a DICOM file: {what}; copy it again or have the scanner export it as DICOM Part 10"
    return f"not a readable DICOM file: {_one_line(error)}; export the object again"


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."
