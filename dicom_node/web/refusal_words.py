"""Short names of why the engine declines a study; the refusal itself says more."""

from __future__ import annotations

from dicom_node.web.finding_words import finding_name
from dicom_node.web.i18n import Say, translatable

__all__ = ["REFUSALS", "refusal_name"]

REFUSALS = {
    "arm_conflict": translatable("Arm not certain"),
    "body_part_conflict": translatable("Body part contradictory"),
    "compressed_size_conflict": translatable("Compressed image of another size"),
    "distal_end_not_found": translatable("Distal end not seen"),
    "failed": translatable("Analysis failed"),
    "illegal_uid": translatable("Illegal UID"),
    "implausible_density": translatable("Density implausible"),
    "missing_pixel_data": translatable("No pixels"),
    "missing_uid": translatable("UID missing"),
    "multiple_frames": translatable("Several frames"),
    "no_ultradistal_region": translatable("No ultradistal region"),
    "not_applicable": translatable("Not a forearm scan"),
    "orientation_conflict": translatable("Orientation not certain"),
    "pixel_data_too_large": translatable("Image too large"),
    "radius_not_found": translatable("Radius not found"),
    "scan_not_found": translatable("Scan not found on the page"),
    "scan_outside_page": translatable("Scan outside the page"),
    "segmentation_uncertain": translatable("Outline uncertain"),
    "several_studies": translatable("Several studies in one"),
    "side_conflict": translatable("Side contradictory"),
    "truncated_pixel_data": translatable("Pixels cut off"),
    "two_forearm_images": translatable("Two forearm images"),
    "two_scans_on_page": translatable("Two scans on one page"),
    "undecodable_pixels": translatable("Pixels cannot be decoded"),
    "unreadable": translatable("Not readable"),
    "unsupported_photometric_interpretation": translatable("Colours not supported"),
    "unusable_density_map": translatable("Density map not usable"),
    "vendor_numbers_ambiguous": translatable("Densitometer's numbers ambiguous"),
}
"""Code of `analysis.errors.RejectedInput`, or what surveillance calls other reasons -> name."""


def refusal_name(say: Say, code: str) -> str:
    """Return the name of a reason; one that a newer engine brought is called by its code."""
    return say(REFUSALS[code]) if code in REFUSALS else finding_name(say, code)
