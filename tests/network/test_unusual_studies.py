"""Parametric Map, separate density map, SR alone and PDF alone: received whole, judged, written up."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from raw_scu import encoded, raw_scu
from running_node import running_node, write_node_config

from analysis.simulation.variants import Variant, simulate_variant
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import StudyState
from reports.compose import ON_THE_IMAGE
from reports.options import EVERY_RESULT

pytestmark = pytest.mark.slow

EVERY, WITHOUT_IMAGE = len(EVERY_RESULT), len(set(EVERY_RESULT) - ON_THE_IMAGE)
EXPECTED: dict[Variant, tuple[str, int]] = {
    "parametric-map": ("analyzed", EVERY),
    "separate-map": ("analyzed", EVERY),
    "sr-only": ("analyzed", WITHOUT_IMAGE),
    "pdf": ("not_applicable", 0),
}
ENDS = {StudyState.ANALYZED, StudyState.NOT_APPLICABLE, StudyState.REJECTED, StudyState.FAILED}
STUDIES = {variant: simulate_variant(variant, 4) for variant in EXPECTED}
UIDS = {variant: str(study.truth["study_instance_uid"]) for variant, study in STUDIES.items()}


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    """Of a node that has received and judged every study."""
    folder = tmp_path_factory.mktemp("node")
    config, port = write_node_config(folder, destinations={})
    with running_node(config):
        for study in STUDIES.values():
            for item in study.objects.values():
                syntax = item.file_meta.TransferSyntaxUID
                with raw_scu(port, sop_classes=(item.SOPClassUID,), syntax=syntax) as scu:
                    data = encoded_as_sent(item)
                    answer = scu.store(
                        data,
                        instance=item.SOPInstanceUID,
                        sop_class=item.SOPClassUID,
                        context_class=item.SOPClassUID,
                    )
                    assert answer.status == 0x0000, answer.comment
        found = Journal(folder / "node_data" / "journal.db")
        deadline = time.monotonic() + 180
        while any(row is None or row.state not in ENDS for row in map(found.study, UIDS.values())):
            assert time.monotonic() < deadline, "the node has not judged every study"
            time.sleep(0.1)
        yield found
        found.close()


def encoded_as_sent(item: Dataset) -> bytes:
    return encoded(item, implicit=item.file_meta.TransferSyntaxUID.is_implicit_VR)


def results(journal: Journal, variant: Variant) -> list[Dataset]:
    rows = journal._rows("SELECT path FROM results WHERE study_instance_uid = ?", (UIDS[variant],))
    return [dcmread(journal.path.parent / row["path"]) for row in rows]


@pytest.mark.parametrize("variant", EXPECTED)
def test_it_is_judged_and_written_up(journal: Journal, variant: Variant) -> None:
    state, count = EXPECTED[variant]
    row = journal.study(UIDS[variant])
    assert row is not None
    assert row.state == state
    written = results(journal, variant)
    assert len(written) == count
    for result in written:
        assert result.PatientID == f"SIM-{variant}-4"
        assert not any(element.tag.is_private for element in result)


def test_an_sr_alone_yields_no_heat_map(journal: Journal) -> None:
    assert {result.SeriesNumber for result in results(journal, "sr-only")} == {900, 901, 903, 907, 908}


def test_a_pdf_alone_is_declined_with_what_to_do(journal: Journal) -> None:
    row = journal.study(UIDS["pdf"])
    assert row is not None
    assert "Have the scanner send the image" in row.reason
