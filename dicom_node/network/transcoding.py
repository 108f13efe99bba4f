"""Decompresses an object for a peer that does not take its transfer syntax, in a child process with limits.

Compressed pixels come from whoever sent them: a small file can ask for gigabytes, or crash a codec. The child
pays for that, not the node. ``python -m dicom_node.network.transcoding SOURCE TARGET`` is the child.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from dicom_node.errors import RejectedInput

__all__ = ["decompressed"]

SECONDS = 45.0
"""Longest time for one object: shorter than what a peer waits at an open association (assumption)."""
MAXIMUM_PIXEL_BYTES = 512 * 2**20
"""Rows × Columns × Samples per Pixel × Number of Frames × bytes, computed before anything is decoded."""
MAXIMUM_MEMORY_BYTES = 4 * 2**30
"""Address space of the child."""


def decompressed(path: Path, folder: Path) -> Path:
    """Write an uncompressed copy (Explicit VR Little Endian) into `folder` and return its path.

    Raises
    ------
    RejectedInput
        If the object cannot be decompressed within the limits.
    """
    target = folder / "decompressed.dcm"
    command = [sys.executable, "-m", "dicom_node.network.transcoding", str(path), str(target)]
    try:
        child = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise RejectedInput("not_decompressed", f"decompressing takes over {SECONDS:g} s") from None
    if child.returncode != 0 or not target.is_file():
        said = child.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise RejectedInput("not_decompressed", said[0] if said else f"ended with {child.returncode}")
    return target


def _decompress(source: Path, target: Path) -> None:
    from pydicom import dcmread

    dataset = dcmread(source)
    pixel_bytes = (
        int(dataset.Rows)
        * int(dataset.Columns)
        * int(dataset.get("SamplesPerPixel", 1))
        * int(dataset.get("NumberOfFrames", 1) or 1)
        * (int(dataset.BitsAllocated) // 8 or 1)
    )
    if pixel_bytes > MAXIMUM_PIXEL_BYTES:
        raise ValueError(f"{pixel_bytes} bytes of pixels, over {MAXIMUM_PIXEL_BYTES}")
    dataset.decompress(generate_instance_uid=False)
    dataset.save_as(target, enforce_file_format=True)


def _main() -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MAXIMUM_MEMORY_BYTES, MAXIMUM_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        _decompress(Path(sys.argv[1]), Path(sys.argv[2]))
    except Exception as error:  # whatever a codec raises, the parent wants one line
        sys.stderr.write(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
