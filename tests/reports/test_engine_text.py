"""What the engine says in English is said in Chinese, whole and with its numbers, or stays as it is."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from string import Formatter

import pytest

from analysis.advice.entries import ENTRIES
from analysis.advice.facts import FACTS
from analysis.wording.names import OF_REGION, OTHER, REGIONS
from reports.engine_text import CATALOGUE, engine_text
from reports.language import read_catalogue

ROOT = Path(__file__).parents[2]
ANALYSIS, GUIDELINES = ROOT / "analysis", ROOT / "conf" / "guidelines"
NEVER_REPORTED = {"training", "simulation", "evaluation", "cohort", "wording", "advice", "model_file.py"}
"""Parts of the engine that no study's results come from, or that speak Chinese themselves."""

SPOKEN = {
    "QualityFinding": 2,
    "RejectedInput": 1,
    "NotApplicable": 1,
    "_finding": 1,
    "_ambiguous": 0,
    "_unusable": 1,
    "_refused": 0,
    "_none": 0,
    "_unused": 2,
    "_by_numbers": 0,
}
"""Callables that take a sentence or a reason, and which argument that is."""

REASONS = {"why", "_REASONS", "load", "text", "CLOSING"}
"""Names that hold sentences or reasons before one of `SPOKEN` gets them."""

CHINESE, FORMATTED = re.compile("[\u4e00-\u9fff]"), re.compile(r"\{[^{}]*\}")
GAP = "\0"


def pattern(node: ast.expr) -> str | None:
    """The literal text of an expression as a regular expression; what is computed may be anything."""
    if isinstance(node, ast.Constant):
        return re.escape(FORMATTED.sub(GAP, node.value)).replace(GAP, ".*?") if _is_text(node) else None
    if isinstance(node, ast.JoinedStr):
        parts = (
            re.escape(part.value) if isinstance(part, ast.Constant) else ".*?"  # type: ignore[arg-type]
            for part in node.values
        )
        return "".join(parts)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = pattern(node.left) or ".*?", pattern(node.right) or ".*?"
        return left + right
    return None


def _is_text(node: ast.Constant) -> bool:
    return isinstance(node.value, str) and " " in node.value


def _spoken(tree: ast.Module) -> Iterator[tuple[ast.expr, bool]]:
    """Expressions, and whether they are a part only of what is said."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            position = SPOKEN.get(node.func.id, len(node.args))
            yield from ((argument, False) for argument in node.args[position : position + 1])
        elif isinstance(node, ast.Assign) and {getattr(to, "id", "") for to in node.targets} & REASONS:
            yield node.value, True
    yield from (
        (value, False)
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for value in node.values
        if isinstance(value, ast.Constant) and _is_text(value) and value.value.endswith(".")
    )


def _branches(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.IfExp):
        yield from (*_branches(node.body), *_branches(node.orelse))
    else:
        yield node


@cache
def sentences() -> dict[str, str]:
    """Regular expression of every sentence and reason of the engine -> where it stands."""
    found = {}
    for path in sorted(ANALYSIS.rglob("*.py")):
        if NEVER_REPORTED & set(path.relative_to(ANALYSIS).parts):
            continue
        for spoken, partly in _spoken(ast.parse(path.read_text())):
            for node in _branches(spoken):
                if (said := pattern(node)) is not None and re.search("[a-z]{3}", said):
                    found[f".*{said}.*" if partly else said] = f"{path.relative_to(ANALYSIS)}:{node.lineno}"
    return found


@cache
def messages() -> dict[str, str]:
    return {str(entry.id): str(entry.string) for entry in read_catalogue(CATALOGUE) if entry.id}


def _bare(message: str) -> str:
    """A template with its places as a sentence would have something there."""
    return "".join(
        text + ("…" if name is not None else "") for text, name, _, _ in Formatter().parse(message)
    )


def test_the_engines_sources_are_seen() -> None:
    assert len(sentences()) > 100


def test_every_sentence_and_reason_of_the_engine_has_a_chinese_template() -> None:
    known = [_bare(message) for message in messages()]
    missing = {
        where: said
        for said, where in sentences().items()
        if not any(re.fullmatch(said, bare, re.DOTALL) for bare in known)
    }
    assert missing == {}


def test_no_sentence_is_translated_that_the_engine_does_not_say() -> None:
    unused = [
        message
        for message in messages()
        if message.endswith(".") and not any(re.fullmatch(said, _bare(message)) for said in _every_string())
    ]
    assert unused == []


@cache
def _every_string() -> tuple[str, ...]:
    return tuple(
        said
        for path in ANALYSIS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp) and (said := pattern(node)) is not None
    )


def test_a_translation_keeps_every_place_and_is_chinese() -> None:
    kept = {"Hologic", "GE Lunar", "the {location!t}"}
    for message, said in messages().items():
        assert _places(said) == _places(message)
        words = re.search("[A-Za-z]{3}", FORMATTED.sub("", message))
        assert CHINESE.search(said) or not words or message in kept, message


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("68.6 y (Patient's Birth Date)", "68.6 岁（患者出生日期）"),
        ("F (Patient's Sex)", "女（患者性别）"),
        (
            "BMD of one-third, mid is absent: the vendor's results do not list it.",
            "缺少远端1/3、中段的骨密度：厂商的结果未列出该项。",
        ),
        (
            "The outline of the radius is right with a probability of 71 %. Check it before using "
            "any number.",
            "桡骨轮廓正确的概率为 71%。使用任何数值前请核对轮廓。",
        ),
        (
            "Risk by model simplified because full needs serum CTX, gait speed; t-scores needs age.",
            "风险由模型 simplified 计算，原因：full 需要血清CTX、步速；t-scores 需要年龄。",
        ),
        (
            "Read as GE Lunar: maker named, site in Protocol Name, Body Part Examined empty.",
            "按以下格式读取：GE Lunar（依据：已注明厂商、部位写在协议名称（Protocol Name）中，"
            "而检查部位（Body Part Examined）为空）。",
        ),
    ],
)
def test_numbers_and_names_are_taken_over_and_phrases_translated(english: str, chinese: str) -> None:
    assert engine_text(english, "zh") == chinese


@pytest.mark.parametrize(
    "unknown",
    [
        "A sentence that nobody has translated.",
        "BMD of elbow is absent: the vendor's results do not list it.",
        "The scanner's stability on the day of this study is unknown: nobody knows.",
        "high spirits (site entry)",
    ],
)
def test_what_is_not_known_through_and_through_stays_english(unknown: str) -> None:
    assert engine_text(unknown, "zh") == unknown


def test_every_sentence_is_said_with_the_very_values_that_stand_in_it() -> None:
    """No other template comes first, and no place takes its neighbour's words."""
    for message, said in messages().items():
        kinds = {name: kind for _, name, _, kind in Formatter().parse(message) if name}
        english, chinese = {}, {}
        for index, (name, kind) in enumerate(kinds.items()):
            english[name] = {"t": "stored value", "l": "mid, total and ulna"}.get(
                kind or "", f"{index + 3}.25"
            )
            chinese[name] = {"t": "存储值", "l": "中段、总体、尺骨"}.get(kind or "", english[name])
        plain = re.sub(r"!\w(?=\})", "", message)
        assert engine_text(plain.format(**english), "zh") == said.format(**chinese), message


def test_english_is_left_alone() -> None:
    assert engine_text("yes", "en") == "yes"


def test_no_short_phrase_takes_over_whatever_stands_there() -> None:
    for message in messages():
        places = [kind for _, name, _, kind in Formatter().parse(message) if name]
        if len(re.findall("[A-Za-z]", FORMATTED.sub("", message))) < 4:
            assert None not in places, message


def test_every_quantity_of_the_engine_has_a_name_in_running_text() -> None:
    quantities = [*OTHER, *(f"{region}_{quantity}" for region in REGIONS for quantity in OF_REGION)]
    for quantity in quantities:
        assert CHINESE.search(engine_text(quantity.removesuffix("_mm").replace("_", " "), "zh"))


def test_everything_the_shipped_advice_may_lack_or_quote_has_a_chinese_name() -> None:
    asked = {fact.phrase for fact in (*FACTS.values(), *ENTRIES.values())}
    for path in sorted(GUIDELINES.glob("*.toml")):
        asked |= set(_quoted(tomllib.loads(path.read_text())))
    assert sorted(phrase for phrase in asked if engine_text(phrase, "zh") == phrase) == []


def _quoted(table: object) -> Iterator[str]:
    if isinstance(table, dict):
        yield from (str(table[key]) for key in ("phrase", "check", "strength") if table.get(key))
        table = list(table.values())
    if isinstance(table, list):
        for item in table:
            yield from _quoted(item)
