"""The PDF document as a DICOM object: Encapsulated PDF IOD, PS3.3 A.45.1."""

from __future__ import annotations

from pydicom import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from analysis.errors import AnalysisError
from reports import codes as coded
from reports.identity import SERIES, ResultKind
from reports.instance import coded_item, finish, image_reference, plain_instance
from reports.source import ReportContext

PDF_SIGNATURE = b"%PDF-"


def document(context: ReportContext) -> Dataset:
    """Write the report of one analysis as a PDF document of the study."""
    from reports.document import document_pages

    return encapsulated_document(document_pages(context), context)


def encapsulated_document(pages: bytes, context: ReportContext) -> Dataset:
    """Wrap a PDF file.

    Parameters
    ----------
    pages : bytes
        The file, whole.
    context : ReportContext

    Returns
    -------
    highdicom.base.SOPClass
        Modality DOC, titled as the report SR is. Encapsulated Document Length holds the length without the
        padding byte that an odd file gets.

    Raises
    ------
    AnalysisError
        `pages` is no PDF file.
    """
    if not pages.startswith(PDF_SIGNATURE):
        raise AnalysisError(
            f"study {context.analysis.study_instance_uid}: the document does not begin with "
            f"{PDF_SIGNATURE.decode()}; report this defect"
        )
    wrapped = plain_instance(context, ResultKind.DOCUMENT, EncapsulatedPDFStorage, "DOC")
    wrapped.ConversionType = "WSD"  # PS3.3 C.8.6.1: made on a workstation
    wrapped.AcquisitionDateTime = ""  # type 2; the document has no acquisition of its own
    wrapped.BurnedInAnnotation = "YES" if context.options.patient_on_summary else "NO"
    wrapped.RecognizableVisualFeatures = "NO"
    wrapped.DocumentTitle = SERIES[ResultKind.DOCUMENT].description
    wrapped.ConceptNameCodeSequence = [coded_item(coded.DIAGNOSTIC_IMAGING_REPORT)]
    wrapped.MIMETypeOfEncapsulatedDocument = "application/pdf"
    wrapped.EncapsulatedDocument = pages + bytes(len(pages) % 2)
    wrapped.EncapsulatedDocumentLength = len(pages)
    wrapped.SourceInstanceSequence = [image_reference(context)]
    finish(wrapped, context)
    return wrapped
