"""What a site may choose about the results; light enough for the node's configuration to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from analysis.wording.names import Language

ResultName = Literal[
    "summary",
    "measurements",
    "driver_map",
    "density_map",
    "report",
    "segmentation",
    "presentation",
    "document",
    "key_objects",
]
"""The result objects, in the order in which they are sent: the summary is what every viewer can show."""

EVERY_RESULT: tuple[ResultName, ...] = get_args(ResultName)

SrClass = Literal["comprehensive", "enhanced", "comprehensive_3d"]
"""Storage SOP class of the Structured Reports: one content, three classes that a PACS may or may not know."""

Refusals = Literal["none", "rejected", "all"]
"""Which studies without measurements are answered with a short report: none, forearm studies that could not
be measured, or also those that are none of ours."""


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What a site may choose about the results, for all destinations or for one.

    Attributes
    ----------
    results : tuple of ResultName
        Which objects are made.
    language : {"en", "zh"}
        Of everything people read; coded meanings stay standard English.
    patient_on_summary : bool
        Print patient name, ID, birth date and study date into the pixels of the summary page and into the
        document's pages; the page then says Burned In Annotation YES.
    sr_class : {"comprehensive", "enhanced", "comprehensive_3d"}
    refusals : {"none", "rejected", "all"}
    texture : tuple of str
        Keys of `StudyAnalysis.texture` that the measurement report lists by their IBSI codes; the document
        carries all of them as an attached file.
    """

    results: tuple[ResultName, ...] = EVERY_RESULT
    language: Language = "en"
    patient_on_summary: bool = True
    sr_class: SrClass = "comprehensive"
    refusals: Refusals = "none"
    texture: tuple[str, ...] = (
        "variogram_slope",
        "variogram_snr",
        "original_glcm_JointEntropy",
        "original_glcm_Contrast",
        "original_glcm_Correlation",
        "original_glcm_JointEnergy",
        "original_glrlm_ShortRunEmphasis",
        "original_glrlm_LongRunEmphasis",
    )

    @property
    def rendering(self) -> str:
        """What shapes the bytes of an object, whichever others are made with it."""
        return "|".join((self.language, f"{self.patient_on_summary}", self.sr_class, ",".join(self.texture)))


DEFAULT_OPTIONS = ReportOptions()
