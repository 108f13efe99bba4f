"""Who was scanned when, and the attributes every object of a simulated study shares."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

CHARACTER_SET = "ISO_IR 192"
STUDY_TIME = "093000"


@dataclass(frozen=True, slots=True)
class StudyHeader:
    """Patient and study of a simulated scan.

    `key` is unique for the study and seeds every UID in it; `patient_name` is a plainly synthetic PN.
    """

    key: str
    patient_name: str
    patient_id: str
    birth_date: date
    sex: str
    height_mm: float
    weight_kg: float
    study_date: date

    @property
    def age_years(self) -> int:
        """Completed years on the day of the study."""
        birthday_to_come = (self.study_date.month, self.study_date.day) < (
            self.birth_date.month,
            self.birth_date.day,
        )
        return self.study_date.year - self.birth_date.year - birthday_to_come

    @property
    def study_instance_uid(self) -> str:
        """Study Instance UID, the same for the same key."""
        return make_uid(self.key, "study")


def make_uid(*parts: str) -> UID:
    """UID under the UUID root 2.25 (PS3.5 B.2) from a 128-bit hash: the same parts give the same UID."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return UID(f"2.25.{int.from_bytes(digest[:16], 'big')}")


def new_dataset(header: StudyHeader, sop_class: str, series: str, number: int) -> Dataset:
    """Start an object: SOP Common, Patient, General Study, General Series and General Equipment."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = CHARACTER_SET
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = make_uid(header.key, series, str(number))
    dataset.PatientName = header.patient_name
    dataset.PatientID = header.patient_id
    dataset.PatientBirthDate = f"{header.birth_date:%Y%m%d}"
    dataset.PatientSex = header.sex
    dataset.PatientAge = f"{header.age_years:03d}Y"
    dataset.PatientSize = f"{header.height_mm / 1000:.3f}"
    dataset.PatientWeight = f"{header.weight_kg:.1f}"
    dataset.StudyInstanceUID = header.study_instance_uid
    dataset.StudyDate = dataset.SeriesDate = dataset.ContentDate = f"{header.study_date:%Y%m%d}"
    dataset.StudyTime = dataset.SeriesTime = dataset.ContentTime = STUDY_TIME
    dataset.AccessionNumber = f"SIM{int(make_uid(header.key, 'accession')[5:]) % 10**9:09d}"
    dataset.StudyID = "1"
    dataset.ReferringPhysicianName = "SIMULATED^Referrer"
    dataset.InstitutionName = "Simulated Hospital"
    dataset.SeriesInstanceUID = make_uid(header.key, series, "series")
    dataset.SeriesNumber = number
    dataset.InstanceNumber = 1
    dataset.SoftwareVersions = "radius-dxa-node simulation"
    return dataset


def finish(dataset: Dataset, transfer_syntax: UID = ExplicitVRLittleEndian) -> Dataset:
    """Give an object the file meta it is written with."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = transfer_syntax
    meta.ImplementationClassUID = make_uid("radius-dxa-node", "simulation")
    meta.ImplementationVersionName = "RADIUSDXA_SIM"
    dataset.file_meta = meta
    return dataset


def code(value: str, scheme: str, meaning: str) -> Sequence:
    """A code sequence of one item."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Sequence([item])
