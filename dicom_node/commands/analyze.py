"""``dicom-node analyze PATH...``: the engine on files, without network or database."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dicom_node.errors import ConfigurationError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from analysis.config import AnalysisConfig, ClinicalContext
    from analysis.results import PriorMeasurement, StudyAnalysis
    from dicom_node.dicom_files import StudyOnDisk, UnreadableFile
    from reports import ReportOptions

logger = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="DICOM files or folders of them")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write STUDYUID/radius_mask.png and the result objects here"
    )
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object (schema 1) instead of a table"
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="node.toml whose [analysis] and [reports] settings to use; default: shipped",
    )
    parser.add_argument(
        "--prior",
        nargs="+",
        type=Path,
        default=[],
        metavar="PATH",
        help="earlier studies of the same patient: measured for comparison, not shown",
    )
    parser.add_argument(
        "--forearm-length",
        type=float,
        metavar="MM",
        help="measured ulnar length in mm, olecranon to ulnar styloid (site entry; wins over all else)",
    )
    parser.add_argument(
        "--clinical",
        type=Path,
        metavar="FILE",
        help="JSON with the site's entries for one patient, e.g. falls, medication, kidney function, "
        "turnover: names of docs/advice.md and docs/cohort-schema.md (site entries win over DICOM headers)",
    )


def run(options: argparse.Namespace) -> int:
    from analysis.config import ClinicalContext
    from dicom_node.clinical_entries import read_entries
    from dicom_node.config import NodeConfig, default_conf_directory
    from dicom_node.dicom_files import read_studies

    config = NodeConfig.load(options.config or default_conf_directory() / "node.toml")
    clinical = read_entries(options.clinical) if options.clinical else ClinicalContext()
    if options.forearm_length is not None:
        clinical = replace(clinical, forearm_length_mm=options.forearm_length)
    studies, unreadable = read_studies(options.paths)
    if options.clinical and len({study.patient_id for study in studies}) > 1:
        raise ConfigurationError(
            f"{options.clinical} holds one patient's entries, but the studies are of several; analyse them "
            "one by one"
        )
    earlier, unreadable_earlier = read_studies(options.prior)
    unreadable += unreadable_earlier
    for file in unreadable:
        logger.error("%s: %s", file.path, file.reason)
    write = partial(_write_results, out=options.out, reports=config.reports) if options.out else None
    documents, failures = _analyze_all(studies, earlier, clinical, config=config.analysis, write=write)
    _show(documents, unreadable, as_json=options.json)
    return 1 if failures or unreadable or not studies else 0


def _analyze_all(
    studies: list[StudyOnDisk],
    earlier: list[StudyOnDisk],
    clinical: ClinicalContext,
    *,
    config: AnalysisConfig,
    write: Callable[[StudyAnalysis, StudyOnDisk], list[dict[str, str]]] | None,
) -> tuple[list[dict[str, Any]], int]:
    """Analyse study by study in order of date; earlier studies of a patient are the history of later ones.

    Those of `earlier` serve as history only.
    """
    from analysis.engine import analyze
    from analysis.serialization import prior_measurement, to_json_object

    history: dict[str, list[PriorMeasurement]] = {}
    images: dict[str, list[list[Dataset]]] = {}
    documents: list[dict[str, Any]] = []
    failures = 0
    shown = {study.study_instance_uid for study in studies}
    every = [*(study for study in earlier if study.study_instance_uid not in shown), *studies]
    for study in sorted(every, key=lambda s: (s.study_date or date.max, s.study_instance_uid)):
        priors = history.get(study.patient_id, []) if study.patient_id else []
        seen = images.get(study.patient_id, []) if study.patient_id else []
        is_shown = study.study_instance_uid in shown
        try:
            analysis = analyze(study.datasets, history=priors, priors=seen, clinical=clinical, config=config)
            results = write(analysis, study) if write and is_shown else []
        except Exception as error:  # one study's failure must not hide the others' results
            logger.exception("study %s: the engine failed", study.study_instance_uid)
            failures += 1
            documents.append(_failed(study, error))
            continue
        document = to_json_object(analysis, results)
        if is_shown:
            documents.append(document)
        if analysis.status == "analyzed" and study.study_date is not None:
            prior = prior_measurement(document, study.study_date)
            history.setdefault(study.patient_id, []).append(prior)
            images.setdefault(study.patient_id, []).append(study.datasets)
    return documents, failures


def _failed(study: StudyOnDisk, error: Exception) -> dict[str, Any]:
    from analysis import __version__
    from analysis.results import Status, StudyAnalysis
    from analysis.serialization import to_json_object

    return to_json_object(
        StudyAnalysis(
            study_instance_uid=study.study_instance_uid,
            status=Status.REJECTED,
            reason=f"the engine failed: {type(error).__name__}: {error}",
            identity="",
            engine_version=__version__,
        )
    )


def _write_results(
    analysis: StudyAnalysis, study: StudyOnDisk, *, out: Path, reports: ReportOptions
) -> list[dict[str, str]]:
    """Write mask and result objects below ``out/STUDYUID``; return what was written."""
    from reports import compose

    results = compose(analysis, study.datasets, options=reports)
    if not results:
        return []
    folder = out / analysis.study_instance_uid
    folder.mkdir(parents=True, exist_ok=True)
    if analysis.evidence is not None:
        from PIL import Image

        mask = analysis.evidence.radius_mask.astype("uint8") * 255
        Image.fromarray(mask).save(folder / "radius_mask.png")
    written = []
    for dataset in results:
        path = folder / f"{dataset.SeriesNumber}_{dataset.Modality}_{dataset.SOPInstanceUID}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        written.append(
            {
                "sop_class_uid": str(dataset.SOPClassUID),
                "sop_instance_uid": str(dataset.SOPInstanceUID),
                "path": str(path),
            }
        )
    return written


def _show(documents: list[dict[str, Any]], unreadable: list[UnreadableFile], *, as_json: bool) -> None:
    if as_json:
        from analysis.serialization import to_document

        document = to_document(documents)
        document["unreadable"] = [{"path": str(file.path), "reason": file.reason} for file in unreadable]
        json.dump(document, sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
        print()
        return
    from dicom_node.tables import analyses_table, print_table

    if documents:
        print_table(analyses_table(documents))
    for document in documents:
        _print_details(document)


def _print_details(document: Mapping[str, Any]) -> None:
    print(f"\n{document['study_instance_uid']}: {document['status']}  {document['reason']}".rstrip())
    for item in document["recommendations"]:
        print(f"  {item['kind']}: {item['text']}  [{item['source']}]")
    for finding in document["quality"]:
        print(f"  {finding['severity']} {finding['code']}: {finding['message']}")
