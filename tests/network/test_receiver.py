"""What the receiver acknowledges is durable; associations are counted per study; limits are kept."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association
from raw_scu import encoded, raw_scu, secondary_capture
from running_receiver import RunningReceiver

from dicom_node.errors import ConfigurationError
from dicom_node.network.receiver import Receiver
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import StudyState
from reports.identity import MANUFACTURER_MODEL_NAME


def wait_until(condition: Callable[[], bool], seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_bytes_and_row_are_there_before_success_is_answered(receiver: RunningReceiver) -> None:
    dataset = secondary_capture()
    command_line = Journal(receiver.archive.journal_path)
    with raw_scu(receiver.port) as scu:
        assert scu.store_dataset(dataset).status == 0x0000
        (instance,) = command_line.instances("1.2.3")
        assert receiver.archive.resolve(instance.path).read_bytes().endswith(encoded(dataset))
    command_line.close()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_the_file_is_readable_and_says_what_was_sent(receiver: RunningReceiver, syntax: str) -> None:
    dataset = secondary_capture()
    with raw_scu(receiver.port, syntax=syntax) as scu:
        data = encoded(dataset, implicit=syntax == ImplicitVRLittleEndian)
        assert scu.store(data, instance="1.2.3.1").status == 0x0000
    (instance,) = receiver.journal.instances("1.2.3")
    stored = dcmread(receiver.archive.resolve(instance.path))
    assert encoded(stored, implicit=syntax == ImplicitVRLittleEndian) == data
    assert stored.file_meta.TransferSyntaxUID == instance.transfer_syntax_uid == syntax


def test_the_study_is_journalled_with_who_sent_it(receiver: RunningReceiver) -> None:
    with raw_scu(receiver.port, calling="HOLOGIC1") as scu:
        scu.store_dataset(secondary_capture())
    (study,) = receiver.journal.studies_in_state(StudyState.RECEIVING)
    assert (study.study_instance_uid, study.calling_ae, study.study_date) == ("1.2.3", "HOLOGIC1", "20260102")
    assert len(study.patient_key) == 64
    assert "P1" not in study.patient_key


def test_the_same_object_twice_is_a_success_and_one_file(receiver: RunningReceiver) -> None:
    with raw_scu(receiver.port) as scu:
        assert scu.store_dataset(secondary_capture()).status == 0x0000
        assert scu.store_dataset(secondary_capture()).status == 0x0000
    assert len(receiver.files) == 1
    assert len(receiver.journal.instances("1.2.3")) == 1
    assert receiver.last_event()[0] == "duplicate_instance"


def test_an_archived_file_that_was_lost_is_written_again_by_a_resend(receiver: RunningReceiver) -> None:
    with raw_scu(receiver.port) as scu:
        scu.store_dataset(secondary_capture())
        (kept,) = receiver.files
        (receiver.archive.data_dir / kept).unlink()
        assert scu.store_dataset(secondary_capture()).status == 0x0000
    assert receiver.files == {kept}


def test_the_same_uid_with_other_bytes_keeps_both(receiver: RunningReceiver) -> None:
    with raw_scu(receiver.port) as scu:
        scu.store_dataset(secondary_capture())
        assert scu.store_dataset(secondary_capture(PatientSex="M")).status == 0x0000
    assert len(receiver.files) == 2
    assert receiver.last_event()[0] == "other_bytes"


@pytest.mark.parametrize("known_by", ["journal", "model name"])
def test_our_own_results_are_stored_but_open_no_study(receiver: RunningReceiver, known_by: str) -> None:
    result = secondary_capture(
        ManufacturerModelName=MANUFACTURER_MODEL_NAME if known_by == "model name" else None
    )
    if known_by == "journal":
        with sqlite3.connect(receiver.archive.journal_path) as rows:  # foreign keys are off here
            rows.execute(
                "INSERT INTO results (sop_instance_uid, analysis_id, study_instance_uid, sop_class_uid, kind,"
                " path, sha256, created_at) VALUES ('1.2.3.1', 1, '1.2.3', '1.2', 'report', '', '', '')"
            )
    with raw_scu(receiver.port) as scu:
        assert scu.store_dataset(result).status == 0x0000
    assert len(receiver.files) == 1
    assert receiver.journal.study("1.2.3") is None
    assert receiver.last_event()[0] == "own_result"


def test_associations_are_counted_for_the_studies_they_feed(receiver: RunningReceiver) -> None:
    count = receiver.receiver.open_associations
    with raw_scu(receiver.port) as first, raw_scu(receiver.port) as second:
        first.store_dataset(secondary_capture())
        second.store_dataset(secondary_capture("1.2.3.2"))
        second.store_dataset(secondary_capture("1.2.4.1", study="1.2.4"))
        assert (count("1.2.3"), count("1.2.4"), count("1.2.5")) == (2, 1, 0)
        second.association.abort()
        assert wait_until(lambda: count("1.2.3") == 1)
        assert count("1.2.4") == 0
    assert wait_until(lambda: count("1.2.3") == 0)


def test_a_full_disk_is_refused_before_anything_is_written(
    start_receiver: Callable[..., RunningReceiver],
) -> None:
    receiver = start_receiver(min_free_bytes=2**62)
    with raw_scu(receiver.port) as scu:
        answer = scu.store_dataset(secondary_capture())
        assert answer.status == 0xA700
        assert "free space" in answer.comment
    assert receiver.files == set()
    code, message = receiver.last_event()
    assert code == "disk_full"
    assert "min_free_bytes" in message


def test_a_disk_error_is_out_of_resources_and_the_association_survives(
    receiver: RunningReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with raw_scu(receiver.port) as scu:
        with monkeypatch.context() as broken:
            broken.setattr("os.fsync", lambda _descriptor: (_ for _ in ()).throw(OSError(5, "I/O error")))
            assert scu.store_dataset(secondary_capture()).status == 0xA700
        assert receiver.files == set()
        assert receiver.journal.instances("1.2.3") == ()
        assert receiver.last_event()[0] == "storage_failed"
        assert scu.store_dataset(secondary_capture()).status == 0x0000


def test_a_journal_error_is_out_of_resources_and_nothing_is_acknowledged(
    receiver: RunningReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(_instance: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    with raw_scu(receiver.port) as scu:
        with monkeypatch.context() as broken:
            broken.setattr(receiver.journal, "record_instance", locked)
            assert scu.store_dataset(secondary_capture()).status == 0xA700
        assert receiver.journal.instances("1.2.3") == ()
        assert scu.store_dataset(secondary_capture()).status == 0x0000


def test_a_defect_of_ours_costs_one_object_not_the_association(
    receiver: RunningReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with raw_scu(receiver.port) as scu:
        with monkeypatch.context() as broken:
            broken.setattr("dicom_node.network.storing.admit", lambda _request: 1 / 0)
            assert scu.store_dataset(secondary_capture()).status == 0x0110
        assert receiver.last_event()[0] == "internal_error"
        assert scu.store_dataset(secondary_capture()).status == 0x0000


def associate(port: int, *, called: str = "RADIUSDXA", calling: str = "SCANNER") -> Association:
    ae = AE(ae_title=calling)
    ae.add_requested_context("1.2.840.10008.1.1")
    return ae.associate("127.0.0.1", port, ae_title=called)


def test_verification_is_answered(receiver: RunningReceiver) -> None:
    association = associate(receiver.port)
    assert association.send_c_echo().Status == 0x0000
    association.release()


def test_a_wrong_called_ae_title_is_rejected_and_journalled(receiver: RunningReceiver) -> None:
    association = associate(receiver.port, called="SOMEONE")
    assert association.is_rejected
    rejection = association.acceptor.primitive
    assert rejection is not None
    assert (rejection.result, rejection.diagnostic) == (1, 7)  # permanent; called AE title not recognised
    assert wait_until(lambda: bool(receiver.journal.events()))
    code, message = receiver.last_event()
    assert code == "association_rejected"
    assert "SOMEONE" in message


def test_only_listed_calling_ae_titles_are_let_in(start_receiver: Callable[..., RunningReceiver]) -> None:
    receiver = start_receiver(calling_ae_titles=("HOLOGIC1",))
    assert associate(receiver.port, calling="STRANGER").is_rejected
    welcome = associate(receiver.port, calling="HOLOGIC1")
    assert welcome.is_established
    welcome.release()


def test_a_port_in_use_is_an_error_that_names_key_and_remedy(receiver: RunningReceiver) -> None:
    node = receiver.receiver._node
    taken = type(node)(host="127.0.0.1", port=receiver.port, data_dir=node.data_dir)
    second = Receiver(taken, receiver.receiver._settings, receiver.archive, receiver.journal)
    with pytest.raises(ConfigurationError, match=rf"\[node\].*port = {receiver.port}.*choose another"):
        second.start()


@pytest.mark.dcmtk
def test_dcmtk_storescu_pushes_a_study(receiver: RunningReceiver, tmp_path: Path) -> None:
    paths = []
    for number in range(5):
        dataset = secondary_capture(f"1.2.3.{number + 1}")
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        paths.append(str(tmp_path / f"{number}.dcm"))
        dataset.save_as(paths[-1], enforce_file_format=True)
    command = ["storescu", "-aet", "SCANNER", "-aec", "RADIUSDXA", "127.0.0.1", str(receiver.port), *paths]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert len(receiver.journal.instances("1.2.3")) == 5
