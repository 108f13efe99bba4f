"""How a patient is told from others without being named: a digest of Patient ID and its issuer."""

from __future__ import annotations

import hashlib

__all__ = ["patient_key", "possible_keys"]

TEXT_ENCODINGS = ("utf-8", "latin-1", "gb18030")
"""How scanners may have written a Patient ID that is not ASCII: ISO_IR 192, ISO_IR 100, GB18030."""


def patient_key(patient_id: bytes, issuer: bytes = b"") -> str:
    """Return the key of Patient ID (0010,0020) and Issuer of Patient ID (0010,0021), as in a data set.

    Returns
    -------
    str
        SHA-256, hexadecimal; empty without a Patient ID.
    """
    patient_id, issuer = patient_id.strip(b"\0 "), issuer.strip(b"\0 ")
    return hashlib.sha256(issuer + b"\0" + patient_id).hexdigest() if patient_id else ""


def possible_keys(patient_id: str, issuer: str = "") -> list[str]:
    """Return the keys that studies of this patient may have, by how the scanner wrote the ID."""
    keys = []
    for encoding in TEXT_ENCODINGS:
        try:
            keys.append(patient_key(patient_id.encode(encoding), issuer.encode(encoding)))
        except UnicodeEncodeError:
            continue
    return [key for key in dict.fromkeys(keys) if key]
