"""Copies of sample studies under identifiers of their own, with attributes changed at will."""

from __future__ import annotations

from pathlib import Path

from pydicom import dcmread
from pydicom.uid import generate_uid

__all__ = ["copy_study", "files_of", "study_uid_of"]

SAMPLES = Path(__file__).parent.parent / "sample_studies"


def files_of(sample: str) -> list[Path]:
    """The objects of a sample study."""
    return sorted((SAMPLES / sample).glob("*.dcm"))


def study_uid_of(sample: str) -> str:
    """Its Study Instance UID."""
    return str(dcmread(files_of(sample)[0], stop_before_pixels=True).StudyInstanceUID)


def copy_study(sample: str, folder: Path, **attributes: str) -> tuple[str, list[Path]]:
    """Write a sample study once more, as another study.

    Parameters
    ----------
    attributes : DICOM keyword -> value
        Written into every object.

    Returns
    -------
    (Study Instance UID, files)
    """
    study_uid = generate_uid()
    series: dict[str, str] = {}
    written = []
    folder.mkdir(parents=True, exist_ok=True)
    for file in files_of(sample):
        dataset = dcmread(file)
        dataset.StudyInstanceUID = study_uid
        dataset.SeriesInstanceUID = series.setdefault(dataset.SeriesInstanceUID, generate_uid())
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)
        written.append(folder / file.name)
        dataset.save_as(written[-1])
    return study_uid, written
