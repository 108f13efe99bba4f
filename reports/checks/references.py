"""References to the analysed image."""

from __future__ import annotations

from pydicom import Dataset

from reports.source import ReportContext


def is_the_image(reference: Dataset, context: ReportContext) -> bool:
    """Whether `reference` names the analysed image, by its class, as a whole."""
    return (
        reference.get("ReferencedSOPInstanceUID") == context.image.sop_instance_uid
        and reference.get("ReferencedSOPClassUID") == context.image.sop_class_uid
        and "ReferencedFrameNumber" not in reference
    )
