"""Sound DICOM, but odd: acknowledged, then judged by the analysis, with the reason journalled."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from raw_scu import raw_scu, secondary_capture
from running_node import running_node, write_node_config

from analysis.simulation.study import simulate_study
from dicom_node.storage.journal import Journal
from dicom_node.storage.records import StudyState
from reports.options import EVERY_RESULT

pytestmark = pytest.mark.slow

CHINESE_NAME = "Wang^XiaoDong=王^小东"
ENDS = {StudyState.ANALYZED, StudyState.NOT_APPLICABLE, StudyState.REJECTED, StudyState.FAILED}


def forearm(seed: int, *, study: str | None = None, **elements: str | None) -> Dataset:
    """A simulated forearm image; an element given as None is absent."""
    (dataset,) = simulate_study("calibrated", seed).objects.values()
    if study:
        dataset.StudyInstanceUID = study
    for keyword, value in elements.items():
        if value is not None:
            setattr(dataset, keyword, value)
        elif keyword in dataset:
            delattr(dataset, keyword)
    return dataset


PHOTO = secondary_capture("1.2.1.1", study="1.2.1", ImageComments="a photograph")
TWO_FOREARMS = [forearm(11, study="1.2.2"), forearm(12, study="1.2.2")]
NAMELESS = forearm(13, study="1.2.3", PatientBirthDate=None, PatientSex=None, PatientAge=None)
CHINESE = forearm(14, study="1.2.4", SpecificCharacterSet="GB18030", PatientName=CHINESE_NAME)


@dataclass(frozen=True)
class Verdicts:
    """The journal of a node that has judged every study."""

    journal: Journal

    def of(self, study: str) -> tuple[str, str]:
        row = self.journal.study(study)
        assert row is not None
        return row.state, row.reason

    def events(self, study: str) -> dict[str, str]:
        return {event.code: event.message for event in self.journal.events(study_instance_uid=study)}

    def result_files(self, study: str) -> list[Dataset]:
        rows = self.journal._rows("SELECT path FROM results WHERE study_instance_uid = ?", (study,))
        return [dcmread(self.journal.path.parent / row["path"]) for row in rows]

    def quality(self, study: str) -> set[str]:
        row = self.journal._row("SELECT result_json FROM analyses WHERE study_instance_uid = ?", (study,))
        assert row is not None
        return {finding["code"] for finding in json.loads(row["result_json"])["quality"]}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verdicts]:
    """Push everything to one node over one association and wait for its judgement."""
    folder = tmp_path_factory.mktemp("node")
    config, port = write_node_config(folder, destinations={})
    objects = [PHOTO, *TWO_FOREARMS, NAMELESS, CHINESE]
    with running_node(config):
        with raw_scu(port, sop_classes=tuple({item.SOPClassUID for item in objects})) as scu:
            for item in objects:
                answer = scu.store_dataset(item, context_class=item.SOPClassUID)
                assert answer.status == 0x0000, answer.comment
        journal = Journal(folder / "node_data" / "journal.db")
        deadline = time.monotonic() + 120
        while any(
            row.state not in ENDS for row in map(journal.study, ("1.2.1", "1.2.2", "1.2.3", "1.2.4")) if row
        ):
            assert time.monotonic() < deadline, "the node has not judged every study"
            time.sleep(0.1)
        yield Verdicts(journal)
        journal.close()


def test_a_colour_photograph_is_declined_with_its_reason(verdicts: Verdicts) -> None:
    state, reason = verdicts.of("1.2.1")
    assert state == "not_applicable"
    assert "forearm" in reason.lower()
    assert verdicts.events("1.2.1")["study_not_applicable"] == reason


def test_two_forearms_in_one_study_are_rejected_and_both_are_named(verdicts: Verdicts) -> None:
    state, reason = verdicts.of("1.2.2")
    assert state == "rejected"
    assert all(item.SOPInstanceUID in reason for item in TWO_FOREARMS)
    assert verdicts.events("1.2.2")["study_rejected"] == reason


def test_without_birth_date_and_sex_it_is_analysed_and_says_what_is_missing(verdicts: Verdicts) -> None:
    assert verdicts.of("1.2.3")[0] == "analyzed"
    assert verdicts.result_files("1.2.3")
    assert verdicts.quality("1.2.3") >= {"age_unknown", "sex_unknown"}


def test_a_name_in_gb18030_reaches_every_result(verdicts: Verdicts) -> None:
    assert verdicts.of("1.2.4")[0] == "analyzed"
    results = verdicts.result_files("1.2.4")
    assert len(results) == len(EVERY_RESULT)
    for result in results:
        assert result.PatientName.ideographic == "王^小东"
