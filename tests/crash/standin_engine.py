"""An engine that takes no time: it says of every study what the real one said of the sample, model by model.

Everything around it is the node's own: comparison, reports, archive, journal, delivery. Imported by workers.
"""

from __future__ import annotations

import copyreg
import hashlib
import os
import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydicom import Dataset

import analysis.engine
from analysis.config import AnalysisConfig
from analysis.results import StudyAnalysis
from dicom_node.storage.records import AnalysisOutcome
from dicom_node.workflow.worker import WorkOrder, analyze_study

FOLDER_VARIABLE = "STANDIN_ENGINE"
"""Names the folder of what the real engine said: a pickle of our own per SHA-256 of a registry."""


def _read_only(values: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(values)


copyreg.pickle(MappingProxyType, lambda proxy: (_read_only, (dict(proxy),)))  # type: ignore[arg-type]


def learn(folder: Path, config: AnalysisConfig, sample: Sequence[Dataset]) -> StudyAnalysis:
    """Have the real engine analyse the sample once, for `analyze_at_once` to repeat."""
    said = analysis.engine.analyze(sample, config=config)
    folder.mkdir(exist_ok=True)
    (folder / _registry_digest(config)).write_bytes(pickle.dumps(replace(said, evidence=None)))
    return said


def analyze_at_once(order: WorkOrder) -> AnalysisOutcome:
    """Do what the node's workers do, with this engine in place of the real one."""
    analysis.engine.analyze = _repeated
    return analyze_study(order)


def _repeated(datasets: Sequence[Dataset], *, config: AnalysisConfig, **_: Any) -> StudyAnalysis:
    digest = _registry_digest(config)
    said: StudyAnalysis = pickle.loads((Path(os.environ[FOLDER_VARIABLE]) / digest).read_bytes())  # noqa: S301
    (study,) = datasets
    assert said.source is not None
    return replace(
        said,
        study_instance_uid=str(study.StudyInstanceUID),
        identity=hashlib.sha256(f"{study.SOPInstanceUID} {digest}".encode()).hexdigest(),
        source=replace(
            said.source,
            sop_instance_uid=str(study.SOPInstanceUID),
            series_instance_uid=str(study.SeriesInstanceUID),
            rows=0,  # nothing is drawn: the words alone are made
            columns=0,
        ),
    )


def _registry_digest(config: AnalysisConfig) -> str:
    return hashlib.sha256((config.models / "registry.json").read_bytes()).hexdigest()
