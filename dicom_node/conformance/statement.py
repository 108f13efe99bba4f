"""Writes the statement, by the sections that PS3.2 gives it, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.uid import UID

from analysis import __version__
from dicom_node.config import NodeConfig
from dicom_node.conformance.claims import RESULTS, ClaimedContext, claimed_contexts, result_class
from dicom_node.conformance.initiating import asking, sending, table
from dicom_node.conformance.tables import (
    AUDIT_MESSAGES,
    CHARACTER_SETS,
    COMMITMENT_STATUSES,
    SCP_REJECTIONS,
    SCP_STATUSES,
)
from dicom_node.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_node.network.tls import TLS_1_2_CIPHERS
from reports.identity import MANUFACTURER_MODEL_NAME

__all__ = ["conformance_statement"]

COMMAND = "dicom-node conformance --config FILE --out FILE"


def conformance_statement(config: NodeConfig) -> str:
    """Return the conformance statement of a node with this configuration."""
    parts = (
        _overview(config),
        _data_flow(),
        _receiving(config),
        sending(config),
        asking(config),
        _associations(config),
        _interfaces(config),
        _characters(),
        _security(config),
        _objects(config),
        _codes(),
    )
    return "\n".join(line for part in parts for line in (*part, "")).rstrip() + "\n"


def _overview(config: NodeConfig) -> Iterator[str]:
    yield f"# DICOM conformance statement: radius DXA node {__version__}"
    yield ""
    yield (
        "The node takes forearm DXA studies, analyses them and answers with result objects. Research use "
        "only: the shipped risk models are trained on simulated data. This statement follows PS3.2 and "
        f"tells the configuration of AE title `{config.node.ae_title}`; it is written by `{COMMAND}`, "
        "never by hand, and the tests offer every presentation context that it claims to a running node."
    )
    yield ""
    yield "## 1 Overview"
    yield ""
    asks, stores = _kinds(config)
    yield from table(
        ("Network service", "as user (SCU)", "as provider (SCP)"),
        [
            ("Verification", "yes (`dicom-node echo`)", "yes"),
            ("Storage, every storage SOP class", "yes: results, and originals by rule", "yes"),
            (
                "Storage Commitment Push Model",
                f"{_yes(_confirms(config, 'commitment'))}, per destination",
                "yes",
            ),
            ("Study Root Query/Retrieve FIND", _yes("dicom" in asks or _confirms(config, "find")), "no"),
            ("Study Root Query/Retrieve GET, MOVE", _yes("dicom" in asks), "no"),
            ("DICOMweb STOW-RS", _yes("stow" in stores), "no"),
            ("DICOMweb QIDO-RS, WADO-RS", _yes("dicomweb" in asks), "no"),
        ],
    )
    yield ""
    yield (
        '"By configuration" is a service that the software has and this configuration does not use. '
        "There are no media storage, worklist, MPPS or print services."
    )


def _data_flow() -> Iterator[str]:
    yield "## 2 Networking"
    yield ""
    yield "### 2.1 Application entities and data flow"
    yield ""
    yield (
        "One application entity. A scanner or PACS stores objects; what is acknowledged is on the disk "
        "and in the journal. A study is complete when what its scanner usually sends has come, or "
        "nothing new has come for a while and no association feeds it; then it is analysed, and its "
        "results are stored at each destination. A late object reopens its study: the new reports name "
        "their predecessors. The node's own results, should a PACS bring them back, are acknowledged and "
        "not analysed."
    )


def _receiving(config: NodeConfig) -> Iterator[str]:
    contexts = claimed_contexts(config)
    storage = [context for context in contexts if context.service == "Storage"]
    yield "### 2.2 Accepting associations"
    yield ""
    yield "#### 2.2.1 Presentation contexts"
    yield ""
    yield from table(
        ("Service", "Abstract syntax", "Transfer syntaxes", "Role", "Extended negotiation"),
        [
            (
                item.service,
                f"{item.abstract_syntax.name} `{item.abstract_syntax}`",
                _named(item),
                item.role,
                "none",
            )
            for item in contexts
            if item.service != "Storage"
        ]
        + [("Storage", "every class of table 2.2.1-2", "those of table 2.2.1-1", "SCP", "none")],
    )
    yield ""
    yield (
        "Private storage SOP classes, and ones that are newer than this version, are accepted as well: "
        "their objects are kept, forwarded by rule and never analysed. Of several transfer syntaxes in "
        "one context the first acceptable lossless one is taken, else the first acceptable one."
    )
    yield ""
    yield "Table 2.2.1-1, transfer syntaxes of storage contexts:"
    yield ""
    yield from table(
        ("Transfer syntax", "UID"), [(uid.name, f"`{uid}`") for uid in storage[0].transfer_syntaxes]
    )
    yield ""
    yield "Table 2.2.1-2, storage SOP classes:"
    yield ""
    yield from table(
        ("SOP class", "UID"), [(item.abstract_syntax.name, f"`{item.abstract_syntax}`") for item in storage]
    )
    yield ""
    yield "#### 2.2.2 Storage"
    yield ""
    yield (
        "Level 2 (full) conformance: every attribute is kept, bit by bit, private ones too. Nothing is "
        "coerced. The preamble of a stored file is zeros. The same SOP Instance UID with the same bytes "
        "again is a success and kept once; with other bytes both versions are kept and the "
        f"{config.receiver.analysed_version} is analysed."
    )
    yield ""
    yield from table(("C-STORE status", "Meaning", "When"), SCP_STATUSES)
    yield ""
    yield "#### 2.2.3 Storage commitment"
    yield ""
    yield (
        "An object is committed when its file, read back, has the digest that was recorded when it was "
        "acknowledged. N-EVENT-REPORT is sent on the association of the request if that stays open for "
        f"{config.commitment.same_association_seconds:g} s, else on an association of the node's own to "
        "the host and port of the peer's `[[peer]]` entry, tried again for "
        f"{config.commitment.report_days:g} days."
    )
    yield ""
    yield from table(("N-ACTION status or Failure Reason", "Meaning"), COMMITMENT_STATUSES)


def _associations(config: NodeConfig) -> Iterator[str]:
    limits = config.receiver
    yield "### 2.5 Association policies"
    yield ""
    yield from table(
        ("Policy", "Value"),
        [
            ("Application context", "1.2.840.10008.3.1.1.1"),
            ("Implementation class UID", f"`{IMPLEMENTATION_CLASS_UID}`"),
            ("Implementation version name", f"`{IMPLEMENTATION_VERSION_NAME}`"),
            ("Maximum length of PDUs received", f"{limits.maximum_pdu_size} bytes"),
            ("Associations at the same time", str(limits.maximum_associations)),
            ("... of one calling AE title", str(limits.maximum_associations_per_ae)),
            ("Presentation contexts in one association", "1 to 128"),
            ("Asynchronous operations", "not supported (window 1, 1)"),
            ("Time for the association request", f"{limits.association_timeout_seconds:g} s"),
            ("Time between parts of a message", f"{limits.dimse_timeout_seconds:g} s"),
            ("Time for a whole message", f"{limits.message_timeout_seconds:g} s"),
            ("Idle association", f"aborted after {limits.idle_timeout_seconds:g} s"),
            ("Largest object", f"{limits.max_instance_bytes} bytes"),
            ("SCU: wait for the connection", f"{config.delivery.connect_timeout_seconds:g} s"),
            ("SCU: wait for an answer", f"{config.delivery.response_timeout_seconds:g} s"),
        ],
    )
    yield ""
    yield "An association is rejected with:"
    yield ""
    yield from table(("Result, source, reason", "When"), SCP_REJECTIONS)


def _interfaces(config: NodeConfig) -> Iterator[str]:
    node, tls = config.node, config.tls
    titles = ", ".join(f"`{title}`" for title in (node.ae_title, *node.additional_ae_titles))
    yield "### 2.6 Network interfaces and configuration"
    yield ""
    rows = [
        ("Physical network", "TCP/IP over whatever the operating system offers; IPv4 and IPv6"),
        ("AE titles", titles),
        ("Port without TLS", f"{node.host}:{node.port}" if tls.plain else "none"),
        ("Port with TLS", f"{node.host}:{tls.port}" if tls.enabled else "none"),
        (
            "Who may speak",
            "peers with a `[[peer]]` entry"
            if config.access.policy == "listed"
            else "everybody (policy open)",
        ),
        ("Remote AEs", "`[[peer]]`, `[[destination]]` and `[[archive]]` of `node.toml`"),
    ]
    yield from table(("Subject", "Value"), rows)
    for peer in config.peers:
        where = ", ".join(peer.addresses) or "any address"
        yield f"\nPeer {peer.name}: AE title `{peer.ae_title}` at {where}; may {', '.join(peer.services)}."


def _characters() -> Iterator[str]:
    yield "## 3 Media interchange"
    yield ""
    yield "None."
    yield ""
    yield "## 4 Character sets"
    yield ""
    yield (
        "Objects are kept as they come, in any character set. What results quote is read in those below; "
        "results are written in ISO_IR 192 (UTF-8), and every text in them is English or Chinese as the "
        "site chose."
    )
    yield ""
    yield from table(("Specific Character Set", "Meaning"), CHARACTER_SETS)


def _security(config: NodeConfig) -> Iterator[str]:
    tls, audit = config.tls, config.audit
    yield "## 5 Security"
    yield ""
    yield (
        "DICOM over TLS by the BCP 195 RFC 8996, 9325 profile (PS3.15 B.12): TLS 1.2 and 1.3, no "
        f"downgrade on one port. TLS 1.2 suites: `{TLS_1_2_CIPHERS}`. In this configuration as provider: "
        + (
            f"on at port {tls.port}, least version {tls.minimum_version}, client certificate "
            f"{tls.client_certificate}."
            if tls.enabled
            else "off."
        )
        + " As user: per destination, archive and peer; the peer's certificate and name are always verified."
    )
    yield ""
    yield (
        "Audit trail message format profile (PS3.15 A.5) and transmission by syslog over TLS (A.6) or "
        f"UDP (A.7), or files. In this configuration: {audit.transport}. UserID of the node is its "
        "process id, AlternativeUserID its AE title. Received audit messages are not processed. No user "
        "identity negotiation, no digital signatures."
    )
    yield ""
    yield from table(("Audit message", "Detected event"), AUDIT_MESSAGES)


def _objects(config: NodeConfig) -> Iterator[str]:
    yield "## 6 Objects that are made"
    yield ""
    yield (
        "Each belongs to the study it was made of, in a series of its own, with Manufacturer's Model "
        f"Name `{MANUFACTURER_MODEL_NAME}`. UIDs derive from the identity of the analysis: the same input "
        "and the same models give the same UIDs and bytes."
    )
    yield ""
    for name, options in config.reports_by_destination().items():
        yield f"For {name or 'results that are held'}, in {options.language}, in order of sending:"
        yield ""
        yield from table(
            ("Object", "SOP class", "Root template (PS3.16)"),
            [
                (
                    RESULTS[item].title,
                    _class(result_class(RESULTS[item], options.sr_class)),
                    RESULTS[item].template,
                )
                for item in RESULTS
                if item in options.results
            ],
        )
        yield ""
    yield (
        "Reports are COMPLETE and UNVERIFIED, made by a device observer (TID 1004), with the algorithms "
        "by TID 4019 and the language by TID 1204. Later reports of a study name theirs in the "
        "Predecessor Documents Sequence. Secondary captures are uncompressed RGB with the patient module "
        "of their source; documents are PDF/A-3b."
    )


def _codes() -> Iterator[str]:
    yield "## 7 Coded terminology and private attributes"
    yield ""
    yield (
        "Codes of DCM, SCT, LN, UCUM, IBSI, RADLEX, NCIt and UMLS; what none of them names has coding scheme "
        "designator `99RADIUSDXA`, identified in the Coding Scheme Identification Sequence. No private "
        "attributes are made, and none of a scanner is needed: those of Hologic and Lunar (GE) objects "
        "are read where they are there (`docs/scanner-dialects.md`)."
    )


def _named(context: ClaimedContext) -> str:
    return ", ".join(uid.name for uid in context.transfer_syntaxes)


def _class(uid: UID) -> str:
    return f"{uid.name} `{uid}`"


def _kinds(config: NodeConfig) -> tuple[set[str], set[str]]:
    return {item.type for item in config.archives}, {item.type for item in config.destinations}


def _confirms(config: NodeConfig, way: str) -> bool:
    return any(item.confirm == way for item in config.destinations)


def _yes(used: bool) -> str:
    return "yes" if used else "by configuration"
