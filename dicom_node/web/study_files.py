"""Files of one study's results for the browser, and what its pictures are drawn from."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from fastapi import HTTPException
from fastapi.responses import FileResponse, Response

from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.storage.study_history import ResultFile
from dicom_node.web.drawing import PictureOrder
from dicom_node.web.study_page import LAYERS, outlined_regions
from dicom_node.workflow.study_view import StudyPage, source_instance

if TYPE_CHECKING:
    from pathlib import Path

    from pydicom import Dataset

__all__ = ["ResultFiles", "picture_order"]

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"
STRUCTURED_REPORTS = "1.2.840.10008.5.1.4.1.1.88."
"""What the UIDs of all SR Storage SOP classes begin with (PS3.4 table B.5-1)."""


class ResultFiles:
    """The result objects of one study, each by its SOP Instance UID; 404 where there is none of that kind."""

    def __init__(self, journal: Journal, archive: Archive, study_instance_uid: str) -> None:
        self._files = {file.sop_instance_uid: file for file in journal.result_files(study_instance_uid)}
        self._archive = archive

    def download(self, sop_instance_uid: str) -> Response:
        """Return the object as it was sent, to be saved under the name of its series."""
        file = self._file(sop_instance_uid)
        name = re.sub(r"[^a-z0-9]+", "_", file.kind.split(" - ")[0].lower()).strip("_") or "result"
        return FileResponse(self._path(file), media_type="application/dicom", filename=f"{name}.dcm")

    def document(self, sop_instance_uid: str) -> Response:
        """Return the PDF inside an Encapsulated PDF."""
        dataset = self._read(sop_instance_uid, ENCAPSULATED_PDF)
        pdf = dataset.EncapsulatedDocument[: dataset.get("EncapsulatedDocumentLength")]
        return Response(
            bytes(pdf),
            media_type="application/pdf",
            headers={"Content-Disposition": 'inline; filename="report.pdf"'},
        )

    def text(self, sop_instance_uid: str) -> str:
        """Return a Structured Report as text."""
        from reports.render import as_text

        return as_text(self._read(sop_instance_uid, STRUCTURED_REPORTS))

    def page_order(self, sop_instance_uid: str) -> PictureOrder:
        """Return what draws a result that is a picture."""
        file = self._file(sop_instance_uid)
        if file.sop_class_uid != SECONDARY_CAPTURE:
            raise HTTPException(404, "this result is no picture")
        return PictureOrder("page", self._path(file))

    def _read(self, sop_instance_uid: str, sop_classes: str) -> Dataset:
        from pydicom import dcmread

        file = self._file(sop_instance_uid)
        if not file.sop_class_uid.startswith(sop_classes):
            raise HTTPException(404, "this result is of another kind")
        return dcmread(self._path(file))

    def _file(self, sop_instance_uid: str) -> ResultFile:
        file = self._files.get(sop_instance_uid)
        if file is None:
            raise HTTPException(404, "the study has no such result")
        return file

    def _path(self, file: ResultFile) -> Path:
        path = self._archive.resolve(file.path)
        if file.released_at or not path.is_file():
            raise HTTPException(
                410, "the file is no longer kept here ([retention]); the PACS has it, or have it made again"
            )
        return path


def picture_order(page: StudyPage, journal: Journal, archive: Archive, layer: str) -> PictureOrder:
    """Return what draws the image or a layer over it; 404 if the study has none."""
    numbers = page.numbers
    path: PurePath | str | None = None
    if numbers is not None and layer == "image":
        source = source_instance(journal, page.study.study_instance_uid, numbers)
        path = source.path if source else None
    elif numbers is not None:
        file = page.result(LAYERS[layer])
        path = file.path if file else None
    if numbers is None or path is None:
        raise HTTPException(404, "the study has no such picture")
    return PictureOrder(
        layer, archive.resolve(str(path)), outlined_regions(numbers), (numbers.rows, numbers.columns)
    )
