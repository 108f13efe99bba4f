"""Encapsulated documents: a whole PDF file of the length it says, tied to its source."""

from __future__ import annotations

from collections.abc import Iterator

from reports.checks.breach import Breach
from reports.checks.pictures import check_burned_in
from reports.checks.references import is_the_image
from reports.checks.tree import Attributes, items_of
from reports.source import ReportContext

SIGNATURE, END = b"%PDF-", b"%%EOF"
"""First bytes of a PDF file, and its last line (ISO 32000-1, 7.5.2 and 7.5.5)."""


def check_encapsulated(document: Attributes, context: ReportContext) -> Iterator[Breach]:
    """Check an Encapsulated PDF."""
    yield from check_burned_in(document, identifies=True, context=context)
    if document.get("MIMETypeOfEncapsulatedDocument") != "application/pdf":
        yield Breach("be of type application/pdf", "PS3.3 A.45.1.4.1")
    content = document.get("EncapsulatedDocument") or b""
    length = int(document.get("EncapsulatedDocumentLength") or 0)
    if not length or len(content) != length + length % 2:
        yield Breach("hold a document of the length it says", "PS3.3 C.24.2")
    whole = bytes(content[:length])
    if not whole.startswith(SIGNATURE) or not whole.rstrip().endswith(END):
        yield Breach("hold a whole PDF file", "ISO 32000-1 7.5")
    if not document.get("DocumentTitle"):
        yield Breach("have a title", "PS3.3 C.24.2")
    if len(items_of(document, "ConceptNameCodeSequence")) != 1:
        yield Breach("say what kind of document it is", "PS3.3 C.24.2")
    sources = items_of(document, "SourceInstanceSequence")
    if len(sources) != 1 or not is_the_image(sources[0], context):
        yield Breach("refer to the analysed image as its source", "PS3.3 C.24.2")
