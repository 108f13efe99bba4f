"""A decoder of JPEG Extended (processes 2 and 4) for pydicom, whose own GDCM plug-in declines 12 bits.

GDCM itself decodes them, to the same values as DCMTK; before it finds the right one of its decoders it
writes "Unsupported JPEG data precision 12" to standard error (python-gdcm issue 35).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom.uid import JPEGExtended12Bit

if TYPE_CHECKING:
    from pydicom.pixels.decoders.base import DecodeRunner

PLUGIN = "gdcm12"
DECODER_DEPENDENCIES = {JPEGExtended12Bit: ("gdcm>=3.0.10",)}


def register() -> None:
    """Make the plug-in known to pydicom under the name `PLUGIN`; harmless when it already is."""
    from pydicom.pixels.decoders.base import JPEGExtended12BitDecoder

    if PLUGIN not in JPEGExtended12BitDecoder.available_plugins:
        JPEGExtended12BitDecoder.add_plugin(PLUGIN, (__name__, decode_frame.__name__))


def is_available(uid: str) -> bool:
    """Tell pydicom whether this plug-in decodes a transfer syntax."""
    return uid in DECODER_DEPENDENCIES


def decode_frame(source: bytes, runner: DecodeRunner) -> bytes:
    """Return the decoded frame: pydicom's plug-in interface."""
    import gdcm

    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(source)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    pixel_data = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    pixel_data.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((runner.columns, runner.rows, 1))
    image.SetDataElement(pixel_data)
    interpretation = gdcm.PhotometricInterpretation.GetPIType(str(runner.photometric_interpretation))
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(interpretation))
    if runner.samples_per_pixel > 1:
        image.SetPlanarConfiguration(runner.planar_configuration)
    syntax = gdcm.TransferSyntax.GetTSType(str(JPEGExtended12Bit))
    image.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    image.SetPixelFormat(
        gdcm.PixelFormat(
            runner.samples_per_pixel,
            runner.bits_allocated,
            runner.bits_stored,
            runner.bits_stored - 1,
            runner.pixel_representation,
        )
    )
    text: str = image.GetBuffer()  # the wrapper hands bytes out as text
    return text.encode("utf-8", "surrogateescape")
