"""A sample study and all that the node answers to it, as files: what the viewers are given to show."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset, dcmread

from analysis.engine import analyze
from analysis.results import StudyAnalysis
from dicom_node.config import load_analysis_config
from reports import compose
from reports.identity import SERIES, ResultKind

SAMPLE_STUDIES = Path(__file__).parents[2] / "sample_studies"


@dataclass(frozen=True)
class AnsweredStudy:
    """The engine's numbers, the source images and the result objects of one study."""

    analysis: StudyAnalysis
    source: list[Dataset]
    results: list[Dataset]
    files: list[Path]

    @property
    def study_uid(self) -> str:
        return self.analysis.study_instance_uid

    def result(self, kind: ResultKind) -> Dataset:
        """The one object of a kind; a kind that the node knows but did not make is an error."""
        number = SERIES[kind].number
        (found,) = [dataset for dataset in self.results if dataset.SeriesNumber == number]
        return found

    def path(self, kind: ResultKind) -> Path:
        return self.files[len(self.source) + self.results.index(self.result(kind))]


def answered_study(sample: str, folder: Path) -> AnsweredStudy:
    """Analyse a sample study with the shipped settings, write it up, and write all of it below `folder`."""
    source = [dcmread(path) for path in sorted((SAMPLE_STUDIES / sample).glob("*.dcm"))]
    analysis = analyze(source, config=load_analysis_config())
    results = compose(analysis, source)
    files = [folder / f"{sample}-{number}.dcm" for number in range(len(source) + len(results))]
    for dataset, path in zip([*source, *results], files, strict=True):
        dataset.save_as(path, enforce_file_format=True)
    return AnsweredStudy(analysis, source, results, files)
