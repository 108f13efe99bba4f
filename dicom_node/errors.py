"""The node's errors; the whole tree is drawn in `analysis.errors`, where it is rooted."""

from analysis.errors import AnalysisError, ConfigurationError, NodeError, NotApplicable, RejectedInput

__all__ = [
    "AnalysisError",
    "ArchiveError",
    "ConfigurationError",
    "DeliveryError",
    "ExecutorUnavailableError",
    "NodeError",
    "NotApplicable",
    "OperationRefusedError",
    "PermanentArchiveError",
    "PermanentDeliveryError",
    "RejectedInput",
    "TransientArchiveError",
    "TransientDeliveryError",
]


class OperationRefusedError(NodeError):
    """What a person asked for cannot be done as things stand; the text says why, and what to do instead."""


class ExecutorUnavailableError(NodeError):
    """No worker can be had at present (cluster down): the analysis waits, its attempt is not counted."""


class DeliveryError(NodeError):
    """A destination did not take a result."""


class TransientDeliveryError(DeliveryError):
    """May pass by itself (peer down, busy, out of resources): tried again with back-off."""


class PermanentDeliveryError(DeliveryError):
    """Will not pass by itself (AE title not recognised, SOP class refused): dead letter at once."""


class ArchiveError(NodeError):
    """An archive that was asked (C-FIND, C-GET, C-MOVE, QIDO-RS, WADO-RS) gave no complete answer."""


class TransientArchiveError(ArchiveError):
    """May pass by itself (archive down, busy, silent): asked again with back-off."""


class PermanentArchiveError(ArchiveError):
    """Will not pass by itself (AE title not recognised, query not supported): given up at once."""
