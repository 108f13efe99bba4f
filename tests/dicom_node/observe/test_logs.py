"""What stands in the log, and what never does."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_node.config import LoggingSettings
from dicom_node.errors import ConfigurationError, RejectedInput
from dicom_node.observe import logs

PATIENT_NAME = "XYZZY^PLUGH"


@pytest.fixture
def log_file(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "log" / "node.log"
    logs.configure(LoggingSettings())


def test_a_line_for_people_says_when_how_bad_who_and_what(log_file: Path) -> None:
    logs.configure(LoggingSettings(file=log_file))
    with logs.fields(association="17", study="1.2.3"):
        logging.getLogger("dicom_node.network.receiver").warning("study %s: refused", "1.2.3")
    [line] = log_file.read_text().splitlines()
    assert line.endswith("WARNING dicom_node.network.receiver: study 1.2.3: refused association=17")


def test_a_line_for_programs_is_one_object_with_the_ids_as_fields(log_file: Path) -> None:
    logs.configure(LoggingSettings(format="json", file=log_file))
    with logs.fields(association="17", study="1.2.3", analysis=4):
        logging.getLogger("dicom_node.x").info("done in %.1f s", 2)
    logging.getLogger("dicom_node.x").info("nothing bound any more")
    first, second = map(json.loads, log_file.read_text().splitlines())
    assert first.pop("timestamp").endswith("+00:00")
    assert first == {
        "level": "info",
        "logger": "dicom_node.x",
        "event": "done in 2.0 s",
        "association": "17",
        "study": "1.2.3",
        "analysis": 4,
    }
    assert "study" not in second


@pytest.mark.parametrize("verbose", [False, True])
def test_no_library_nor_exception_brings_patient_data_into_the_log(log_file: Path, verbose: bool) -> None:
    logs.configure(LoggingSettings(file=log_file), verbose=verbose)
    warnings.warn(f"Invalid value for VR PN: {PATIENT_NAME}", stacklevel=1)
    logging.getLogger("pydicom").error("cannot read %s", PATIENT_NAME)
    logging.getLogger("pynetdicom.dimse").critical(f"Patient's Name: {PATIENT_NAME}")
    ours = logging.getLogger("dicom_node.x")
    ours.warning("cannot be parsed: %s", ValueError(PATIENT_NAME))
    try:
        try:
            raise KeyError(PATIENT_NAME)
        except KeyError as error:
            raise ValueError(f"bad name {PATIENT_NAME}") from error
    except ValueError:
        ours.exception("a defect")
    text = log_file.read_text()
    assert PATIENT_NAME not in text
    assert "cannot be parsed: ValueError" in text
    assert "test_logs.py" in text and "KeyError at" in text  # where it happened is told


def test_texts_of_our_own_errors_and_of_the_system_are_told(log_file: Path) -> None:
    logs.configure(LoggingSettings(file=log_file))
    ours = logging.getLogger("dicom_node.x")
    ours.error("refused: %s", RejectedInput("code", "the rule and the cure"))
    ours.error("disk: %s", OSError(28, "No space left on device"))
    text = log_file.read_text()
    assert "the rule and the cure" in text and "No space left on device" in text


def test_a_site_may_let_libraries_speak(log_file: Path) -> None:
    logs.configure(LoggingSettings(file=log_file, library_texts=True), verbose=True)
    logging.getLogger("pydicom").warning("value %s", PATIENT_NAME)
    assert PATIENT_NAME in log_file.read_text()


def test_a_peers_text_cannot_forge_a_line(log_file: Path) -> None:
    logs.configure(LoggingSettings(file=log_file))
    logging.getLogger("dicom_node.x").warning("from AE %s", "EVIL\n2026 ERROR forged\x1b[2J")
    assert len(log_file.read_text().splitlines()) == 1
    assert "\x1b" not in log_file.read_text()


def test_the_file_is_rotated_and_the_oldest_go(log_file: Path) -> None:
    logs.configure(LoggingSettings(file=log_file, max_file_bytes=1000, kept_files=2))
    for number in range(200):
        logging.getLogger("dicom_node.x").info("line %d", number)
    files = sorted(log_file.parent.iterdir())
    assert [file.name for file in files] == ["node.log", "node.log.1", "node.log.2"]
    assert max(file.stat().st_size for file in files) <= 1000


def test_a_log_file_that_cannot_be_written_is_refused_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"\[logging\] file = .*cannot be written.*owner"):
        logs.configure(LoggingSettings(file=tmp_path / "file" / "node.log"))


def test_a_workers_lines_come_out_of_the_nodes_log(log_file: Path) -> None:
    from node_support import wait_until
    from worker_functions import log_a_line

    from dicom_node.workflow.worker import new_worker

    logs.configure(LoggingSettings(format="json", file=log_file))
    executor = new_worker()
    try:
        executor.submit(log_a_line, PATIENT_NAME).result()
        wait_until(lambda: log_file.exists() and len(log_file.read_text().splitlines()) == 2)
    finally:
        executor.shutdown()
    first, second = map(json.loads, log_file.read_text().splitlines())
    assert first["event"] == "from a worker" and first["study"] == "1.2.3"
    assert PATIENT_NAME not in json.dumps(second)
