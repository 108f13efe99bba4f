"""STOW-RS as a user agent (PS3.18 section 10.5): what lies on disk goes out byte for byte.

dicomweb-client's own ``store_instances`` decodes and writes every object anew; here its bytes are sent as
they were made or received. The answer lists each instance: Referenced SOP Sequence (0008,1199) for what is
stored, Failed SOP Sequence (0008,1198) for what is not. No text of an HTTP library goes into messages.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import requests
from pydicom.dataset import Dataset
from urllib3.exceptions import HTTPError

from dicom_node.config import Destination
from dicom_node.errors import (
    ConfigurationError,
    DeliveryError,
    PermanentDeliveryError,
    TransientDeliveryError,
)
from dicom_node.network.failures import http_failure, status_failure, status_note
from dicom_node.network.outgoing import SendableFile, StoreOutcome
from dicom_node.network.peers import Timeouts
from dicom_node.network.web import web_session

__all__ = ["StowClient"]

REQUEST_BYTES = 16 * 2**20
"""Objects go in one request until it is this long; one object may be longer."""
REQUEST_INSTANCES = 50
"""Most objects in one request: each waits for the answer to all."""
ANSWER_BYTES = 4 * 2**20
"""Longest answer that is read (assumption: far above what `REQUEST_INSTANCES` need)."""

_NO_SEARCH = (405, 501)
"""A service may store without being searched (PS3.18 section 8.5)."""

_STORED, _STORED_SOME, _CONFLICT = 200, 202, 409
"""HTTP codes whose answer lists every instance (PS3.18 table 10.5.3-1)."""


class StowClient:
    """Sends to one DICOMweb service; secrets and certificates are read anew for each run of requests."""

    def __init__(self, destination: Destination, timeouts: Timeouts) -> None:
        if destination.url is None:
            raise ConfigurationError(f"[[destination]] {destination.name!r}: url is missing")
        self._destination = destination
        self._url = destination.url.rstrip("/")
        self._timeouts = timeouts

    def store(self, files: Sequence[SendableFile]) -> Iterator[StoreOutcome]:
        """Send files in order, each with the outcome that the service lists for it.

        Raises
        ------
        TransientDeliveryError, PermanentDeliveryError
            If the service as a whole does not take them.
        """
        with self._session() as session:
            batch: list[tuple[SendableFile, bytes]] = []
            for file in files:
                try:
                    content = file.path.read_bytes()
                except OSError as error:
                    text = f"{file.path} cannot be read: {error}"
                    yield StoreOutcome(file, None, PermanentDeliveryError(text))
                    continue
                if batch and (
                    len(batch) == REQUEST_INSTANCES
                    or sum(len(other) for _, other in batch) + len(content) > REQUEST_BYTES
                ):
                    yield from self._post(session, batch)
                    batch = []
                batch.append((file, content))
            if batch:
                yield from self._post(session, batch)

    def verify(self) -> str:
        """Search for one study, which every credential that may store should be let do; say what came.

        Raises
        ------
        TransientDeliveryError, PermanentDeliveryError
            If the service is away or does not let the node in.
        """
        with self._session() as session, self._classified():
            code = session.get(
                f"{self._url}/studies",
                params={"limit": "1"},
                headers={"Accept": "application/dicom+json"},
                timeout=(self._timeouts.connect, self._timeouts.response),
                stream=True,
            ).status_code
        if code in _NO_SEARCH:
            return f"{self._url} answers, and takes no searches"
        if not 200 <= code < 300:
            raise http_failure(code).error(f"{self._url} answered a search with HTTP status {code}")
        return f"{self._url} answers a search"

    def close_idle(self) -> None:
        """Each run of requests has a session of its own."""

    def close(self) -> None:
        """Each run of requests has a session of its own."""

    def _post(
        self, session: requests.Session, batch: Sequence[tuple[SendableFile, bytes]]
    ) -> list[StoreOutcome]:
        code, listed = self._answer(session, [content for _, content in batch])
        if listed is None and code != _STORED:
            raise http_failure(code).error(f"{self._url} answered STOW-RS with HTTP status {code}")
        outcomes = [self._outcome(file, code, listed) for file, _ in batch]
        # what is to be tried again comes last: whoever stops there has heard of all that was stored
        return sorted(outcomes, key=lambda outcome: isinstance(outcome.error, TransientDeliveryError))

    def _answer(self, session: requests.Session, contents: Sequence[bytes]) -> tuple[int, Dataset | None]:
        """Return HTTP code and, where there is one, the data set that lists the instances."""
        boundary = secrets.token_hex(16)
        headers = {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Accept": "application/dicom+json",
        }
        with (
            self._classified(),
            session.post(
                f"{self._url}/studies",
                data=_multipart(contents, boundary),
                headers=headers,
                timeout=(self._timeouts.connect, self._timeouts.response),
                stream=True,
                allow_redirects=False,
            ) as response,
        ):
            code = response.status_code
            body = response.raw.read(ANSWER_BYTES, decode_content=True)
        return code, _listing(body) if code in (_STORED, _STORED_SOME, _CONFLICT) else None

    def _session(self) -> requests.Session:
        destination = self._destination
        return web_session(
            username=destination.username,
            password_file=destination.password_file,
            token_file=destination.token_file,
            tls=destination.tls,
        )

    @contextmanager
    def _classified(self) -> Iterator[None]:
        try:
            yield
        except requests.exceptions.SSLError:
            raise TransientDeliveryError(
                f"{self._url}: the TLS handshake failed; compare [destination.tls] trusted, certificate and "
                "private_key with the service"
            ) from None
        except requests.TooManyRedirects:
            raise http_failure(302).error(f"{self._url} redirects to another address") from None
        except (requests.RequestException, HTTPError, OSError) as error:
            raise TransientDeliveryError(
                f"{self._url} does not answer ({type(error).__name__}); is it running, is url right?"
            ) from None

    def _outcome(self, file: SendableFile, code: int, listed: Dataset | None) -> StoreOutcome:
        if listed is None:
            return StoreOutcome(file, code, None, "stored; the service lists no instances")
        stored = _item(listed, "ReferencedSOPSequence", file)
        if stored is not None:
            warning = stored.get("WarningReason")
            return StoreOutcome(file, code, None, status_note(int(warning)) if warning else "")
        failed = _item(listed, "FailedSOPSequence", file)
        if failed is None:
            text = f"{self._url} does not list an instance in its answer (HTTP status {code})"
            return StoreOutcome(file, code, TransientDeliveryError(text))
        return self._failed(file, int(failed.get("FailureReason") or 0x0110))

    def _failed(self, file: SendableFile, reason: int) -> StoreOutcome:
        failure = status_failure(reason)
        if failure is None:
            return StoreOutcome(file, reason, None, status_note(reason))
        error: DeliveryError = failure.error(f"{self._url} did not store it: reason 0x{reason:04X}")
        return StoreOutcome(file, reason, error)


def _multipart(contents: Sequence[bytes], boundary: str) -> bytes:
    """Return a ``multipart/related`` body (RFC 2387); its random boundary occurs in no object."""
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    parts = [piece for content in contents for piece in (head, content, b"\r\n")]
    return b"".join([*parts, f"--{boundary}--\r\n".encode()])


def _listing(body: bytes) -> Dataset | None:
    """Return the answer's data set; None if it holds none that can be read."""
    try:
        answer: Any = json.loads(body) if body else None
        if isinstance(answer, list):  # some services send a list of one
            answer = answer[0] if answer else None
        return Dataset.from_json(answer) if answer else None
    except Exception:  # pydicom raises many kinds for what a service may send
        return None


def _item(listed: Dataset, keyword: str, file: SendableFile) -> Dataset | None:
    items: Any = listed.get(keyword) or ()
    uid = file.sop_instance_uid
    return next((item for item in items if item.get("ReferencedSOPInstanceUID") == uid), None)
