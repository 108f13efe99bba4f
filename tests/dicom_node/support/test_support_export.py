"""The support ZIP names nobody, whatever the sources hold, and still says what helps."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from node_support import outcome, receive_complete
from odd_sources import CASES, odd_source
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from report_support import make_source

from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import Severity
from dicom_node.support.deidentify import deidentified, pixels_may_stay
from dicom_node.support.export import export_support
from dicom_node.support.pseudonyms import Pseudonyms
from dicom_node.workflow.adoption import read_archived

SAMPLES = sorted((Path(__file__).parents[3] / "sample_studies").rglob("*.dcm"))


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "data")


@pytest.fixture
def journal(archive: Archive) -> Iterator[Journal]:
    opened = Journal(archive.journal_path)
    yield opened
    opened.close()


def put(archive: Archive, journal: Journal, dataset: Dataset) -> None:
    """Archive and journal an object as the receiver does."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, dataset)
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    path = archive.store_instance(
        buffer.getvalue(),
        digest,
        sop_class_uid=dataset.SOPClassUID,
        sop_instance_uid=dataset.SOPInstanceUID,
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    instance = read_archived(archive, str(path))
    journal.record_instance(
        replace(instance, calling_ae="WARD-SEVEN", called_ae="RADIUSDXA", peer_address="198.51.100.77")
    )


def picture(**changes: object) -> Dataset:
    dataset = make_source(SOPInstanceUID=generate_uid(), **changes)
    dataset.add_new("PixelData", "OW", bytes(range(256)))
    return dataset


def texts_of(zipped: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(zipped) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def test_no_odd_source_leaves_a_trace_of_who_was_measured(
    tmp_path: Path, archive: Archive, journal: Journal
) -> None:
    secrets: set[bytes] = set()
    studies = set()
    for number in range(0, CASES, 4):
        case = odd_source(number)
        dataset = case.source
        dataset.StudyInstanceUID, dataset.SOPInstanceUID = generate_uid(), generate_uid()
        dataset.PatientID = f"QX-{number}-77"
        dataset.InstitutionName = "St. Nowhere Infirmary"
        dataset.OperatorsName = "Nightingale^Florence"
        dataset.DeviceSerialNumber = "SN-990-31"
        dataset.PatientComments = "daughter of the mayor"
        dataset.ImageComments = "phoned Dr. Nightingale"
        put(archive, journal, dataset)
        studies.add(str(dataset.StudyInstanceUID))
        secrets |= {part for part in case.name.raw.replace(b"=", b"^").split(b"^") if len(part) >= 5}
        secrets |= {part.encode() for part in case.name.text.replace("=", "^").split("^") if len(part) >= 5}
        secrets |= {dataset.PatientID.encode(), dataset.StudyInstanceUID.encode()}
        secrets |= {dataset.SOPInstanceUID.encode()}
    secrets |= {b"Nowhere", b"Nightingale", b"SN-990-31", b"mayor", b"private text", b"Someone", b"A-77"}
    secrets |= {b"WARD-SEVEN", b"198.51.100.77", b"ODD DENSITOMETER", b"19580314", b"Smith"}
    target = tmp_path / "support.zip"
    made = export_support(archive, journal, sorted(studies), target)
    assert made.objects == len(studies), made.left_out
    for name, content in texts_of(target).items():
        searched = name.encode() + (without_pixels(content) if name.endswith(".dcm") else content)
        assert not [secret for secret in secrets if secret.lower() in searched.lower()], name


def without_pixels(content: bytes) -> bytes:
    dataset = dcmread(io.BytesIO(content))
    dataset.pop("PixelData", None)
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_what_helps_stays(archive: Archive, journal: Journal, tmp_path: Path) -> None:
    source = picture(BurnedInAnnotation="NO", PatientAge="093Y")
    put(archive, journal, source)
    made = export_support(archive, journal, [source.StudyInstanceUID], tmp_path / "support.zip")
    assert (made.objects, made.risks) == (1, [])
    files = texts_of(tmp_path / "support.zip")
    (kept,) = (dcmread(io.BytesIO(content)) for name, content in files.items() if name.endswith(".dcm"))
    assert kept.PixelData == source.PixelData
    assert kept.PixelSpacing == source.PixelSpacing
    assert (kept.PatientSex, kept.PatientAge, kept.PatientSize) == ("F", "090Y", source.PatientSize)
    assert kept.ManufacturerModelName == "Phantom 1"
    assert (kept.PatientIdentityRemoved, kept.StudyDate < "20261105") == ("YES", True)
    (rows,) = (json.loads(content) for name, content in files.items() if name.endswith("journal.json"))
    assert rows["studies"][0]["state"] == "receiving"
    assert rows["instances"][0]["study_instance_uid"] == kept.StudyInstanceUID, (
        "the same pseudonym throughout"
    )
    assert rows["instances"][0]["size"] > 0


def test_pages_lose_their_pixels_and_unstated_ones_are_flagged(
    archive: Archive, journal: Journal, tmp_path: Path
) -> None:
    page = picture(SOPClassUID="1.2.840.10008.5.1.4.1.1.7")
    silent = picture()
    burned = picture(BurnedInAnnotation="YES")
    for source in (page, silent, burned):
        put(archive, journal, source)
    made = export_support(archive, journal, [page.StudyInstanceUID], tmp_path / "support.zip")
    assert [("RISK" in risk) for risk in made.risks] == [True]
    kept = [
        dcmread(io.BytesIO(content))
        for name, content in texts_of(tmp_path / "support.zip").items()
        if name.endswith(".dcm")
    ]
    assert sum("PixelData" in dataset for dataset in kept) == 1
    made = export_support(archive, journal, [page.StudyInstanceUID], tmp_path / "none.zip", with_pixels=False)
    assert made.risks == []


def test_events_and_logs_lose_what_they_quote(archive: Archive, journal: Journal, tmp_path: Path) -> None:
    source = make_source(SOPInstanceUID=generate_uid(), PatientName="Mustermann^Erika")
    put(archive, journal, source)
    journal.note_event(
        Severity.WARNING,
        "odd",
        f"AE WARD-SEVEN sent 'Mustermann' at 198.51.100.77: object {source.SOPInstanceUID} below /srv/dicom",
        study_instance_uid=source.StudyInstanceUID,
    )
    log = tmp_path / "node.log"
    log.write_text(f"2026-11-05 WARNING study {source.StudyInstanceUID}: Mustermann from WARD-SEVEN\n")
    target = tmp_path / "support.zip"
    export_support(archive, journal, [source.StudyInstanceUID], target, logs=[log])
    everything = b"".join(
        content for name, content in texts_of(target).items() if name.endswith(("json", "txt"))
    )
    for secret in ("Mustermann", "WARD-SEVEN", "198.51", source.SOPInstanceUID, "/srv/dicom", "2026-11-05"):
        assert secret.encode() not in everything, secret
    assert b"WARNING study 2.25." in everything


def test_numbers_of_an_analysis_stay_and_its_texts_go(
    archive: Archive, journal: Journal, tmp_path: Path
) -> None:
    receive_complete(journal, "1.2", uid="1.2.1")
    job = journal.claim_analysis("test", 60)
    assert job is not None
    numbers = {"bmd": 0.512, "region": "ultradistal", "patient": "Erika Mustermann 1950", "date": "20260101"}
    journal.finish_analysis(job, outcome(result_json=json.dumps(numbers)))
    export_support(archive, journal, ["1.2"], tmp_path / "support.zip")
    (rows,) = (
        json.loads(content)
        for name, content in texts_of(tmp_path / "support.zip").items()
        if "journal" in name
    )
    kept = rows["analyses"][0]["result_json"]
    assert (kept["bmd"], kept["region"], kept["date"]) == (0.512, "ultradistal", "<text>")


def test_what_a_file_says_in_codes_survives_only_in_public_schemes() -> None:
    public, private = Dataset(), Dataset()
    public.CodeValue, public.CodingSchemeDesignator, public.CodeMeaning = "62413002", "SCT", "Frau Mustermann"
    private.CodeValue, private.CodingSchemeDesignator, private.CodeMeaning = "MUSTER", "99WARD", "Frau M"
    source = make_source(AnatomicRegionSequence=[public], ProcedureCodeSequence=[private])
    kept = deidentified(source, Pseudonyms(), with_pixels=False)
    assert kept.AnatomicRegionSequence[0].CodeMeaning == "62413002"
    assert kept.ProcedureCodeSequence[0].CodeValue == "removed"


def test_the_same_key_gives_the_same_pseudonyms_and_another_key_others() -> None:
    first, second = Pseudonyms(b"one"), Pseudonyms(b"two")
    assert first.uid("1.2.3") == Pseudonyms(b"one").uid("1.2.3") != second.uid("1.2.3")
    assert first.uid("1.2.840.10008.1.2") == "1.2.840.10008.1.2"
    assert len(first.uid("1.2.3")) <= 64


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_sample_study_can_be_read_again(path: Path) -> None:
    source = dcmread(path)
    kept = deidentified(source, Pseudonyms(), with_pixels=pixels_may_stay(source)[0])
    kept.file_meta = FileMetaDataset()
    kept.file_meta.TransferSyntaxUID = (
        source.file_meta.TransferSyntaxUID if "PixelData" in kept else ExplicitVRLittleEndian
    )
    buffer = io.BytesIO()
    kept.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    assert dcmread(buffer).SOPClassUID == source.SOPClassUID
