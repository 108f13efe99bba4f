"""How the node names itself in File Meta Information and association negotiation (PS3.7 D.3.3.2)."""

from analysis import __version__

__all__ = ["IMPLEMENTATION_CLASS_UID", "IMPLEMENTATION_VERSION_NAME"]

IMPLEMENTATION_CLASS_UID = "2.25.125203198140334819223638253954873317057"
"""UUID-derived (PS3.5 B.2), fixed for good: it names the software, not its version."""

IMPLEMENTATION_VERSION_NAME = f"RADIUSDXA_{__version__}"[:16]
"""At most 16 characters (VR SH)."""
