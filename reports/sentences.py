"""Every sentence of the results, in the language asked for: the SRs, the pictures and the PDF say the same.

Numbers and remarks are in `reports.findings`, where they come from in `reports.provenance`, what a reader
concludes in `reports.conclusions`.
"""

from analysis.wording.names import region_name
from reports.conclusions import (
    assumption_sentences,
    category_name,
    category_sentence,
    change_sentences,
    comparison_sentences,
    diagnosis_sentence,
    driver_sentences,
    impression_sentences,
    indication_sentences,
    recommendation_sentences,
    refusal_sentences,
    risk_sentences,
    technique_sentences,
)
from reports.findings import (
    HEAT_MAP_STATEMENT,
    KEY_SHAPES,
    SOURCES,
    UNITS,
    bmd_text,
    other_bone_sentences,
    quality_sentences,
    region_sentences,
    research_statement,
    shape_sentences,
    texture_sentence,
    unit_text,
)
from reports.provenance import (
    CALIBRATIONS,
    ISCD_STATEMENT,
    PERIPHERAL_STATEMENT,
    context_sentences,
    limit_sentences,
    model_sentence,
    provenance_sentences,
    segmentation_sentence,
)

__all__ = [
    "CALIBRATIONS",
    "HEAT_MAP_STATEMENT",
    "ISCD_STATEMENT",
    "KEY_SHAPES",
    "PERIPHERAL_STATEMENT",
    "SOURCES",
    "UNITS",
    "assumption_sentences",
    "bmd_text",
    "category_name",
    "category_sentence",
    "change_sentences",
    "comparison_sentences",
    "context_sentences",
    "diagnosis_sentence",
    "driver_sentences",
    "impression_sentences",
    "indication_sentences",
    "limit_sentences",
    "model_sentence",
    "other_bone_sentences",
    "provenance_sentences",
    "quality_sentences",
    "recommendation_sentences",
    "refusal_sentences",
    "region_name",
    "region_sentences",
    "research_statement",
    "risk_sentences",
    "segmentation_sentence",
    "shape_sentences",
    "technique_sentences",
    "texture_sentence",
    "unit_text",
]
