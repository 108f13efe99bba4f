"""References to the analysed image."""

from __future__ import annotations

from reports.checks.tree import Attributes
from reports.source import ReportContext


def is_the_image(reference: Attributes, context: ReportContext) -> bool:
    """Whether `reference` names the analysed image, by its class, as a whole."""
    return (
        reference.get("ReferencedSOPInstanceUID") == context.image.sop_instance_uid
        and reference.get("ReferencedSOPClassUID") == context.image.sop_class_uid
        and "ReferencedFrameNumber" not in reference
    )
