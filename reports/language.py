"""Everything people read, in the reader's language: gettext with the English sentence as the key.

A message is written in English where it is used, its values in ``{named}`` places, so that another language
may order them otherwise. The Chinese catalogue is text under ``reports/locale`` and is compiled in memory:
neither git nor the wheel carries a binary, and an editable install sees a corrected word at once.

>>> translated("{region}: BMD {bmd} g/cm²", "en", region="Mid radius", bmd="0.512")
'Mid radius: BMD 0.512 g/cm²'
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO
from typing import TYPE_CHECKING

from analysis.wording.names import Language

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

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


def joined(parts: Sequence[str], language: Language) -> str:
    """Join what a sentence tells one by one, each with its number: commas."""
    return ("，" if language == "zh" else ", ").join(parts)


def listed(names: Sequence[str], language: Language) -> str:
    """List names: "a, b and c", in Chinese by enumeration commas."""
    if language == "zh":
        return "、".join(names)
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def read_catalogue(name: str, package: str = "reports") -> Catalog:
    """Read a catalogue of a package, e.g. one of `CATALOGUES`."""
    from babel.messages.pofile import read_po

    with files(package).joinpath(name).open("rb") as text:
        return read_po(text)


def compiled_catalogue(package: str, name: str) -> GNUTranslations:
    """Compile a package's catalogue in memory."""
    from babel.messages.mofile import write_mo

    compiled = BytesIO()
    write_mo(compiled, read_catalogue(name, package))
    compiled.seek(0)
    return GNUTranslations(compiled)


@cache
def _catalogue(language: Language) -> NullTranslations:
    name = CATALOGUES.get(language)
    return compiled_catalogue("reports", name) if name else NullTranslations()
