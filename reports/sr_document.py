"""Structured Report documents: everything around the content (PS3.3 C.17.1 to C.17.3)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage

from reports import codes as coded
from reports.content import Item, set_content
from reports.identity import ResultKind
from reports.instance import finish, plain_instance
from reports.options import SrClass
from reports.source import ReportContext

SOP_CLASSES: dict[SrClass, str] = {
    "enhanced": EnhancedSRStorage,
    "comprehensive": ComprehensiveSRStorage,
    "comprehensive_3d": Comprehensive3DSRStorage,
}
"""The content is the same: it has neither the by-reference relationships that Enhanced SR lacks nor the 3-D
coordinates that only Comprehensive 3D SR has."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """An instance that a document rests on or refers to."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str


def source_evidence(context: ReportContext) -> Evidence:
    """Return the analysed image, or the vendor's document where there is none."""
    return Evidence(
        context.analysis.study_instance_uid,
        context.image.series_instance_uid,
        context.image.sop_class_uid,
        context.image.sop_instance_uid,
    )


def measurements_evidence(context: ReportContext) -> Evidence:
    """Return the measurement report of the same analysis, whether it is written yet or not."""
    return Evidence(
        context.analysis.study_instance_uid,
        context.uid("series", ResultKind.MEASUREMENTS),
        SOP_CLASSES[context.options.sr_class],
        context.uid("instance", ResultKind.MEASUREMENTS),
    )


def structured_report(
    context: ReportContext,
    kind: ResultKind,
    *,
    title: Code,
    template: str,
    children: Iterable[Item],
    evidence: Sequence[Evidence],
) -> Dataset:
    """Write a document of the class the site has chosen, complete and not verified by anyone.

    Parameters
    ----------
    context : ReportContext
    kind : ResultKind
    title : Code
        Concept name of the root; a predecessor with the same title is named as replaced.
    template : str
        Of the root.
    children : iterable of Item
        The content below the root.
    evidence : sequence of Evidence
        All of the analysed study.
    """
    document = plain_instance(context, kind, SOP_CLASSES[context.options.sr_class], "SR")
    document.ReferencedPerformedProcedureStepSequence = []
    document.PerformedProcedureCodeSequence = []
    document.CompletionFlag = "COMPLETE"
    document.VerificationFlag = "UNVERIFIED"
    document.PreliminaryFlag = "PRELIMINARY"
    document.CodingSchemeIdentificationSequence = [_private_scheme()]
    document.CurrentRequestedProcedureEvidenceSequence = hierarchical_references(evidence)
    if replaced := context.replaced_by(title, document.SOPInstanceUID):
        document.PredecessorDocumentsSequence = hierarchical_references(
            [
                Evidence(old.StudyInstanceUID, old.SeriesInstanceUID, old.SOPClassUID, old.SOPInstanceUID)
                for old in replaced
            ]
        )
    finish(document, context)
    set_content(document, title, template, children)
    return document


def hierarchical_references(instances: Sequence[Evidence]) -> list[Dataset]:
    """Return a Hierarchical SOP Instance Reference Macro (PS3.3 C.17.2.1): by study, by series, each once."""
    studies: dict[str, dict[str, dict[str, str]]] = {}
    for instance in instances:
        series = studies.setdefault(instance.study_instance_uid, {})
        series.setdefault(instance.series_instance_uid, {})[instance.sop_instance_uid] = (
            instance.sop_class_uid
        )
    return [_study_item(study, series) for study, series in studies.items()]


def _study_item(study_instance_uid: str, by_series: dict[str, dict[str, str]]) -> Dataset:
    study = Dataset()
    study.StudyInstanceUID = study_instance_uid
    study.ReferencedSeriesSequence = []
    for series_instance_uid, instances in by_series.items():
        series = Dataset()
        series.SeriesInstanceUID = series_instance_uid
        series.ReferencedSOPSequence = []
        for sop_instance_uid, sop_class_uid in instances.items():
            instance = Dataset()
            instance.ReferencedSOPClassUID = sop_class_uid
            instance.ReferencedSOPInstanceUID = sop_instance_uid
            series.ReferencedSOPSequence.append(instance)
        study.ReferencedSeriesSequence.append(series)
    return study


def _private_scheme() -> Dataset:
    scheme = Dataset()
    scheme.CodingSchemeDesignator = coded.SCHEME
    scheme.CodingSchemeUID = coded.SCHEME_UID
    scheme.CodingSchemeName = coded.SCHEME_NAME
    scheme.CodingSchemeVersion = coded.SCHEME_VERSION
    scheme.CodingSchemeResponsibleOrganization = coded.SCHEME_ORGANIZATION
    return scheme
