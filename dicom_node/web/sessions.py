"""Logins: passwords, signed cookies, how often one may try, CSRF tokens, tokens of the REST API.

A cookie holds a random key, signed; the journal holds the key's hash, so that a session ends when it is
ended, and neither a copy of the journal nor the signing key alone lets anybody in.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from itsdangerous import BadSignature, Signer

from dicom_node.config import ConsoleSettings
from dicom_node.errors import OperationRefusedError
from dicom_node.storage.journal import Journal
from dicom_node.storage.users import Account, ApiToken
from dicom_node.web.passwords import is_password, renewed_hash

__all__ = [
    "COOKIE",
    "LoginRefusedError",
    "Sessions",
    "console_key",
    "hash_token",
    "new_token",
]

COOKIE = "radius_dxa_console"
FORM_COOKIE = "radius_dxa_form"
"""Ties the login form to the browser that it was given to."""

KEY_FILE = "console.key"
KEY_BYTES = 32

FAILURE_SECONDS = 900.0
FAILURES_OF_NAME, FAILURES_OF_ADDRESS = 5, 20
"""So many failed logins within so many seconds, then none more is looked at until they are over."""

TOKEN_PREFIX = "rdxa_"  # noqa: S105 - the beginning of every token, for secret scanners to know it by


class LoginRefusedError(OperationRefusedError):
    """Wrong name or password, or too many tries.

    Attributes
    ----------
    wait_seconds : float
        How long no further try is looked at; 0 if the next is.
    """

    def __init__(self, message: str, *, wait_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


@dataclass(frozen=True, slots=True)
class Session:
    """A login that holds."""

    account: Account
    key: str


class Sessions:
    """What the console knows of who is logged in."""

    def __init__(self, settings: ConsoleSettings, journal: Journal, key: bytes) -> None:
        self._settings = settings
        self._journal = journal
        self._key = key
        self._signer = Signer(key, salt="console session", digest_method=hashlib.sha256)
        self._csrf = Signer(key, salt="console csrf", digest_method=hashlib.sha256)

    def log_in(self, name: str, password: str, address: str) -> tuple[Account, str]:
        """Check a password and begin a session.

        Returns
        -------
        (Account, str)
            Who it is, and the cookie's value.

        Raises
        ------
        LoginRefusedError
            If name or password is wrong, the user is disabled, or too many tries failed.
        """
        name_key = hmac.digest(self._key, name.lower().encode(), "sha256").hex()
        of_name, of_address = self._journal.login_failures(name_key, address, seconds=FAILURE_SECONDS)
        if of_name >= FAILURES_OF_NAME or of_address >= FAILURES_OF_ADDRESS:
            raise LoginRefusedError(
                "too many logins failed; wait a quarter of an hour", wait_seconds=FAILURE_SECONDS
            )
        account = self._journal.account(name)
        good = is_password(password, account.password_hash if account and account.enabled else None)
        if account is None or not good:
            self._journal.note_login_failure(name_key, address)
            raise LoginRefusedError("name or password is wrong")
        if renewed := renewed_hash(password, account.password_hash):
            self._journal.improve_password_hash(account.name, renewed)
        self._journal.forget_login_failures(name_key)
        self._journal.forget_old_sessions(
            hours=self._settings.session_hours, failures_seconds=FAILURE_SECONDS
        )
        return account, self.begin(account.name, address)

    def begin(self, name: str, address: str) -> str:
        """Begin a session of a user and return the cookie's value."""
        key = secrets.token_urlsafe(KEY_BYTES)
        self._journal.begin_session(name, _digest(key), address)
        return self._signer.sign(key).decode()

    def session(self, cookie: str) -> Session | None:
        """Return the session of a cookie, if it holds."""
        key = _unsigned(self._signer, cookie)
        if key is None:
            return None
        account = self._journal.session_account(
            _digest(key), hours=self._settings.session_hours, idle_minutes=self._settings.idle_minutes
        )
        return Session(account, key) if account else None

    def log_out(self, session: Session) -> None:
        """End a session."""
        self._journal.end_session(_digest(session.key))

    def csrf_token(self, key: str) -> str:
        """Return what a form of that session (or of that login form's cookie) must bring along."""
        return self._csrf.get_signature(key).decode()

    def is_csrf_token(self, key: str, token: str) -> bool:
        """Tell whether a form brought it."""
        return self._csrf.verify_signature(key, token.encode())

    def token(self, secret: str) -> ApiToken | None:
        """Return the valid API token of a secret."""
        return self._journal.token_of(hash_token(secret)) if secret.startswith(TOKEN_PREFIX) else None


def new_token() -> str:
    """Return a new secret for the REST API."""
    return TOKEN_PREFIX + secrets.token_urlsafe(KEY_BYTES)


def hash_token(secret: str) -> str:
    """Return what the journal keeps of a token: 256 random bits need no slow hash."""
    return _digest(secret)


def console_key(data_dir: Path) -> bytes:
    """Return the key that cookies are signed with; made at the first call, readable by its owner only."""
    path = data_dir / KEY_FILE
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
    key = path.read_bytes()
    if len(key) != KEY_BYTES:  # a crash or a full disk while it was written
        path.unlink()
        return console_key(data_dir)
    return key


def _unsigned(signer: Signer, value: str) -> str | None:
    try:
        return signer.unsign(value).decode()
    except BadSignature:
        return None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
