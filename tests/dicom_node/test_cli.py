"""The command line answers at once and says how it is used."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dicom_node.cli import COMMANDS, main

DICOM_NODE = Path(sys.executable).parent / "dicom-node"
HEAVY = (
    "SimpleITK",
    "highdicom",
    "matplotlib",
    "numpy",
    "pydicom",
    "pynetdicom",
    "radiomics",
    "shap",
    "sklearn",
)


def run_cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([DICOM_NODE, *arguments], capture_output=True, text=True, timeout=120, check=False)


def test_help_names_every_command() -> None:
    answer = run_cli("--help")
    assert answer.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"^    {command}\s", answer.stdout, re.MULTILINE)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom dicom_node.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert answer.stderr.strip() == "[]"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"usage: dicom-node {command}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["fly"], ["analyze"], ["analyze", "--speed", "9", "x"]])
def test_wrong_usage_ends_with_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert "usage: dicom-node" in capsys.readouterr().err


def test_a_path_that_does_not_exist_is_wrong_usage() -> None:
    answer = run_cli("analyze", "no/such/folder")
    assert answer.returncode == 2
    assert "no such file or folder" in answer.stderr
    assert answer.stdout == ""
