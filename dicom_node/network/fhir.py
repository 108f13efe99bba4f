"""Asks a FHIR server over REST: searches, page by page, with the credentials of one session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from dicom_node.config import FhirSettings
from dicom_node.errors import NodeError
from dicom_node.network.web import web_session

__all__ = ["FhirClient", "FhirError"]

FHIR_JSON = "application/fhir+json"

MOST_PAGES = 100_000
"""Of one search: a server whose pages go in a circle must not keep us for ever."""


class FhirError(NodeError):
    """A FHIR server did not answer, or not with what was asked for."""


class FhirClient:
    """One server; to be closed.

    Raises
    ------
    ConfigurationError
        If a file with credentials cannot be read.
    """

    def __init__(self, settings: FhirSettings) -> None:
        self._base = (settings.url or "").rstrip("/")
        self._page_size = settings.page_size
        self._timeout = settings.timeout_seconds
        self._session = web_session(
            username=settings.username,
            password_file=settings.password_file,
            token_file=settings.token_file,
            tls=settings.tls,
        )
        self._session.headers["Accept"] = FHIR_JSON

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def search(self, resource_type: str, parameters: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        """Yield the pages (bundles) of a search.

        What is asked for goes in a form (``_search``), not in the address: it may name a patient.

        Raises
        ------
        FhirError
            If the server cannot be reached, refuses, answers with no bundle, or sends on to another server.
        """
        address = f"{self._base}/{resource_type}/_search"
        form = {"_count": str(self._page_size), **parameters}
        bundle = self._bundle("POST", address, form)
        for _ in range(MOST_PAGES):
            yield bundle
            following = next(
                (link.get("url") for link in bundle.get("link", ()) if link.get("relation") == "next"), None
            )
            if not following:
                return
            bundle = self._bundle("GET", self._of_same_server(str(following)), None)
        raise FhirError(f"{self._base}: a search has more than {MOST_PAGES} pages; ask its administrator why")

    def version(self) -> str:
        """Return the version of FHIR that the server says it speaks, e.g. ``4.0.1``."""
        answer = self._answer("GET", f"{self._base}/metadata", None)
        self._check(answer)
        return str(self._document(answer, "CapabilityStatement").get("fhirVersion", "unknown"))

    def patient(self, reference: str) -> Mapping[str, Any] | None:
        """Return the Patient that a reference names, None if the server has none (any more)."""
        relative = "/".join(reference.split("/")[-2:])
        answer = self._answer("GET", f"{self._base}/{relative}", None)
        if answer.status_code in (404, 410):
            return None
        self._check(answer)
        return self._document(answer, "Patient")

    def _bundle(self, method: str, address: str, form: Mapping[str, str] | None) -> Mapping[str, Any]:
        answer = self._answer(method, address, form)
        self._check(answer)
        return self._document(answer, "Bundle")

    def _answer(self, method: str, address: str, form: Mapping[str, str] | None) -> requests.Response:
        try:
            return self._session.request(
                method, address, data=form, timeout=self._timeout, allow_redirects=False
            )
        except requests.RequestException as error:
            raise FhirError(
                f"{self._base}: cannot be reached ({type(error).__name__}); check [fhir] url, network and TLS"
            ) from None

    def _check(self, answer: requests.Response) -> None:
        if answer.status_code in (401, 403):
            raise FhirError(
                f"{self._base}: refuses us (HTTP {answer.status_code}); check the credentials of [fhir]"
            )
        if answer.status_code != requests.codes.ok:
            raise FhirError(f"{self._base}: answers HTTP {answer.status_code}; ask its administrator why")

    def _document(self, answer: requests.Response, kind: str) -> Mapping[str, Any]:
        try:
            document = answer.json()
        except ValueError:
            document = None
        if not isinstance(document, dict) or document.get("resourceType") != kind:
            raise FhirError(f"{self._base}: answers with no FHIR {kind}; check that [fhir] url is its base")
        return document

    def _of_same_server(self, address: str) -> str:
        """Return the address of the next page; our credentials go to no other server."""
        absolute = urljoin(f"{self._base}/", address)
        if urlsplit(absolute)[:2] != urlsplit(self._base)[:2]:
            raise FhirError(
                f"{self._base}: its next page is at another server; have it answer with its own address"
            )
        return absolute
