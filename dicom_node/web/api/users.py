"""Users and tokens, for programs of an administrator."""

from __future__ import annotations

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from dicom_node.storage.users import Account, ApiToken, Role
from dicom_node.web.accounts import Accounts
from dicom_node.web.api.bodies import Reason
from dicom_node.web.context import Administrator, ConfigDep, JournalDep, client_address

__all__ = ["router"]

router = APIRouter(prefix="/users", tags=["users"])


class UserModel(BaseModel):
    """One user."""

    name: str
    role: Role
    created_at: str
    disabled_at: str = Field(description="Empty while the user may log in.")


class TokenModel(BaseModel):
    """One token, without its secret."""

    id: int
    name: str
    role: Role
    created_by: str
    created_at: str
    used_at: str = Field(description="To a minute; empty if never.")
    revoked_at: str = Field(description="Empty while the token is valid.")


class NewToken(BaseModel):
    """What a token is made for."""

    name: str = Field(min_length=1, max_length=64, description="Of the program that will use it.")
    role: Role
    reason: str = Field(min_length=1, max_length=500)


class MadeToken(TokenModel):
    """A token with its secret, which is shown this once."""

    secret: str


@router.get("")
def list_users(user: Administrator, journal: JournalDep) -> list[UserModel]:
    """List the users of the console."""
    return [_user(account) for account in journal.accounts()]


@router.get("/tokens")
def list_tokens(user: Administrator, journal: JournalDep) -> list[TokenModel]:
    """List the tokens, revoked ones too."""
    return [_token(token) for token in journal.tokens()]


@router.post("/tokens", status_code=201)
def make_token(
    request: Request, user: Administrator, config: ConfigDep, journal: JournalDep, wanted: NewToken
) -> MadeToken:
    """Make a token for a program."""
    accounts = Accounts(config, journal, user.name, client_address(request))
    token, secret = accounts.add_token(wanted.name, wanted.role, wanted.reason)
    return MadeToken(**_token(token).model_dump(), secret=secret)


@router.post("/tokens/{token_id}/revoke")
def revoke_token(
    request: Request,
    user: Administrator,
    config: ConfigDep,
    journal: JournalDep,
    token_id: int,
    why: Reason,
) -> TokenModel:
    """Make a token useless."""
    accounts = Accounts(config, journal, user.name, client_address(request))
    return _token(accounts.revoke_token(token_id, why.reason))


def _user(account: Account) -> UserModel:
    return UserModel(
        name=account.name,
        role=account.role,
        created_at=account.created_at,
        disabled_at=account.disabled_at,
    )


def _token(token: ApiToken) -> TokenModel:
    return TokenModel(
        id=token.id,
        name=token.name,
        role=token.role,
        created_by=token.created_by,
        created_at=token.created_at,
        used_at=token.used_at,
        revoked_at=token.revoked_at,
    )
