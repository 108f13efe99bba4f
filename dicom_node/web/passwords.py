"""Passwords of the console's users, as argon2id hashes."""

from __future__ import annotations

import secrets
import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from dicom_node.errors import OperationRefusedError

__all__ = ["hash_password", "is_password", "renewed_hash"]

LEAST_PASSWORD_LENGTH, GREATEST_PASSWORD_LENGTH = 12, 256
"""A length and nothing else is asked for (NIST SP 800-63B, 3.1.1.2); the upper limit bounds the work."""

_hasher = PasswordHasher()
"""argon2id with the library's parameters (RFC 9106, second recommendation: 64 MiB, 3 passes)."""


_checking = threading.BoundedSemaphore(2)
"""So many checks at once: each takes 64 MiB, and anybody may ask for one."""


def hash_password(password: str) -> str:
    """Return the hash of a password; raises `OperationRefusedError` for one that is too short or long."""
    if not LEAST_PASSWORD_LENGTH <= len(password) <= GREATEST_PASSWORD_LENGTH:
        raise OperationRefusedError(
            f"the password has {len(password)} characters; choose one of {LEAST_PASSWORD_LENGTH} to "
            f"{GREATEST_PASSWORD_LENGTH}, e.g. four words that do not belong together"
        )
    return _hasher.hash(password)


def is_password(password: str, password_hash: str | None) -> bool:
    """Tell whether a hash is that password's; without a hash it takes as long, and is not."""
    try:
        with _checking:
            return _hasher.verify(password_hash or _hash_of_nobody(), password[:GREATEST_PASSWORD_LENGTH])
    except (Argon2Error, InvalidHashError):
        return False


def renewed_hash(password: str, password_hash: str) -> str | None:
    """Return a hash with today's parameters if the known one has others."""
    return _hasher.hash(password) if _hasher.check_needs_rehash(password_hash) else None


@cache
def _hash_of_nobody() -> str:
    return _hasher.hash(secrets.token_hex(32))
