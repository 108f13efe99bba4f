"""An archive that is asked over DICOMweb: QIDO-RS and WADO-RS (PS3.18 sections 10.4 and 10.6).

URLs hold what is asked for, a Patient ID among it: no text of an HTTP library goes into messages or logs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from typing import Any

import requests
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset
from pydicom.uid import UID

from dicom_node.config.access import ClientTls
from dicom_node.errors import (
    ArchiveError,
    ConfigurationError,
    PermanentArchiveError,
    TransientArchiveError,
)
from dicom_node.network.web import web_session

__all__ = ["DicomwebArchive"]

MAXIMUM_INSTANCE_BYTES = 2**30
"""An answer that is longer is cut off: no densitometer's object comes near it (assumption)."""

_TRANSIENT_CODES = {408, 425, 429, 500, 502, 503, 504}
"""RFC 9110 and RFC 6585: time-out, too early, too many requests, and what a server says of itself."""

_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError)
"""What an answer that is not DICOM JSON, or a URL that is none, raises in its reader."""

_LEVELS = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}


class DicomwebArchive:
    """One DICOMweb service and how to speak to it; made by one thread, used by that thread.

    Parameters
    ----------
    url : str
        What QIDO-RS and WADO-RS paths are appended to, e.g. ``"https://pacs.example/dicom-web"``.
    username, password_file : str, Path, optional
        For HTTP basic authentication.
    token_file : Path, optional
        Holds a bearer token; read anew for each session.
    tls : ClientTls, optional
        Trusted authorities and a client certificate for https; the system's authorities without it.
    connect_seconds, response_seconds : float
        Longest waits: for the connection, and for the next bytes of an answer.

    Raises
    ------
    ConfigurationError
        If a file cannot be read or the URL is none.
    """

    def __init__(
        self,
        url: str,
        *,
        username: str | None = None,
        password_file: Path | None = None,
        token_file: Path | None = None,
        tls: ClientTls | None = None,
        connect_seconds: float = 10.0,
        response_seconds: float = 60.0,
    ) -> None:
        self._url = url.rstrip("/")
        self._timeout = (connect_seconds, response_seconds)
        self._session = web_session(
            username=username, password_file=password_file, token_file=token_file, tls=tls
        )
        try:
            self._client = DICOMwebClient(self._url, session=self._session, timeout=self._timeout)
        except ValueError as error:
            raise ConfigurationError(f"url = {url!r}: {error}") from error
        self._client.set_http_retry_params(retry=False)  # tries are ours to count

    def __str__(self) -> str:
        return self._url

    def search(self, level: str, identifier: Dataset, *, page_size: int, maximum: int) -> list[Dataset]:
        """Return what matches an identifier as C-FIND would send it, all pages of it.

        Raises
        ------
        TransientArchiveError, PermanentArchiveError
            If there is no complete answer.
        """
        key = _LEVELS[level]
        found: dict[str, Dataset] = {}
        while True:
            with self._classified():
                page = self._search_page(level, identifier, page_size, len(found))
                answers = [Dataset.from_json(entry) for entry in page]
            known = len(found)
            found |= {str(answer.get(key, "")): answer for answer in answers}
            if len(found) == known:  # the end, or a service that knows no offset and says the same again
                return list(found.values())
            if len(found) > maximum:
                raise PermanentArchiveError(
                    f"{self} has more than {maximum} answers; ask for a shorter range of dates"
                )

    def retrieve(self, study_uid: str, series_uid: str, instance_uid: str) -> bytes:
        """Return an instance as a DICOM file, in the transfer syntax in which the service keeps it.

        Raises
        ------
        TransientArchiveError, PermanentArchiveError
            If it cannot be had.
        """
        for uid in (study_uid, series_uid, instance_uid):
            if not UID(uid).is_valid:
                raise PermanentArchiveError(f"{uid[:64]!a} is not a legal UID; it is not asked for")
        path = f"{self._url}/studies/{study_uid}/series/{series_uid}/instances/{instance_uid}"
        accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
        with (
            self._classified(),
            self._session.get(
                path, headers={"Accept": accept}, timeout=self._timeout, stream=True
            ) as response,
        ):
            response.raise_for_status()
            body = self._read(response)
            return _only_part(response.headers.get("Content-Type", ""), body)

    def _search_page(self, level: str, identifier: Dataset, limit: int, offset: int) -> list[dict[str, Any]]:
        values = {
            element.keyword: str(element.value) for element in identifier if element.value not in ("", None)
        }
        for not_asked in ("SpecificCharacterSet", "QueryRetrieveLevel"):  # UTF-8; the path says the level
            values.pop(not_asked, None)
        asked = [element.keyword for element in identifier if element.value in ("", None)]
        study, series = (
            values.pop(uid, None) if level not in above else None
            for uid, above in (("StudyInstanceUID", ("STUDY",)), ("SeriesInstanceUID", ("STUDY", "SERIES")))
        )
        parameters: dict[str, Any] = {"fields": asked, "search_filters": values, "limit": limit}
        if offset:
            parameters["offset"] = offset
        if level == "STUDY":
            return self._client.search_for_studies(**parameters)
        if level == "SERIES":
            return self._client.search_for_series(study, **parameters)
        return self._client.search_for_instances(study, series, **parameters)

    def _read(self, response: requests.Response) -> bytes:
        body = bytearray()
        for chunk in response.iter_content(chunk_size=1_048_576):
            body += chunk
            if len(body) > MAXIMUM_INSTANCE_BYTES:
                raise PermanentArchiveError(
                    f"{self} sends an instance of over {MAXIMUM_INSTANCE_BYTES} bytes"
                )
        return bytes(body)

    @contextmanager
    def _classified(self) -> Iterator[None]:
        try:
            yield
        except requests.HTTPError as error:
            code = error.response.status_code if error.response is not None else 0
            raise self._status_error(code) from None
        except requests.exceptions.SSLError:
            raise TransientArchiveError(
                f"{self}: TLS fails; compare [archive.tls] trusted, certificate, private_key with the service"
            ) from None
        except requests.TooManyRedirects:
            raise PermanentArchiveError(
                f"{self} redirects to another address; write that address as url, if it is right"
            ) from None
        except _UNREADABLE as error:
            raise PermanentArchiveError(
                f"{self} answers with what is not DICOMweb ({type(error).__name__}); is url right?"
            ) from None
        except requests.RequestException as error:
            raise TransientArchiveError(
                f"{self} does not answer ({type(error).__name__}); is it running, is url right?"
            ) from None

    def _status_error(self, code: int) -> ArchiveError:
        text = f"{self} answers with HTTP status {code}"
        if code in _TRANSIENT_CODES:
            return TransientArchiveError(text)
        hints = {401: "; check username and password_file, or token_file", 403: "; allow this node there"}
        return PermanentArchiveError(text + hints.get(code, "; is url right?"))


def _only_part(content_type: str, body: bytes) -> bytes:
    """Return the one part of a multipart answer (RFC 2046 section 5.1); some services send it bare."""
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_boundary()
    if header.get_content_type() == "application/dicom" or not boundary:
        return body
    delimiter = b"--" + boundary.encode("latin-1")
    start = body.index(b"\r\n\r\n", body.index(delimiter)) + 4
    return body[start : body.index(b"\r\n" + delimiter, start)]
