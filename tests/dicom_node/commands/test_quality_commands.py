"""What a physicist types: calibrate, precision and quality-control."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from analysis.quality_control import load_devices
from analysis.quality_control.phantom_log import read_log
from analysis.simulation import draw_subject
from analysis.simulation.step_phantom import step_phantom_image
from analysis.simulation.study import simulate_study, study_header, write_study
from analysis.simulation.view import Acquisition
from dicom_node.cli import main
from dicom_node.config import load_analysis_config
from dicom_node.diagnosis import check_analysis_files
from dicom_node.errors import ConfigurationError

CERTIFICATE = (0.2, 0.4, 0.6, 0.9, 1.2)
STEPS = ",".join(f"{density:g}" for density in CERTIFICATE)
CALIBRATE = ["calibrate", "--device", "Scanner A", "--phantom", "Step phantom 3, certificate 2026-17"]
QUALITY = "quality-control"


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    """A devices file with one scanner and an empty log."""
    (tmp_path / "a.csv").write_text("date,phantom,bmd_g_cm2,bmc_g,area_cm2,new_baseline,note\n")
    path = tmp_path / "devices.toml"
    control = '[device.quality_control]\nlog = "a.csv"\nphantom = "P-17"\nbaseline_scans = 15\n'
    path.write_text(f'[[device]]\nname = "Scanner A"\n{control}')
    return path


def add(devices: Path, day: int, bmd: float, *more: str) -> int:
    when = date(2026, 1, 5) + timedelta(days=day)
    arguments = ["--device", "Scanner A", "--date", when.isoformat(), "--bmd", f"{bmd:.4f}"]
    return main([QUALITY, "add", *arguments, "--devices", str(devices), *more])


def fill(devices: Path, values: list[float]) -> list[int]:
    return [add(devices, 2 * number, value) for number, value in enumerate(values)]


def steady(count: int) -> list[float]:
    return list(np.random.default_rng(2).normal(1.0, 0.004, count).clip(0.994, 1.006))


def test_phantom_scans_are_logged_and_a_drift_is_told_at_once(devices, capsys):
    assert fill(devices, steady(15)) == [0] * 15
    assert "baseline: 14 of 15 scans" in capsys.readouterr().out
    assert add(devices, 40, 1.020, "--bmc", "44.5", "--area", "43.6", "--note", "after the holidays") == 1
    assert "OUT OF CONTROL on 2026-02-14: 1 scan beyond 3 SD" in capsys.readouterr().out
    latest = read_log(devices.parent / "a.csv")[-1]
    assert (latest.bmc_g, latest.area_cm2, latest.note) == (44.5, 43.6, "after the holidays")
    assert add(devices, 41, 1.0, "--new-baseline", "--note", "tube replaced") == 0


def test_state_of_every_scanner_is_shown(devices, capsys):
    fill(devices, [*steady(15), 1.0, 1.02])
    capsys.readouterr()
    assert main([QUALITY, "show", "--devices", str(devices)]) == 0
    assert "OUT OF CONTROL" in capsys.readouterr().out
    assert main([QUALITY, "show", "--device", "scanner a", "--last", "2", "--devices", str(devices)]) == 0
    shown = capsys.readouterr().out
    assert "1.0200" in shown
    assert "1.0000" in shown
    assert "2026-02-02" not in shown  # the third last scan


def test_chart_is_a_picture(devices, tmp_path, capsys):
    fill(devices, [*steady(20), 1.018])
    out = tmp_path / "chart.png"
    arguments = [QUALITY, "chart", "--device", "Scanner A", "--out", str(out), "--devices", str(devices)]
    assert main(arguments) == 0
    first = out.read_bytes()
    with Image.open(out) as picture:
        assert picture.size[0] > 800
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 50
    assert main(arguments) == 0
    assert out.read_bytes() == first  # the same log gives the same file


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add", "--device", "B", "--date", "2026-01-01", "--bmd", "1"], "'B': not in"),
        (
            ["add", "--device", "Scanner A", "--date", "2026-01-01", "--bmd", "-1"],
            "must be a positive number",
        ),
        (["chart", "--device", "Scanner A", "--out", "x.png"], "0 of 15 scans; there is nothing to draw"),
    ],
)
def test_mistakes_at_the_phantom_are_named(devices, arguments, message, capsys):
    assert main([QUALITY, *arguments, "--devices", str(devices)]) == 2
    assert message in capsys.readouterr().err


def test_without_a_devices_file_the_commands_say_how_to_name_one(capsys):
    assert main([QUALITY, "show"]) == 2
    assert "--devices TOML" in capsys.readouterr().err


def write_scans(folder: Path, gain: float = 0.96, offset: float = 0.012) -> list[str]:
    paths = []
    for seed in (1, 2):
        scan = step_phantom_image(
            CERTIFICATE, seed=seed, study_date=date(2026, 3, seed), gain=gain, offset_g_cm2=offset
        )
        paths.append(str(folder / f"phantom{seed}.dcm"))
        scan.save_as(paths[-1], enforce_file_format=True)
    return paths


def test_phantom_scans_become_the_scanners_scale(tmp_path, capsys):
    out, plot = tmp_path / "devices.toml", tmp_path / "fit.png"
    options = ["--certificate", STEPS, "--out", str(out), "--plot", str(plot)]
    assert main([*CALIBRATE, *write_scans(tmp_path), *options]) == 0
    shown = capsys.readouterr().out
    assert "slope" in shown
    assert "SEE" in shown
    scale = load_devices(out).find("Scanner A").calibration
    assert scale.input == "density"
    assert scale.slope == pytest.approx(1 / 0.96, rel=0.003)
    assert scale.date == date(2026, 3, 2)
    assert scale.source.startswith("Step phantom 3, certificate 2026-17: 10 readings of 2 scans")
    assert Image.open(plot).format == "PNG"


def test_readings_of_a_table_serve_as_well(tmp_path):
    table, out = tmp_path / "readings.csv", tmp_path / "devices.toml"
    rows = "".join(f"{density},{500 + 4010 * density:.0f}\n" for density in CERTIFICATE)
    table.write_text(f"certificate_g_cm2,reading\n{rows}")
    options = ["--readings", str(table), "--date", "2026-03-02", "--input", "stored_value", "--out", str(out)]
    assert main([*CALIBRATE, *options]) == 0
    assert load_devices(out).find("Scanner A").calibration.slope == pytest.approx(1 / 4010, rel=0.001)


def test_a_bent_scale_is_not_written(tmp_path, capsys):
    table, out = tmp_path / "readings.csv", tmp_path / "devices.toml"
    table.write_text("certificate_g_cm2,reading\n0.2,20\n0.4,40\n0.6,60\n0.9,80\n1.2,90\n")
    options = ["--readings", str(table), "--date", "2026-03-02", "--input", "stored_value", "--out", str(out)]
    assert main([*CALIBRATE, *options]) == 1
    assert "nothing is written" in capsys.readouterr().out
    assert not out.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "either DICOM scans of the phantom or --readings"),
        (["--readings", "no.csv"], "--readings needs --date"),
        (["--readings", "no.csv", "--date", "2026-01-01", "--input", "density"], "cannot be read"),
        (["no.dcm", "--certificate", STEPS], "no such file"),
    ],
)
def test_mistakes_at_calibration_are_named(options, message, capsys):
    assert main([*CALIBRATE, *options]) == 2
    assert message in capsys.readouterr().err


def test_a_certificate_of_another_phantom_is_noticed(tmp_path, capsys):
    assert main([*CALIBRATE, *write_scans(tmp_path), "--certificate", "0.2,0.4,0.6"]) == 2
    assert "do not stand apart" in capsys.readouterr().err


def repeated(path: Path, patients: int, scans: int, cv: float = 0.006) -> Path:
    rng = np.random.default_rng(9)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["patient", "ultradistal", "one_third"])
        for patient in range(patients):
            true = rng.normal(0.65, 0.06)
            for _ in range(scans):
                writer.writerow(
                    [
                        patient,
                        f"{0.6 * true * rng.normal(1, 1.5 * cv):.4f}",
                        f"{true * rng.normal(1, cv):.4f}",
                    ]
                )
    return path


def test_a_whole_precision_study_replaces_the_published_precision(tmp_path, capsys):
    table, out = repeated(tmp_path / "scans.csv", 15, 3), tmp_path / "devices.toml"
    options = ["--device", "Scanner A", "--write", str(out), "--date", "2026-04-01", "--operator", "MTA 2"]
    assert main(["precision", str(table), *options]) == 0
    shown = capsys.readouterr().out
    assert "one-third" in shown
    assert "Too few" not in shown
    precision = load_devices(out).precision("Scanner A", "one_third")
    assert precision.degrees_of_freedom == 30
    assert precision.rms_cv_percent == pytest.approx(0.6, rel=0.35)
    assert precision.source == "15 patients, 45 scans, scanned by MTA 2; dicom-node precision"
    assert load_devices(out).precision("Scanner A", "mid") is None


def test_a_small_precision_study_is_shown_and_not_stored(tmp_path, capsys):
    table, out = repeated(tmp_path / "scans.csv", 8, 2), tmp_path / "devices.toml"
    options = ["--device", "Scanner A", "--write", str(out), "--date", "2026-04-01"]
    assert main(["precision", str(table), *options]) == 1
    assert "15 patients scanned three times or 30 patients scanned twice" in " ".join(
        capsys.readouterr().out.split()
    )
    assert not out.exists()


def test_repeated_dicom_scans_are_measured_and_compared(tmp_path, capsys):
    subject = draw_subject(np.random.default_rng(5))
    for number in (1, 2):
        scan = simulate_study(
            "calibrated",
            number,
            subject=subject,
            acquisition=Acquisition(tilt_degrees=3.0 * number),
            header=study_header(f"repeat-{number}", subject, number, patient_id="P1"),
        )
        write_study(scan, tmp_path / str(number))
    assert main(["precision", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    row = next(line for line in shown.splitlines() if "one-third" in line)
    patients, scans, freedom = (cell.strip() for cell in row.split("│")[2:5])
    assert (patients, scans, freedom) == ("1", "2", "1")
    assert 0 < float(row.split("│")[6].split()[0]) < 3  # %CV of repositioning
    assert "Too few" in shown


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patient,elbow\na,0.5\n", "the columns are patient, elbow"),
        ("patient,mid\na,0.5\na,half\n", "line 3 mid = 'half'"),
        ("patient,mid\n,0.5\n", "line 2: patient is missing"),
        ("patient,mid\na,0.5\nb,0.6\n", "nothing repeats"),
    ],
)
def test_mistakes_in_a_table_of_repeats_are_named(tmp_path, text, message, capsys):
    (tmp_path / "scans.csv").write_text(text)
    assert main(["precision", str(tmp_path / "scans.csv")]) == 2
    assert message in capsys.readouterr().err


def test_a_damaged_devices_file_is_found_before_the_node_starts(tmp_path):
    path = tmp_path / "devices.toml"
    config = replace(load_analysis_config(), devices=path)
    path.write_text('[[device]]\nname = "Scanner A"\n')
    assert "devices.toml: scanners 1, equations 0" in check_analysis_files(config)[-1]
    path.write_text('[[device]]\nnam = "Scanner A"\n')
    with pytest.raises(ConfigurationError, match="name is missing"):
        check_analysis_files(config)
