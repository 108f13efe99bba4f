"""A forearm scan in every transfer syntax that the node accepts, encoded and sent by other people's programs.

Lossless ones must give the very numbers of the original; of lossy ones the numbers must be refused or say so.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from pynetdicom import AE
from running_receiver import RunningReceiver, receiving

from analysis.acquisition.pixels import loss_findings, stored_values
from analysis.engine import analyze
from analysis.results import Status
from analysis.serialization import to_json_object
from dicom_node.config import load_analysis_config
from dicom_node.network.contexts import LOSSY_SYNTAXES, TRANSFER_SYNTAXES

Encode = Callable[[Path, Path], None]


def by_dcmtk(*program: str) -> Encode:
    return lambda source, target: run(*program, source, target)


def by_pydicom(syntax: str, **options: object) -> Encode:
    def encode(source: Path, target: Path) -> None:
        dataset = dcmread(source)
        dataset.compress(syntax, generate_instance_uid=False, **options)  # type: ignore[arg-type]
        if syntax in LOSSY_SYNTAXES:
            dataset.LossyImageCompression = "01"  # PS3.3 C.7.6.1.1.5: whoever compresses must say so
        dataset.save_as(target)

    return encode


def by_openjph(syntax: str, *options: str) -> Encode:
    def encode(source: Path, target: Path) -> None:
        dataset, picture, stream = dcmread(source), target.with_suffix(".pgm"), target.with_suffix(".j2c")
        pixels = dataset.pixel_array
        picture.write_bytes(
            f"P5 {dataset.Columns} {dataset.Rows} 65535\n".encode() + pixels.astype(">u2").tobytes()
        )
        run("ojph_compress", "-i", picture, "-o", stream, *options)
        dataset.PixelData = encapsulate([stream.read_bytes()])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = UID(syntax)
        if syntax in LOSSY_SYNTAXES:
            dataset.LossyImageCompression = "01"
        dataset.save_as(target)

    return encode


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)


ENCODERS: dict[str, Encode] = {
    ExplicitVRLittleEndian: by_dcmtk("dcmconv", "+te"),
    ImplicitVRLittleEndian: by_dcmtk("dcmconv", "+ti"),
    ExplicitVRBigEndian: by_dcmtk("dcmconv", "+tb"),
    DeflatedExplicitVRLittleEndian: by_dcmtk("dcmconv", "+td"),
    RLELossless: by_dcmtk("dcmcrle"),
    JPEGLossless: by_dcmtk("dcmcjpeg", "+el"),
    JPEGLosslessSV1: by_dcmtk("dcmcjpeg", "+e1"),
    JPEGLSLossless: by_dcmtk("dcmcjpls", "+el"),
    JPEG2000Lossless: by_pydicom(JPEG2000Lossless),
    HTJ2KLossless: by_openjph(HTJ2KLossless, "-reversible", "true", "-prog_order", "LRCP"),
    HTJ2KLosslessRPCL: by_openjph(HTJ2KLosslessRPCL, "-reversible", "true", "-prog_order", "RPCL"),
    JPEGBaseline8Bit: by_dcmtk("dcmcjpeg", "+eb"),
    JPEGExtended12Bit: by_dcmtk("dcmcjpeg", "+ee"),
    JPEGLSNearLossless: by_dcmtk("dcmcjpls", "+en", "+md", "2"),
    JPEG2000: by_pydicom(JPEG2000, j2k_cr=[10]),
    HTJ2K: by_openjph(HTJ2K, "-qstep", "0.0005"),
}
SENDERS = {ImplicitVRLittleEndian: ["storescu", "-xi"], ExplicitVRBigEndian: ["storescu", "-xb"]}
"""dcmsend would rather convert these two."""
LOSSLESS = [syntax for syntax in ENCODERS if syntax not in LOSSY_SYNTAXES]

pytestmark = [pytest.mark.dcmtk, pytest.mark.openjph]


@pytest.fixture(scope="module")
def original(sample_studies: Path) -> Path:
    return sample_studies / "01-calibrated-low-risk" / "image.dcm"


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningReceiver]:
    with receiving(tmp_path_factory.mktemp("receiver"), settings={"accept_deflated": True}) as running:
        yield running


@pytest.fixture
def received(
    receiver: RunningReceiver, original: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Dataset:
    """The scan as the archive holds it after it was encoded in a syntax and sent in it."""
    syntax = request.param
    encoded = tmp_path / "encoded.dcm"
    ENCODERS[syntax](original, encoded)
    assert dcmread(encoded).file_meta.TransferSyntaxUID == syntax
    if syntax in (HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL):  # which Debian's DCMTK does not know
        send_by_pynetdicom(encoded, receiver.port)
    else:
        run(*SENDERS.get(syntax, ["dcmsend"]), "-aec", "RADIUSDXA", "127.0.0.1", str(receiver.port), encoded)
    row = receiver.journal._row(
        "SELECT path FROM instances WHERE transfer_syntax_uid = ? ORDER BY id DESC", (syntax,)
    )
    assert row is not None, "it was not received in its own transfer syntax"
    return dcmread(receiver.archive.resolve(row["path"]))


def send_by_pynetdicom(path: Path, port: int) -> None:
    dataset = dcmread(path)
    ae = AE(ae_title="SCANNER")
    ae.add_requested_context(dataset.SOPClassUID, dataset.file_meta.TransferSyntaxUID)
    association = ae.associate("127.0.0.1", port, ae_title="RADIUSDXA")
    assert association.is_established
    assert association.send_c_store(dataset).Status == 0x0000
    association.release()


def test_every_accepted_syntax_has_an_encoder() -> None:
    assert set(ENCODERS) == {*TRANSFER_SYNTAXES, DeflatedExplicitVRLittleEndian}


@pytest.mark.parametrize("received", LOSSLESS, ids=lambda uid: uid.keyword, indirect=True)
def test_lossless_syntaxes_bring_every_pixel_unchanged(received: Dataset, original: Path) -> None:
    np.testing.assert_array_equal(stored_values(received), stored_values(dcmread(original)))
    assert loss_findings(received) == ()


def measured(dataset: Dataset) -> dict[str, object]:
    """Everything that the engine says, except which bytes it was said of."""
    document = to_json_object(analyze([dataset], config=load_analysis_config()), [])
    return {key: value for key, value in document.items() if key not in ("identity", "input_digest")}


@pytest.mark.slow
@pytest.mark.parametrize("received", LOSSLESS, ids=lambda uid: uid.keyword, indirect=True)
def test_lossless_syntaxes_give_the_very_same_numbers(received: Dataset, original: Path) -> None:
    assert measured(received) == measured(dcmread(original))


@pytest.mark.parametrize("received", LOSSY_SYNTAXES, ids=lambda uid: uid.keyword, indirect=True)
def test_lossy_syntaxes_are_decoded_and_said_to_be_lossy(received: Dataset) -> None:
    assert stored_values(received).shape == (received.Rows, received.Columns)
    assert [finding.code for finding in loss_findings(received)] == ["lossy_pixels"]


@pytest.mark.slow
@pytest.mark.parametrize("received", LOSSY_SYNTAXES, ids=lambda uid: uid.keyword, indirect=True)
def test_lossy_syntaxes_give_no_number_without_a_warning(received: Dataset) -> None:
    analysis = analyze([received], config=load_analysis_config())
    flagged = "lossy_pixels" in [finding.code for finding in analysis.quality]
    assert flagged or analysis.status is Status.REJECTED
