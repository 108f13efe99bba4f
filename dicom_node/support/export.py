"""The support ZIP: de-identified objects, the journal's rows and log lines of a few studies."""

from __future__ import annotations

import io
import json
import platform
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from analysis import __version__
from dicom_node.storage.archive import Archive, write_durably
from dicom_node.storage.connection import Row
from dicom_node.storage.journal import Journal
from dicom_node.support.deidentify import (
    deidentified,
    identifying_texts,
    names_anybody,
    pixels_may_stay,
)
from dicom_node.support.pseudonyms import Pseudonyms

__all__ = ["SupportExport", "export_support"]

LOG_LINES = 20_000
"""Newest lines of each log file that are exported."""

_UID_COLUMNS = (
    "sop_instance_uid",
    "sop_class_uid",
    "study_instance_uid",
    "series_instance_uid",
    "transfer_syntax_uid",
    "transaction_uid",
    "replaced_by",
)
_SENTENCES = ("reason", "message", "completed_reason")
_PLAIN_COLUMNS = re.compile(
    "id|size|kind|version|state|attempts|interruptions|priority|last_status|position|status|severity|code"
    "|verifications|refusals|trigger|engine_version|model_version|analysis_id"
)
_TOKEN = re.compile(r"[A-Za-z_][A-Za-z_0-9 ./-]{0,63}")
"""What a text among the analysis' numbers may look like: a word of ours, never digits alone."""

_README = """\
Support export of a radius DXA node.

Objects are de-identified after DICOM PS3.15 annex E by a list of what may stay: numbers, codes of public
schemes, technical keywords, ages up to 89, sex, size and weight. Names, IDs, free text, private elements,
times of day and overlays are gone; UIDs, AE titles, addresses and digests are replaced under a key that was
thrown away; dates are moved back together. manifest.json says what became of each object and which pixels
carry a risk: look at those before you send this file to anybody.
"""


@dataclass(slots=True)
class SupportExport:
    """What an export holds and what it had to leave out."""

    objects: int = 0
    left_out: list[str] = field(default_factory=list)
    """One sentence for each object that is not in the ZIP."""
    risks: list[str] = field(default_factory=list)
    """One sentence for each object whose pixels somebody should look at."""


def export_support(
    archive: Archive,
    journal: Journal,
    studies: Sequence[str],
    target: Path,
    *,
    with_pixels: bool = True,
    logs: Sequence[Path] = (),
    pseudonyms: Pseudonyms | None = None,
) -> SupportExport:
    """Write the ZIP of some studies.

    Parameters
    ----------
    studies : sequence of str
        Study Instance UIDs.
    logs : sequence of Path
        Log files of the node, e.g. what ``journalctl -u radius-dxa-node`` printed.
    """
    return _Export(archive, journal, pseudonyms or Pseudonyms(), with_pixels).write(studies, target, logs)


class _Export:
    def __init__(self, archive: Archive, journal: Journal, pseudonyms: Pseudonyms, with_pixels: bool) -> None:
        self._archive = archive
        self._journal = journal
        self._pseudonyms = pseudonyms
        self._with_pixels = with_pixels
        self._export = SupportExport()
        self._identifying: set[str] = set()
        self._manifest: list[dict[str, str]] = []

    def write(self, studies: Sequence[str], target: Path, logs: Sequence[Path]) -> SupportExport:
        rows = {uid: self._journal.everything_about(uid) for uid in studies}
        sources = {uid: self._read(tables) for uid, tables in rows.items()}
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
            for uid in studies:
                folder = self._pseudonyms.uid(uid)
                for path, dataset in sources[uid].items():
                    self._add_object(zipped, folder, path, dataset)
                zipped.writestr(f"{folder}/journal.json", self._journal_json(rows[uid]))
            for number, log in enumerate(logs, start=1):
                zipped.writestr(f"log-{number}.txt", self._log_text(log, rows))
            zipped.writestr("manifest.json", self._manifest_json())
            zipped.writestr("README.txt", _README)
        write_durably(target, buffer.getvalue())
        return self._export

    def _read(self, tables: dict[str, list[Row]]) -> dict[str, Dataset]:
        found: dict[str, Dataset] = {}
        for row in (*tables["instances"], *tables["results"]):
            try:
                dataset = dcmread(self._archive.resolve(row["path"]))
                self._identifying |= identifying_texts(dataset)
            except Exception as error:  # hostile bytes raise many kinds
                self._leave_out(row["path"], f"cannot be read ({type(error).__name__})")
            else:
                found[row["path"]] = dataset
        return found

    def _add_object(self, zipped: zipfile.ZipFile, folder: str, path: str, source: Dataset) -> None:
        may_stay, why = pixels_may_stay(source)
        kept = deidentified(source, self._pseudonyms, with_pixels=self._with_pixels and may_stay)
        try:
            content = _encoded(kept, source)
        except Exception as error:  # an odd source may hold what no writer takes
            self._leave_out(path, f"cannot be written again ({type(error).__name__})")
            return
        if names_anybody(kept, self._identifying):
            self._leave_out(path, "a name was found in what should stay")
            return
        name = self._pseudonyms.name(path, "object")
        zipped.writestr(f"{folder}/{name}.dcm", content)
        pixels = why if "PixelData" in source else "no pixels"
        self._manifest.append({"object": name, "pixels": pixels})
        if "PixelData" in kept and why.startswith("RISK"):
            self._export.risks.append(f"{name}: {why}")
        self._export.objects += 1

    def _journal_json(self, tables: dict[str, list[Row]]) -> str:
        names = self._site_names(tables) | self._identifying
        scrubbed = {
            table: [{key: self._scrubbed(key, value, names) for key, value in row.items()} for row in rows]
            for table, rows in tables.items()
        }
        return json.dumps(scrubbed, indent=1)

    def _scrubbed(self, column: str, value: Any, names: set[str]) -> Any:
        if value is None or value == "" or _PLAIN_COLUMNS.fullmatch(column):
            return value
        replacements: dict[str, Callable[[str], Any]] = {
            **dict.fromkeys(_UID_COLUMNS, self._pseudonyms.uid),
            **dict.fromkeys(_SENTENCES, lambda text: self._pseudonyms.sentence(text, names)),
            "study_date": self._pseudonyms.date,
            "result_json": lambda text: self._numbers(json.loads(text)),
        }
        if column.endswith("_at"):
            return self._pseudonyms.moment(str(value))
        replace = replacements.get(column)
        text = str(value)
        return replace(text) if replace else self._pseudonyms.name(text, column.replace("_", "-"))

    def _numbers(self, value: Any) -> Any:
        """Keep numbers and our own short words of an analysis; no other text."""
        if isinstance(value, dict):
            return {str(key): self._numbers(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._numbers(item) for item in value]
        if isinstance(value, str):
            harmless = _TOKEN.fullmatch(value) and not any(name in value for name in self._identifying)
            return value if harmless else "<text>"
        return value

    def _log_text(self, log: Path, rows: dict[str, dict[str, list[Row]]]) -> str:
        names = set().union(*(self._site_names(tables) for tables in rows.values())) | self._identifying
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
        return "\n".join(self._pseudonyms.sentence(line, names) for line in lines) + "\n"

    def _site_names(self, tables: dict[str, list[Row]]) -> set[str]:
        columns = ("calling_ae", "called_ae", "peer_address", "destination")
        found = {str(row.get(column) or "") for rows in tables.values() for row in rows for column in columns}
        return found - {""}

    def _manifest_json(self) -> str:
        packages = ("numpy", "pydicom", "pynetdicom", "highdicom", "torch", "scikit-learn")
        return json.dumps(
            {
                "node": __version__,
                "python": platform.python_version(),
                "system": f"{platform.system()} {platform.machine()}",
                "packages": {name: metadata.version(name) for name in packages},
                "objects": self._manifest,
                "left_out": self._export.left_out,
            },
            indent=1,
        )

    def _leave_out(self, path: str, why: str) -> None:
        self._export.left_out.append(f"{self._pseudonyms.name(path, 'object')}: {why}")


def _encoded(kept: Dataset, source: Dataset) -> bytes:
    syntax = source.file_meta.TransferSyntaxUID
    kept.file_meta = FileMetaDataset()
    kept.file_meta.TransferSyntaxUID = syntax if "PixelData" in kept else UID(ExplicitVRLittleEndian)
    buffer = io.BytesIO()
    kept.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
