"""Simulated variants are reproducible and validate; their PDF is one that readers open."""

from __future__ import annotations

import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from analysis.simulation.study import write_study
from analysis.simulation.variants import VARIANTS, Variant, simulate_variant
from dicom_node.commands import simulate


def encoded(dataset: Dataset) -> bytes:
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_study(variant: Variant) -> None:
    first, again, other = (simulate_variant(variant, seed) for seed in (3, 3, 4))
    assert first.truth == again.truth
    assert first.truth["flavour"] == variant
    for name, dataset in first.objects.items():
        assert encoded(dataset) == encoded(again.objects[name])
    assert first.truth["study_instance_uid"] != other.truth["study_instance_uid"]


def test_the_command_offers_every_variant() -> None:
    assert simulate.VARIANTS == VARIANTS


@pytest.mark.dciodvfy
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_object_validates(variant: Variant, tmp_path: Path) -> None:
    for path in write_study(simulate_variant(variant, 8), tmp_path):
        run = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
        assert [line for line in run.stderr.splitlines() if line.startswith("Error")] == []


@pytest.mark.skipif(
    shutil.which("pdftotext") is None, reason="needs pdftotext: apt-get install poppler-utils"
)
def test_the_pdf_is_one_that_readers_open(tmp_path: Path) -> None:
    study = simulate_variant("pdf", 8)
    content = study.objects["report.dcm"].EncapsulatedDocument
    (tmp_path / "report.pdf").write_bytes(content)
    run = subprocess.run(
        ["pdftotext", str(tmp_path / "report.pdf"), "-"], capture_output=True, text=True, check=True
    )
    assert "Radius one third: BMD" in run.stdout
    assert run.stderr == ""
