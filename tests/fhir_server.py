"""A small FHIR server on the loopback: searches with pages, ``_lastUpdated``, credentials; real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Resource = dict[str, Any]


class FhirServer(ThreadingHTTPServer):
    """Serves `resources`; `asked` holds what searches asked for, `addresses` every address."""

    daemon_threads = True

    def __init__(self, resources: list[Resource], authorization: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.resources = resources
        self.authorization = authorization
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.addresses: list[str] = []
        self.searches: list[tuple[str, Mapping[str, str]]] = []
        self.version = "4.0.1"
        self.next_at = ""
        """Sends searches on to another server's address, if set."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/fhir"

    def found(self, kind: str, wanted: Mapping[str, str]) -> list[Resource]:
        return [item for item in self.resources if item["resourceType"] == kind and _fits(item, wanted)]


class _Handler(BaseHTTPRequestHandler):
    server: FhirServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        kind = self.path.split("/")[-2]
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        wanted = {name: values[0] for name, values in parse_qs(text).items()}
        self.server.asked.append((kind, wanted))
        self.server.searches.append((kind, wanted))
        self._page(len(self.server.searches) - 1, 0)

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.query:
            query = parse_qs(parts.query)
            self._page(int(query["search"][0]), int(query["page"][0]))
            return
        if parts.path.endswith("/metadata"):
            self._answer({"resourceType": "CapabilityStatement", "fhirVersion": self.server.version})
            return
        kind, id_ = parts.path.split("/")[-2:]
        one = [item for item in self.server.resources if (item["resourceType"], item["id"]) == (kind, id_)]
        self._answer(one[0] if one else None)

    def _page(self, search: int, page: int) -> None:
        kind, wanted = self.server.searches[search]
        size = int(wanted["_count"])
        found = self.server.found(kind, wanted)
        bundle: Resource = {
            "resourceType": "Bundle",
            "type": "searchset",
            "entry": [{"resource": item} for item in found[page * size : (page + 1) * size]],
        }
        if len(found) > (page + 1) * size:
            base = self.server.next_at or self.server.url
            bundle["link"] = [{"relation": "next", "url": f"{base}?search={search}&page={page + 1}"}]
        self._answer(bundle)

    def _answer(self, document: Resource | None) -> None:
        self.server.addresses.append(self.path)
        status = 404 if document is None else 200
        if self.server.authorization and self.headers.get("Authorization") != self.server.authorization:
            status, document = 401, None
        body = json.dumps(document or {"resourceType": "OperationOutcome"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: object) -> None:
        """Say nothing on standard error."""


def _fits(item: Resource, wanted: Mapping[str, str]) -> bool:
    updated = datetime.fromisoformat(item["meta"]["lastUpdated"])
    since = wanted.get("_lastUpdated", "").removeprefix("ge")
    if since and updated < datetime.fromisoformat(since):
        return False
    if "identifier" in wanted:
        system, value = wanted["identifier"].split("|")
        if {"system": system, "value": value} not in item.get("identifier", []):
            return False
    if "subject" in wanted and item["subject"]["reference"] != wanted["subject"]:
        return False
    codes = [f"{coding['system']}|{coding['code']}" for coding in item.get("code", {}).get("coding", [])]
    return "code" not in wanted or any(code in wanted["code"].split(",") for code in codes)


@contextmanager
def fhir_server(resources: list[Resource], authorization: str = "") -> Iterator[FhirServer]:
    """A server that runs while the block does."""
    server = FhirServer(resources, authorization)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
