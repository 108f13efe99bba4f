"""Changes to who may use the console and the REST API: from pages, programs and the command line alike.

Each is journalled with the person and the reason, and told to auditors.
"""

from __future__ import annotations

from dataclasses import dataclass

from dicom_node.config import NodeConfig
from dicom_node.errors import OperationRefusedError
from dicom_node.observe.audit_changes import audit_security_change
from dicom_node.storage.journal import Journal
from dicom_node.storage.users import ApiToken, Role
from dicom_node.web.passwords import hash_password
from dicom_node.web.sessions import hash_token, new_token

__all__ = ["Accounts"]

LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Accounts:
    """Users and tokens, as one person changes them.

    Parameters
    ----------
    by : str
        Who changes them.
    address : str
        Where from; empty for the command line.
    """

    config: NodeConfig
    journal: Journal
    by: str
    address: str = ""

    def add(self, name: str, role: Role, password: str, reason: str) -> None:
        """Make a user. Raises `OperationRefusedError` for a bad or taken name, or a short password."""
        self.journal.add_account(_good_name(name), role, hash_password(password))
        self._note("user.add", name.strip(), reason, f"role {role}")

    def set_role(self, name: str, role: Role, reason: str) -> None:
        """Change what a user may do. Raises `OperationRefusedError` as `Users.set_role`."""
        self.journal.set_role(name, role)
        self._note("user.role", name, reason, f"role {role}")

    def set_password(self, name: str, password: str, reason: str) -> None:
        """Give a user a new password; every session of the user ends."""
        self.journal.set_password_hash(name, hash_password(password))
        self._note("user.password", name, reason)

    def disable(self, name: str, reason: str) -> None:
        """Let a user log in no more; every session of the user ends."""
        self.journal.disable_account(name)
        self._note("user.disable", name, reason)

    def enable(self, name: str, reason: str) -> None:
        """Let a user log in again."""
        self.journal.enable_account(name)
        self._note("user.enable", name, reason)

    def add_token(self, name: str, role: Role, reason: str) -> tuple[ApiToken, str]:
        """Make a token for a program; its secret is returned and nowhere kept."""
        secret = new_token()
        token = self.journal.add_token(_good_name(name), role, hash_token(secret), self.by)
        self._note("token.add", f"token {token.name}", reason, f"role {role}")
        return token, secret

    def revoke_token(self, token_id: int, reason: str) -> ApiToken:
        """Make a token useless."""
        token = self.journal.revoke_token(token_id)
        self._note("token.revoke", f"token {token.name}", reason)
        return token

    def _note(self, action: str, subject: str, reason: str, detail: str = "") -> None:
        self.journal.note_change(self.by, action, subject, reason, detail)
        audit_security_change(
            self.config,
            self.journal,
            self.by,
            self.address,
            subject=subject,
            description=" ".join(filter(None, (action, detail, reason))),
        )


def _good_name(name: str) -> str:
    trimmed = name.strip()
    if not 1 <= len(trimmed) <= LONGEST_NAME or not trimmed.isprintable():
        raise OperationRefusedError(f"name {name!r}: must be 1 to {LONGEST_NAME} printable characters")
    return trimmed
