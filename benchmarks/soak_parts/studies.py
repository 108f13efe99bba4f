"""What the scanners send: one encoded study of each kind, stamped with new UIDs for each that is sent."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, SecondaryCaptureImageStorage
from pynetdicom.dsutils import encode

__all__ = ["SOP_CLASSES", "StudyObject", "Supply"]

SOP_CLASSES = (
    SecondaryCaptureImageStorage,
    DigitalXRayImageStorageForPresentation,
    "1.2.840.10008.1.1",  # Verification
)
"""What the scanners negotiate, in order of presentation context ID: 1, 3, 5."""

_ROOT = "1.2.826.0.1.3680043.10.999.7."
_DIGITS = 10
_PLACEHOLDER = "1" + "0" * (_DIGITS - 1)
_SHAPES = ((64, 64), (160, 160))
"""Rows and columns of the Secondary Captures of one study: 8 and 50 KB."""

_MODELS = 3
"""Different forearms; more would say nothing more about leaks."""


@dataclass(frozen=True, slots=True)
class StudyObject:
    """One object ready to be sent."""

    context_id: int
    sop_class_uid: str
    sop_instance_uid: str
    data_set: bytes

    @property
    def sha256(self) -> str:
        """Digest of the data set, by which the archive names it."""
        return hashlib.sha256(self.data_set).hexdigest()


class Supply:
    """Studies without end: by number, the same number always the same bytes.

    Parameters
    ----------
    forearm_share : float
        Share of studies that are a forearm for the node to analyse; the others are two Secondary Captures.
    """

    def __init__(self, forearm_share: float) -> None:
        self._every = round(1 / forearm_share) if forearm_share else 0
        self._captures = [_encoded(_capture(number, *shape)) for number, shape in enumerate(_SHAPES)]
        self._forearms = [_encoded(_forearm(number)) for number in range(_MODELS if self._every else 0)]

    def study(self, number: int) -> list[StudyObject]:
        """Return the objects of one study."""
        if self.is_forearm(number):
            return [_stamped(3, self._forearms[number // self._every % _MODELS], number)]
        return [_stamped(1, template, number) for template in self._captures]

    def is_forearm(self, number: int) -> bool:
        """Tell whether a study is to be analysed; the first one is."""
        return bool(self._every) and number % self._every == 0


def _stamped(context_id: int, template: tuple[str, str, bytes], number: int) -> StudyObject:
    sop_class, instance, encoded = template
    digits = f"{int(_PLACEHOLDER) + number:0{_DIGITS}d}"
    return StudyObject(
        context_id,
        sop_class,
        instance.replace(_PLACEHOLDER, digits),
        encoded.replace(_PLACEHOLDER.encode(), digits.encode()),
    )


def _encoded(dataset: Dataset) -> tuple[str, str, bytes]:
    encoded = encode(dataset, is_implicit_vr=False, is_little_endian=True)
    if encoded is None:
        raise ValueError("the study cannot be encoded")
    return dataset.SOPClassUID, dataset.SOPInstanceUID, encoded


def _named(dataset: Dataset, instance: int) -> Dataset:
    study = _ROOT + _PLACEHOLDER
    dataset.StudyInstanceUID = study
    dataset.SeriesInstanceUID = f"{study}.1"
    dataset.SOPInstanceUID = f"{study}.1.{instance}"
    dataset.PatientID = f"P{_PLACEHOLDER}"  # a patient of its own: no study waits for an earlier one
    dataset.PatientName = f"Soak^{_PLACEHOLDER}"
    return dataset


def _forearm(number: int) -> Dataset:
    from analysis.simulation.study import simulate_study

    (dataset,) = simulate_study("calibrated", 8000 + number).objects.values()
    return _named(dataset, 1)


def _capture(number: int, rows: int, columns: int) -> Dataset:
    dataset = Dataset()
    for keyword, value in {
        "SOPClassUID": SecondaryCaptureImageStorage,
        "StudyDate": "20260102",
        "Modality": "OT",
        "Manufacturer": "Soak",
        "StudyDescription": "Page of a report",
        "PatientBirthDate": "19500101",
        "PatientSex": "F",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
    }.items():
        setattr(dataset, keyword, value)
    dataset.add_new("PixelData", "OW", (bytes(range(256)) * rows * columns)[: 2 * rows * columns])
    return _named(dataset, number + 1)
