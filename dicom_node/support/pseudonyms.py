"""Consistent replacements under a key that is thrown away: the same text becomes the same pseudonym."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

__all__ = ["Pseudonyms"]

STANDARD_UID_ROOT = "1.2.840.10008."
"""UIDs below it name concepts of the standard, not objects (PS3.6 annex A)."""

_UID = re.compile(r"(?<![\w.])\d+(?:\.\d+){3,}(?![\w.]*\.\d)")
_HEX = re.compile(r"(?<![0-9a-fA-F])[0-9a-f]{16,}(?![0-9a-fA-F])")
_DATE = re.compile(r"(?<!\d)(?:19|20)\d\d[-.]?[01]\d[-.]?[0-3]\d(?!\d)")
_QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"")
_PATH = re.compile(r"(?<![\w<])/[\w./-]+")
_LONGEST_SHIFT_DAYS = 3650


class Pseudonyms:
    """Replacements for one export.

    Parameters
    ----------
    key : bytes, optional
        Random by default; never written anywhere, so that nobody can go back.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)
        self._shift = timedelta(days=1 + int(self._digest("dates")[:8], 16) % _LONGEST_SHIFT_DAYS)

    def uid(self, uid: str) -> str:
        """Return a UID of the form 2.25.N (PS3.5 B.2); one of the standard stays as it is."""
        if not uid or (uid.startswith(STANDARD_UID_ROOT) and _UID.fullmatch(uid)):
            return uid
        return f"2.25.{int(self._digest(uid)[:30], 16)}"

    def name(self, text: str, prefix: str) -> str:
        """Return a short word for a name, an AE title, an address or a digest."""
        return f"{prefix}-{self._digest(text)[:10]}" if text else ""

    def date(self, date: str) -> str:
        """Return a DICOM date moved back by this export's days, so that intervals stay; else nothing."""
        try:
            return (datetime.strptime(date, "%Y%m%d") - self._shift).strftime("%Y%m%d")
        except ValueError:
            return ""

    def moment(self, moment: str) -> str:
        """Return a time of the journal (ISO 8601) moved back by this export's days."""
        try:
            return (datetime.fromisoformat(moment) - self._shift).isoformat()
        except ValueError:
            return ""

    def sentence(self, text: str, names: Collection[str]) -> str:
        """Return a sentence of ours without what it quotes: UIDs, digests, dates, names, paths, addresses.

        Parameters
        ----------
        names : collection of str
            Words that stand for somebody or something at the site, e.g. AE titles.
        """
        for name in sorted(names, key=len, reverse=True):
            if name:
                text = text.replace(name, self.name(name, "name"))
        text = _UID.sub(lambda found: self.uid(found[0]), text)
        text = _HEX.sub(lambda found: self.name(found[0], "digest"), text)
        text = _DATE.sub("<date>", text)
        text = _QUOTED.sub("<quoted>", text)
        return _PATH.sub("<path>", text)

    def _digest(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()
