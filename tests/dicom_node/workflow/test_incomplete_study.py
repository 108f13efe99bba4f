"""Where more of a study was expected than came, a reader is told."""

from __future__ import annotations

from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from analysis.incomplete import of_incomplete_study
from analysis.results import Status, StudyAnalysis
from dicom_node.config import load_analysis_config
from dicom_node.workflow.worker import WorkOrder, analyze_study
from reports import ReportOptions

CHINESE = ReportOptions(results=("report",), language="zh")
ENGLISH = ReportOptions(results=("report",))


def text(dataset: Dataset) -> str:
    return " ".join(element.value for element in dataset.iterall() if element.VR in ("UT", "LO"))


def test_its_reports_say_that_more_was_expected(sample_studies: Path, tmp_path: Path) -> None:
    image = sample_studies / "02-calibrated-high-risk" / "image.dcm"
    done = analyze_study(
        WorkOrder(
            study_instance_uid=dcmread(image, stop_before_pixels=True).StudyInstanceUID,
            input_digest="d" * 64,
            paths={"1.2.3": image},
            data_dir=tmp_path,
            history=(),
            priors=(),
            known=(),
            standing={},
            config=load_analysis_config(),
            reports={"english": ENGLISH, "chinese": CHINESE},
            time_limit_seconds=120,
            memory_limit_bytes=4_000_000_000,
            incomplete=True,
        )
    )
    paths = {item.sop_instance_uid: tmp_path / item.path for item in done.results}
    told = {name: text(dcmread(paths[uid])) for name, (uid,) in done.sets.items()}
    assert "Part of this study had not arrived when it was analysed." in told["english"]
    assert "分析时本检查的部分内容尚未到达" in told["chinese"]


def test_the_results_of_a_part_are_other_objects_than_those_of_the_same_objects_as_a_whole() -> None:
    whole = StudyAnalysis("1.2.3", Status.REJECTED, "a reason", "a" * 64, "0")
    part = of_incomplete_study(whole)
    assert part.identity != whole.identity and len(part.identity) == 64
    assert part.identity == of_incomplete_study(whole).identity, "the same work again gives the same"
    assert [finding.code for finding in part.quality] == ["study_incomplete"]
