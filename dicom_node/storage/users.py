"""The console's users, their sessions, failed logins, and the tokens of the REST API."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dicom_node.errors import OperationRefusedError
from dicom_node.storage.changes import Changes
from dicom_node.storage.connection import Row

__all__ = ["Account", "ApiToken", "Role", "Users"]


class Role(StrEnum):
    """What somebody may do; each may do what those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"

    @property
    def rank(self) -> int:
        """Higher may do more."""
        return list(Role).index(self)

    def may(self, least: Role | str) -> bool:
        """Tell whether this role may do what takes `least`, a role or its name as in templates."""
        return self.rank >= Role(least).rank


@dataclass(frozen=True, slots=True)
class Account:
    """One user; times are ISO 8601 UTC, empty if there is none.

    Attributes
    ----------
    language : {"", "en", "zh"}
        Empty: what the browser asks for.
    theme : {"", "light", "dark"}
        Empty: what the system prefers.
    """

    id: int
    name: str
    role: Role
    password_hash: str
    language: str
    theme: str
    created_at: str
    disabled_at: str

    @property
    def enabled(self) -> bool:
        """Whether the user may log in."""
        return not self.disabled_at


@dataclass(frozen=True, slots=True)
class ApiToken:
    """One token of the REST API, without its secret; times are ISO 8601 UTC, empty if there is none."""

    id: int
    name: str
    role: Role
    created_by: str
    created_at: str
    used_at: str
    revoked_at: str


SEEN_STEP_SECONDS = 60.0
"""How exactly a session or a token remembers its last use: each step is a write."""


class Users(Changes):
    """The journal's tables ``users``, ``sessions``, ``login_failures`` and ``tokens``."""

    def has_users(self) -> bool:
        """Tell whether anybody could log in."""
        return self._row("SELECT 1 FROM users WHERE disabled_at = '' LIMIT 1") is not None

    def accounts(self) -> list[Account]:
        """Return every user, by name."""
        return [_account(row) for row in self._rows("SELECT * FROM users ORDER BY name")]

    def account(self, name: str) -> Account | None:
        """Return the user of that name, upper and lower case alike."""
        row = self._row("SELECT * FROM users WHERE name = ?", (name,))
        return _account(row) if row else None

    def add_account(self, name: str, role: Role, password_hash: str) -> None:
        """Add a user.

        Raises
        ------
        OperationRefusedError
            If the name is taken.
        """
        with self._transaction():
            if self.account(name):
                raise OperationRefusedError(f"user {name!r} exists already; choose another name")
            self._execute(
                "INSERT INTO users (name, role, password_hash, language, theme, created_at, disabled_at)"
                " VALUES (?, ?, ?, '', '', ?, '')",
                (name, role, password_hash, self._now()),
            )

    def set_password_hash(self, name: str, password_hash: str) -> None:
        """Change a password; every session of the user ends."""
        with self._transaction():
            account = self._known(name)
            self._execute("UPDATE users SET password_hash = ? WHERE id = ?", (password_hash, account.id))
            self._execute("DELETE FROM sessions WHERE user_id = ?", (account.id,))

    def improve_password_hash(self, name: str, password_hash: str) -> None:
        """Replace the hash of an unchanged password by one of newer parameters."""
        with self._transaction():
            self._execute("UPDATE users SET password_hash = ? WHERE name = ?", (password_hash, name))

    def set_role(self, name: str, role: Role) -> None:
        """Change what a user may do.

        Raises
        ------
        OperationRefusedError
            If nobody is called so, or no administrator would be left.
        """
        with self._transaction():
            account = self._known(name)
            self._keep_an_administrator(account, leaves=role is not Role.ADMINISTRATOR)
            self._execute("UPDATE users SET role = ? WHERE id = ?", (role, account.id))

    def disable_account(self, name: str) -> None:
        """Let a user log in no more; every session of the user ends. Raises as `set_role`."""
        with self._transaction():
            account = self._known(name)
            self._keep_an_administrator(account, leaves=True)
            self._execute("UPDATE users SET disabled_at = ? WHERE id = ?", (self._now(), account.id))
            self._execute("DELETE FROM sessions WHERE user_id = ?", (account.id,))

    def enable_account(self, name: str) -> None:
        """Let a user log in again. Raises `OperationRefusedError` if nobody is called so."""
        with self._transaction():
            self._execute("UPDATE users SET disabled_at = '' WHERE id = ?", (self._known(name).id,))

    def set_preferences(self, name: str, *, language: str, theme: str) -> None:
        """Remember how a user wants the pages, see `Account`."""
        with self._transaction():
            self._execute("UPDATE users SET language = ?, theme = ? WHERE name = ?", (language, theme, name))

    def begin_session(self, name: str, key_hash: str, address: str) -> None:
        """Remember a login; failed ones of the same name no longer count."""
        with self._transaction():
            now = self._now()
            self._execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?, ?)",
                (key_hash, self._known(name).id, address, now, now),
            )

    def session_account(self, key_hash: str, *, hours: float, idle_minutes: float) -> Account | None:
        """Return whose session that is; None if it is over, and note that it was used if not."""
        row = self._row(
            """
            SELECT users.*, seen_at FROM sessions JOIN users ON users.id = user_id
            WHERE key_hash = ? AND disabled_at = '' AND began_at > ? AND seen_at > ?
            """,
            (key_hash, self._after(-hours * 3600), self._after(-idle_minutes * 60)),
        )
        if row is None:
            return None
        if row.pop("seen_at") < self._after(-SEEN_STEP_SECONDS):
            with self._transaction():
                self._execute("UPDATE sessions SET seen_at = ? WHERE key_hash = ?", (self._now(), key_hash))
        return _account(row)

    def end_session(self, key_hash: str) -> None:
        """Forget a login."""
        with self._transaction():
            self._execute("DELETE FROM sessions WHERE key_hash = ?", (key_hash,))

    def forget_old_sessions(self, *, hours: float, failures_seconds: float) -> None:
        """Drop the sessions and failed logins that no longer count."""
        with self._transaction():
            self._execute("DELETE FROM sessions WHERE began_at < ?", (self._after(-hours * 3600),))
            self._execute("DELETE FROM login_failures WHERE at < ?", (self._after(-failures_seconds),))

    def note_login_failure(self, name_key: str, address: str) -> None:
        """Count a failed login."""
        with self._transaction():
            self._execute(
                "INSERT INTO login_failures (at, name_key, address) VALUES (?, ?, ?)",
                (self._now(), name_key, address),
            )

    def forget_login_failures(self, name_key: str) -> None:
        """After a login the failed ones of that name no longer count."""
        with self._transaction():
            self._execute("DELETE FROM login_failures WHERE name_key = ?", (name_key,))

    def login_failures(self, name_key: str, address: str, *, seconds: float) -> tuple[int, int]:
        """Return how many logins failed in the last `seconds`: for that name, and from that address."""
        row = self._row(
            "SELECT (SELECT count(*) FROM login_failures WHERE name_key = :name AND at > :since) AS of_name,"
            " (SELECT count(*) FROM login_failures WHERE address = :address AND at > :since) AS of_address",
            {"name": name_key, "address": address, "since": self._after(-seconds)},
        )
        return (int(row["of_name"]), int(row["of_address"])) if row else (0, 0)

    def tokens(self) -> list[ApiToken]:
        """Return every token of the REST API, revoked ones too, newest first."""
        return [_token(row) for row in self._rows("SELECT * FROM tokens ORDER BY id DESC")]

    def add_token(self, name: str, role: Role, token_hash: str, created_by: str) -> ApiToken:
        """Add a token. Raises `OperationRefusedError` if the name is taken, also by a revoked one."""
        with self._transaction():
            if self._row("SELECT 1 FROM tokens WHERE name = ?", (name,)):
                raise OperationRefusedError(f"a token called {name!r} exists or existed; choose another name")
            self._execute(
                "INSERT INTO tokens (name, role, token_hash, created_by, created_at, used_at, revoked_at)"
                " VALUES (?, ?, ?, ?, ?, '', '')",
                (name, role, token_hash, created_by, self._now()),
            )
            return next(token for token in self.tokens() if token.name == name)

    def revoke_token(self, token_id: int) -> ApiToken:
        """Make a token useless. Raises `OperationRefusedError` if none of that number is valid."""
        with self._transaction():
            known = next((token for token in self.tokens() if token.id == token_id), None)
            if known is None or known.revoked_at:
                raise OperationRefusedError(f"no token {token_id} is valid; see the list of tokens")
            self._execute("UPDATE tokens SET revoked_at = ? WHERE id = ?", (self._now(), token_id))
            return known

    def token_of(self, token_hash: str) -> ApiToken | None:
        """Return the valid token of that hash, and note that it was used."""
        row = self._row("SELECT * FROM tokens WHERE token_hash = ? AND revoked_at = ''", (token_hash,))
        if row is None:
            return None
        if row["used_at"] < self._after(-SEEN_STEP_SECONDS):
            with self._transaction():
                self._execute("UPDATE tokens SET used_at = ? WHERE id = ?", (self._now(), row["id"]))
        return _token(row)

    def _known(self, name: str) -> Account:
        account = self.account(name)
        if account is None:
            names = ", ".join(item.name for item in self.accounts()) or "nobody yet"
            raise OperationRefusedError(f"no user is called {name!r}; there are: {names}")
        return account

    def _keep_an_administrator(self, account: Account, *, leaves: bool) -> None:
        others = [
            item
            for item in self.accounts()
            if item.enabled and item.role is Role.ADMINISTRATOR and item.id != account.id
        ]
        if leaves and account.enabled and account.role is Role.ADMINISTRATOR and not others:
            raise OperationRefusedError(
                f"{account.name!r} is the only administrator; make somebody else one first"
            )


def _account(row: Row) -> Account:
    return Account(**{**row, "role": Role(row["role"])})


def _token(row: Row) -> ApiToken:
    fields = {key: value for key, value in row.items() if key != "token_hash"}
    return ApiToken(**{**fields, "role": Role(row["role"])})
