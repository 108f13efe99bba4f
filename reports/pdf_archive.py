"""From a plain PDF to PDF/A-3b (ISO 19005-3): metadata, output intent, attachment, no clock.

ReportLab writes the pages with every font embedded; pikepdf adds what an archive asks for on top of that.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache

import pikepdf
from pikepdf import AttachedFileSpec, Dictionary, Name, Pdf, String

XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:pdf="http://ns.adobe.com/pdf/1.3/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">
<pdfaid:part>3</pdfaid:part>
<pdfaid:conformance>B</pdfaid:conformance>
<dc:format>application/pdf</dc:format>
<dc:language><rdf:Bag><rdf:li>{language}</rdf:li></rdf:Bag></dc:language>
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<pdf:Producer>{producer}</pdf:Producer>
<xmp:CreatorTool>{producer}</xmp:CreatorTool>
</rdf:Description>
</rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""
"""XMP packet of ISO 19005-3, 6.6.2 and 6.6.4; no dates, since the same analysis gives the same bytes."""

FILE_DATE = "D:19700101000000Z"
"""Modification date of the attachment, which ISO 19005-3 recommends and a clock must not fill."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file carried by the document.

    Attributes
    ----------
    name, description, mime : str
    content : bytes
    """

    name: str
    description: str
    mime: str
    content: bytes


def archived(pdf: bytes, *, title: str, language: str, producer: str, attachment: Attachment) -> bytes:
    """Turn a PDF into PDF/A-3b.

    Parameters
    ----------
    pdf : bytes
        All fonts embedded, device colours only, no transparency, no scripts.
    title, language, producer : str
        `language` as in RFC 3066, e.g. ``zh-CN``.
    attachment : Attachment

    Returns
    -------
    bytes
        The same for the same arguments.
    """
    from xml.sax.saxutils import escape

    with Pdf.open(io.BytesIO(pdf)) as document:
        packet = XMP.format(title=escape(title), language=escape(language), producer=escape(producer))
        root = document.Root
        root.Metadata = document.make_stream(packet.encode("utf-8"), Type=Name.Metadata, Subtype=Name.XML)
        root.Lang = String(language)
        root.ViewerPreferences = Dictionary(DisplayDocTitle=True)
        root.OutputIntents = pikepdf.Array([_output_intent(document)])
        _describe(document, title, producer)
        _attach(document, attachment)
        written = io.BytesIO()
        document.save(
            written,
            deterministic_id=True,
            force_version="1.7",
            object_stream_mode=pikepdf.ObjectStreamMode.disable,
            fix_metadata_version=False,
        )
    return written.getvalue()


def _output_intent(document: Pdf) -> Dictionary:
    """SRGB, as ISO 19005-3, 6.2.3 asks where colours are given by device."""
    profile = document.make_stream(srgb_profile(), N=3)
    return Dictionary(
        Type=Name.OutputIntent,
        S=Name.GTS_PDFA1,
        OutputConditionIdentifier=String("sRGB IEC61966-2.1"),
        RegistryName=String("http://www.color.org"),
        Info=String("sRGB IEC61966-2.1"),
        DestOutputProfile=document.make_indirect(profile),
    )


@cache
def srgb_profile() -> bytes:
    """The sRGB profile that LittleCMS builds, with the date of its making (header bytes 24-35) fixed."""
    from PIL import ImageCms

    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes((7, 178, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0))  # 1970-01-01
    profile[84:100] = bytes(16)  # profile ID: optional, and a digest of what was just changed
    return bytes(profile)


def _describe(document: Pdf, title: str, producer: str) -> None:
    """Information dictionary: nothing that the XMP packet does not say as well (ISO 19005-3, 6.6.3)."""
    for key in list(document.docinfo.keys()):
        del document.docinfo[key]
    document.docinfo["/Title"] = String(title)
    document.docinfo["/Producer"] = String(producer)
    document.docinfo["/Creator"] = String(producer)


def _attach(document: Pdf, attachment: Attachment) -> None:
    """Embed a file with its relationship to the document (ISO 19005-3, 6.8)."""
    specification = AttachedFileSpec(
        document,
        attachment.content,
        filename=attachment.name,
        description=attachment.description,
        mime_type=attachment.mime,
        relationship=Name.Data,
        creation_date=FILE_DATE,
        mod_date=FILE_DATE,
    )
    document.attachments[attachment.name] = specification
    document.Root.AF = pikepdf.Array([document.attachments[attachment.name].obj])
