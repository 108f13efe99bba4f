"""A person before OHIF: opens the study list, a study, a series, and looks at the viewport."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from playwright.sync_api import FloatRect, Locator, Page

WINDOW = {"width": 1400, "height": 900}
OPENING_MS = 60_000
"""A study or series opens within seconds; a loaded machine may take longer."""

AS_ONE_WHO_KNOWS_OHIF = """
if (window === window.top) {
  localStorage.setItem('shownTours', JSON.stringify(['basicViewerTour']));
  sessionStorage.setItem('investigationalUseDialog', 'hidden');
}
"""
"""The viewer's tour and its notice cover the picture on a first visit."""

KEPT_SIZE = (1000, 1000)
"""Largest width and height of a kept screenshot, in pixels."""

BLUR_PIXELS = 3


class Reader:
    """What a reader does with the mouse and sees on the screen; errors of the page are kept in `problems`."""

    def __init__(self, page: Page, address: str, pictures: Path) -> None:
        self.page = page
        self.address = address
        self.pictures = pictures
        self.problems: list[str] = []
        page.set_default_timeout(OPENING_MS)
        page.set_viewport_size(WINDOW)
        page.add_init_script(AS_ONE_WHO_KNOWS_OHIF)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda message: self._note(message.type, message.text))

    def _note(self, kind: str, text: str) -> None:
        if kind == "error":
            self.problems.append(text)

    @property
    def viewport(self) -> Locator:
        return self.page.locator('[data-cy="viewport-pane"]')

    def open_study_list(self) -> Locator:
        """The rows of the study list."""
        self.page.goto(self.address)
        rows = self.page.locator('[data-cy="studyRow"], [data-cy^="studyRow"], tr[data-cy]')
        rows.first.wait_for()
        return rows

    def open_study(self, study_uid: str) -> None:
        """Open a study in the basic viewer, with the first image in its one viewport."""
        self.page.goto(f"{self.address}/viewer?StudyInstanceUIDs={study_uid}")
        self.viewport.locator("canvas").wait_for()
        self.settle()

    def open_series(self, description: str) -> None:
        """Open a series by a double click on its entry in the study's list of series."""
        entry = self.series(description)
        assert entry.count() == 1, f"the study's list of series has no {description!r}"
        entry.dblclick()
        self.page.mouse.move(WINDOW["width"] - 4, WINDOW["height"] - 4)
        self.settle()

    def series(self, description: str) -> Locator:
        return self.page.locator('[data-cy^="study-browser-thumbnail"]').filter(
            has=self.page.get_by_text(description, exact=True)
        )

    def touch_picture(self) -> None:
        """Drag over the picture a little, which changes window and level and makes the viewer draw again."""
        box = self.viewport.bounding_box()
        assert box
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move(x + 20, y + 10, steps=5)
        self.page.mouse.up()
        self.settle()

    def settle(self) -> None:
        """Wait until the viewport's picture stays the same for a second."""
        before = self.look()
        for _ in range(OPENING_MS // 1000):
            self.page.wait_for_timeout(1000)
            now = self.look()
            if np.array_equal(before, now):
                return
            before = now
        raise AssertionError("the viewport never comes to rest")

    def look(self) -> np.ndarray:
        """RGB pixels of the viewport, shape (rows, columns, 3), 0..255."""
        return np.asarray(Image.open(io.BytesIO(self.viewport.screenshot())).convert("RGB"))

    def placed_texts(self) -> list[tuple[str, FloatRect]]:
        """The text boxes drawn over the image, a line per value, each with its place in the window."""
        boxes = self.page.locator(".svg-layer text").all()
        texts = ["\n".join(box.locator("tspan").all_text_contents()) for box in boxes]
        places = [box.bounding_box() or FloatRect(x=0, y=0, width=0, height=0) for box in boxes]
        return list(zip(texts, places, strict=True))

    def keep_picture(self, name: str) -> None:
        """Keep the whole window as a small PNG."""
        window = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        window.thumbnail(KEPT_SIZE, Image.Resampling.LANCZOS)
        self.pictures.mkdir(parents=True, exist_ok=True)
        window.quantize(256).save(self.pictures / f"{name}.png", optimize=True)


def likeness(shown: np.ndarray, picture: np.ndarray) -> float:
    """Correlation (-1..1) of what a viewport shows with a picture fitted into its middle.

    Both are blurred first: small print falls on other pixels when a viewer scales it.
    """
    rows, columns = shown.shape[:2]
    scale = min(rows / picture.shape[0], columns / picture.shape[1])
    height, width = round(picture.shape[0] * scale), round(picture.shape[1] * scale)
    top, left = (rows - height) // 2, (columns - width) // 2
    fitted = Image.fromarray(picture).convert("L").resize((width, height))
    seen = Image.fromarray(shown).convert("L").crop((left, top, left + width, top + height))
    blurred = [np.asarray(image.filter(ImageFilter.GaussianBlur(BLUR_PIXELS))) for image in (seen, fitted)]
    return float(np.corrcoef(*(image.ravel().astype(float) for image in blurred))[0, 1])
