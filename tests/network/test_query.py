"""What an archive has, asked over DIMSE and DICOMweb: a real Orthanc, and peers that misbehave."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from asked_archives import (
    NODE_AE,
    WAITS,
    asked_orthanc,
    over_dimse,
    over_the_web,
    scripted_archive,
    upload,
    write_study,
)
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import evt
from real_peers import OrthancServer, pick_free_port
from scripted_scp import mute_server

from dicom_node.errors import PermanentArchiveError, TransientArchiveError
from dicom_node.network.dicomweb import DicomwebArchive
from dicom_node.network.peers import Peer
from dicom_node.network.query import (
    ArchivePeer,
    DicomArchive,
    StudyFilter,
    count_instances,
    find_instances,
    find_studies,
)

OLD, NEW, OTHER, CHINESE = (generate_uid() for _ in range(4))


@pytest.fixture(scope="module")
def orthanc_with_studies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    folder = tmp_path_factory.mktemp("archive")
    files = [
        *write_study(folder / "f", study=OLD, count=3, StudyDate="20190105"),
        *write_study(folder / "f", study=NEW, count=2, StudyDate="20240105", Modality="SR"),
        *write_study(folder / "f", study=OTHER, PatientID="P10", StudyDate="20240106"),
        *write_study(
            folder / "f",
            study=CHINESE,
            PatientID="P2",
            SpecificCharacterSet="GB18030",
            PatientName="Wang^XiaoDong=王^小东",
            StudyDescription="前臂",
        ),
    ]
    with asked_orthanc(folder / "orthanc") as server:
        upload(server, files)
        yield server


WAYS = {"DIMSE": over_dimse, "DICOMweb": over_the_web}


@pytest.fixture(params=WAYS)
def orthanc_asked(orthanc_with_studies: OrthancServer, request: pytest.FixtureRequest) -> ArchivePeer:
    return WAYS[request.param](orthanc_with_studies)


@pytest.mark.orthanc
class TestOrthanc:
    def test_a_patients_studies_are_found_and_nobody_elses(self, orthanc_asked: ArchivePeer) -> None:
        found = find_studies(orthanc_asked, StudyFilter(patient_id="P1"))
        assert [study.study_instance_uid for study in found] == [OLD, NEW], "oldest first, P10 left out"
        assert [study.instance_count for study in found] == [3, 2]
        assert found[0].patient_birth_date == "19500203"
        assert found[0].modalities == ("DX",)

    def test_a_range_of_dates_includes_both_days(self, orthanc_asked: ArchivePeer) -> None:
        wanted = StudyFilter(since=date(2024, 1, 5), until=date(2024, 1, 6))
        found = {study.study_instance_uid for study in find_studies(orthanc_asked, wanted)}
        assert found == {NEW, OTHER, CHINESE}

    def test_any_of_several_modalities_is_enough(self, orthanc_asked: ArchivePeer) -> None:
        found = find_studies(orthanc_asked, StudyFilter(patient_id="P1", modalities=("SR", "BMD")))
        assert [study.study_instance_uid for study in found] == [NEW]

    def test_instances_are_listed_with_their_class_and_counted(self, orthanc_asked: ArchivePeer) -> None:
        found = find_instances(orthanc_asked, OLD)
        assert len({instance.sop_instance_uid for instance in found}) == 3
        assert {instance.modality for instance in found} == {"DX"}
        assert {instance.sop_class_uid for instance in found} == {"1.2.840.10008.5.1.4.1.1.7"}
        assert count_instances(orthanc_asked, OLD) == 3

    def test_a_study_that_is_not_there_has_no_instances(self, orthanc_asked: ArchivePeer) -> None:
        assert find_instances(orthanc_asked, generate_uid()) == []
        assert count_instances(orthanc_asked, generate_uid()) == 0

    def test_chinese_names_come_back_as_they_went_in(self, orthanc_asked: ArchivePeer) -> None:
        (study,) = find_studies(orthanc_asked, StudyFilter(patient_id="P2"))
        assert study.patient_name == "Wang^XiaoDong=王^小东"
        assert study.description == "前臂"

    def test_chinese_descriptions_can_be_asked_for(self, orthanc_with_studies: OrthancServer) -> None:
        """Over DIMSE; Orthanc's DICOMweb plug-in 1.7 finds nothing by other than ASCII letters."""
        found = find_studies(over_dimse(orthanc_with_studies), StudyFilter(description="*臂"))
        assert [study.study_instance_uid for study in found] == [CHINESE]

    def test_an_unknown_caller_is_told_so_and_not_that_there_is_nothing(
        self, orthanc_with_studies: OrthancServer
    ) -> None:
        """Orthanc takes the association of an unknown AE title and drops its question without a status."""
        with pytest.raises(TransientArchiveError, match="does it know AE title NOBODY"):
            find_studies(over_dimse(orthanc_with_studies, calling="NOBODY"), StudyFilter(patient_id="P1"))

    def test_a_wrong_called_title_is_permanent(self, orthanc_with_studies: OrthancServer) -> None:
        wrong = DicomArchive(Peer("WRONG", "127.0.0.1", orthanc_with_studies.dicom_port), NODE_AE, WAITS)
        with pytest.raises(PermanentArchiveError, match="check both AE titles"):
            find_studies(wrong, StudyFilter(patient_id="P1"))

    def test_a_web_address_that_is_none_is_permanent(self, orthanc_with_studies: OrthancServer) -> None:
        wrong = DicomwebArchive(orthanc_with_studies.dicomweb_url + "-not-there")
        with pytest.raises(PermanentArchiveError, match="404; is url right"):
            find_studies(wrong, StudyFilter(patient_id="P1"))


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Müller^Jürgen"),
        ("ISO_IR 192", "Wang^XiaoDong=王^小东"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        ("ISO_IR 144", "Люкceмбypг"),
    ],
)
def test_names_are_decoded_by_the_answers_own_character_set(charset: str, name: str) -> None:
    def find(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        answer = Dataset()
        answer.SpecificCharacterSet = charset
        answer.QueryRetrieveLevel = "STUDY"
        answer.StudyInstanceUID = "1.2.3"
        answer.PatientName = name
        yield 0xFF00, answer

    with scripted_archive(find=find) as archive:
        (study,) = find_studies(archive, StudyFilter())
    assert study.patient_name == name


def study_answer(**values: str) -> Dataset:
    answer = Dataset()
    answer.QueryRetrieveLevel = "STUDY"
    for keyword, value in ({"StudyInstanceUID": "1.2.3"} | values).items():
        setattr(answer, keyword, value)
    return answer


def test_an_archive_that_ignores_the_patient_id_brings_nobody_elses_studies() -> None:
    def find(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        yield 0xFF01, study_answer(StudyInstanceUID="1.2.3", PatientID="P1")
        yield 0xFF01, study_answer(StudyInstanceUID="1.2.4", PatientID="P2")
        yield 0xFF01, study_answer(StudyInstanceUID="1.2.5")

    with scripted_archive(find=find) as archive:
        found = find_studies(archive, StudyFilter(patient_id="P1"))
    assert [study.study_instance_uid for study in found] == ["1.2.3"]


def test_an_illegal_uid_in_an_answer_is_left_out() -> None:
    def find(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        yield 0xFF00, study_answer(StudyInstanceUID="../../etc")
        yield 0xFF00, study_answer(StudyInstanceUID="1.2.3")

    with scripted_archive(find=find) as archive:
        found = find_studies(archive, StudyFilter())
    assert [study.study_instance_uid for study in found] == ["1.2.3"]


@pytest.mark.parametrize("patient_id", ["*", "P?", "P1\\P2"])
def test_a_patient_id_that_is_a_pattern_is_not_asked_for(patient_id: str) -> None:
    nowhere = DicomArchive(Peer("NOWHERE", "127.0.0.1", 1), NODE_AE, WAITS)
    with pytest.raises(PermanentArchiveError, match="pattern") as refusal:
        find_studies(nowhere, StudyFilter(patient_id=patient_id))
    assert "P1" not in str(refusal.value), "no patient data in messages"


@pytest.mark.parametrize(
    ("status", "policy"),
    [
        (0xA700, TransientArchiveError),
        (0xC001, TransientArchiveError),
        (0xA900, PermanentArchiveError),
        (0x0122, PermanentArchiveError),
    ],
)
def test_a_failure_status_has_its_policy(status: int, policy: type[Exception]) -> None:
    def find(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        yield 0xFF00, study_answer()
        yield status, None

    with scripted_archive(find=find) as archive, pytest.raises(policy, match=f"0x{status:04X}"):
        find_studies(archive, StudyFilter())


def test_an_archive_that_aborts_half_way_has_not_answered() -> None:
    def find(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        yield 0xFF00, study_answer()
        event.assoc.abort()

    with scripted_archive(find=find) as archive, pytest.raises(TransientArchiveError):
        find_studies(archive, StudyFilter())


def test_a_silent_archive_costs_the_time_limit_and_no_more() -> None:
    started = time.monotonic()
    with mute_server() as peer, pytest.raises(TransientArchiveError):
        find_studies(DicomArchive(peer, NODE_AE, WAITS), StudyFilter())
    assert time.monotonic() - started < WAITS.response + 5


@pytest.mark.parametrize("way", ["DIMSE", "DICOMweb"])
def test_an_archive_that_is_down_is_a_passing_failure(way: str) -> None:
    port = pick_free_port()
    archive: ArchivePeer = DicomwebArchive(f"http://127.0.0.1:{port}/dicom-web")
    if way == "DIMSE":
        archive = DicomArchive(Peer("DOWN", "127.0.0.1", port), NODE_AE, WAITS)
    with pytest.raises(TransientArchiveError):
        find_studies(archive, StudyFilter(patient_id="P1"))


@pytest.mark.parametrize(
    ("code", "policy"),
    [
        (503, TransientArchiveError),
        (429, TransientArchiveError),
        (401, PermanentArchiveError),
        (302, PermanentArchiveError),
        (200, PermanentArchiveError),
    ],
)
def test_an_http_answer_has_its_policy_and_quotes_no_patient(code: int, policy: type[Exception]) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(b"this is not JSON")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            archive = DicomwebArchive(f"http://127.0.0.1:{server.server_port}/dicom-web")
            with pytest.raises(policy) as failure:
                find_studies(archive, StudyFilter(patient_id="SECRET-ID"))
        finally:
            server.shutdown()
            thread.join(timeout=5)
    assert "SECRET-ID" not in str(failure.value)
