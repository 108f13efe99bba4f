"""What a worker does with spoiled files, in a process of its own: one run for each number on standard input.

    python tests/fuzz_worker.py {pixels|studies} SEED

"pixels" decodes compressed frames with bytes changed; "studies" reads and analyses a forearm whose header is
spoiled. Answers each number with one line of JSON: seconds, outcome, and what was wrong.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from functools import cache
from io import BytesIO
from pathlib import Path
from random import Random

import pydicom
from fuzz_mutations import spoiled_bytes
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate, get_frame

from analysis.acquisition.pixels import stored_values
from analysis.config import AnalysisConfig
from analysis.errors import RejectedInput
from dicom_node.workflow.memory import limited_memory
from dicom_node.workflow.worker import killed_after

TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"
FRAMES = (
    "JPEG2000.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "JPEGLSNearLossless_16.dcm",
    "SC_rgb_jls_lossy_line.dcm",
    "JPGExtended.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "SC_rgb_small_odd_jpeg.dcm",
    "MR_small_RLE.dcm",
    "SC_rgb_rle_16bit.dcm",
)
"""One or more for each decoder."""
SAMPLE = Path(__file__).parent.parent / "sample_studies" / "01-calibrated-low-risk" / "image.dcm"
MEMORY_BYTES = 3_000_000_000
KILLED_SECONDS = 60.0


def main() -> None:
    """Run what is asked for until standard input ends."""
    level, seed = sys.argv[1:]
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    run = {"pixels": decode_spoiled_frame, "studies": analyze_spoiled_study}[level]
    for line in sys.stdin:
        number = int(line)
        started, wrong = time.monotonic(), ""
        random = Random(f"{seed}/{number}")  # noqa: S311 - repeatable on purpose
        try:
            with killed_after(KILLED_SECONDS), limited_memory(MEMORY_BYTES):
                outcome = run(random)
        except Exception as error:  # this is what is looked for
            outcome, wrong = "error", f"{type(error).__name__}: {error}"
        seconds = time.monotonic() - started
        answer = json.dumps({"seconds": seconds, "outcome": outcome, "wrong": wrong})
        sys.stdout.write(answer + "\n")
        sys.stdout.flush()


def decode_spoiled_frame(random: Random) -> str:
    """Decode a frame in which bytes, or of which the header's numbers, were changed."""
    dataset = _image(random.choice(FRAMES))
    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    dataset.PixelData = encapsulate([spoiled_bytes(random, frame) or b"\0\0"])
    if random.random() < 0.3:
        keyword = random.choice(("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation"))
        setattr(dataset, keyword, random.choice((0, 1, 8, 12, 16, 17, 32, 64, 9999, 65535)))
    try:
        stored_values(dataset)
    except RejectedInput as refused:
        return refused.code
    return "decoded"


def _image(name: str) -> Dataset:
    return dcmread(BytesIO(_bytes(TEST_FILES / name)))


def analyze_spoiled_study(random: Random) -> str:
    """Read and analyse a forearm whose header was spoiled, as a worker does."""
    whole = _bytes(SAMPLE)
    pixels = whole.rindex(b"\xe0\x7f\x10\0OW")
    try:
        dataset = dcmread(BytesIO(whole[:132] + spoiled_bytes(random, whole[132:pixels]) + whole[pixels:]))
    except Exception:  # as the worker takes it: unreadable
        return "unreadable"
    from analysis.engine import analyze  # half of a minute of imports that "pixels" does without

    return str(analyze([dataset], config=_config()).status)


@cache
def _bytes(path: Path) -> bytes:
    return path.read_bytes()


@cache
def _config() -> AnalysisConfig:
    from dicom_node.config import load_analysis_config

    return load_analysis_config()


if __name__ == "__main__":
    main()
