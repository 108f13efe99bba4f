"""One study's results go to a good PACS and to ten that fail, each in its own way, at the same time.

One node analyses one forearm. Then every fault is mended, and what may pass must be delivered, each once.
"""

from __future__ import annotations

import itertools
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from faulty_pacs import SUCCESS, FaultyPacs, FaultyProxy
from ground import Ground, on_ground
from node_under_fire import encoded, wait_for
from own_ca import OwnAuthority
from pydicom import dcmread
from real_peers import OrthancServer, pick_free_port, running_orthanc

from analysis.simulation.study import simulate_study
from dicom_node.config import DeliverySettings

pytestmark = [pytest.mark.slow, pytest.mark.orthanc, pytest.mark.timeout(240)]

RESULTS = 9
RESPONSE_SECONDS = 5.0
DELIVERY = {
    "connect_timeout_seconds": 5,
    "response_timeout_seconds": RESPONSE_SECONDS,
    "first_retry_seconds": 1,
    "max_retry_seconds": 4,
}
SAME_FAILURE = timedelta(seconds=0.4)
"""The rows of a study are postponed one after the other; the shortest wait is half a second."""
ANALYSED_SECONDS = 120.0
MENDED_SECONDS = 60.0
SLACK_SECONDS = 3.0
"""For the handshake and a loaded machine."""
CUT_BYTES = 4000
"""More than an association request takes, less than the first result."""
OUT_OF_RESOURCES = 0xA700

Figure = Callable[[str], None]


@dataclass
class Scene:
    """What came of it, before and after the faults were mended."""

    ground: Ground
    orthanc: OrthancServer
    """Behind the proxy that cuts its answers."""
    restarted: OrthancServer
    """Down, then started again on its storage."""
    peers: dict[str, FaultyPacs] = field(default_factory=dict)
    proxies: dict[str, FaultyProxy] = field(default_factory=dict)
    good_seconds: float = 0.0
    """From the first result journalled to the last one at the good PACS."""

    def deliveries(self, name: str) -> dict[str, tuple[str, int, str]]:
        """UID -> state, attempts and reason at one destination."""
        rows = self.ground.node.rows(
            "SELECT destination, sop_instance_uid, state, attempts, reason FROM deliveries ORDER BY id"
        )
        return {uid: (state, int(attempts), why) for to, uid, state, attempts, why in rows if to == name}

    def states(self, name: str) -> set[str]:
        return {state for state, _, _ in self.deliveries(name).values()}

    def failures(self, name: str) -> list[tuple[datetime, str]]:
        """When, and why, the study had to wait for one destination."""
        rows = self.ground.node.rows(
            "SELECT at, message FROM events WHERE code = 'delivery_postponed' ORDER BY id"
        )
        found: list[tuple[datetime, str]] = []
        last = datetime.min.replace(tzinfo=UTC)
        for at, message in rows:
            moment = datetime.fromisoformat(at)
            if message.startswith(f"to {name}: "):
                if moment - last > SAME_FAILURE:
                    found.append((moment, message))
                last = moment
        return found

    def back_off(self, name: str) -> str:
        """Say how often it was tried in vain, and the waits in between."""
        moments = [at for at, _ in self.failures(name)]
        waits = [f"{(late - early).total_seconds():.1f}" for early, late in itertools.pairwise(moments)]
        return f"{len(moments)} failures, {', '.join(waits[:4])} s apart; then delivered once"

    def assert_delivered_once(self, name: str, receipts: dict[str, list[bytes]]) -> None:
        assert self.states(name) == {"delivered"}
        assert set(receipts) == set(self.deliveries(name))
        assert {len(sent) for sent in receipts.values()} == {1}

    def assert_same_bytes_only(self, name: str) -> None:
        """Assert that all is delivered; what was given up may have come before, with the same bytes."""
        assert self.states(name) == {"delivered"}
        receipts = self.peers[name].receipts
        assert set(receipts) == set(self.deliveries(name))
        assert {len(set(sent)) for sent in receipts.values()} == {1}

    def seconds_until_given_up(self, name: str, opened: list[datetime]) -> float:
        """Return the time from the first connection to the first failure."""
        return (self.failures(name)[0][0] - opened[0]).total_seconds()

    def assert_holds_our_results(self, orthanc: OrthancServer) -> None:
        """Assert that an Orthanc has every result once, as we made it."""
        held = orthanc.instances()
        paths = dict(self.ground.node.rows("SELECT sop_instance_uid, path FROM results"))
        assert sorted(held) == sorted(paths)
        for uid, path in paths.items():
            made = dcmread(self.ground.node.data_dir / path)
            assert encoded(made) == encoded(orthanc.dataset(held[uid]))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Everything happens here; the tests look at what came of each fault."""
    folder = tmp_path_factory.mktemp("delivery")
    with ExitStack() as stack:
        yield _played(folder, stack)


def _played(folder: Path, stack: ExitStack) -> Scene:
    with running_orthanc(folder / "restarted") as before:
        pass  # it has a storage, and is down now
    orthanc = stack.enter_context(running_orthanc(folder / "orthanc"))
    silence = threading.Event()
    trouble = threading.Event()
    peers = {
        "refusing": FaultyPacs("REFUSING", pick_free_port()),
        "busy": FaultyPacs("BUSY", answer=lambda: SUCCESS if trouble.is_set() else OUT_OF_RESOURCES),
        "full": FaultyPacs("FULL", most_associations=0),
        "silent": FaultyPacs("SILENT", answer=lambda: SUCCESS if silence.wait(60) else OUT_OF_RESOURCES),
        "strange": FaultyPacs("STRANGE", knows_only=["SOMEBODY"]),
        "unread": FaultyPacs("UNREAD"),
        "halting": FaultyPacs("HALTING"),
        "breaking": FaultyPacs("BREAKING"),
        "false": FaultyPacs("FALSE", tls=_certified_by_another(folder)),
    }
    for name, pacs in peers.items():
        if name != "refusing":
            stack.enter_context(pacs.running())
    proxies = {
        "unanswered": FaultyProxy(orthanc.dicom_port, answer_pdus=1),
        "unread": FaultyProxy(peers["unread"].port, request_bytes=CUT_BYTES, stalls=True),
        "halting": FaultyProxy(peers["halting"].port, answer_pdus=1, answer_bytes=9, stalls=True),
        "breaking": FaultyProxy(peers["breaking"].port, request_bytes=CUT_BYTES),
    }
    for proxy in proxies.values():
        stack.enter_context(proxy.running())
    targets = {name: (pacs.ae_title, pacs.port) for name, pacs in peers.items()}
    targets |= {"down": (before.ae_title, before.dicom_port), "unanswered": (orthanc.ae_title, 0)}
    targets |= {name: (targets[name][0], proxy.port) for name, proxy in proxies.items()}
    targets["false"] = targets.pop("false")  # the last one: its table for TLS follows
    extra = "".join(map(_destination, targets, targets.values()))
    extra += f"[destination.tls]\ntrusted = '{OwnAuthority(folder / 'trusted').certificate}'\n"
    ground = stack.enter_context(on_ground(folder / "node", tables={"delivery": DELIVERY}, extra=extra))
    scene = Scene(ground, orthanc, before, peers, proxies)
    _fail(scene)
    trouble.set()
    silence.set()
    peers["full"].most_associations = 10
    for proxy in proxies.values():
        proxy.mended = True
    stack.enter_context(peers["refusing"].running())
    stack.enter_context(
        running_orthanc(folder / "restarted", dicom_port=before.dicom_port, http_port=before.http_port)
    )
    waiting = [name for name in targets if name not in ("strange", "false")]
    done = _seen(lambda: all(scene.states(name) == {"delivered"} for name in waiting), MENDED_SECONDS)
    assert done, f"{ {name: scene.states(name) for name in waiting} }\n{ground.node.log_tail()}"
    ground.hold_all_laws()
    return scene


def _fail(scene: Scene) -> None:
    """Have a study analysed, and every faulty peer tried in vain more than once."""
    ground = scene.ground
    ground.scanner.waiting += simulate_study("calibrated", 9001).objects.values()
    ground.scanner.push()
    assert not ground.scanner.waiting
    assert _seen(lambda: bool(scene.states("pacs")), ANALYSED_SECONDS), ground.node.log_tail()
    began = time.monotonic()
    assert _seen(lambda: scene.states("pacs") == {"delivered"}, 30), ground.node.log_tail()
    scene.good_seconds = time.monotonic() - began
    tried = ("down", "unanswered", "refusing", "busy", "full", "silent", "unread", "halting", "breaking")
    assert _seen(lambda: all(len(scene.failures(name)) >= 2 for name in tried), 60), ground.node.log_tail()
    assert _seen(lambda: scene.states("strange") == {"dead"}, 30), ground.node.log_tail()
    assert _seen(lambda: bool(scene.failures("false")), 30), ground.node.log_tail()


def _seen(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait as `wait_for`, yet leave the journal and the processor to the node."""
    return wait_for(lambda: condition() or bool(time.sleep(0.3)), seconds)


def _destination(name: str, target: tuple[str, int]) -> str:
    ae_title, port = target
    return f'[[destination]]\nname = "{name}"\nae_title = "{ae_title}"\nhost = "127.0.0.1"\nport = {port}\n'


def _certified_by_another(folder: Path) -> ssl.SSLContext:
    leaf = OwnAuthority(folder / "another", "Another CA").issue("pacs.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.certificate, leaf.private_key)
    return context


@pytest.mark.cell("35")
def test_a_refused_connection_is_tried_again_with_back_off(scene: Scene, figure: Figure) -> None:
    scene.assert_delivered_once("refusing", scene.peers["refusing"].receipts)
    assert "is it running" in scene.failures("refusing")[0][1]
    figure(scene.back_off("refusing"))


@pytest.mark.cell("36", "P3")
def test_a_pacs_without_resources_is_tried_again_with_back_off(scene: Scene, figure: Figure) -> None:
    scene.assert_delivered_once("busy", scene.peers["busy"].receipts)
    assert scene.peers["busy"].refused >= 2
    assert "0xA700" in scene.failures("busy")[0][1]
    figure(scene.back_off("busy"))


@pytest.mark.cell("37")
def test_an_answer_that_is_cut_off_makes_no_second_object_at_orthanc(scene: Scene, figure: Figure) -> None:
    strikes = scene.proxies["unanswered"].strikes
    assert strikes >= 2
    assert scene.states("unanswered") == {"delivered"}
    scene.assert_holds_our_results(scene.orthanc)
    held = len(scene.orthanc.instances())
    figure(
        f"{strikes} answers cut off, the same UIDs sent again; {RESULTS} results, {held} objects at Orthanc"
    )


@pytest.mark.cell("38")
@pytest.mark.parametrize("name", ["unread", "halting"])
def test_a_pacs_that_stalls_is_given_up_and_holds_up_no_other(
    scene: Scene, name: str, figure: Figure
) -> None:
    seconds = scene.seconds_until_given_up(name, scene.proxies[name].opened)
    assert seconds < RESPONSE_SECONDS + SLACK_SECONDS
    scene.assert_same_bytes_only(name)
    assert scene.good_seconds < RESPONSE_SECONDS
    how = {"unread": "reads no more", "halting": "half an answer"}[name]
    figure(
        f"{how}: given up in {seconds:.1f} s where response_timeout_seconds = {RESPONSE_SECONDS:g} "
        f"(default {DeliverySettings().response_timeout_seconds:g})"
    )
    figure(f"the good destination had all in {scene.good_seconds:.1f} s")


@pytest.mark.cell("P1")
def test_orthanc_was_down_and_has_everything_once_when_it_is_back(scene: Scene, figure: Figure) -> None:
    assert scene.states("down") == {"delivered"}
    scene.assert_holds_our_results(scene.restarted)
    figure(f"Orthanc: {scene.back_off('down')}")


@pytest.mark.cell("P2")
def test_a_pacs_that_takes_no_more_associations_is_waited_for(scene: Scene, figure: Figure) -> None:
    scene.assert_delivered_once("full", scene.peers["full"].receipts)
    assert "local limit exceeded" in scene.failures("full")[0][1].lower()
    figure(scene.back_off("full"))


@pytest.mark.cell("P4")
def test_a_pacs_that_falls_silent_is_given_up_and_gets_everything_later(scene: Scene, figure: Figure) -> None:
    seconds = scene.seconds_until_given_up("silent", scene.peers["silent"].opened)
    assert seconds < RESPONSE_SECONDS + SLACK_SECONDS
    scene.assert_same_bytes_only("silent")
    figure(f"given up in {seconds:.1f} s where response_timeout_seconds = {RESPONSE_SECONDS:g}")


@pytest.mark.cell("P5")
def test_a_pacs_that_disconnects_in_the_middle_gets_everything_once(scene: Scene, figure: Figure) -> None:
    assert scene.proxies["breaking"].strikes >= 2
    scene.assert_delivered_once("breaking", scene.peers["breaking"].receipts)
    figure(f"cut {scene.proxies['breaking'].strikes} times after {CUT_BYTES} bytes; then delivered once")


@pytest.mark.cell("P6")
def test_a_pacs_that_does_not_know_us_makes_dead_letters_that_name_the_cure(
    scene: Scene, figure: Figure
) -> None:
    deliveries = scene.deliveries("strange").values()
    assert {(state, attempts) for state, attempts, _ in deliveries} == {("dead", 1)}
    reason = next(iter(deliveries))[2]
    assert "Calling AE title not recognised" in reason
    assert "check both AE titles" in reason
    assert not scene.peers["strange"].receipts
    figure(f"dead letters after 1 attempt: {reason.replace('|', '/')}")


@pytest.mark.cell("P7")
def test_to_a_pacs_with_a_wrong_certificate_nothing_is_sent(scene: Scene, figure: Figure) -> None:
    assert not scene.peers["false"].receipts
    assert "delivered" not in scene.states("false")
    reason = scene.failures("false")[0][1]
    assert "certificate" in reason
    figure(f"nothing sent: {reason.replace('|', '/')}")
