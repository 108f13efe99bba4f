"""Everything people read, in the reader's language: gettext with the English sentence as the key.

A message is written in English where it is used, its values in ``{named}`` places, so that another language
may order them otherwise. The Chinese catalogue is text under ``reports/locale`` and is compiled in memory:
neither git nor the wheel carries a binary, and an editable install sees a corrected word at once.

>>> translated("{region}: BMD {bmd} g/cm²", "en", region="Mid radius", bmd="0.512")
'Mid radius: BMD 0.512 g/cm²'
"""

from __future__ import annotations

from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO

from analysis.wording.names import Language

CATALOGUES: dict[Language, str] = {"zh": "locale/zh_CN/LC_MESSAGES/radius_dxa.po"}
"""Language -> its catalogue, from this package; English needs none."""


def translated(message: str, language: Language, /, **values: object) -> str:
    """Say `message` in `language`, with `values` in its named places.

    Parameters
    ----------
    message : str
        English, literal in the source, so that ``make messages`` finds it; a message held in a table is
        marked there by `translatable`.
    language : {"en", "zh"}
    **values
        What stands in the braces; literal braces are doubled.

    Returns
    -------
    str
        English where the catalogue has no translation.
    """
    return _catalogue(language).gettext(message).format(**values)


def translated_plural(one: str, many: str, count: int, language: Language, /, **values: object) -> str:
    """Say `one` or `many` as `language` counts, with `values` and ``{count}`` in their named places."""
    return _catalogue(language).ngettext(one, many, count).format(count=count, **values)


def translatable(message: str) -> str:
    """Mark a message that a table holds and `translated` says later."""
    return message


def joined(parts: list[str], language: Language) -> str:
    """List parts of a sentence: commas in English, enumeration commas in Chinese."""
    return ("、" if language == "zh" else ", ").join(parts)


@cache
def _catalogue(language: Language) -> NullTranslations:
    name = CATALOGUES.get(language)
    if name is None:
        return NullTranslations()
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = BytesIO()
    with files("reports").joinpath(name).open("rb") as text:
        write_mo(compiled, read_po(text))
    compiled.seek(0)
    return GNUTranslations(compiled)
