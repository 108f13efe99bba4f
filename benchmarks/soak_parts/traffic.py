"""The scanners: eight send studies at a steady rate, fail now and then, and remember what was stored."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from receive_parts.sender import Connected, associate, association_request

from dicom_node.network.dimse import CommandField, Tag, encode_command, p_data
from soak_parts.faults import FAULTS, Scene, message
from soak_parts.studies import SOP_CLASSES, StudyObject, Supply

__all__ = ["CALLED", "SENDERS", "Ledger", "Traffic"]

CALLED, CALLING = "RADIUSDXA", "SOAK"
SENDERS = 8
_STUDIES_PER_ASSOCIATION = 10
_KEPT_OPEN_SECONDS = 10.0
_RETRIES = 3
_CHURNERS = 4
_ECHO_CONTEXT = 5


@dataclass
class Ledger:
    """What the scanners saw; threads add to it without a lock, each in one step."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    """SOP Instance UID -> SHA-256 of the data set, of every object that was answered with 0x0000."""
    studies: int = 0
    forearms: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    latencies: list[tuple[float, float]] = field(default_factory=list)
    """(seconds since the epoch, seconds from the first byte sent to the answer) of every C-STORE."""
    setups: list[float] = field(default_factory=list)
    """Seconds from connect to A-ASSOCIATE-AC of every short association."""
    complaints: list[str] = field(default_factory=list)
    """Answers that ought to have been others."""
    late_seconds: float = 0.0
    """The furthest that a study was behind its time."""

    def complain(self, text: str) -> None:
        """Note what the node should not have done."""
        self.complaints.append(text)


class Traffic:
    """Everything that is sent to one node.

    Parameters
    ----------
    rate : float
        Studies a second, over all senders.
    fault_share : float
        Share of studies at which something goes wrong.
    faults : sequence of str
        What does, in turns.
    """

    def __init__(
        self, port: int, supply: Supply, *, rate: float, fault_share: float, faults: Sequence[str] = FAULTS
    ) -> None:
        self.ledger = Ledger()
        self._port = port
        self._supply = supply
        self._rate = rate
        self._faults = faults
        self._fault_every = round(1 / fault_share) if fault_share else 0
        self._number = 0
        self._lock = threading.Lock()
        self._request = association_request(CALLED, CALLING, SOP_CLASSES)
        self._scene = Scene(port, self._request, association_request(CALLED, "STRANGER", SOP_CLASSES))

    def warm_up(self) -> None:
        """Send a forearm and a study with each kind of fault, as fast as it goes."""
        sent = [self._next() for _ in range(len(self._faults) + 1)]
        with _Scanner(self) as scanner:
            for position, number in enumerate(sent):
                scanner.send_study(number, self._faults[position - 1] if position else None)

    def run(self, seconds: float, associations: int = 0) -> None:
        """Send for so long, and set up and end so many short associations meanwhile."""
        start = time.monotonic()
        end = start + seconds
        workers = [self._sender(start, end) for _ in range(SENDERS)]
        workers += [self._churner(start, end, associations // _CHURNERS) for _ in range(_CHURNERS)]
        threads = [threading.Thread(target=self._guarded, args=(work,)) for work in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds + 600)
            if thread.is_alive():
                self.ledger.complain("a sender waits for the node since ten minutes")

    def end_silence(self) -> None:
        """Check that the node has closed every association that fell silent in the middle of a PDU."""
        for _ in range(self._scene.still_open()):
            self.ledger.complain("half a PDU, then silence: the connection is still open")

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # a thread that ends silently would pass for traffic
            self.ledger.complain(f"a sender gave up: {error!r}")

    def _next(self) -> int:
        with self._lock:
            number = self._number
            self._number += 1
        return number

    def _sender(self, start: float, end: float) -> Callable[[], None]:
        first = self._number

        def send() -> None:
            with _Scanner(self) as scanner:
                while True:
                    number = self._next()
                    due = start + (number - first) / self._rate
                    if due >= end:
                        return
                    scanner.wait_until(due)
                    self.ledger.late_seconds = max(self.ledger.late_seconds, time.monotonic() - due)
                    scanner.send_study(number, self._fault_of(number))

        return send

    def _fault_of(self, number: int) -> str | None:
        if not self._fault_every or number % self._fault_every:
            return None
        return self._faults[number // self._fault_every % len(self._faults)]

    def _churner(self, start: float, end: float, associations: int) -> Callable[[], None]:
        def churn() -> None:
            for turn in range(associations):
                time.sleep(max(0.0, start + (end - start) * turn / associations - time.monotonic()))
                self._associate_shortly(turn)

        return churn

    def _associate_shortly(self, turn: int) -> None:
        """Associate; then verify and release, release at once, or abort."""
        began = time.monotonic()
        association = associate(self._port, self._request)
        self.ledger.setups.append(time.monotonic() - began)
        if turn % 10 == 8:
            association.connection.sendall(bytes((7, 0, 0, 0, 0, 4, 0, 0, 0, 0)))  # A-ABORT
            association.connection.close()
            return
        if turn % 10 < 8:
            echo = encode_command(
                {
                    Tag.AFFECTED_SOP_CLASS_UID: SOP_CLASSES[2],
                    Tag.COMMAND_FIELD: CommandField.C_ECHO_RQ,
                    Tag.MESSAGE_ID: 1,
                    Tag.COMMAND_DATA_SET_TYPE: 0x0101,
                }
            )
            association.connection.sendall(
                b"".join(p_data(_ECHO_CONTEXT, echo, b"", association.maximum_length))
            )
            if association.status():
                self.ledger.complain("a C-ECHO was refused")
        association.release()


class _Scanner:
    """One sender and its association, renewed every few studies."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self._ledger = traffic.ledger
        self._association: Connected | None = None
        self._studies = 0

    def __enter__(self) -> _Scanner:
        return self

    def __exit__(self, *_: object) -> None:
        self._release()

    def wait_until(self, due: float) -> None:
        """Sleep; no scanner keeps an association open that it does not use."""
        seconds = due - time.monotonic()
        if seconds > _KEPT_OPEN_SECONDS:
            self._release()
        time.sleep(max(0.0, seconds))

    def send_study(self, number: int, fault: str | None) -> None:
        """Send one study; where a fault strikes, the scanner sends the study again, as scanners do."""
        objects = self._traffic._supply.study(number)
        if fault:
            self._ledger.faults[fault] += 1
            complaint = self._traffic._scene.play(fault, objects[0])
            if complaint:
                self._ledger.complain(f"{fault}: {complaint}")
        for item in objects:
            self._store(item)
        if fault == "duplicate":
            self._store(objects[0])
        self._ledger.studies += 1
        self._ledger.forearms += self._traffic._supply.is_forearm(number)
        self._studies += 1
        if self._studies % _STUDIES_PER_ASSOCIATION == 0:
            self._release()

    def _store(self, item: StudyObject) -> None:
        for attempt in range(_RETRIES):
            try:
                association = self._associated()
                began = time.monotonic()
                association.connection.sendall(message(item, association.maximum_length))
                status = association.status()
            except OSError as error:
                self._ledger.complain(f"an association was lost at attempt {attempt}: {error!r}")
                self._drop()
                continue
            self._ledger.latencies.append((time.time(), time.monotonic() - began))
            if status == 0:
                self._ledger.acknowledged[item.sop_instance_uid] = item.sha256
            else:
                self._ledger.complain(f"a sound object was answered with 0x{status:04X}")
            return

    def _associated(self) -> Connected:
        if self._association is None:
            self._association = associate(self._traffic._port, self._traffic._request)
        return self._association

    def _release(self) -> None:
        if self._association is not None:
            with suppress(OSError):
                self._association.release()
            self._drop()

    def _drop(self) -> None:
        if self._association is not None:
            self._association.connection.close()
            self._association = None
