"""What a rule may ask of a received object: who sent it, and a few top-level values of its header.

Headers are read from the archived file with the admission's own walker: undecoded, top level only. What
cannot be read fits no condition.
"""

from __future__ import annotations

import mmap
import struct
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pydicom.uid import UID

from dicom_node.network.encoding import MalformedDataSetError, read_values
from dicom_node.storage.archive import Archive
from dicom_node.storage.routings import RoutedInstance

__all__ = ["HeaderReader", "ObjectFacts", "Sender", "facts_of", "is_known_class", "read_header"]

HEADER_TAGS: Mapping[str, int] = {
    "modality": 0x00080060,
    "body_part": 0x00180015,
    "station_name": 0x00081010,
    "institution": 0x00080080,
    "manufacturer": 0x00080070,
    "model_name": 0x00081090,
    "study_description": 0x00081030,
    "series_description": 0x0008103E,
    "protocol_name": 0x00181030,
}
"""Attribute of a condition -> tag."""

CACHED_HEADERS = 4096
"""Headers of objects whose studies still arrive; each is read once, not at every look."""

_META_AT = 132
"""Where File Meta Information begins: after preamble and "DICM" (PS3.10 7.1)."""

Header = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent an object, and as whom it called the node; empty = unknown."""

    calling_ae: str = ""
    called_ae: str = ""
    peer_address: str = ""


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """One object as rules see it: attribute -> its values, absent where there is none."""

    values: Header
    known_class: bool
    """Whether its SOP class is one of the standard's; others are stored and passed on, never analysed."""

    def __getitem__(self, attribute: str) -> tuple[str, ...]:
        return self.values.get(attribute, ())


class HeaderReader:
    """Reads the headers of archived objects, each once until it is forgotten."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._headers: OrderedDict[str, Header] = OrderedDict()

    def facts(self, instance: RoutedInstance) -> ObjectFacts:
        """Return what is known of one received object."""
        header = self._headers.get(instance.sha256)
        if header is None:
            path = self._archive.resolve(instance.path)
            header = read_header(path, instance.transfer_syntax_uid)
            if header or path.is_file():  # one that was released may come again
                self._headers[instance.sha256] = header
            if len(self._headers) > CACHED_HEADERS:
                self._headers.popitem(last=False)
        sender = Sender(instance.calling_ae, instance.called_ae, instance.peer_address)
        return facts_of(header, instance.sop_class_uid, sender)

    def forget(self, instances: Iterable[RoutedInstance]) -> None:
        """Drop the headers of objects that nobody will ask about soon: their study has been decided on."""
        for instance in instances:
            self._headers.pop(instance.sha256, None)


def facts_of(header: Header, sop_class_uid: str, sender: Sender) -> ObjectFacts:
    """Put together what rules may ask of one object."""
    uid = UID(sop_class_uid)
    known = is_known_class(sop_class_uid)
    values = {
        "calling_ae": (sender.calling_ae,),
        "called_ae": (sender.called_ae,),
        "peer_address": (sender.peer_address,),
        "sop_class": (sop_class_uid, uid.name, uid.keyword) if known else (sop_class_uid,),
        "kind": (_kind(uid),),
        **header,
    }
    return ObjectFacts(MappingProxyType(values), known)


def is_known_class(sop_class_uid: str) -> bool:
    """Tell whether the standard names this SOP class (PS3.6 annex A)."""
    return not UID(sop_class_uid).is_private and UID(sop_class_uid).type == "SOP Class"


def read_header(path: Path, transfer_syntax_uid: str) -> Header:
    """Return the header values that conditions may ask for; nothing of a file that cannot be read."""
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole,
            memoryview(whole)[_data_set_at(whole) :] as data_set,
        ):
            found = read_values(data_set, transfer_syntax_uid, HEADER_TAGS.values())
    except (OSError, ValueError, struct.error, MalformedDataSetError):
        return MappingProxyType({})
    return MappingProxyType(
        {name: texts for name, tag in HEADER_TAGS.items() if (texts := _texts(found.get(tag, b"")))}
    )


def _data_set_at(file: mmap.mmap) -> int:
    """Return where the data set begins: File Meta Information opens with its own length (PS3.10 7.1)."""
    group, element, _vr, _two, length = struct.unpack_from("<HH2sHL", file, _META_AT)
    if (group, element) != (0x0002, 0x0000):
        raise ValueError("File Meta Information without its length")
    return _META_AT + 12 + int(length)


def _texts(value: bytes) -> tuple[str, ...]:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return tuple(part for item in text.split("\\") if (part := item.strip(" \0")))


def _kind(uid: UID) -> str:
    if uid.startswith("1.2.840.10008.5.1.4.1.1.88."):  # all SR Storage SOP classes, PS3.4 table B.5-1
        return "report"
    if "Image Storage" in uid.name:
        return "image"
    return "document" if uid.name.startswith("Encapsulated ") else "other"
