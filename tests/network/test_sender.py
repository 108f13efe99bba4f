"""Every instance's own status counts, and each failure of a peer is classed as passing or permanent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from node_support import wait_until
from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    BasicTextSRStorage,
    ComprehensiveSRStorage,
    DigitalXRayImageStorageForPresentation,
    EnhancedSRStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)
from pynetdicom import AllStoragePresentationContexts, build_context, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from raw_scu import secondary_capture
from scripted_scp import mute_server, refusing_server, scripted_scp, write_object

from dicom_node.errors import (
    ConfigurationError,
    DeliveryError,
    PermanentDeliveryError,
    RejectedInput,
    TransientDeliveryError,
)
from dicom_node.network.peers import open_association
from dicom_node.network.sender import DimseClient, Peer, StoreOutcome, Timeouts, echo, read_sendable, store

QUICK = Timeouts(connect=2, response=1)
"""For peers that keep one waiting."""
PATIENT = Timeouts(connect=5, response=30)


def send(paths: list[Path], peer: Peer, timeouts: Timeouts = PATIENT) -> list[StoreOutcome]:
    files = [read_sendable(path) for path in paths]
    return list(store(files, peer, calling_ae_title="SENDER", timeouts=timeouts))


@pytest.fixture
def two_files(tmp_path: Path) -> list[Path]:
    return [
        write_object(tmp_path / "sc.dcm"),
        write_object(tmp_path / "sr.dcm", sop_class=BasicTextSRStorage),
    ]


def test_files_arrive_in_order_and_byte_for_byte(two_files: list[Path]) -> None:
    with scripted_scp() as pacs:
        outcomes = send(two_files, pacs.peer)
    assert [outcome.status for outcome in outcomes] == [0, 0]
    assert pacs.sop_instance_uids == [outcome.file.sop_instance_uid for outcome in outcomes]
    assert pacs.calling_ae_titles == ["SENDER", "SENDER"]
    for path, encoded in zip(two_files, pacs.encoded, strict=True):
        assert path.read_bytes().endswith(encoded)


def test_a_peer_that_takes_only_the_default_transfer_syntax_gets_it(two_files: list[Path]) -> None:
    with scripted_scp(transfer_syntaxes=["1.2.840.10008.1.2"]) as pacs:
        assert [outcome.error for outcome in send(two_files, pacs.peer)] == [None, None]
    assert str(pacs.datasets[0].PatientName) == str(dcmread(two_files[0]).PatientName)


@pytest.mark.parametrize(
    ("status", "policy"),
    [
        (0xA700, TransientDeliveryError),
        (0x0110, TransientDeliveryError),
        (0xA900, PermanentDeliveryError),
        (0xC000, PermanentDeliveryError),
        (0x0124, PermanentDeliveryError),
        (0xB000, type(None)),
        (0x0111, type(None)),
    ],
)
def test_a_status_decides_whether_an_instance_is_tried_again(
    two_files: list[Path], status: int, policy: type
) -> None:
    with scripted_scp(status=lambda _event, count: status if count == 0 else 0) as pacs:
        first, second = send(two_files, pacs.peer)
    assert type(first.error) is policy
    assert first.status == status
    assert second.error is None, "one refused instance must not stop the next"


def test_a_refused_sop_class_concerns_only_its_own_instances(two_files: list[Path]) -> None:
    with scripted_scp(sop_classes=(BasicTextSRStorage,)) as pacs:
        image, report = send(two_files, pacs.peer)
    assert isinstance(image.error, PermanentDeliveryError)
    assert "Secondary Capture" in str(image.error)
    assert report.error is None


def test_a_peer_that_refuses_every_sop_class_is_a_permanent_failure(two_files: list[Path]) -> None:
    with scripted_scp(sop_classes=(DigitalXRayImageStorageForPresentation,)) as pacs:
        for outcome in send(two_files, pacs.peer):
            assert isinstance(outcome.error, PermanentDeliveryError)
            assert "accepts none of the SOP classes" in str(outcome.error)


def test_an_unknown_calling_ae_title_is_a_permanent_failure(two_files: list[Path]) -> None:
    with (
        scripted_scp(only_calling=["SOMEONE"]) as pacs,
        pytest.raises(PermanentDeliveryError, match="Calling AE title not recognised"),
    ):
        send(two_files, pacs.peer)


def test_a_rejection_is_understood_though_the_peer_hangs_up_before_we_look() -> None:
    wait = (evt.EVT_REQUESTED, lambda _event: time.sleep(0.2))
    contexts = [build_context(Verification)]
    with (
        refusing_server() as peer,
        pytest.raises(PermanentDeliveryError, match="rejected the association"),
        open_association(peer, contexts, calling_ae_title="NODE", timeouts=QUICK, handlers=[wait]),
    ):
        raise AssertionError("the association is refused")


def test_a_wrong_called_ae_title_is_a_permanent_failure(two_files: list[Path]) -> None:
    with (
        scripted_scp() as pacs,
        pytest.raises(PermanentDeliveryError, match="Called AE title not recognised"),
    ):
        send(two_files, Peer("WRONG", pacs.peer.host, pacs.peer.port))


def test_a_peer_that_is_not_running_is_tried_again(
    two_files: list[Path], free_port: Callable[[], int]
) -> None:
    with pytest.raises(TransientDeliveryError, match="does not take the association; is it running"):
        send(two_files, Peer("GONE", "127.0.0.1", free_port()))


def test_an_unknown_host_name_is_tried_again(two_files: list[Path]) -> None:
    with pytest.raises(TransientDeliveryError, match="host"):
        send(two_files, Peer("NOWHERE", "no-such-host.invalid", 104))


def test_a_silent_peer_costs_no_more_than_the_time_limit(two_files: list[Path]) -> None:
    started = time.monotonic()
    with mute_server() as peer, pytest.raises(TransientDeliveryError):
        send(two_files, peer, QUICK)
    assert time.monotonic() - started < 5


def test_a_peer_that_never_answers_a_store_is_left_and_not_used_again(two_files: list[Path]) -> None:
    def stall(_event: object, _count: int) -> int:
        time.sleep(2)
        return 0

    outcomes: list[StoreOutcome] = []
    with scripted_scp(status=stall) as pacs, pytest.raises(TransientDeliveryError, match="did not answer"):
        for outcome in store(
            [read_sendable(path) for path in two_files],
            pacs.peer,
            calling_ae_title="SENDER",
            timeouts=QUICK,
        ):
            outcomes.append(outcome)
    assert outcomes == []
    assert len(pacs.sop_instance_uids) <= 1


def test_a_peer_that_aborts_in_the_middle_is_tried_again(two_files: list[Path]) -> None:
    def abort(event: object, count: int) -> int:
        if count == 1:
            event.assoc.abort()  # type: ignore[attr-defined]
        return 0

    outcomes: list[StoreOutcome] = []
    with scripted_scp(status=abort) as pacs, pytest.raises(TransientDeliveryError):
        for outcome in store(
            [read_sendable(path) for path in two_files],
            pacs.peer,
            calling_ae_title="SENDER",
            timeouts=QUICK,
        ):
            outcomes.append(outcome)
    assert [outcome.error for outcome in outcomes] == [None], "the first instance had been acknowledged"


def test_more_kinds_of_objects_than_one_association_carries_are_all_sent(tmp_path: Path) -> None:
    classes = [cx.abstract_syntax for cx in AllStoragePresentationContexts[:70]]  # two contexts each: 140
    paths = [write_object(tmp_path / f"{number}.dcm", sop_class=uid) for number, uid in enumerate(classes)]
    with scripted_scp(sop_classes=tuple(classes)) as pacs:
        outcomes = send(paths, pacs.peer)
    assert [outcome.error for outcome in outcomes] == [None] * 70
    assert len(pacs.sop_instance_uids) == 70


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_a_peer_that_takes_no_compression_gets_the_same_pixels_uncompressed(
    tmp_path: Path, syntax: str
) -> None:
    image = secondary_capture(Rows=64, Columns=64)
    image.PixelData = bytes(range(256)) * 48
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    pixels = image.pixel_array
    image.compress(syntax, generate_instance_uid=False)
    image.save_as(tmp_path / "compressed.dcm", enforce_file_format=True)
    with scripted_scp() as pacs:
        (outcome,) = send([tmp_path / "compressed.dcm"], pacs.peer)
    assert outcome.error is None
    assert pacs.sop_instance_uids == [image.SOPInstanceUID]
    received = pacs.datasets[0]
    received.file_meta = FileMetaDataset()
    received.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    assert (received.pixel_array == pixels).all()


def test_a_compressed_object_that_cannot_be_decompressed_is_a_dead_letter(tmp_path: Path) -> None:
    path = write_object(tmp_path / "j2k.dcm", syntax=JPEG2000Lossless)
    with scripted_scp() as pacs:
        (outcome,) = send([path], pacs.peer)
    assert isinstance(outcome.error, PermanentDeliveryError)
    assert "cannot be sent in Explicit VR Little Endian" in str(outcome.error)
    assert pacs.sop_instance_uids == []


def test_a_result_file_that_has_vanished_goes_to_the_dead_letters(two_files: list[Path]) -> None:
    files = [read_sendable(path) for path in two_files]
    two_files[0].unlink()
    with scripted_scp() as pacs:
        first, second = store(files, pacs.peer, calling_ae_title="SENDER", timeouts=QUICK)
    assert isinstance(first.error, PermanentDeliveryError)
    assert second.error is None


@pytest.mark.parametrize("content", [b"", b"just some text", b"\0" * 200])
def test_a_file_that_is_not_dicom_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "note.txt"
    path.write_bytes(content)
    with pytest.raises(RejectedInput, match=r"note\.txt"):
        read_sendable(path)


def test_an_impossible_ae_title_is_refused_before_any_connection() -> None:
    with pytest.raises(ConfigurationError, match="1 to 16"):
        Peer("FAR_TOO_LONG_AE_TITLE", "127.0.0.1", 104)


def test_echo_answers_or_says_why_not(free_port: Callable[[], int]) -> None:
    with scripted_scp() as pacs:
        echo(pacs.peer, calling_ae_title="SENDER", timeouts=QUICK)
    with pytest.raises(DeliveryError):
        echo(Peer("GONE", "127.0.0.1", free_port()), calling_ae_title="SENDER", timeouts=QUICK)


def test_a_peer_that_stops_reading_costs_no_more_than_the_time_limit(tmp_path: Path) -> None:
    big = write_object(tmp_path / "big.dcm", padding=32_000_000)
    stalled = threading.Event()

    def stop_reading(event: evt.Event) -> None:
        if event.assoc.is_established and not stalled.is_set():
            stalled.set()
            time.sleep(4)

    with scripted_scp(handlers=[(evt.EVT_DATA_RECV, stop_reading)]) as pacs:
        started = time.monotonic()
        with pytest.raises(TransientDeliveryError, match="did not answer"):
            send([big], pacs.peer, QUICK)
        seconds = time.monotonic() - started
    assert stalled.is_set()
    assert seconds < 3.5


@dataclass
class Associations:
    """What an SCP sees of the associations that are opened to it."""

    opened: int = 0
    released: int = 0
    aborted: int = 0

    @property
    def handlers(self) -> list[tuple[Any, Callable[..., None]]]:
        def count(name: str) -> Callable[..., None]:
            return lambda _event: setattr(self, name, getattr(self, name) + 1)

        return [
            (evt.EVT_ACCEPTED, count("opened")),
            (evt.EVT_RELEASED, count("released")),
            (evt.EVT_ABORTED, count("aborted")),
        ]


def client_of(peer: Peer, keep_seconds: float = 30) -> DimseClient:
    return DimseClient(peer, calling_ae_title="SENDER", timeouts=QUICK, keep_seconds=keep_seconds)


def test_studies_in_a_row_share_one_association_until_it_is_idle(two_files: list[Path]) -> None:
    seen = Associations()
    files = [read_sendable(path) for path in two_files]
    with scripted_scp(handlers=seen.handlers) as pacs:
        client = client_of(pacs.peer, keep_seconds=0.2)
        for file in (files[0], files[1], files[0], files[1]):
            assert [outcome.error for outcome in client.store([file])] == [None]
        client.close_idle()
        assert (seen.opened, seen.released) == (2, 1), "the second carries both SOP classes"
        time.sleep(0.25)
        client.close_idle()
        wait_until(lambda: seen.released == 2)
    assert seen.aborted == 0
    assert len(pacs.sop_instance_uids) == 4


def test_a_kept_association_outlasts_the_wait_for_an_answer(
    two_files: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    seen = Associations()
    files = [read_sendable(path) for path in two_files]
    with scripted_scp(handlers=seen.handlers) as pacs:
        client = client_of(pacs.peer)
        list(client.store(files))
        time.sleep(1.5 * QUICK.response)
        list(client.store(files))
        client.close()
    assert (seen.opened, seen.aborted) == (1, 0)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


def test_an_association_that_the_peer_has_ended_meanwhile_costs_no_failure(two_files: list[Path]) -> None:
    kept: list[Any] = []
    files = [read_sendable(path) for path in two_files]
    seen = Associations()
    remember = (evt.EVT_ESTABLISHED, lambda event: kept.append(event.assoc))
    with scripted_scp(handlers=[*seen.handlers, remember]) as pacs:
        client = client_of(pacs.peer)
        assert [outcome.error for outcome in client.store(files)] == [None, None]
        kept[0].abort()
        assert [outcome.error for outcome in client.store(files)] == [None, None]
        client.close()
    assert seen.opened == 2


def test_after_a_time_out_the_association_is_aborted_and_the_next_study_gets_a_new_one(
    two_files: list[Path],
) -> None:
    stalls = iter([1.5])

    def stall_once(_event: object, _count: int) -> int:
        time.sleep(next(stalls, 0))
        return 0

    seen = Associations()
    files = [read_sendable(path) for path in two_files]
    with scripted_scp(status=stall_once, handlers=seen.handlers) as pacs:
        client = client_of(pacs.peer)
        with pytest.raises(TransientDeliveryError, match="did not answer"):
            list(client.store(files))
        assert [outcome.error for outcome in client.store(files)] == [None, None]
        client.close()
        wait_until(lambda: seen.aborted == 1)
    assert seen.opened == 2


def test_a_report_of_ours_that_is_refused_says_in_which_class_it_would_be_taken(tmp_path: Path) -> None:
    path = write_object(tmp_path / "sr.dcm", sop_class=ComprehensiveSRStorage)
    ours = read_sendable(path, may_change_class=True)
    with scripted_scp(sop_classes=(EnhancedSRStorage,)) as pacs:
        (outcome,) = store([ours], pacs.peer, calling_ae_title="SENDER", timeouts=QUICK)
        assert isinstance(outcome.error, PermanentDeliveryError)
        assert outcome.taken_instead == EnhancedSRStorage
        (forwarded,) = send([path], pacs.peer)
        assert forwarded.error is not None
        assert forwarded.taken_instead is None, "a forwarded one is nobody's to rewrite"
