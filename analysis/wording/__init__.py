"""What the results say about the risk estimate, in words: English and Simplified Chinese."""

from analysis.wording.explanation import (
    explanation_lead,
    explanation_sentences,
    family_sentence,
    main_drivers,
)
from analysis.wording.families import FamilyShare, family_shares
from analysis.wording.names import LANGUAGES, Language, feature_name

__all__ = [
    "LANGUAGES",
    "FamilyShare",
    "Language",
    "explanation_lead",
    "explanation_sentences",
    "family_sentence",
    "family_shares",
    "feature_name",
    "main_drivers",
]
