"""200 odd but legal sources, drawn from a table of quirks so that every pair of quirks occurs.

A source is written and read again, as the receiver gets it: what is odd about its bytes stays odd.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from itertools import combinations
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
    XRayAngiographicImageStorage,
)
from report_support import COLUMNS, ROWS, make_analysis, make_source

from analysis.results import Laterality, SourceImage, StudyAnalysis
from reports.options import ReportOptions

CASES = 200
SEED = 20261127

LONG_UIDS = {
    keyword: f"1.2.826.0.1.3680043.10.9999.{digit}.".ljust(64, str(digit))
    for digit, keyword in enumerate(("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"), start=1)
}
assert {len(uid) for uid in LONG_UIDS.values()} == {64}


@dataclass(frozen=True)
class Name:
    """A character set, the bytes of a name in it, and what the name says.

    `legible` is false where the source itself does not say what its bytes mean: then only the results'
    validity and their agreement among each other can be asked for.
    """

    character_set: Any
    raw: bytes
    text: str
    legible: bool = True
    words: tuple[bytes, str] | None = None

    def described(self) -> tuple[bytes, str]:
        """Free text in the same script, as bytes and as text."""
        return self.words or (
            self.raw.replace(b"^", b" ").replace(b"=", b" "),
            self.text.replace("^", " ").replace("=", " "),
        )


KOREAN = "Hong^Gildong=洪^吉洞=홍^길동"
JAPANESE = "Yamada^Tarou=山田^太郎=やまだ^たろう"
NAMES = {
    "a plain name": Name("ISO_IR 192", b"Doe^Jane", "Doe^Jane"),
    "no character set": Name(None, b"Doe^Jane", "Doe^Jane"),
    "an empty character set": Name("", b"Doe^Jane", "Doe^Jane"),
    "UTF-8, three groups": Name("ISO_IR 192", KOREAN.encode(), KOREAN),
    "GB18030": Name("GB18030", "王^小东".encode("gb18030"), "王^小东"),
    "GB18030, rare": Name("GB18030", "Yan^Ke=闫^𬭎".encode("gb18030"), "Yan^Ke=闫^𬭎"),
    "GBK": Name("GBK", "Zhang^San=张^三".encode("gbk"), "Zhang^San=张^三"),
    "Latin-1": Name("ISO_IR 100", "Müller^Jürgen".encode("latin-1"), "Müller^Jürgen"),
    "Korean, ISO 2022 IR 149": Name(  # PS3.5 I.2, example 1
        ["", "ISO 2022 IR 149"],
        b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        KOREAN,
    ),
    "Japanese, ISO 2022 IR 87": Name(  # PS3.5 H.3, example 1
        ["", "ISO 2022 IR 87"],
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        JAPANESE,
        words=(b"DXA \x1b$B;3ED\x1b(B", "DXA 山田"),  # one byte of a letter in Kanji may look like a ^
    ),
    "Chinese, ISO 2022 IR 58": Name(  # PS3.5 K.2, example 1
        ["", "ISO 2022 IR 58"],
        b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=",
        "Zhang^XiaoDong=张^小东",
    ),
    "a bogus character set": Name("ISO_IR 999", b"Doe^Jane", "Doe^Jane"),
    "undeclared bytes": Name(None, "Müller^Jürgen".encode("latin-1"), "", legible=False),
    "no name": Name("ISO_IR 192", b"", ""),
    "64 characters": Name("ISO_IR 192", b"X" * 31 + b"^" + b"Y" * 32, "X" * 31 + "^" + "Y" * 32),
    "five components": Name("ISO_IR 100", b"Doe^Jane^Q.^Dr.^MD", "Doe^Jane^Q.^Dr.^MD"),
    "an ideographic group alone": Name("ISO_IR 192", "=王^小东".encode(), "=王^小东"),
}

ABSENT = None
QUIRKS: dict[str, dict[str, dict[str, Any]]] = {
    "name": {name: {"name": name} for name in NAMES},
    "sex": {
        "F": {"PatientSex": "F"},
        "M": {"PatientSex": "M"},
        "O": {"PatientSex": "O"},
        "U": {"PatientSex": "U"},
        "empty": {"PatientSex": ""},
        "absent": {"PatientSex": ABSENT},
    },
    "birth date": {
        "given": {"PatientBirthDate": "19580314"},
        "dotted": {"PatientBirthDate": "1958.03.14"},
        "empty": {"PatientBirthDate": ""},
        "absent": {"PatientBirthDate": ABSENT},
    },
    "patient ID": {
        "given": {"PatientID": "4711"},
        "64 characters": {"PatientID": "P" * 64},
        "empty": {"PatientID": ""},
        "absent": {"PatientID": ABSENT},
    },
    "study date": {
        "given": {"StudyDate": "20261105", "StudyTime": "101500"},
        "with fractions": {"StudyDate": "20261105", "StudyTime": "101500.123456"},
        "dotted": {"StudyDate": "2026.11.05", "StudyTime": "10:15:00"},
        "empty": {"StudyDate": "", "StudyTime": ""},
        "absent": {"StudyDate": ABSENT, "StudyTime": ABSENT},
    },
    "other dates": {
        "given": {},
        "absent": {"AcquisitionDate": ABSENT, "AcquisitionTime": ABSENT, "SeriesDate": ABSENT},
        "empty": {"AcquisitionDate": "", "AcquisitionTime": "", "SeriesDate": ""},
        "dotted": {"AcquisitionDate": "2026.11.05", "AcquisitionTime": "", "SeriesDate": ABSENT},
    },
    "study": {
        "given": {},
        "empty": {"AccessionNumber": "", "StudyID": "", "ReferringPhysicianName": ""},
        "absent": {"AccessionNumber": ABSENT, "StudyID": ABSENT, "ReferringPhysicianName": ABSENT},
        "16 characters": {"AccessionNumber": "A" * 16, "StudyID": "S" * 16},
    },
    "description": {
        "given": {"StudyDescription": "Forearm DXA"},
        "in the name's script": {"StudyDescription": "same script"},
        "64 characters": {"StudyDescription": "D" * 64},
        "empty": {"StudyDescription": ""},
        "absent": {"StudyDescription": ABSENT},
    },
    "class": {
        "CR": {"SOPClassUID": ComputedRadiographyImageStorage, "Modality": "CR"},
        "CR, modality BMD": {"SOPClassUID": ComputedRadiographyImageStorage, "Modality": "BMD"},
        "DX": {"SOPClassUID": DigitalXRayImageStorageForPresentation, "Modality": "DX"},
        "DX for processing": {"SOPClassUID": DigitalXRayImageStorageForProcessing, "Modality": "DX"},
        "SC": {"SOPClassUID": SecondaryCaptureImageStorage, "Modality": "OT"},
        "SC without modality": {"SOPClassUID": SecondaryCaptureImageStorage, "Modality": ABSENT},
        "SC, one of many frames": {
            "SOPClassUID": MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
            "Modality": "BMD",
            "NumberOfFrames": 1,
        },
        "XA": {"SOPClassUID": XRayAngiographicImageStorage, "Modality": "XA", "NumberOfFrames": 1},
    },
    "photometry": {
        "MONOCHROME2": {"PhotometricInterpretation": "MONOCHROME2"},
        "MONOCHROME1": {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
    },
    "window": {
        "none": {},
        "one": {"WindowCenter": "2048", "WindowWidth": "4096"},
        "many": {
            "WindowCenter": ["1000", "2000", "3000"],
            "WindowWidth": ["500", "900", "1500"],
            "WindowCenterWidthExplanation": ["BONE", "SOFT", "ALL"],
        },
    },
    "orientation": {
        "L\\F": {"PatientOrientation": ["L", "F"]},
        "oblique": {"PatientOrientation": ["LA", "FP"]},
        "empty": {"PatientOrientation": ""},
        "absent": {"PatientOrientation": ABSENT},
    },
    "spacing": {
        "of pixels": {"PixelSpacing": ["0.5", "0.5"]},
        "of the imager": {"PixelSpacing": ABSENT, "ImagerPixelSpacing": ["0.5", "0.5"]},
        "none": {"PixelSpacing": ABSENT, "spacing": None},
    },
    "side": {
        "left": {"Laterality": "L", "side": Laterality.LEFT},
        "right": {"Laterality": "R", "side": Laterality.RIGHT},
        "unknown": {"Laterality": ABSENT, "side": None},
        "empty": {"Laterality": "", "side": None},
    },
    "body part": {
        "forearm": {},
        "absent": {"BodyPartExamined": ABSENT},
        "odd": {"BodyPartExamined": "LEFT FOREARM"},
    },
    "private": {"none": {}, "elements": {"private": "elements"}, "sequence": {"private": "sequence"}},
    "frame of reference": {"none": {}, "given": {"FrameOfReferenceUID": "2.25.4711"}},
    "UIDs": {"short": {}, "64 characters": {"long UIDs": True}},
    "request": {"none": {}, "with text": {"request": True}},
    "class of the reports": {
        "comprehensive": {"sr_class": "comprehensive"},
        "enhanced": {"sr_class": "enhanced"},
        "3D": {"sr_class": "comprehensive_3d"},
    },
    "language": {"English": {"language": "en"}, "Chinese": {"language": "zh"}},
}
"""Axis -> quirk -> attributes of the source (`ABSENT` leaves one out) and what else it changes."""

Choice = dict[str, str]


@dataclass(frozen=True)
class OddSource:
    """One source with what is odd about it, and the analysis of it."""

    number: int
    choice: Choice
    name: Name
    attributes: dict[str, Any]
    source: Dataset
    analysis: StudyAnalysis
    options: ReportOptions

    def __str__(self) -> str:
        return f"{self.number:03d}: " + ", ".join(f"{axis} {quirk}" for axis, quirk in self.choice.items())


@cache
def choices() -> tuple[Choice, ...]:
    """Every pair of quirks of two axes, within `CASES` sources; always the same ones."""
    draw = random.Random(SEED)  # noqa: S311 - which cases are tried, not a secret
    missing = set(_pairs({axis: tuple(quirks) for axis, quirks in QUIRKS.items()}))
    chosen: list[Choice] = []
    while len(chosen) < CASES:
        start = dict(min(missing)) if missing else {}
        best = max((_candidate(start, draw) for _ in range(25)), key=lambda it: len(missing & _of(it)))
        missing -= _of(best)
        chosen.append(best)
    assert not missing, f"{len(missing)} pairs of quirks are left"
    return tuple(chosen)


def odd_source(number: int) -> OddSource:
    """Make one of the `CASES` sources."""
    choice = choices()[number]
    drawn: dict[str, Any] = {}
    for axis, quirk in choice.items():
        drawn |= QUIRKS[axis][quirk]
    name = NAMES[drawn.pop("name")]
    extra = {key: drawn.pop(key) for key in tuple(drawn) if not tag_for_keyword(key)}
    if extra.get("long UIDs"):
        drawn |= LONG_UIDS
    source = _source(name, drawn, extra)
    return OddSource(number, choice, name, drawn, source, _analysis(source, extra), _options(extra))


def _pairs(axes: dict[str, tuple[str, ...]]) -> Iterator[tuple[tuple[str, str], tuple[str, str]]]:
    for first, second in combinations(sorted(axes), 2):
        for one in axes[first]:
            for other in axes[second]:
                yield (first, one), (second, other)


def _of(choice: Choice) -> set[tuple[tuple[str, str], tuple[str, str]]]:
    return set(combinations(sorted(choice.items()), 2))


def _candidate(start: Choice, draw: random.Random) -> Choice:
    return {axis: start.get(axis) or draw.choice(tuple(quirks)) for axis, quirks in QUIRKS.items()}


def _options(extra: dict[str, Any]) -> ReportOptions:
    return replace(ReportOptions(), sr_class=extra["sr_class"], language=extra["language"])


def _analysis(source: Dataset, extra: dict[str, Any]) -> StudyAnalysis:
    image = SourceImage(source.SOPClassUID, source.SOPInstanceUID, source.SeriesInstanceUID, ROWS, COLUMNS)
    changes = {"pixel_spacing_mm": None, "spacing_source": ""} if "spacing" in extra else {}
    return make_analysis(
        study_instance_uid=source.StudyInstanceUID, source=image, laterality=extra["side"], **changes
    )


def _source(name: Name, attributes: dict[str, Any], extra: dict[str, Any]) -> Dataset:
    dataset = make_source(**{**attributes, "SpecificCharacterSet": name.character_set, "PatientName": None})
    _put_raw(dataset, "PatientName", name.raw)
    if attributes.get("StudyDescription") == "same script":
        _put_raw(dataset, "StudyDescription", name.described()[0])
    for keyword in ("PatientBirthDate", "StudyDate", "StudyTime", "AcquisitionDate", "PatientOrientation"):
        if attributes.get(keyword) and isinstance(attributes[keyword], str):
            _put_raw(dataset, keyword, attributes[keyword].encode())
    if extra.get("private"):
        _add_private(dataset, extra["private"])
    if extra.get("request"):
        request = Dataset()
        request.ScheduledProcedureStepDescription = "Forearm, left"
        dataset.RequestAttributesSequence = [request]
    return _as_received(dataset)


def _put_raw(dataset: Dataset, keyword: str, raw: bytes) -> None:
    tag = Tag(keyword)
    padded = raw + b" " * (len(raw) % 2)
    dataset[tag] = RawDataElement(tag, dictionary_VR(tag), len(padded), padded, 0, False, True)


def _add_private(dataset: Dataset, kind: str) -> None:
    block = dataset.private_block(0x0019, "ODD DENSITOMETER", create=True)
    block.add_new(0x01, "LO", "private text")
    block.add_new(0x02, "UN", b"\x01\x02\x03\x04")
    if kind == "sequence":
        item = Dataset()
        item.PatientName = "Someone^Else"
        block.add_new(0x10, "SQ", [item])


def _as_received(dataset: Dataset) -> Dataset:
    file = BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    file.seek(0)
    return dcmread(file)
