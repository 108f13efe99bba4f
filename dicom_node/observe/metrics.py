"""The node's Prometheus metrics: counted where it happens, names after prometheus.io's conventions.

No label ever holds patient data, a UID or free text of a peer: label values come from closed sets in our code
or from the configuration. What the journal knows (queues, states) is read from it when it is asked for.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = [
    "ANALYSES",
    "ANALYSIS_SECONDS",
    "ASSOCIATIONS",
    "ASSOCIATIONS_OPEN",
    "ASSOCIATIONS_REFUSED",
    "BACKUPS",
    "BREAKERS_OPEN",
    "BYTES_RECEIVED",
    "CERTIFICATE_EXPIRES",
    "COMMITMENT_REPORTS",
    "COMPLETIONS",
    "DELIVERIES",
    "FILES_RELEASED",
    "INSTANCES_RECEIVED",
    "REGISTRY",
    "REPROCESSED",
    "RETRIEVALS",
    "SERVICES_REFUSED",
    "STORE_SECONDS",
]

REGISTRY = CollectorRegistry(auto_describe=True)
"""The node's own, without the client library's defaults."""

ASSOCIATIONS = Counter("radius_dxa_associations", "Associations accepted.", registry=REGISTRY)
ASSOCIATIONS_OPEN = Gauge("radius_dxa_associations_open", "Associations open now.", registry=REGISTRY)
ASSOCIATIONS_REFUSED = Counter(
    "radius_dxa_associations_refused",
    "Connections and associations refused or cut by the node, by reason.",
    ["reason"],
    registry=REGISTRY,
)
SERVICES_REFUSED = Counter(
    "radius_dxa_services_refused",
    "Associations whose peer asked for a service that its [[peer]] entry does not allow, by service.",
    ["service"],
    registry=REGISTRY,
)
COMMITMENT_REPORTS = Counter(
    "radius_dxa_commitment_reports",
    "Tries to tell a peer what became of its storage commitment request: reported or postponed.",
    ["outcome"],
    registry=REGISTRY,
)
CERTIFICATE_EXPIRES = Gauge(
    "radius_dxa_certificate_expiry_timestamp_seconds",
    "When a certificate that the node shows expires, in seconds since 1970; for the server and each peer.",
    ["certificate"],
    registry=REGISTRY,
)
INSTANCES_RECEIVED = Counter(
    "radius_dxa_instances_received",
    "C-STORE requests answered: stored, duplicate, new_version, own_result, or the code of the refusal.",
    ["outcome"],
    registry=REGISTRY,
)
BYTES_RECEIVED = Counter("radius_dxa_received_bytes", "Bytes of data sets received.", registry=REGISTRY)
STORE_SECONDS = Histogram(
    "radius_dxa_store_seconds",
    "Time from the last fragment of a C-STORE to its answer.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=REGISTRY,
)
COMPLETIONS = Counter(
    "radius_dxa_completions",
    "Studies that became complete: expected content there, quiet, something missing, or requested.",
    ["why"],
    registry=REGISTRY,
)
ANALYSES = Counter(
    "radius_dxa_analyses",
    "Analyses ended, by status; attempt_failed: to be tried again or given up.",
    ["status"],
    registry=REGISTRY,
)
ANALYSIS_SECONDS = Histogram(
    "radius_dxa_analysis_seconds",
    "Duration of an analysis, results written.",
    buckets=(0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120),
    registry=REGISTRY,
)
DELIVERIES = Counter(
    "radius_dxa_deliveries",
    "Attempts to deliver one object: delivered, postponed or dead.",
    ["destination", "outcome"],
    registry=REGISTRY,
)
REPROCESSED = Counter(
    "radius_dxa_reprocessed",
    "Studies of reprocessing plans that had their turn, by what became of them: queued, skipped.",
    ["outcome"],
    registry=REGISTRY,
)

RETRIEVALS = Counter(
    "radius_dxa_retrievals",
    "Attempts to fetch one study from an archive: done, postponed or failed.",
    ["archive", "outcome"],
    registry=REGISTRY,
)
BREAKERS_OPEN = Gauge(
    "radius_dxa_destination_down",
    "1 while a destination counts as down (its circuit breaker is open).",
    ["destination"],
    registry=REGISTRY,
)
FILES_RELEASED = Counter(
    "radius_dxa_files_released",
    "Files that retention gave up: original, result or quarantined.",
    ["kind"],
    registry=REGISTRY,
)
BACKUPS = Counter(
    "radius_dxa_backups", "Nightly copies of the journal: made or failed.", ["outcome"], registry=REGISTRY
)
