"""The statement's sections on associations that the node opens, and its tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dicom_node.config import Destination, NodeConfig
from dicom_node.errors import TransientDeliveryError
from dicom_node.network.failures import HTTP_CODES, REJECTIONS, STATUSES, WARNINGS

__all__ = ["asking", "sending", "table"]


def sending(config: NodeConfig) -> Iterator[str]:
    """Storage and commitment as user."""
    yield "### 2.3 Initiating associations: storage and commitment"
    yield ""
    if config.destinations:
        yield from table(
            ("Destination", "Called AE title, or address", "Service", "Confirmed by", "TLS"),
            [_destination(item) for item in config.destinations],
        )
    else:
        yield "This configuration names no destination: results are kept and not sent."
    yield ""
    yield (
        "One presentation context per SOP class and transfer syntax of what is sent. Uncompressed "
        "objects are offered in Explicit and Implicit VR Little Endian; compressed ones as they are, and "
        "decompressed. Where a peer does not take Comprehensive or Comprehensive 3D SR but Enhanced SR, "
        "reports are written anew as Enhanced SR. The status of every instance is looked at; after a "
        "time-out the association is aborted and never used again."
    )
    yield ""
    yield from table(
        ("C-STORE status", "Meaning", "What the node does"),
        [
            ("0000", "Success", "delivered"),
            ("0111", "Duplicate SOP instance", "delivered: result UIDs derive from their content's identity"),
            *((f"{code:04X}", text, "delivered, and noted") for code, text in sorted(WARNINGS.items())),
            *((f"{code:04X}", item.meaning, _policy(item.policy)) for code, item in sorted(STATUSES.items())),
        ],
    )
    yield ""
    yield "Other codes of A7xx, A9xx and Cxxx are treated as A700, A900 and C000, other warnings as stored."
    yield ""
    yield from table(
        ("A-ASSOCIATE-RJ source, reason", "Meaning", "What the node does"),
        [
            (f"{source}, {reason}", item.meaning, _policy(item.policy))
            for (source, reason), item in sorted(REJECTIONS.items())
        ],
    )
    yield ""
    yield "What a peer rejects as transient is tried again, whatever its reason. HTTP codes of STOW-RS:"
    yield ""
    yield from table(
        ("HTTP code", "Meaning", "What the node does"),
        [(str(code), item.meaning, _policy(item.policy)) for code, item in sorted(HTTP_CODES.items())],
    )
    yield ""
    yield (
        "A failure that may pass is tried again after "
        f"{config.delivery.first_retry_seconds:g} s, then after twice as long each time, up to "
        f"{config.delivery.max_retry_seconds:g} s."
    )


def asking(config: NodeConfig) -> Iterator[str]:
    """Query and retrieve as user."""
    yield "### 2.4 Initiating associations: query and retrieve"
    yield ""
    if config.archives:
        yield from table(
            ("Archive", "Called AE title, or address", "Services"),
            [
                (
                    item.name,
                    f"{item.ae_title} at {item.host}:{item.port}" if item.type == "dicom" else str(item.url),
                    f"C-FIND, {item.retrieve.upper()}" if item.type == "dicom" else "QIDO-RS, WADO-RS",
                )
                for item in config.archives
            ],
        )
    else:
        yield "This configuration names no archive: nothing is asked for or fetched."
    yield ""
    yield (
        "Study Root information model, hierarchical, no relational queries. Study level: Patient ID, "
        "Study Date as a range, Modalities in Study, Study Description and Study Instance UID are "
        "matched; Accession Number, patient's name and birth date, Issuer of Patient ID and Number of "
        "Study Related Instances are asked back. Series level: Modality, Body Part Examined. Image "
        "level: SOP Class and Instance UID. For C-GET the node takes the SCP role of the storage classes "
        "it fetches, in the transfer syntaxes of table 2.2.1-1; C-MOVE names its own AE title."
    )


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield f"| {' | '.join(headings)} |"
    yield f"|{'---|' * len(headings)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _destination(item: Destination) -> tuple[str, ...]:
    where = {
        "dicom": f"{item.ae_title} at {item.host}:{item.port}",
        "stow": str(item.url),
        "folder": "a folder",
    }[item.type]
    service = {"dicom": "C-STORE", "stow": "STOW-RS", "folder": "files"}[item.type]
    return item.name, where, service, item.confirm, "yes" if item.tls else "no"


def _policy(policy: type[Exception]) -> str:
    return "tries again" if issubclass(policy, TransientDeliveryError) else "gives up: a dead letter"
