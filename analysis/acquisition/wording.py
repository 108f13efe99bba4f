"""What words say in the languages of scanners: which body site, which side, whether densitometry."""

from __future__ import annotations

import re

from analysis.results import Laterality

FOREARM = "forearm"


def sites_in(text: str) -> frozenset[str]:
    """Body sites named by a text: ``forearm``, ``spine``, ``hip``, ``whole body``, ``other``.

    >>> sorted(sites_in("AP Spine"))
    ['spine']
    """
    words = _words(text)
    return frozenset(site for site, pattern in _SITES.items() if pattern.search(words))


def side_in(text: str) -> Laterality | None:
    """The one side a text names; ``None`` if it names neither or both."""
    words = _words(text)
    sides = [side for side, pattern in _SIDES.items() if pattern.search(words)]
    return sides[0] if len(sides) == 1 else None


def says_densitometry(text: str) -> bool:
    """True if a text says that this is bone densitometry."""
    return _DENSITOMETRY.search(_words(text)) is not None


_SITES = {
    # "arm" is Hologic's BodyPartExamined for the forearm; HAND and EXTREMITY alone prove nothing
    FOREARM: re.compile(
        r"fore ?arm|radius|ulna\b|wrist|\barm\b|前臂|桡骨|尺骨|腕|unterarm|handgelenk|avant bras|poignet"
        r"|antebrazo|muñeca|avambraccio|предплеч"
    ),
    "spine": re.compile(
        r"spine|lumbar|vertebra|\bl1 l4\b|\b[il]va\b|腰椎|脊柱|wirbel|rachis|columna|позвоноч"
    ),
    "hip": re.compile(r"\bhips?\b|femur|femora|股骨|髋|hüft|hanche|cadera|бедр"),
    "whole body": re.compile(r"whole ?body|total ?body|body composition|全身|ganzkörper|corps entier"),
    "other": re.compile(
        r"\bknee|\bfoot\b|\bcalcane|\bheel\b|\bchest\b|\bbreast|\bskull\b|\bpelvis\b|\babdomen\b"
    ),
}

_ARM = r"(?:fore ?arm|radius|wrist|arm)"
_SIDES = {
    Laterality.LEFT: re.compile(
        rf"\b(?:left|lt|links|linke[rs]?|gauche|izquierd[ao]|sinistr[ao])\b|左|лев|\bl {_ARM}|{_ARM} l\b"
    ),
    Laterality.RIGHT: re.compile(
        rf"\b(?:right|rt|rechts|rechte[rs]?|droite?|derech[ao]|destr[ao])\b|右|прав|\br {_ARM}|{_ARM} r\b"
    ),
}

_DENSITOMETRY = re.compile(r"\bp?de?xa\b|densit|\bbone mineral\b|\bbmd\b|骨密度|денсит")


def _words(value: str) -> str:
    """Lower case, every run of punctuation and underscores a single space: ``R.Forearm`` → ``r forearm``."""
    return re.sub(r"[\W_]+", " ", value.lower()).strip()
