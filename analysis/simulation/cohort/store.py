"""Files of a simulated cohort: chunks of scans that are either whole or absent, patches, and manifests."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.errors import ConfigurationError
from analysis.risk.patch import decoded, encoded

if TYPE_CHECKING:
    import pandas as pd

SCANS, PATCHES, MANIFEST = "scans", "patches", "manifest.json"
SUBJECTS, VISITS = "subjects.parquet", "visits.parquet"
VISIT_YEARS = "visit_years"
"""Column of a repeat scan: years from the index scan, negative before it."""
SCAN_PROBLEM = "scan_problem"
"""Column: code of the engine's refusal where a scan could not be measured, else empty."""

_PEOPLE_KEY = b"people_sha256"


@dataclass(frozen=True, slots=True, eq=False)
class ScanChunk:
    """What the scans of one chunk of people gave; plain arrays, so that any executor can send it.

    Attributes
    ----------
    chunk : int
    people : str
        SHA-256 of the people that were scanned.
    ids : tuple of str
        ``subject_id`` of every row: first the index scan of everybody, then the repeat scans.
    visit_years : ndarray, (rows,)
        0 for an index scan, negative for an earlier one.
    measured : mapping of str to ndarray, (rows,)
    problems : tuple of str
    patches : mapping of subject_id to ndarray of uint16
        Of index scans.
    """

    chunk: int
    people: str
    ids: tuple[str, ...]
    visit_years: NDArray[np.float64]
    measured: Mapping[str, NDArray[np.float64]]
    problems: tuple[str, ...]
    patches: Mapping[str, NDArray[np.uint16]]


def subject_id(position: int) -> str:
    """Name of the subject at a position of a simulated cohort."""
    return f"S{position:07d}"


def write_chunk(directory: Path, scans: ScanChunk) -> None:
    """Write patches, then the table whose presence says that the chunk is whole."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    packed = io.BytesIO()
    np.savez_compressed(packed, **dict(scans.patches))  # type: ignore[arg-type]
    write_bytes(directory / PATCHES / f"{scans.chunk:05d}.npz", packed.getvalue())
    frame = pd.DataFrame(
        {
            "subject_id": list(scans.ids),
            VISIT_YEARS: scans.visit_years,
            **scans.measured,
            SCAN_PROBLEM: list(scans.problems),
        }
    )
    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _PEOPLE_KEY: scans.people})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    write_bytes(_chunk_path(directory, scans.chunk), buffer.getvalue())


def chunk_is_written(directory: Path, chunk: int, size: int, people: Callable[[int], str]) -> bool:
    """Whether scans of the first `size` people of a chunk are on disk.

    Parameters
    ----------
    people : callable
        Digest of the first so many people of the chunk, as they are drawn now.

    Raises
    ------
    ConfigurationError
        If other people were scanned there: the simulator's people have changed since.
    """
    import pyarrow.parquet as pq

    path = _chunk_path(directory, chunk)
    if not path.exists():
        return False
    frame = pq.read_table(path, columns=[VISIT_YEARS])
    stored = int((frame.column(VISIT_YEARS).to_numpy() == 0).sum())
    if (pq.read_schema(path).metadata or {}).get(_PEOPLE_KEY, b"").decode() != people(stored):
        raise ConfigurationError(
            f"{path} holds scans of other people than this version draws: the simulator's people have "
            "changed since. Write to a new directory."
        )
    return stored >= size  # the last chunk of a smaller cohort is made anew


def written_chunks(directory: Path) -> list[int]:
    """Numbers of the chunks that are on disk, in order."""
    return sorted(int(path.stem) for path in (directory / SCANS).glob("[0-9]*.parquet"))


def read_chunks(directory: Path, chunks: Sequence[int]) -> pd.DataFrame:
    """Scans of several chunks, in order."""
    import pandas as pd

    return pd.concat([pd.read_parquet(_chunk_path(directory, chunk)) for chunk in chunks], ignore_index=True)


def read_patches(directory: Path, ids: Sequence[str]) -> NDArray[np.float32]:
    """Patches of subjects, g/cm²; NaN throughout for a subject that has none.

    Parameters
    ----------
    directory : Path
        Of the cohort, or of the cohort whose scans it uses.

    Returns
    -------
    ndarray of float32, (subjects, 96, 80)
    """
    from analysis.risk.patch import COLUMNS, ROWS

    place = {name: index for index, name in enumerate(ids)}
    found = np.full((len(ids), ROWS, COLUMNS), np.nan, np.float32)
    for path in sorted((directory / PATCHES).glob("*.npz")):
        with np.load(path, allow_pickle=False) as shard:
            for name in place.keys() & set(shard.files):
                found[place[name]] = decoded(shard[name])
    return found


def packed_patch(patch: NDArray[np.float32]) -> NDArray[np.uint16]:
    """As stored."""
    return encoded(patch)


def claim(path: Path, content: Mapping[str, Any], what: str, *, present: bool = False) -> None:
    """Write a manifest, or refuse a directory whose manifest says something else; `present`: never write."""
    if present or path.exists():
        there = read_json(path)
        wanted = json.loads(json.dumps(content))
        differing = [name for name, value in wanted.items() if there.get(name) != value]
        if differing:
            raise ConfigurationError(
                f"{path.parent} holds {what} with another {', '.join(differing)}; write to a new directory, "
                "or repeat the command that began it."
            )
        return
    write_json(path, content)


def read_json(path: Path) -> dict[str, Any]:
    """A manifest.

    Raises
    ------
    ConfigurationError
        If there is none or it is not JSON.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{path} cannot be read ({error}); name a directory that dicom-node simulate-cohort wrote."
        ) from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} is no manifest; name a directory of simulate-cohort.")
    return content


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a manifest, keys in order."""
    text = json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True)
    write_bytes(path, (text + "\n").encode())


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as a whole or not at all."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    write_bytes(path, buffer.getvalue())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _beside(path) as (descriptor, temporary):
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)


def digest_of(content: object) -> str:
    """SHA-256 of the exact text of plain data."""
    return sha256(repr(content).encode())


def sha256(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _chunk_path(directory: Path, chunk: int) -> Path:
    return directory / SCANS / f"{chunk:05d}.parquet"


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[tuple[int, Path]]:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        yield descriptor, temporary
    finally:
        temporary.unlink(missing_ok=True)
