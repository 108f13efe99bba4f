"""Pictures as RGB Secondary Capture images: the one result every viewer shows without conditions."""

from __future__ import annotations

import numpy as np
from highdicom.sc import SCImage
from PIL import Image
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import SecondaryCaptureImageStorage
from pydicom.valuerep import DSfloat

from reports.identity import MANUFACTURER, ResultKind
from reports.instance import finish, instance_arguments
from reports.source import TYPE_2, ReportContext

ANY_ORIENTATION = ("L", "F")
"""highdicom insists on an orientation; it is replaced by the true one or by none before anyone sees it."""


def secondary_capture(
    picture: Image.Image,
    context: ReportContext,
    kind: ResultKind,
    *,
    derivation: str,
    pixel_spacing_mm: float | None,
    shows_identity: bool,
) -> Dataset:
    """Wrap a picture.

    Parameters
    ----------
    picture : Image
        RGB.
    context : ReportContext
    kind : ResultKind
    derivation : str
        What the picture shows and how it came about.
    pixel_spacing_mm : float or None
        Size of a (square) pixel on the anatomy, for pictures drawn to scale in the source's orientation.
    shows_identity : bool
        Whether name or ID of the patient can be read in the pixels.

    Returns
    -------
    highdicom.sc.SCImage
        Explicit VR Little Endian, uncompressed, ``DERIVED\\SECONDARY``, Modality OT: a DX or CR could be hung
        as if it were the examination.
    """
    arguments = instance_arguments(context, kind)
    capture = SCImage.from_ref_dataset(
        ref_dataset=context.header,
        pixel_array=np.asarray(picture.convert("RGB")),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=ANY_ORIENTATION,
        laterality=None,
        **arguments,
    )
    capture.PatientOrientation = []
    if pixel_spacing_mm is not None:
        capture.PatientOrientation = list(context.header.get("PatientOrientation") or [])
        capture.PixelSpacing = [DSfloat(pixel_spacing_mm, auto_format=True)] * 2
    side = context.analysis.laterality
    capture.Laterality = side.value if side else ""
    if body_part := context.header.get("BodyPartExamined"):
        capture.BodyPartExamined = body_part
    capture.BurnedInAnnotation = "YES" if shows_identity else "NO"
    capture.RecognizableVisualFeatures = "NO"
    capture.LossyImageCompression = "00"
    capture.DerivationDescription = derivation
    if context.evidence is not None:
        capture.SourceImageSequence = [_source_reference(context)]
    finish(capture, context)
    return capture


def warm_up() -> None:
    """Let highdicom read its tables of the standard: half a second, once in a process."""
    reference = Dataset()
    for keyword in TYPE_2:
        setattr(reference, keyword, "")
    reference.SOPClassUID, reference.StudyInstanceUID = SecondaryCaptureImageStorage, "2.25.1"
    SCImage.from_ref_dataset(
        ref_dataset=reference,
        pixel_array=np.zeros((1, 1, 3), np.uint8),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=ANY_ORIENTATION,
        series_instance_uid="2.25.2",
        sop_instance_uid="2.25.3",
        series_number=1,
        instance_number=1,
        manufacturer=MANUFACTURER,
    )


def _source_reference(context: ReportContext) -> Dataset:
    purpose = Dataset()
    code = codes.DCM.SourceImageForImageProcessingOperation
    purpose.CodeValue, purpose.CodingSchemeDesignator, purpose.CodeMeaning = (
        code.value,
        code.scheme_designator,
        code.meaning,
    )
    reference = Dataset()
    reference.ReferencedSOPClassUID = context.image.sop_class_uid
    reference.ReferencedSOPInstanceUID = context.image.sop_instance_uid
    reference.SpatialLocationsPreserved = "NO"  # resampled, and beside other panels
    reference.PurposeOfReferenceCodeSequence = [purpose]
    return reference
