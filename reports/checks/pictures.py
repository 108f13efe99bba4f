"""Secondary captures: declared as derived pictures, of the size they say, honest about what is burned in."""

from __future__ import annotations

from collections.abc import Iterator

from reports.checks.breach import Breach
from reports.checks.references import is_the_image
from reports.checks.tree import Attributes, items_of
from reports.identity import ResultKind
from reports.source import ReportContext

PAGES = frozenset({ResultKind.SUMMARY, ResultKind.REFUSAL_PAGE})
"""Pictures that name the patient, where the site wants it."""


def check_picture(picture: Attributes, kind: ResultKind, context: ReportContext) -> Iterator[Breach]:
    """Check a Secondary Capture of one kind."""
    if list(picture.get("ImageType") or ())[:2] != ["DERIVED", "SECONDARY"]:
        yield Breach(
            "be a DERIVED\\SECONDARY image",
            "PS3.3 C.7.6.1.1.2; viewers hang others as originals",
        )
    yield from check_burned_in(picture, identifies=kind in PAGES, context=context)
    if picture.get("RecognizableVisualFeatures") != "NO":
        yield Breach("say that nobody is recognised by a forearm", "PS3.3 C.7.6.1")
    if not picture.get("DerivationDescription"):
        yield Breach("say how it was derived", "PS3.3 C.7.6.1.1.3")
    if not picture.get("ConversionType"):
        yield Breach("have a conversion type", "PS3.3 C.8.6.1")
    if picture.get("LossyImageCompression") != "00":
        yield Breach("say that nothing was lost in compression", "PS3.3 C.7.6.1.1.5")
    yield from _check_pixels(picture)
    yield from _check_source(picture, context)


def check_burned_in(result: Attributes, *, identifies: bool, context: ReportContext) -> Iterator[Breach]:
    """Burned In Annotation says whether the pixels name the patient, which is the site's choice."""
    named = identifies and context.options.patient_on_summary
    if result.get("BurnedInAnnotation") != ("YES" if named else "NO"):
        yield Breach(
            f"say Burned In Annotation {'YES' if named else 'NO'}",
            "PS3.3 C.7.6.1, [reports] patient_on_summary",
        )


def _check_pixels(picture: Attributes) -> Iterator[Breach]:
    if (picture.get("PhotometricInterpretation"), picture.get("SamplesPerPixel")) != (
        "RGB",
        3,
    ):
        yield Breach("be an RGB picture", "PS3.3 C.7.6.3.1.2")
    size = int(picture.get("Rows") or 0) * int(picture.get("Columns") or 0) * 3
    if not size or len(picture.get("PixelData") or b"") != size + size % 2:
        yield Breach("hold as many pixels as it says", "PS3.5 8.1.1")


def _check_source(picture: Attributes, context: ReportContext) -> Iterator[Breach]:
    """A picture of an image says which; what reports numbers without one has no image to name."""
    sources = items_of(picture, "SourceImageSequence")
    if context.evidence is not None and (len(sources) != 1 or not is_the_image(sources[0], context)):
        yield Breach("refer to the analysed image as its source", "PS3.3 C.7.6.1.1.4")
