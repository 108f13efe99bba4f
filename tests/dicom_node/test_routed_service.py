"""One node behind several AE titles: what is pushed in over DICOM goes the way its route says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from node_support import load_config, outcome, sent_to, store_results, wait_until
from pydicom import dcmread
from pydicom.uid import generate_uid
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.sop_class import register_uid
from scripted_scp import StoredObjects, scripted_scp, write_object

from dicom_node.cli import main
from dicom_node.config import NodeConfig
from dicom_node.network.sender import Peer, Timeouts, read_sendable, store
from dicom_node.service import Service
from dicom_node.storage.archive import Archive
from dicom_node.storage.records import AnalysisOutcome, StudyState
from dicom_node.workflow.worker import WorkOrder

CONF = Path(__file__).parents[2] / "conf"
PRIVATE_CLASS = "1.2.826.0.1.3680043.9.9999.1"

ROUTES = f"""
[[route]]
name = "fractures"
when = {{ called_ae = "FRACTURES" }}
action = ["analyse", "forward"]
destinations = ["clinic"]
forward_to = ["archive"]
guideline = "{CONF / "guidelines" / "nogg-2024.toml"}"
priority = 9
[[route]]
name = "junk"
when = {{ study_description = "*topogram*" }}
action = "discard"
[[route]]
name = "teaching"
when = {{ calling_ae = "TEACH*", peer_address = "127.0.0.0/8" }}
action = "store"
[[route]]
name = "vendor"
when = {{ sop_class = "{PRIVATE_CLASS}" }}
action = ["analyse", "forward"]
forward_to = ["archive"]
"""


class Ground:
    """A node with the routes above, its peers, and what its workers were told."""

    def __init__(
        self, config: NodeConfig, clinic: StoredObjects, archive: StoredObjects, folder: Path
    ) -> None:
        self.config, self.clinic, self.archive, self.folder = config, clinic, archive, folder
        self.orders: dict[str, WorkOrder] = {}
        self.start()

    def start(self) -> None:
        self.service = Service(self.config, work=self._work, make_executor=lambda: ThreadPoolExecutor(1))
        self.service.start()

    def _work(self, order: WorkOrder) -> AnalysisOutcome:
        """Answer every study with one secondary capture of the same study."""
        self.orders[order.study_instance_uid] = order
        file = write_object(self.folder / f"{generate_uid()}.dcm", study=order.study_instance_uid)
        results = store_results(Archive(self.config.node.data_dir), [file], order.input_digest)
        return sent_to(outcome(identity=order.input_digest, results=results), order.reports)

    def push(self, files: Sequence[Path], *, to: str = "RADIUSDXA", by: str = "SCANNER") -> None:
        peer = Peer(to, "127.0.0.1", self.service.port)
        outcomes = store(map(read_sendable, files), peer, calling_ae_title=by, timeouts=Timeouts())
        assert [item.status for item in outcomes] == [0] * len(files)

    def state(self, study: str) -> str:
        found = self.service.journal.study(study)
        return found.state if found else ""

    def wait_for(self, study: str, state: StudyState) -> None:
        wait_until(lambda: self.state(study) == state, seconds=20)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with pacs("CLINIC") as clinic, pacs("ARCHIVE") as archive:
        config = load_config(
            tmp_path, destinations=[("clinic", clinic.peer), ("archive", archive.peer)], extra=ROUTES
        )
        path = config.path
        path.write_text(path.read_text().replace("[node]", '[node]\nadditional_ae_titles = ["FRACTURES"]'))
        made = Ground(NodeConfig.load(path), clinic, archive, tmp_path)
        try:
            yield made
        finally:
            made.service.stop()


@contextmanager
def pacs(ae_title: str) -> Iterator[StoredObjects]:
    register_uid(PRIVATE_CLASS, "VendorRawStorage", StorageServiceClass)  # or pynetdicom would not serve it
    classes = ("1.2.840.10008.5.1.4.1.1.7", PRIVATE_CLASS)
    with scripted_scp(ae_title=ae_title, sop_classes=classes) as stored:
        yield stored


def described(path: Path, study: str, description: str) -> Path:
    dataset = dcmread(write_object(path, study=study))
    dataset.StudyDescription = description
    dataset.save_as(path)
    return path


def encoded_data_set(file: Path) -> bytes:
    whole = file.read_bytes()
    return whole[144 + int.from_bytes(whole[140:144], "little") :]


def test_two_ae_titles_of_one_node_have_their_own_destinations_and_guidelines(ground: Ground) -> None:
    ground.push([write_object(ground.folder / "a.dcm", study="1.2.1")])
    file = write_object(ground.folder / "b.dcm", study="1.2.2")
    ground.push([file], to="FRACTURES")
    wait_until(lambda: ground.service.journal.summary()["deliveries"] == {"delivered": 4}, seconds=20)

    plain, fractures = ground.orders["1.2.1"], ground.orders["1.2.2"]
    assert set(plain.reports) == {"clinic", "archive"} and set(fractures.reports) == {"clinic"}
    assert plain.config.guideline.name == "acp-2023.toml"
    assert fractures.config.guideline.name == "nogg-2024.toml"

    assert sorted(item.StudyInstanceUID for item in ground.clinic.datasets) == ["1.2.1", "1.2.2"]
    original = dcmread(file)
    at = ground.archive.sop_instance_uids.index(original.SOPInstanceUID)
    assert ground.archive.encoded[at] == encoded_data_set(file), "byte for byte as it was received"


def test_a_discarded_study_is_acknowledged_told_and_gone(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    file = described(ground.folder / "junk.dcm", "1.2.1", "AP Topogram of Doe")
    ground.push([file])
    ground.wait_for("1.2.1", StudyState.NOT_APPLICABLE)
    assert main(["studies", "--json", "--config", str(ground.config.path)]) == 0
    told = capsys.readouterr().out
    assert '"route": "junk"' in told and "study_description fits '*topogram*'" in told
    assert "Doe" not in told
    codes = [event.code for event in ground.service.journal.events(study_instance_uid="1.2.1")]
    assert codes == ["study_complete", "study_routed", "study_discarded"]
    assert ground.service.journal.summary()["deliveries"] == {}

    ground.service.stop()
    ground.start()  # files are deleted once a minute, and at the start
    assert list((ground.config.node.data_dir / "instances").rglob("*.dcm")) == []
    ground.push([file])
    wait_until(lambda: len(ground.service.journal.events(study_instance_uid="1.2.1")) == 6, seconds=20)


def test_a_stored_study_stays_and_goes_nowhere(ground: Ground) -> None:
    ground.push([write_object(ground.folder / "a.dcm", study="1.2.1")], by="TEACHING")
    ground.wait_for("1.2.1", StudyState.NOT_APPLICABLE)
    assert len(list((ground.config.node.data_dir / "instances").rglob("*.dcm"))) == 1
    assert ground.orders == {} and ground.service.journal.summary()["deliveries"] == {}


def test_a_private_object_is_passed_on_and_never_reaches_a_worker(ground: Ground) -> None:
    private = write_object(ground.folder / "p.dcm", study="1.2.1", sop_class=PRIVATE_CLASS)
    ground.push([private])
    ground.wait_for("1.2.1", StudyState.NOT_APPLICABLE)
    wait_until(lambda: ground.service.journal.summary()["deliveries"] == {"delivered": 1}, seconds=20)
    assert ground.archive.encoded == [encoded_data_set(private)]
    assert ground.orders == {}
    ground.push([write_object(ground.folder / "a.dcm", study="1.2.1")])
    ground.wait_for("1.2.1", StudyState.ANALYZED)
    assert len(ground.orders["1.2.1"].paths) == 1, "only the object of a standard class"


def test_own_results_that_come_back_are_never_routed(ground: Ground) -> None:
    ground.push([write_object(ground.folder / "a.dcm", study="1.2.1")])
    wait_until(lambda: ground.service.journal.summary()["deliveries"] == {"delivered": 2}, seconds=20)
    result = next((ground.config.node.data_dir / "results").rglob("*.dcm"))
    ground.push([result], to="FRACTURES")
    assert ground.state("1.2.1") == StudyState.ANALYZED
    assert ground.service.journal.routing("1.2.1").route == "default"
    assert ground.service.journal.summary()["deliveries"] == {"delivered": 2}


def test_an_administrator_holds_a_study_and_completes_another_beside_the_running_node(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["--config", str(ground.config.path), "--by", "ann", "--reason", "wrong patient?"]
    ground.push([write_object(ground.folder / "a.dcm", study="1.2.1")])
    assert main(["hold", "1.2.1", *config]) == 0
    ground.push([write_object(ground.folder / "b.dcm", study="1.2.2")])
    assert main(["complete", "1.2.2", *config]) == 0
    ground.wait_for("1.2.2", StudyState.ANALYZED)
    study = ground.service.journal.study("1.2.2")
    assert study is not None and study.completed_reason == "completed by ann: wrong patient?"
    assert ground.state("1.2.1") == StudyState.RECEIVING
    assert main(["hold", "1.2.1", *config]) == 2
    assert "is held already, by ann" in capsys.readouterr().err
    assert main(["status", "--config", str(ground.config.path)]) == 0
    assert "study 1.2.1 held by ann" in capsys.readouterr().out
    assert main(["release", "1.2.1", *config]) == 0
    ground.wait_for("1.2.1", StudyState.ANALYZED)


@pytest.mark.parametrize("command", ["hold", "release", "complete"])
def test_a_study_that_was_never_received_is_named(
    ground: Ground, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "9.9", "--reason", "x", "--config", str(ground.config.path)]) == 2
    assert "study '9.9' was never received" in capsys.readouterr().err
