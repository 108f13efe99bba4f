"""How the console looks and reads: light and dark, English and Chinese, by keyboard, for everybody (WCAG AA).

Its site has studies of every kind, something given up, somebody's opinion and an entry, so that no page is
empty; the pictures of the documentation are taken of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from console_site import (
    ANALYSIS_SECONDS,
    PASSWORD,
    VIEWPORT,
    MakePerson,
    Person,
    Site,
    pages_of,
    running_site,
    wait_until,
)
from PIL import Image, ImageStat
from playwright.sync_api import Browser, FloatRect, Page, expect
from sample_copies import SAMPLES, copy_study, files_of, study_uid_of

pytestmark = [pytest.mark.slow, pytest.mark.orthanc, pytest.mark.dcmtk, pytest.mark.chromium]

SHOWN = "03-calibrated-follow-up"
"""The study whose page is looked at: it has an earlier one."""

DRIVERS = ".plane [data-layer=drivers]"
"""The map of risk drivers over the image."""

SERIOUS = ("serious", "critical")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
HAN = re.compile("[\\u4e00-\\u9fff]")
SETTLED_MILLISECONDS = 500
"""Scripts have written local times by then."""

DOCTOR_HEIGHT = 770
"""Without the paths of the test's files."""

COMMON_COLORS = 160
"""Of the 256 of a picture in the documentation."""

PICTURED_STUDY = "02-calibrated-high-risk"

PICTURED = {
    "overview": "/",
    "studies": "/studies",
    "queue": "/queue",
    "jobs": "/jobs",
    "reprocessing": "/jobs/reprocessing/new",
    "models": "/models",
    "surveillance": "/surveillance",
    "clinical": "/studies/{study}/clinical",
    "audit": "/audit",
    "users": "/users",
    "settings": "/settings",
    "api": "/api/docs",
}
"""Picture -> page, where nothing has to be done before it is taken."""

TakePicture = Callable[..., None]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    extra = f"""
[[destination]]
name = "research archive"
ae_title = "AWAY"
host = "127.0.0.1"
port = PACS_PORT
[audit]
transport = "file"
directory = "{folder / "audit"}"
"""
    with running_site(folder, extra=extra) as started:
        for role in ("viewer", "operator", "administrator"):
            started.add_user(role, role)
        fill(started, folder)
        yield started


def fill(site: Site, folder: Path) -> None:
    """Send every sample, the first visit before the second, and wait until each has come to an end."""
    samples = sorted(path.name for path in SAMPLES.iterdir() if path.is_dir())
    for sample in samples:
        site.push(*files_of(sample))
        site.wait_for_state(study_uid_of(sample), "analyzed", "not_applicable", "rejected")
    _, files = copy_study(
        "01-calibrated-low-risk", folder / "copy", PatientName="NEW^Study", PatientID="SIM-0009"
    )
    site.push(*files, calling_ae="DXA2")


@pytest.fixture(scope="module")
def study(site: Site) -> int:
    """The key of the study that is looked at."""
    return site.key_of(study_uid_of(SHOWN))


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> TakePicture:
    """Keeps a picture of what a person sees, where ``--console-pictures`` wants one."""
    folder: Path | None = request.config.getoption("--console-pictures")

    def take(person: Person, name: str, height: int = VIEWPORT["height"]) -> None:
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        person.page.wait_for_load_state("load")
        person.page.wait_for_timeout(SETTLED_MILLISECONDS)
        person.page.mouse.move(0, 0)
        person.page.evaluate("document.activeElement.blur()")
        area = FloatRect(x=0, y=0, width=VIEWPORT["width"], height=height)
        shot = Image.open(
            BytesIO(person.page.screenshot(clip=area, animations="disabled", caret="hide"))
        ).convert("RGB")
        shot.quantize(palette=palette_of(shot), dither=Image.Dither.NONE).save(
            folder / f"{name}.png", optimize=True
        )

    return take


def palette_of(shot: Image.Image) -> Image.Image:
    """Colours for a small file: the commonest as they are, and others across the whole range."""
    counted = sorted(shot.getcolors(shot.width * shot.height), reverse=True)
    common = [color for _, color in counted[:COMMON_COLORS]]
    spread = shot.quantize(256 - len(common), Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for color in common for part in color] + (spread.getpalette() or []))
    return palette


def open_study(person: Person, study: int) -> Page:
    person.open(f"/studies/{study}")
    expect(person.page.locator("#viewer .viewer-message")).to_be_hidden(timeout=60_000)
    return person.page


def violations(page: Page, name: str, part: str | None = None) -> list[str]:
    """What axe-core finds on a page, or in one part of it, that keeps somebody from reading or using it."""
    options = {"runOnly": RULES, "resultTypes": ["violations"], "preload": False}
    found = Axe().run(page, context=part, options=options).response["violations"]
    return [
        f"{name}: {item['id']} ({item['impact']}): {node['target']} {node['failureSummary']}"
        for item in found
        if item["impact"] in SERIOUS
        for node in item["nodes"]
    ]


def test_no_page_keeps_anybody_from_reading_or_using_it(person: MakePerson, study: int) -> None:
    reader = person("administrator")
    page = reader.page
    found: list[str] = []
    visited = []
    for path in pages_of(reader, f"/studies/{study}"):
        visited.append(path)
        for summary in page.locator("main summary:visible").all():
            summary.click()
        parts = {dialog.get_attribute("id"): dialog for dialog in page.locator("dialog").all()}
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            found += violations(page, f"{path}, {scheme}")
            for name, dialog in parts.items():
                dialog.evaluate("dialog => dialog.showModal()")
                found += violations(page, f"{path} #{name}, {scheme}", f"#{name}")
                dialog.evaluate("dialog => dialog.close()")
    assert found == []
    assert len(visited) >= 15, visited


def test_the_first_pages_of_all_can_be_read_by_everybody(browser: Browser, site: Site) -> None:
    stranger = Person(browser, site)
    stranger.open("/login")
    found = violations(stranger.page, "login")
    stranger.page.emulate_media(color_scheme="dark")
    found += violations(stranger.page, "login, dark")
    stranger.close()
    assert found == []


def brightness(person: Person) -> float:
    """Mean grey of what a person sees, 0 to 255."""
    return ImageStat.Stat(Image.open(BytesIO(person.page.screenshot())).convert("L")).mean[0]


def test_dark_is_dark_by_the_systems_wish_and_by_the_users_own(person: MakePerson) -> None:
    by_system = person("viewer", color_scheme="dark")
    expect(by_system.page.get_by_role("heading", level=1)).to_be_visible()
    assert brightness(by_system) < 60
    by_user = person("viewer", color_scheme="dark")
    by_user.open("/settings")
    by_user.page.get_by_label("Theme").select_option("light")
    by_user.page.get_by_role("button", name="Save").first.click()
    by_user.open("/")
    assert brightness(by_user) > 200
    by_user.open("/settings")
    by_user.page.get_by_label("Theme").select_option("")
    by_user.page.get_by_role("button", name="Save").first.click()
    expect(by_user.page.locator("html:not([data-theme])")).to_have_count(1)


def test_chinese_by_the_browsers_wish_and_by_the_users_own(person: MakePerson, study: int) -> None:
    by_browser = person("administrator", language="zh-CN")
    page = by_browser.page
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(HAN.pattern))
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    for path in pages_of(by_browser, f"/studies/{study}"):
        if path.startswith("/api/") or path.endswith("/card"):
            continue  # documents in English
        heading = page.locator("main h1").inner_text()
        labels = page.locator("main :is(th[scope=col], thead th, h2, dt, label, button)").all_inner_texts()
        said = [text for text in labels if re.search("[A-Za-z]{4,}", text) or HAN.search(text)]
        chinese = [text for text in said if HAN.search(text)]
        assert len(chinese) >= 0.6 * len(said), (
            path,
            heading,
            [text for text in said if text not in chinese],
        )
    by_user = person("operator")
    by_user.open("/settings")
    by_user.page.get_by_label("Language").select_option("zh")
    by_user.page.get_by_role("button", name="Save").first.click()
    expect(by_user.page.get_by_role("heading", level=1)).to_have_text(re.compile(HAN.pattern))
    by_user.page.locator("select[name=language]").select_option("")
    by_user.page.locator("form:has(select[name=language]) button[type=submit]").click()
    expect(by_user.page.get_by_role("heading", level=1)).not_to_have_text(re.compile(HAN.pattern))


def press_until(page: Page, key: str, reached: str) -> None:
    """Press a key until the focus is on an element; wherever it is on the way, it must be seen."""
    for _ in range(80):
        page.keyboard.press(key)
        if page.evaluate("selector => document.activeElement.matches(selector)", reached):
            break
    else:
        raise AssertionError(f"{reached} cannot be reached by {key}")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none", f"the focus on {reached} is not seen"


def test_the_console_is_used_by_keyboard_alone(browser: Browser, site: Site, study: int) -> None:
    person = Person(browser, site)
    page = person.page
    person.open("/login")
    page.keyboard.type("operator")
    press_until(page, "Tab", "input[name=password]")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.matches('a.skip')"), (
        "the first stop leads past the navigation"
    )
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()

    person.open("/")
    press_until(page, "Tab", "nav a[href='/studies']")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Studies")
    press_until(page, "Tab", f"a[href='/studies/{study}']")
    page.keyboard.press("Enter")
    expect(page.locator("#viewer")).to_be_visible()

    press_until(page, "Tab", "button[data-opens=hold]")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("button[data-opens=hold]")).to_be_focused()  # the focus is back where it was
    page.keyboard.press("Enter")
    press_until(page, "Tab", "dialog[open] textarea")
    page.keyboard.type("by keyboard")
    press_until(page, "Tab", "dialog[open] button[type=submit]")
    page.keyboard.press("Enter")
    expect(page.get_by_text("by keyboard").first).to_be_visible()
    press_until(page, "Tab", "button[data-opens=release]")
    page.keyboard.press("Enter")
    press_until(page, "Tab", "dialog[open] textarea")
    page.keyboard.type("by keyboard again")
    press_until(page, "Tab", "dialog[open] button[type=submit]")
    page.keyboard.press("Enter")
    expect(page.locator("button[data-opens=hold]")).to_be_visible()
    assert person.complaints() == []
    person.close()


def test_each_page_is_shown_in_the_documentation(
    browser: Browser, site: Site, person: MakePerson, picture: TakePicture
) -> None:
    study = site.key_of(study_uid_of(PICTURED_STUDY))
    stranger = Person(browser, site)
    stranger.open("/login")
    picture(stranger, "login")
    stranger.close()
    reader = person("administrator")
    page = reader.page
    wait_until(lambda: not site.has_work(), seconds=ANALYSIS_SECONDS)
    site.run("surveillance", "run")
    for name, path in PICTURED.items():
        reader.open(path.format(study=study))
        picture(reader, name)
    reader.open("/doctor")
    page.get_by_role("button", name="Check now").click()
    expect(page.locator("table.findings tbody tr").nth(3)).to_be_visible(timeout=60_000)
    expect(page.locator("main .spinner")).to_have_count(0, timeout=120_000)
    picture(reader, "doctor", DOCTOR_HEIGHT)
    open_study(reader, study)
    picture(reader, "study")
    page.locator("input[name=drivers]").check()
    expect(page.locator(DRIVERS)).to_be_visible()
    reader.reads_until(lambda: bool(page.evaluate(f"document.querySelector('{DRIVERS}').complete")))
    picture(reader, "study-layers")
    page.get_by_role("button", name="Correct side").click()
    picture(reader, "study-correction")
    for name, wishes in (("dark", {"color_scheme": "dark"}), ("zh", {"language": "zh-CN"})):
        other = person("administrator", **wishes)
        expect(other.page.locator("main h1")).to_be_visible()
        picture(other, f"overview-{name}")
        open_study(other, study)
        picture(other, f"study-{name}")
