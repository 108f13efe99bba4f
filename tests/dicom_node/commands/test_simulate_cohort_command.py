"""``dicom-node simulate-cohort`` writes a cohort and says that it is simulated."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import pytest

from dicom_node.cli import EXIT_OK, EXIT_USAGE, main
from dicom_node.commands import simulate_cohort

pytest.importorskip("pandas")


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that need not start."""

    @contextlib.contextmanager
    def one_thread(options: argparse.Namespace) -> Iterator[Executor]:
        with ThreadPoolExecutor(1) as executor:
            yield executor

    monkeypatch.setattr(simulate_cohort, "_executor", one_thread)


def test_writes_a_cohort_with_pictures_and_dicom_and_says_what_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from analysis.cohort.table import load_cohort

    arguments = ["simulate-cohort", "--out", str(tmp_path), "--size", "2", "--seed", "5", "--dicom", "1"]
    assert main([*arguments, "--effect", "texture=0", "--effect", "genetics=2", "--no-missing"]) == EXIT_OK
    said = " ".join(capsys.readouterr().out.split())
    assert "2 subjects of china-clinic by the scanner reference (images), seed 5" in said
    assert said.count("simulated; research use only") == 2
    cohort = load_cohort(tmp_path)
    assert cohort.manifest["effects"] == {"texture": 0.0, "genetics": 2.0}
    assert len(cohort) == 2
    assert cohort.patches().shape == (2, 96, 80)
    assert (tmp_path / "dicom" / "S0000000" / "image.dcm").is_file()
    assert cohort.frame["clinical.vitamin_d_nmol_l"].notna().all()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--population", "mars"], "mars"),
        (["--scanner", "norland"], "norland"),
        (["--effect", "luck=2"], "luck"),
        (["--measurement", "emulated"], "--emulator"),
        (["--emulator", "somewhere"], "--measurement emulated"),
        (["--measurement", "emulated", "--emulator", "absent.json"], "absent.json"),
        (["--scans", "nowhere"], "nowhere"),
    ],
)
def test_wrong_use_is_refused_with_the_cure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wrong: list[str], said: str
) -> None:
    assert main(["simulate-cohort", "--out", str(tmp_path), "--size", "2", *wrong]) == EXIT_USAGE
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--size", "0"], ["--effect", "texture"], ["--repeat-share", "2"]])
def test_wrong_arguments_are_refused(tmp_path: Path, wrong: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(["simulate-cohort", "--out", str(tmp_path), *wrong])
