"""Fetching from archives: Orthanc over C-GET, C-MOVE and WADO-RS, and peers that break off or misbehave."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from asked_archives import asked_orthanc, over_dimse, over_the_web, scripted_archive, upload, write_study
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    BasicTextSRStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    generate_uid,
)
from pynetdicom import evt
from real_peers import OrthancServer
from retrieval_ground import data_set_of
from scripted_scp import scripted_scp

from dicom_node.errors import PermanentArchiveError, TransientArchiveError
from dicom_node.network.admission import StoreRequest, admit
from dicom_node.network.dicomweb import DicomwebArchive
from dicom_node.network.query import ArchivePeer, DicomArchive, FoundInstance, find_instances
from dicom_node.network.retrieve import RetrieveReport, retrieve


@dataclass
class Kept:
    """An intake that admits as the node does, and remembers."""

    status: int = 0x0000
    requests: list[StoreRequest] = field(default_factory=list)

    def __call__(self, request: StoreRequest) -> int:
        self.requests.append(request)
        return admit(request).status or self.status

    @property
    def uids(self) -> set[str]:
        return {request.sop_instance_uid for request in self.requests}


STUDY = generate_uid()


@pytest.fixture(scope="module")
def stored_files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One study: two series, three classes, two transfer syntaxes."""
    folder = tmp_path_factory.mktemp("study")
    return [
        *write_study(folder, study=STUDY, count=3),
        *write_study(folder, study=STUDY, syntax=ImplicitVRLittleEndian),
        *write_study(folder, study=STUDY, sop_class=BasicTextSRStorage, Modality="SR"),
        *write_study(folder, study=STUDY, sop_class="1.2.840.10008.5.1.4.1.1.66", Modality="OT"),
    ]


@pytest.fixture(scope="module")
def orthanc_with_study(
    tmp_path_factory: pytest.TempPathFactory, stored_files: list[Path]
) -> Iterator[OrthancServer]:
    with asked_orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        upload(server, stored_files)
        yield server


def uid_of(file: Path) -> str:
    return file.stem


def fetch(archive: ArchivePeer, kept: Kept, wanted: set[str] | None = None) -> RetrieveReport:
    found = find_instances(archive, STUDY)
    everything = {instance.sop_instance_uid for instance in found}
    return retrieve(archive, STUDY, found, wanted=frozenset(wanted or everything), keep=kept)


@pytest.mark.orthanc
class TestOrthanc:
    @pytest.mark.parametrize("way", [over_dimse, over_the_web])
    def test_a_study_comes_whole_and_byte_for_byte(
        self, orthanc_with_study: OrthancServer, stored_files: list[Path], way: Any
    ) -> None:
        kept = Kept()
        report = fetch(way(orthanc_with_study), kept)
        assert (report.completed, report.failed, report.problems) == (len(stored_files), 0, {})
        came = {request.sop_instance_uid: bytes(request.data_set) for request in kept.requests}
        assert came == {uid_of(file): data_set_of(file) for file in stored_files}, "in its own syntax"

    @pytest.mark.parametrize("way", [over_dimse, over_the_web])
    def test_only_what_is_missing_is_fetched(
        self, orthanc_with_study: OrthancServer, stored_files: list[Path], way: Any
    ) -> None:
        kept = Kept()
        missing = {uid_of(stored_files[0]), uid_of(stored_files[1]), uid_of(stored_files[4])}
        report = fetch(way(orthanc_with_study), kept, missing)
        assert kept.uids == missing
        assert report.completed == 3

    @pytest.mark.parametrize("way", [over_dimse, over_the_web])
    def test_what_the_node_refuses_is_reported_for_each_object(
        self, orthanc_with_study: OrthancServer, stored_files: list[Path], way: Any
    ) -> None:
        report = fetch(way(orthanc_with_study), Kept(status=0xA700))
        assert report.failed == len(stored_files)
        assert set(report.problems) == {uid_of(file) for file in stored_files}

    def test_a_caller_that_may_not_retrieve_is_told_so(self, orthanc_with_study: OrthancServer) -> None:
        found = find_instances(over_dimse(orthanc_with_study), STUDY)
        uids = frozenset(instance.sop_instance_uid for instance in found)
        with pytest.raises(TransientArchiveError, match="does it know AE title NOBODY"):
            nobody = over_dimse(orthanc_with_study, calling="NOBODY")
            retrieve(nobody, STUDY, found, wanted=uids, keep=Kept())

    def test_an_instance_that_is_not_there_fails_alone_over_the_web(
        self, orthanc_with_study: OrthancServer, stored_files: list[Path]
    ) -> None:
        archive = over_the_web(orthanc_with_study)
        gone = FoundInstance(sop_instance_uid=generate_uid(), series_instance_uid=generate_uid())
        found = [gone, *find_instances(archive, STUDY)]
        wanted = frozenset({gone.sop_instance_uid, uid_of(stored_files[0])})
        report = retrieve(archive, STUDY, found, wanted=wanted, keep=Kept())
        assert (report.completed, report.failed) == (1, 1)
        assert "404" in report.problems[gone.sop_instance_uid]


@pytest.mark.orthanc
def test_c_move_brings_the_study_to_the_nodes_own_address(tmp_path: Path, stored_files: list[Path]) -> None:
    classes = tuple({str(dcmread(file).SOPClassUID) for file in stored_files})
    with (
        scripted_scp(ae_title="RADIUSDXA", sop_classes=classes) as receiver,
        asked_orthanc(tmp_path, node_port=receiver.peer.port) as server,
    ):
        upload(server, stored_files)
        archive = replace(over_dimse(server), retrieve="c-move")
        report = fetch(archive, Kept())
        assert report.completed == len(stored_files)
        assert set(receiver.sop_instance_uids) == {uid_of(file) for file in stored_files}


@pytest.mark.orthanc
def test_c_move_that_the_receiver_cuts_short_may_be_tried_again(
    tmp_path: Path, stored_files: list[Path]
) -> None:
    with (
        scripted_scp(
            ae_title="RADIUSDXA", status=lambda _event, count: 0xA700 if count > 1 else 0
        ) as receiver,
        asked_orthanc(tmp_path, node_port=receiver.peer.port) as server,
    ):
        upload(server, stored_files[:3])
        archive = replace(over_dimse(server), retrieve="c-move")
        with pytest.raises(TransientArchiveError, match="0xC000"):  # Orthanc gives up as a whole
            fetch(archive, Kept())
    assert receiver.sop_instance_uids


def found_instances(*datasets: Dataset) -> list[FoundInstance]:
    return [
        FoundInstance(
            sop_instance_uid=item.SOPInstanceUID,
            series_instance_uid=item.SeriesInstanceUID,
            sop_class_uid=item.SOPClassUID,
        )
        for item in datasets
    ]


@pytest.fixture
def two_objects(tmp_path: Path) -> list[Dataset]:
    return [dcmread(file) for file in write_study(tmp_path, study=STUDY, count=2)]


Answers = Iterator[Any]


def get(archive: DicomArchive, datasets: list[Dataset], kept: Kept) -> RetrieveReport:
    found = found_instances(*datasets)
    wanted = frozenset(instance.sop_instance_uid for instance in found)
    return retrieve(archive, STUDY, found, wanted=wanted, keep=kept)


def test_an_object_that_was_not_asked_for_is_refused(tmp_path: Path, two_objects: list[Dataset]) -> None:
    (stranger,) = (dcmread(file) for file in write_study(tmp_path / "other", study=generate_uid()))

    def answer(event: evt.Event) -> Answers:
        yield 3
        for item in (*two_objects, stranger):
            yield 0xFF00, item

    kept = Kept()
    with scripted_archive(get=answer) as archive:
        report = get(archive, two_objects, kept)
    assert kept.uids == {item.SOPInstanceUID for item in two_objects}
    assert (report.completed, report.failed) == (2, 1)


def test_failed_suboperations_are_reported(two_objects: list[Dataset]) -> None:
    def answer(event: evt.Event) -> Answers:
        yield 2
        yield 0xFF00, two_objects[0]
        failed = Dataset()
        failed.FailedSOPInstanceUIDList = [two_objects[1].SOPInstanceUID]
        yield 0xB000, failed

    with scripted_archive(get=answer) as archive:
        report = get(archive, two_objects, Kept())
    assert report.completed == 1
    assert list(report.problems) == [two_objects[1].SOPInstanceUID]


def test_what_came_before_an_abort_is_kept_and_the_failure_may_pass(two_objects: list[Dataset]) -> None:
    def answer(event: evt.Event) -> Answers:
        yield 2
        yield 0xFF00, two_objects[0]
        event.assoc.abort()
        yield 0xFF00, two_objects[1]

    kept = Kept()
    with scripted_archive(get=answer) as archive, pytest.raises(TransientArchiveError, match="final answer"):
        get(archive, two_objects, kept)
    assert kept.uids == {two_objects[0].SOPInstanceUID}


@pytest.mark.parametrize(
    ("status", "policy"),
    [(0xA701, TransientArchiveError), (0xA900, PermanentArchiveError), (0xC000, TransientArchiveError)],
)
def test_a_failure_status_has_its_policy(
    two_objects: list[Dataset], status: int, policy: type[Exception]
) -> None:
    def answer(event: evt.Event) -> Answers:
        yield 1
        yield status, None

    with scripted_archive(get=answer) as archive, pytest.raises(policy, match=f"0x{status:04X}"):
        get(archive, two_objects, Kept())


def test_an_unknown_move_destination_says_what_to_configure(two_objects: list[Dataset]) -> None:
    def answer(event: evt.Event) -> Answers:
        yield None, None

    with (
        scripted_archive(move=answer) as archive,
        pytest.raises(PermanentArchiveError, match="add host and port of this node there"),
    ):
        get(replace(archive, retrieve="c-move"), two_objects, Kept())


def test_an_archive_without_c_get_is_permanent(two_objects: list[Dataset]) -> None:
    with (
        scripted_archive(find=lambda _event: iter(())) as archive,
        pytest.raises((PermanentArchiveError, TransientArchiveError)),
    ):
        get(archive, two_objects, Kept())


def test_a_path_in_place_of_a_uid_is_never_asked_for() -> None:
    archive = DicomwebArchive("http://127.0.0.1:9/dicom-web")
    with pytest.raises(PermanentArchiveError, match="not a legal UID"):
        archive.retrieve("1.2", "1.3", "../../etc/passwd")


def test_classes_that_are_not_told_are_all_proposed(two_objects: list[Dataset]) -> None:
    proposed: list[str] = []

    def answer(event: evt.Event) -> Answers:
        proposed.extend(str(context.abstract_syntax) for context in event.assoc.requestor.requested_contexts)
        yield 1
        yield 0xFF00, two_objects[0]

    found = [replace(item, sop_class_uid="") for item in found_instances(*two_objects)]
    with scripted_archive(get=answer) as archive:
        wanted = frozenset(item.sop_instance_uid for item in found)
        report = retrieve(archive, STUDY, found, wanted=wanted, keep=Kept())
    assert report.completed == 1
    assert SecondaryCaptureImageStorage in proposed
    assert 100 < len(proposed) <= 128


def test_the_syntax_of_the_archive_is_taken_as_it_is(two_objects: list[Dataset]) -> None:
    def answer(event: evt.Event) -> Answers:
        yield 1
        yield 0xFF00, two_objects[0]

    kept = Kept()
    with scripted_archive(get=answer) as archive:
        get(archive, two_objects, kept)
    assert {request.transfer_syntax_uid for request in kept.requests} == {ExplicitVRLittleEndian}
