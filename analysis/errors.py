"""What can go wrong, as classes: the class of an error is its policy.

NodeError
├── ConfigurationError        the site's settings; nothing starts until they are mended
├── RejectedInput             an object or study that cannot be used; never retried
│   └── NotApplicable         a sound study that is not a forearm DXA; properly declined
├── AnalysisError             the engine failed on input it had accepted
├── OperationRefusedError     (dicom_node.errors) what a person asked for cannot be done as things stand
├── DeliveryError             (dicom_node.errors) a destination did not take a result
│   ├── TransientDeliveryError    tried again with back-off
│   └── PermanentDeliveryError    goes to the dead letter at once
└── ArchiveError              (dicom_node.errors) an archive that was asked gave no complete answer
    ├── TransientArchiveError     asked again with back-off
    └── PermanentArchiveError     given up at once

The tree is rooted here because `analysis` is the lowest floor of the house.
"""

__all__ = ["AnalysisError", "ConfigurationError", "NodeError", "NotApplicable", "RejectedInput"]


class NodeError(Exception):
    """Base of every error this project raises on purpose; its text names object, rule and cure."""


class ConfigurationError(NodeError):
    """A setting is missing, unknown or wrong; the text names key, value and remedy."""


class RejectedInput(NodeError):  # noqa: N818 - the name says what befell the input
    """The input cannot be used; the text is the reason shown to the administrator.

    Parameters
    ----------
    code : str
        Short machine-readable reason, e.g. ``"side_conflict"``.
    message : str
        Object, rule and cure in one sentence.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NotApplicable(RejectedInput):
    """The study is sound but not ours to analyse, e.g. a spine DXA."""


class AnalysisError(NodeError):
    """The engine failed on a study it had accepted."""
