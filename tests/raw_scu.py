"""A C-STORE SCU that sends any bytes under any name, as a defective or hostile peer does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.pdu_primitives import P_DATA


@dataclass(frozen=True)
class Answer:
    """A C-STORE response."""

    status: int
    comment: str


@dataclass
class RawScu:
    """One established association."""

    association: Association

    def store(
        self,
        data_set: bytes | None,
        *,
        instance: str,
        sop_class: str = SecondaryCaptureImageStorage,
        context_class: str = SecondaryCaptureImageStorage,
    ) -> Answer:
        """Send one C-STORE with exactly these bytes and UIDs; `None` means no data set at all."""
        request = C_STORE()
        request.MessageID = 1
        request.Priority = 2
        request.AffectedSOPClassUID = sop_class
        request.AffectedSOPInstanceUID = instance
        if data_set is not None:
            request.DataSet = BytesIO(data_set)
        (context,) = [
            accepted
            for accepted in self.association.accepted_contexts
            if accepted.abstract_syntax == context_class
        ]
        self._keep_reactor_from_the_answer()
        self.association.dimse.send_msg(request, context.context_id)
        if data_set == b"":  # announced by the command, but pynetdicom would send no fragment for it
            last_and_empty = P_DATA()
            last_and_empty.presentation_data_value_list.append((context.context_id, b"\x02"))
            self.association.dul.send_pdu(last_and_empty)
        _, response = self.association.dimse.get_msg(block=True)
        if response is None:
            self.association._reactor_checkpoint.set()  # it has the association's end to see to
        assert response is not None, "the association was closed without an answer"
        return Answer(response.Status, response.ErrorComment or "")

    def _keep_reactor_from_the_answer(self) -> None:
        """Pause pynetdicom's reactor thread, as `Association.send_c_store` does, but for good.

        Once let go it may wake late, still count as paused at the next request, and take that one's answer.
        """
        self.association._reactor_checkpoint.clear()
        while not self.association._is_paused:
            time.sleep(0.0001)

    def store_dataset(self, dataset: Dataset, **changes: str) -> Answer:
        """Send a data set under its own UIDs, or those given."""
        names = {"instance": dataset.SOPInstanceUID, "sop_class": dataset.SOPClassUID, **changes}
        return self.store(encoded(dataset), **names)


@contextmanager
def raw_scu(
    port: int,
    *,
    called: str = "RADIUSDXA",
    calling: str = "SCANNER",
    sop_classes: tuple[str, ...] = (SecondaryCaptureImageStorage,),
    syntax: str = ExplicitVRLittleEndian,
) -> Iterator[RawScu]:
    """Associate; released at the end if still open."""
    ae = AE(ae_title=calling)
    for sop_class in sop_classes:
        ae.add_requested_context(sop_class, [syntax])
    association = ae.associate("127.0.0.1", port, ae_title=called)
    assert association.is_established
    try:
        yield RawScu(association)
    finally:
        if association.is_established:
            association.release()


def encoded(dataset: Dataset, *, implicit: bool = False) -> bytes:
    """Encode a data set, little endian."""
    data = encode(dataset, is_implicit_vr=implicit, is_little_endian=True)
    assert data is not None
    return data


def secondary_capture(uid: str = "1.2.3.1", *, study: str = "1.2.3", **elements: object) -> Dataset:
    """Make a small 8-bit RGB Secondary Capture, like a report page; any element can be set."""
    dataset = Dataset()
    values: dict[str, object] = {
        "SOPClassUID": SecondaryCaptureImageStorage,
        "SOPInstanceUID": uid,
        "StudyInstanceUID": study,
        "SeriesInstanceUID": f"{study}.0",
        "StudyDate": "20260102",
        "Modality": "OT",
        "PatientName": "Test^Receiver",
        "PatientID": "P1",
        "PatientBirthDate": "19500101",
        "PatientSex": "F",
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "RGB",
        "PlanarConfiguration": 0,
        "Rows": 8,
        "Columns": 8,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "HighBit": 7,
        "PixelRepresentation": 0,
        **elements,
    }
    for keyword, value in values.items():
        if value is not None:
            setattr(dataset, keyword, value)
    dataset.add_new("PixelData", "OB", bytes(range(192)))
    return dataset
