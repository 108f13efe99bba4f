"""The identity of an analysis: same instances, same inputs, same engine and models give the same digest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from analysis import __version__
from analysis.acquisition import header
from analysis.acquisition.accept import OWN_MODEL_NAME
from analysis.acquisition.dates import study_date
from analysis.advice.guideline import guideline_digest
from analysis.config import AnalysisConfig, ClinicalContext, ClinicalRecord
from analysis.errors import ConfigurationError
from analysis.quality_control.devices import devices_digest
from analysis.results import PriorMeasurement
from analysis.risk.registry import REGISTRY_FILE


def analysis_identity(
    datasets: Sequence[Dataset],
    history: Sequence[PriorMeasurement],
    clinical: ClinicalContext | None,
    config: AnalysisConfig,
    *,
    priors: Sequence[Sequence[Dataset]] = (),
    record: ClinicalRecord | None = None,
) -> str:
    """Digest everything that can change a number of the analysis.

    Parameters
    ----------
    datasets : sequence of Dataset
        Of one study, in any order. Our own results among them and repeats of an instance do not count; nor do
        file meta information and group lengths, which change when a study is passed on.
    history, clinical, config, priors, record
        As `analysis.engine.analyze` takes them. The files that `config` names count by their content (the
        guideline with the tables it names), the models by their registry, which holds the SHA-256 of every
        model; of the devices file also the phantom scans of its logs up to the day of the study.

    Returns
    -------
    str
        Hexadecimal SHA-256.

    Notes
    -----
    Pixel data count as encoded: the same image compressed differently is another input.

    Raises
    ------
    ConfigurationError
        If a file that `config` names cannot be read.
    """
    parts = [
        f"engine {__version__}",
        *sorted({dataset_digest(dataset) for dataset in datasets if not _is_our_own(dataset)}),
        *sorted(repr(_plain(asdict(prior))) for prior in history),
        *sorted(
            {f"prior {dataset_digest(item)}" for study in priors for item in study if not _is_our_own(item)}
        ),
        repr(_plain(asdict(clinical or ClinicalContext()))),
        *([f"record {_plain(asdict(record))!r}"] if record is not None else []),
        *(
            f"{item.name} {_setting_digest(item.name, getattr(config, item.name))}"
            for item in fields(config)
            if item.name != "devices"
        ),
        f"devices {_devices_digest(config, datasets)}",
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def dataset_digest(dataset: Dataset) -> str:
    """SHA-256 (hexadecimal) of the elements of a data set, independent of byte order and VR encoding."""
    digest = hashlib.sha256()
    _update(digest, dataset)
    return digest.hexdigest()


def _update(digest: Any, dataset: Dataset) -> None:
    for tag in sorted(dataset.keys()):
        if tag.element == 0 or tag.group == 2:
            continue
        element = header.element(dataset, tag)
        if element is None:
            digest.update(f"{tag:08x}unreadable".encode())
            continue
        digest.update(f"{element.tag:08x}{element.VR}".encode())
        if isinstance(element.value, DicomSequence):
            for item in element.value:
                digest.update(b"item")
                _update(digest, item)
            digest.update(b"end")
            continue
        value = element.value
        content = value if isinstance(value, bytes) else str(value).encode()
        digest.update(f"{len(content)}:".encode())
        digest.update(content)


def _is_our_own(dataset: Dataset) -> bool:
    return header.text(dataset, "ManufacturerModelName") == OWN_MODEL_NAME


def _plain(value: Any) -> Any:
    """Mappings as sorted pairs, so that the order of entry does not count."""
    if isinstance(value, dict):
        return sorted((key, _plain(item)) for key, item in value.items())
    return value


def _setting_digest(name: str, value: Any) -> str:
    """What a setting says; a file counts by its content, the models by their registry."""
    if not isinstance(value, Path):
        return repr(_plain(value))
    if name == "guideline":
        return guideline_digest(value)
    return _file_digest(value / REGISTRY_FILE if name == "models" else value, name)


def _devices_digest(config: AnalysisConfig, datasets: Sequence[Dataset]) -> str:
    if config.devices is None:
        return ""
    return devices_digest(config.devices, next(filter(None, map(study_date, datasets)), None))


def _file_digest(path: Path, setting: str) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigurationError(
            f"analysis.{setting}: {path} cannot be read ({error.strerror}); name an existing file"
        ) from error
