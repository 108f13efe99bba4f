"""Objects of private classes are stored and never analysed, and cost the forearm beside them nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian
from raw_scu import encoded, secondary_capture
from running_node import running_node, write_node_config
from wire import wire_peer

from dicom_node.storage.journal import Journal
from dicom_node.storage.records import StudyState

PRIVATE_CLASS = "1.2.826.0.1.3680043.10.9999.1"
ENDS = {StudyState.ANALYZED, StudyState.NOT_APPLICABLE, StudyState.REJECTED, StudyState.FAILED}


def odd_private_object(uid: str, study: str) -> bytes:
    """Complete by its lengths, but full of what an analysis would stumble over."""
    odd = secondary_capture(
        uid, study=study, SOPClassUID=PRIVATE_CLASS, Modality="BMD", BodyPartExamined="ARM"
    )
    return encoded(odd).replace(b"19500101", b"\xff\xfe\0\0\\\\\\^")


@pytest.mark.slow
def test_private_objects_are_stored_and_not_analysed(sample_studies: Path, tmp_path: Path) -> None:
    config, port = write_node_config(tmp_path, destinations={})
    forearm = dcmread(sample_studies / "01-calibrated-low-risk" / "image.dcm")
    contexts = (
        (1, PRIVATE_CLASS, [ExplicitVRLittleEndian]),
        (3, str(forearm.SOPClassUID), [ExplicitVRLittleEndian]),
    )
    with running_node(config):
        with wire_peer(port) as peer:
            peer.associate(contexts)
            for uid, study in (("1.2.9.1", "1.2.9"), ("1.2.8.1", str(forearm.StudyInstanceUID))):
                private = odd_private_object(uid, study)
                assert peer.store(private, uid.encode(), sop_class=PRIVATE_CLASS.encode()).status == 0x0000
            answer = peer.store(
                encoded(forearm),
                forearm.SOPInstanceUID.encode(),
                context_id=3,
                sop_class=forearm.SOPClassUID.encode(),
            )
            assert answer.status == 0x0000
        journal = Journal(tmp_path / "node_data" / "journal.db")
        states = {"1.2.9": StudyState.NOT_APPLICABLE, str(forearm.StudyInstanceUID): StudyState.ANALYZED}
        deadline = time.monotonic() + 60
        while any((row := journal.study(study)) is None or row.state not in ENDS for study in states):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        found = {study: row.state for study in states if (row := journal.study(study))}
        stored = [instance.sop_instance_uid for instance in journal.instances(str(forearm.StudyInstanceUID))]
        journal.close()
    assert found == states
    assert "1.2.8.1" in stored
