"""Pictures of the result objects for the documentation: writes docs/images.

    .venv/bin/python benchmarks/result_pictures.py

``summary.png``, ``driver_map.png``, ``density_map.png``, ``document_1.png``, ``document_2.png``: the sample
study with poor bone. ``summary_chinese.png``: the same in Chinese. ``summary_follow_up.png``: the follow-up
study beside what its baseline measured. ``outlines.png``: what the presentation state lays over the original,
drawn from the object as a viewer does. ``refusal.png``: the page for a study that was declined.
"""

from __future__ import annotations

from pathlib import Path

import pypdfium2
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset, dcmread

from analysis.engine import analyze
from analysis.results import PriorMeasurement, StudyAnalysis
from dicom_node.config import load_analysis_config
from reports import compose
from reports.document import document_pages
from reports.heatmap import draw_density_map, draw_driver_map
from reports.options import ReportOptions
from reports.presentation import presentation
from reports.source import ReportContext, report_context
from reports.summary import draw_summary_page

REPOSITORY = Path(__file__).parent.parent
IMAGES = REPOSITORY / "docs" / "images"
BASELINE, POOR, FOLLOW_UP = "01-calibrated-low-risk", "02-calibrated-high-risk", "03-calibrated-follow-up"
DECLINED = "06-spine-to-decline"
SCREEN_WIDTH, MAP_WIDTH, PAGE_WIDTH, SOURCE_WIDTH = 1400, 1000, 850, 420
COLORS = 128
"""Of pages of text; maps keep all of theirs."""


def main() -> None:
    """Analyse the sample studies, draw, write."""
    poor, chinese = (_context(POOR, language) for language in ("en", "zh"))
    followed = _context(FOLLOW_UP, "en", history=(_as_prior(_context(BASELINE, "en").analysis),))
    pictures = {
        "summary": draw_summary_page(poor),
        "summary_chinese": draw_summary_page(chinese),
        "summary_follow_up": draw_summary_page(followed),
    }
    for name, picture in pictures.items():
        _save(picture, name, SCREEN_WIDTH)
    for name, draw in (("driver_map", draw_driver_map), ("density_map", draw_density_map)):
        _save(draw(poor)[0], name, MAP_WIDTH, colors=None)
    _save(_presented(poor), "outlines", SOURCE_WIDTH, colors=None)
    _save(_refusal_page(), "refusal", MAP_WIDTH)
    with pypdfium2.PdfDocument(document_pages(poor)) as document:
        for number, page in enumerate(document, 1):
            _save(page.render(scale=2.0).to_pil(), f"document_{number}", PAGE_WIDTH)


def _presented(context: ReportContext) -> Image.Image:
    """The source image with the graphics and texts that the presentation state holds."""
    zoom = 4
    grey = Image.fromarray((255 * context.pixels.display).astype("uint8"))
    picture = grey.resize((grey.width * zoom, grey.height * zoom), Image.Resampling.BICUBIC).convert("RGB")
    draw, typeface = ImageDraw.Draw(picture), ImageFont.load_default(size=26)
    for annotation in presentation(context).GraphicAnnotationSequence:
        for graphic in annotation.get("GraphicObjectSequence", ()):
            points = [zoom * float(number) for number in graphic.GraphicData]
            draw.line(list(zip(points[::2], points[1::2], strict=True)), (255, 235, 59), 3)
        for text in annotation.get("TextObjectSequence", ()):
            place = text.get("AnchorPoint") or text.BoundingBoxTopLeftHandCorner
            at = (zoom * float(place[0]), zoom * float(place[1]))
            draw.text(at, text.UnformattedTextValue, (255, 235, 59), typeface)
    return picture


def _refusal_page() -> Image.Image:
    datasets = [dcmread(path) for path in sorted((REPOSITORY / "sample_studies" / DECLINED).glob("*.dcm"))]
    analysis = analyze(datasets, config=load_analysis_config())
    page = next(
        result
        for result in compose(analysis, datasets, options=ReportOptions(refusals="all"))
        if "PixelData" in result
    )
    return Image.fromarray(page.pixel_array)


def _context(study: str, language: str, *, history: tuple[PriorMeasurement, ...] = ()) -> ReportContext:
    datasets: list[Dataset] = [
        dcmread(path) for path in sorted((REPOSITORY / "sample_studies" / study).glob("*.dcm"))
    ]
    analysis = analyze(datasets, history=history, config=load_analysis_config())
    return report_context(analysis, datasets, options=ReportOptions(language=language))  # type: ignore[arg-type]


def _as_prior(analysis: StudyAnalysis) -> PriorMeasurement:
    assert analysis.study_date is not None
    return PriorMeasurement(
        analysis.study_instance_uid,
        analysis.study_date,
        analysis.laterality,
        analysis.device,
        {name: found.bmd_g_cm2 for name, found in analysis.regions.items() if found.bmd_g_cm2 is not None},
    )


def _save(picture: Image.Image, name: str, width: int, *, colors: int | None = COLORS) -> None:
    height = round(picture.height * width / picture.width)
    resized = picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    if colors is not None:
        resized = resized.quantize(colors, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    path = IMAGES / f"{name}.png"
    resized.save(path, optimize=True)
    print(path.relative_to(REPOSITORY), f"{path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
