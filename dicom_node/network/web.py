"""HTTP sessions to configured services: their credentials go there and nowhere else."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth

from dicom_node.config.access import ClientTls
from dicom_node.errors import ConfigurationError
from dicom_node.network.tls import client_context

__all__ = ["read_secret", "web_session"]

for _library in ("urllib3", "dicomweb_client"):  # both log URLs, which may hold what is asked for
    logging.getLogger(_library).setLevel(logging.ERROR)


def web_session(
    *,
    username: str | None = None,
    password_file: Path | None = None,
    token_file: Path | None = None,
    tls: ClientTls | None = None,
) -> requests.Session:
    """Return a session that follows no redirection and takes nothing from the environment.

    Parameters
    ----------
    username, password_file : str, Path, optional
        For HTTP basic authentication.
    token_file : Path, optional
        Holds a bearer token.
    tls : ClientTls, optional
        Trusted authorities and a client certificate for https; the system's authorities without it.

    Raises
    ------
    ConfigurationError
        If a file cannot be read.
    """
    session = requests.Session()
    session.trust_env = False  # neither ~/.netrc nor a proxy of the environment
    session.max_redirects = 0
    if username is not None and password_file is not None:
        session.auth = HTTPBasicAuth(username.encode(), read_secret(password_file).encode())
    if token_file is not None:
        session.headers["Authorization"] = f"Bearer {read_secret(token_file)}"
    if tls is not None:
        session.mount("https://", _TlsAdapter(client_context(tls)))
    return session


def read_secret(path: Path) -> str:
    """Return what a secret's file holds, without the line's end."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path}: cannot be read ({type(error).__name__}); check path and permissions"
        ) from None


class _TlsAdapter(HTTPAdapter):
    """Speaks https by the profile that DICOM associations keep as well."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *positions: Any, **settings: Any) -> None:
        make: Callable[..., None] = super().init_poolmanager
        make(*positions, ssl_context=self._context, **settings)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Leave the context as it is: the default would load further authorities into it."""
