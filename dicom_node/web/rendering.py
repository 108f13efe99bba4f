"""Templates to HTML: one Jinja environment for all pages, everything escaped, undefined names an error."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from dicom_node.storage.users import Role
from dicom_node.web.i18n import LANGUAGES, markup_speaker, plural_speaker
from dicom_node.web.navigation import Entry, entries_for
from dicom_node.web.wording import state_tone, state_word

__all__ = ["STATIC", "Pages"]

STATIC = Path(__file__).with_name("static")


@dataclass(frozen=True, slots=True)
class Pages:
    """The console's templates.

    Parameters
    ----------
    paths : sequence of str
        The paths of all pages there are: the navigation shows no others.
    node : str
        The node's AE title.
    """

    paths: Sequence[str]
    node: str
    environment: Environment

    @classmethod
    def of(cls, paths: Sequence[str], node: str) -> Pages:
        """Load the templates of this package."""
        return cls(paths, node, _environment())

    def render(
        self,
        template: str,
        *,
        user: object,
        role: Role | None,
        language: str,
        root: str,
        path: str,
        csrf_token: str,
        values: Mapping[str, object],
    ) -> str:
        """Render one template in a language."""
        say = markup_speaker(language)
        shared: dict[str, object] = {
            "_": say,
            "_n": plural_speaker(language),
            "state_word": lambda state: say(state_word(state)),
            "user": user,
            "language": language,
            "root": root,
            "path": path,
            "csrf_token": csrf_token,
            "node": self.node,
            "navigation": self._navigation(role),
            "asset": lambda name: f"{root}/static/{name}?v={_version(name)}",
        }
        return self.environment.get_template(template).render(**shared, **values)

    def _navigation(self, role: Role | None) -> list[Entry]:
        return entries_for(role, self.paths) if role else []


@cache
def _environment() -> Environment:
    """Return the one environment; it holds what no page changes, so that templates are compiled once."""
    environment = Environment(
        loader=PackageLoader("dicom_node.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["bytes"] = _bytes
    environment.filters["thousands"] = _thousands
    environment.filters["moment"] = _moment
    environment.globals["languages"] = LANGUAGES
    environment.globals["state_tone"] = state_tone
    return environment


@cache
def _version(name: str) -> str:
    """Name what a static file holds, so that browsers may keep it for ever."""
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def _thousands(number: int) -> str:
    """Say a number of things, thousands apart."""
    return f"{number:,}"


def _bytes(number: float) -> str:
    """Say a size in decimal units (IEC 80000-13)."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.3g} {unit}" if unit != "B" else f"{number:.0f} B"
        number /= 1000
    return f"{number:.3g} TB"


def _moment(text: str) -> str:
    """Say a time of the journal (UTC) for people without scripts; `console.js` turns it into local time."""
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S UTC") if text else ""
