"""An order with the files it needs, sent to another machine, and the results that come back.

On the worker's side a temporary folder stands for the data directory, and the analysis runs in a process of
its own, so that its time limit and its death concern nothing else there.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import dataclass, field, replace
from pathlib import Path

from analysis import __version__
from analysis.config import AnalysisConfig
from dicom_node.errors import AnalysisError, ConfigurationError
from dicom_node.storage.archive import Archive
from dicom_node.storage.records import AnalysisOutcome
from dicom_node.workflow.worker import STRUCTURED_REPORT_CLASSES, WorkOrder, new_worker

__all__ = ["Packed", "Parcel", "ReturnedParcel", "analyze_parcel", "pack", "unpack_results"]

MAX_SITE_BYTES = 50_000_000
"""Of one directory of site files (guidelines, models, devices): more is a slip in the configuration."""

_SITE_DIRECTORIES = ("guideline", "devices")
"""These files name others beside them, so their directories go along."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A `WorkOrder` and its files.

    Attributes
    ----------
    version : str
        Of the engine: another one there would give other numbers under another identity.
    files : mapping of str to bytes
        Content by path relative to the data directory.
    site : mapping of str to mapping of str to bytes
        Setting of `AnalysisConfig` -> content by path relative to the directory that stands for it.
    """

    order: WorkOrder
    version: str
    files: Mapping[str, bytes] = field(repr=False)
    site: Mapping[str, Mapping[str, bytes]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Parcel:
    """What to do with which order."""

    work: Callable[[WorkOrder], AnalysisOutcome]
    packed: Packed


@dataclass(frozen=True, slots=True)
class ReturnedParcel:
    """What came of it: the outcome, and the content of its results by relative path."""

    outcome: AnalysisOutcome
    files: Mapping[str, bytes] = field(repr=False)


def pack(order: WorkOrder) -> Packed:
    """Gather everything that an analysis reads.

    Raises
    ------
    OSError
        If a file of the study cannot be read.
    ConfigurationError
        If a directory of site files is implausibly large.
    """
    standing = {uid for uids in order.standing.values() for uid in uids}
    reports = (
        order.data_dir / record.path
        for record in order.known
        if record.sop_instance_uid in standing and record.sop_class_uid.startswith(STRUCTURED_REPORT_CLASSES)
    )
    priors = (path for study in order.priors for path in study)
    helpful = [path for path in (*reports, *priors) if path.is_file()]  # an analysis does without these
    files = {
        str(path.relative_to(order.data_dir)): path.read_bytes() for path in (*order.paths.values(), *helpful)
    }
    return Packed(order, __version__, files, _site_files(order.config))


def analyze_parcel(parcel: Parcel) -> ReturnedParcel:
    """Run an order on a cluster's worker; the counterpart of `pack`.

    Raises
    ------
    ConfigurationError
        If this machine has another version of the engine, or may not start processes.
    AnalysisError
        If the process that analysed died, or took too long.
    """
    packed = parcel.packed
    if packed.version != __version__:
        raise ConfigurationError(
            f"this cluster worker has version {__version__}, the node has {packed.version}; install the same"
        )
    with tempfile.TemporaryDirectory(prefix="dicom-node-") as name:
        order = _unpack(packed, Path(name) / "data")
        outcome = _in_own_process(parcel.work, order)
        made = {result.path: order.data_dir / result.path for result in outcome.results}
        content = {path: file.read_bytes() for path, file in made.items() if file.is_file()}
    return ReturnedParcel(outcome, content)


def unpack_results(returned: ReturnedParcel, archive: Archive) -> AnalysisOutcome:
    """Write results durably into the archive and return the outcome that names them.

    Raises
    ------
    OSError
        If the bytes could not be made durable.
    AnalysisError
        If a result's name is not that of its content.
    """
    identity = returned.outcome.identity
    for path, content in returned.files.items():
        stored, _ = archive.store_result(identity, content)
        if str(stored) != path:
            raise AnalysisError(f"the cluster returned a result under a name that is not its own: {path!r}")
    return returned.outcome


def _site_files(config: AnalysisConfig) -> dict[str, dict[str, bytes]]:
    site = {"reference": {config.reference.name: config.reference.read_bytes()}}
    site["models"] = _directory(config.models, below=False)  # evaluation reports stay at home
    for name in _SITE_DIRECTORIES:
        path: Path | None = getattr(config, name)
        if path is not None:
            site[name] = _directory(path.parent)
    return site


def _directory(folder: Path, *, below: bool = True) -> dict[str, bytes]:
    files = [path for path in sorted(folder.rglob("*") if below else folder.iterdir()) if path.is_file()]
    if sum(path.stat().st_size for path in files) > MAX_SITE_BYTES:
        raise ConfigurationError(
            f"{folder}: holds more than {MAX_SITE_BYTES / 1e6:.0f} MB, all of which would travel with every "
            "analysis; give guideline, models and devices a directory of their own"
        )
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _unpack(packed: Packed, data_dir: Path) -> WorkOrder:
    order = packed.order
    _write(data_dir, packed.files)

    def here(paths: Iterable[Path]) -> tuple[Path, ...]:
        return tuple(data_dir / path.relative_to(order.data_dir) for path in paths)

    return replace(
        order,
        paths=dict(zip(order.paths, here(order.paths.values()), strict=True)),
        priors=tuple(here(study) for study in order.priors),
        data_dir=data_dir,
        config=_relocated(order.config, _site_folder(packed.site)),
    )


_site_folders: dict[str, tempfile.TemporaryDirectory[str]] = {}
"""Site files by digest: written once, so that the engine's own caches, which go by path, stay warm."""


def _site_folder(site: Mapping[str, Mapping[str, bytes]]) -> Path:
    digest = hashlib.sha256()
    for name, files in sorted(site.items()):
        for path, content in sorted(files.items()):
            digest.update(f"{name}/{path} {len(content)}\n".encode() + content)
    key = digest.hexdigest()
    if key not in _site_folders:
        folder = tempfile.TemporaryDirectory(prefix="dicom-node-site-")
        for name, files in site.items():
            _write(Path(folder.name) / name, files)
        _site_folders[key] = folder
    return Path(_site_folders[key].name)


def _relocated(config: AnalysisConfig, folder: Path) -> AnalysisConfig:
    return replace(
        config,
        reference=folder / "reference" / config.reference.name,
        models=folder / "models",
        guideline=folder / "guideline" / config.guideline.name,
        devices=folder / "devices" / config.devices.name if config.devices else None,
    )


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise AnalysisError(f"a file of the order leaves its folder: {name!r}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


_processes: list[Executor] = []
"""This worker's own process, warm between analyses."""


def _in_own_process(work: Callable[[WorkOrder], AnalysisOutcome], order: WorkOrder) -> AnalysisOutcome:
    if multiprocessing.current_process().daemon:
        raise ConfigurationError(
            "this cluster worker may not start processes; start it with: dicom-node worker SCHEDULER"
        )
    if not _processes:
        _processes.append(new_worker())
    try:
        return _processes[0].submit(work, order).result()
    except BrokenExecutor:
        _processes.clear()
        raise AnalysisError(
            f"the worker process died, or the analysis took longer than {order.time_limit_seconds:g} s"
        ) from None
