"""JPEG lossless and JPEG Extended by GDCM, in a process of its own, as a decoder plug-in of pydicom.

GDCM ends the process that it runs in when some damaged frames make it throw (measured: one in 200 spoiled
frames), and pydicom's own plug-in for it declines 12 bits, which GDCM decodes to the same values as DCMTK.
This file is also that process' program: it imports nothing of this project, and takes 0.1 s.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import DecodeRunner

PLUGIN = "gdcm_apart"
_DECODED = (
    "1.2.840.10008.1.2.4.51",  # JPEG Extended
    "1.2.840.10008.1.2.4.57",  # JPEG lossless
    "1.2.840.10008.1.2.4.70",  # JPEG lossless, first-order prediction
)
DECODER_DEPENDENCIES = dict.fromkeys(_DECODED, ("gdcm>=3.0.10",))

SECONDS = 30.0
"""Longest time for one frame (assumption: a hundred times what the largest forearm takes)."""
MEMORY_BYTES = 2 * 2**30
"""Twice the largest image that is read, and its frame."""


def register() -> None:
    """Make the plug-in known to pydicom under the name `PLUGIN`; harmless when it already is."""
    from pydicom.pixels.decoders.base import get_decoder

    for uid in DECODER_DEPENDENCIES:
        decoder = get_decoder(uid)
        if PLUGIN not in decoder.available_plugins:
            decoder.add_plugin(PLUGIN, (__name__, decode_frame.__name__))


def is_available(uid: str) -> bool:
    """Tell pydicom whether this plug-in decodes a transfer syntax."""
    return uid in DECODER_DEPENDENCIES


def decode_frame(source: bytes, runner: DecodeRunner) -> bytes:
    """Return the decoded frame: pydicom's plug-in interface."""
    description = {
        "syntax": str(runner.transfer_syntax),
        "interpretation": str(runner.photometric_interpretation),
        "planar": runner.planar_configuration if runner.samples_per_pixel > 1 else 0,
        "size": (runner.columns, runner.rows, 1),
        "format": (
            runner.samples_per_pixel,
            runner.bits_allocated,
            runner.bits_stored,
            runner.bits_stored - 1,
            runner.pixel_representation,
        ),
    }
    child = subprocess.run(
        [sys.executable, "-P", __file__],  # -P: no module beside this one may hide one of Python's
        input=json.dumps(description).encode() + b"\n" + source,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    if child.returncode != 0:
        raise RuntimeError("GDCM cannot decode the frame")
    return child.stdout


def _decoded(frame: bytes, described: dict[str, Any]) -> bytes:
    import gdcm

    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(frame)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    pixel_data = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    pixel_data.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions(tuple(described["size"]))
    image.SetDataElement(pixel_data)
    interpretation = gdcm.PhotometricInterpretation.GetPIType(described["interpretation"])
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(interpretation))
    image.SetPlanarConfiguration(described["planar"])
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(described["syntax"])))
    image.SetPixelFormat(gdcm.PixelFormat(*described["format"]))
    text: str = image.GetBuffer()  # the wrapper hands bytes out as text
    return text.encode("utf-8", "surrogateescape")


def _main() -> None:
    limits = {
        resource.RLIMIT_DATA: MEMORY_BYTES,
        resource.RLIMIT_CPU: int(SECONDS),  # also when nobody waits for it any more
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        _, hard = resource.getrlimit(kind)
        soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (soft, hard))
    described = json.loads(sys.stdin.buffer.readline())
    sys.stdout.buffer.write(_decoded(sys.stdin.buffer.read(), described))


if __name__ == "__main__":
    _main()
