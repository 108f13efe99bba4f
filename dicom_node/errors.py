"""The node's errors; the whole tree is drawn in `analysis.errors`, where it is rooted."""

from analysis.errors import AnalysisError, ConfigurationError, NodeError, NotApplicable, RejectedInput

__all__ = [
    "AnalysisError",
    "ConfigurationError",
    "DeliveryError",
    "NodeError",
    "NotApplicable",
    "PermanentDeliveryError",
    "RejectedInput",
    "TransientDeliveryError",
]


class DeliveryError(NodeError):
    """A destination did not take a result."""


class TransientDeliveryError(DeliveryError):
    """May pass by itself (peer down, busy, out of resources): tried again with back-off."""


class PermanentDeliveryError(DeliveryError):
    """Will not pass by itself (AE title not recognised, SOP class refused): dead letter at once."""
