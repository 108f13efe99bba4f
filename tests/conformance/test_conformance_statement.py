"""The conformance statement is true: what it claims is accepted, what it does not claim is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    MPEG2MPML,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)
from pynetdicom import AE
from pynetdicom.presentation import build_context
from running_receiver import RunningReceiver

from analysis.engine import analyze
from dicom_node.cli import main
from dicom_node.config import NodeConfig, NodeSettings, default_conf_directory, load_analysis_config
from dicom_node.conformance import claimed_contexts, conformance_statement
from dicom_node.conformance.claims import RESULTS, result_class
from dicom_node.conformance.tables import SCP_STATUSES
from dicom_node.network import admission, storing
from dicom_node.network.receiver import Receiver
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from reports import compose
from reports.options import EVERY_RESULT

DOCS = Path(__file__).parents[2] / "docs" / "conformance.md"
CONTEXTS_PER_ASSOCIATION = 128
JPIP_REFERENCED = "1.2.840.10008.1.2.4.94"


@pytest.fixture(scope="module")
def shipped() -> NodeConfig:
    return NodeConfig.load(default_conf_directory() / "node.toml")


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory, shipped: NodeConfig) -> Iterator[RunningReceiver]:
    """A receiver with the shipped limits."""
    data_dir = tmp_path_factory.mktemp("node")
    archive = Archive(data_dir, min_free_bytes=0)
    journal = Journal(archive.journal_path)
    node = NodeSettings(host="127.0.0.1", port=0, data_dir=data_dir)
    running = RunningReceiver(Receiver(node, shipped.receiver, archive, journal), journal, archive)
    running.receiver.start()
    yield running
    running.receiver.stop()
    journal.close()


def offer(port: int, pairs: Sequence[tuple[str, str]]) -> list[tuple[int, str]]:
    """Offer (abstract syntax, transfer syntax) pairs, a context each; return result and syntax of each."""
    verification = ("1.2.840.10008.1.1", "1.2.840.10008.1.2")  # so that the association is not refused whole
    contexts = [build_context(abstract, [syntax]) for abstract, syntax in [*pairs, verification]]
    association = AE(ae_title="SCANNER").associate("127.0.0.1", port, contexts, ae_title="RADIUSDXA")
    assert association.is_established
    every = [*association.accepted_contexts, *association.rejected_contexts]
    by_id = sorted(every, key=lambda context: context.context_id or 0)
    association.release()
    return [
        (context.result if context.result is not None else -1, str(context.transfer_syntax[0]))
        for context in by_id[:-1]
    ]


def in_chunks(pairs: Sequence[tuple[str, str]]) -> Iterator[Sequence[tuple[str, str]]]:
    size = CONTEXTS_PER_ASSOCIATION - 1
    for start in range(0, len(pairs), size):
        yield pairs[start : start + size]


def test_every_claimed_context_is_accepted_in_the_syntax_offered(
    receiver: RunningReceiver, shipped: NodeConfig
) -> None:
    pairs = [
        (str(context.abstract_syntax), str(syntax))
        for context in claimed_contexts(shipped)
        for syntax in context.transfer_syntaxes
    ]
    assert len(pairs) > 2000
    refused = [
        (pair, answer)
        for chunk in in_chunks(pairs)
        for pair, answer in zip(chunk, offer(receiver.port, chunk), strict=True)
        if answer != (0, pair[1])
    ]
    assert refused == []


def test_what_is_not_claimed_is_refused(receiver: RunningReceiver) -> None:
    abstract_syntax_not_supported, transfer_syntaxes_not_supported = 3, 4
    explicit = str(ExplicitVRLittleEndian)
    services = {
        "Modality Worklist FIND": "1.2.840.10008.5.1.4.31",
        "Study Root FIND": "1.2.840.10008.5.1.4.1.2.2.1",
        "Study Root MOVE": "1.2.840.10008.5.1.4.1.2.2.2",
        "MPPS": "1.2.840.10008.3.1.2.3.3",
        "Basic Grayscale Print": "1.2.840.10008.5.1.1.9",
        "Hanging Protocol Storage": "1.2.840.10008.5.1.4.38.1",
        "Storage Commitment Pull": "1.2.840.10008.1.20.2",
        "Media Storage Directory": "1.2.840.10008.1.3.10",
    }
    answers = offer(receiver.port, [(uid, explicit) for uid in services.values()])
    assert [result for result, _ in answers] == [abstract_syntax_not_supported] * len(services)
    syntaxes = (DeflatedExplicitVRLittleEndian, MPEG2MPML, JPIP_REFERENCED, "1.2.3.4.5")
    answers = offer(receiver.port, [(SecondaryCaptureImageStorage, str(syntax)) for syntax in syntaxes])
    assert [result for result, _ in answers] == [transfer_syntaxes_not_supported] * len(syntaxes)


def test_private_storage_classes_are_accepted_as_the_statement_says(receiver: RunningReceiver) -> None:
    assert offer(receiver.port, [("1.3.12.2.1107.5.9.1", str(ExplicitVRLittleEndian))]) == [
        (0, str(ExplicitVRLittleEndian))
    ]


def test_the_statement_in_docs_is_that_of_the_shipped_configuration(shipped: NodeConfig) -> None:
    """If this fails: dicom-node conformance --config conf/node.toml --out docs/conformance.md."""
    assert DOCS.read_text(encoding="utf-8") == conformance_statement(shipped)


def test_the_statement_follows_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    conf = default_conf_directory().resolve()
    config = tmp_path / "node.toml"
    config.write_text(
        f"""
[node]
ae_title = "OTHER"
additional_ae_titles = ["THIRD"]
[receiver]
accept_deflated = true
maximum_associations = 7
[analysis]
reference = "{conf / "reference" / "iscd-atlas-female.csv"}"
guideline = "{conf / "guidelines" / "acp-2023.toml"}"
[audit]
transport = "udp"
[[destination]]
name = "web"
type = "stow"
url = "https://pacs.example/dicom-web"
[destination.reports]
sr_class = "enhanced"
results = ["report"]
[[peer]]
name = "dxa-1"
ae_title = "HOLOGIC1"
addresses = ["192.0.2.7"]
"""
    )
    assert main(["conformance", "--config", str(config)]) == 0
    text = capsys.readouterr().out
    for expected in (
        "AE title `OTHER`",
        "`OTHER`, `THIRD`",
        "| Deflated Explicit VR Little Endian |",
        "| Associations at the same time | 7 |",
        "| DICOMweb STOW-RS | yes | no |",
        "| web | https://pacs.example/dicom-web | STOW-RS | store | no |",
        "| Report | Enhanced SR Storage `1.2.840.10008.5.1.4.1.1.88.22` | TID 2000",
        "In this configuration: udp.",
        "Peer dxa-1: AE title `HOLOGIC1` at 192.0.2.7",
    ):
        assert expected in text
    assert "| Summary page |" not in text


def test_the_statuses_are_those_that_the_receiver_has() -> None:
    stated = {int(code, 16) for code, _, _ in SCP_STATUSES}
    assert stated == {
        admission.SUCCESS,
        admission.MISMATCH,
        admission.CANNOT_UNDERSTAND,
        storing.OUT_OF_RESOURCES,
        storing.PROCESSING_FAILURE,
    }


def test_the_objects_made_are_those_that_the_statement_names(sample_studies: Path) -> None:
    datasets = [dcmread(path) for path in (sample_studies / "02-calibrated-high-risk").rglob("*.dcm")]
    made = compose(analyze(datasets, config=load_analysis_config()), datasets)
    claims = [RESULTS[name] for name in EVERY_RESULT]
    assert [UID(item.SOPClassUID) for item in made] == [
        result_class(claim, "comprehensive") for claim in claims
    ]
    for item, claim in zip(made, claims, strict=True):
        assert _template(item) in claim.template
        assert bool(_template(item)) == bool(claim.template)


def _template(item: Dataset) -> str:
    """Root template as the statement spells it, e.g. "TID 1500"; empty without one."""
    return (
        f"TID {item.ContentTemplateSequence[0].TemplateIdentifier}"
        if "ContentTemplateSequence" in item
        else ""
    )
