"""The site's devices file: read, checked, written, and what a study says by it."""

from __future__ import annotations

import math
from datetime import date, timedelta

import numpy as np
import pytest

from analysis.errors import ConfigurationError
from analysis.quality_control import NO_DEVICES, load_devices, scanner_findings
from analysis.quality_control.devices import devices_digest
from analysis.quality_control.devices_file import write_section
from analysis.quality_control.phantom_log import PhantomScan, append_scan, current_series, read_log

HORIZON = "HOLOGIC Horizon A"
FIRST = date(2026, 1, 5)

DEVICES = """
[[device]]
name = "HOLOGIC Horizon A"   # the first room
[device.quality_control]
log = "horizon.csv"
phantom = "P-17"
baseline_scans = 15

[device.precision.one_third]
rms_sd_g_cm2 = 0.0046
rms_cv_percent = 0.68
degrees_of_freedom = 30
date = 2026-02-01
source = "15 patients, three scans each"

[[cross_calibration]]
from = "LUNAR Prodigy"
to = "HOLOGIC Horizon A"
regions = ["one_third"]
slope = 0.9
intercept = 0.02
see_g_cm2 = 0.016
subjects = 40
date = 2026-02-01
source = "40 patients on both"
"""


def scan(day, bmd, **more):
    return PhantomScan(date=FIRST + timedelta(days=day), phantom="P-17", bmd_g_cm2=bmd, **more)


@pytest.fixture
def site(tmp_path):
    """``site(values)``: a devices file whose phantom was scanned every second day with these values."""

    def made(values, **more):
        log = tmp_path / "horizon.csv"
        log.unlink(missing_ok=True)
        append_scan(log, scan(0, values[0]))
        for number, value in enumerate(values[1:], start=1):
            append_scan(log, scan(2 * number, value, **more if number == len(values) - 1 else {}))
        path = tmp_path / "devices.toml"
        path.write_text(DEVICES)
        return path

    return made


STEADY = [1.0, 1.004, 0.996, 1.003, 0.997, 1.001, 0.999, 1.004, 0.996, 1.002, 0.998, 1.003, 0.997, 1.0, 1.0]


def on(day):
    return FIRST + timedelta(days=day)


def test_a_steady_scanner_adds_nothing_to_a_study(site):
    devices = load_devices(site([*STEADY, 1.001, 0.999, 1.002]))
    assert scanner_findings(devices, HORIZON, on(35)) == ()


def test_a_scanner_out_of_control_warns_on_every_study_of_that_day(site):
    devices = load_devices(site([*STEADY, 1.001, 0.999, 1.013]))
    (finding,) = scanner_findings(devices, HORIZON, on(35))
    assert (finding.code, finding.severity) == ("scanner_drift", "warning")
    assert "1 scan beyond 3 SD" in finding.message
    assert "+1.3" in finding.message
    assert str(on(34)) in finding.message


def test_only_phantom_scans_up_to_the_study_decide(site):
    devices = load_devices(site([*STEADY, 1.001, 0.999, 1.013]))
    assert scanner_findings(devices, HORIZON, on(33)) == ()


@pytest.mark.parametrize(("shift", "severity"), [(-0.004, "info"), (-0.006, "warning")])
def test_a_slow_drift_is_named_with_its_size_and_beginning(site, shift, severity):
    drifted = [1 + shift + small for small in (0, 0.001, -0.001, 0, 0.001, 0, -0.001)]
    (finding,) = scanner_findings(load_devices(site([*STEADY, *drifted])), HORIZON, on(43))
    assert finding.severity == severity
    assert "CUSUM" in finding.message
    assert f"{100 * shift:+.1f}" in finding.message
    assert f"since {on(30)}" in finding.message


def test_a_forgotten_phantom_is_remarked_on(site):
    devices = load_devices(site([*STEADY, 1.001]))
    assert scanner_findings(devices, HORIZON, on(30 + 7)) == ()
    (finding,) = scanner_findings(devices, HORIZON, on(30 + 8))
    assert (finding.code, finding.severity) == ("quality_control_overdue", "info")
    assert "8 days old" in finding.message


@pytest.mark.parametrize(
    ("device", "day", "why"),
    [
        ("Some other scanner", on(20), "no quality control for Some other scanner"),
        ("", on(20), "unnamed device"),
        (HORIZON, None, "no date"),
        (HORIZON, FIRST - timedelta(days=1), "no scan of phantom P-17"),
        (HORIZON, on(9), "5 of 15 scans"),
    ],
)
def test_an_unknown_state_is_said_to_be_unknown(site, device, day, why):
    (finding,) = scanner_findings(load_devices(site(STEADY)), device, day)
    assert finding.code == "no_quality_control"
    assert why in finding.message


def test_a_site_without_a_devices_file_hears_nothing():
    assert scanner_findings(NO_DEVICES, HORIZON, FIRST) == ()
    assert load_devices(None) is NO_DEVICES


def test_service_starts_a_new_baseline():
    scans = [scan(0, 1.0), scan(1, 1.1, new_baseline=True), scan(2, 1.1)]
    assert current_series(scans, "P-17") == tuple(scans[1:])
    assert current_series(scans, "P-17", FIRST) == (scans[0],)
    assert current_series(scans, "P-18") == ()


def test_the_name_of_a_scanner_may_differ_in_case_and_spaces(site):
    devices = load_devices(site(STEADY))
    assert devices.find("hologic  HORIZON a").name == HORIZON
    assert devices.find("HOLOGIC Horizon") is None


def test_cross_calibration_converts_with_the_error_of_a_new_person(site):
    devices = load_devices(site(STEADY))
    value, uncertainty = devices.cross_calibrated(0.7, "LUNAR Prodigy", HORIZON, "one_third")
    assert value == pytest.approx(0.65)
    assert uncertainty == pytest.approx(0.016 * math.sqrt(1 + 1 / 40))


def test_an_equation_is_used_neither_backwards_nor_for_another_region(site):
    devices = load_devices(site(STEADY))
    assert devices.cross_calibrated(0.7, HORIZON, "LUNAR Prodigy", "one_third") is None
    assert devices.cross_calibrated(0.7, "LUNAR Prodigy", HORIZON, "ultradistal") is None


def test_the_sites_own_precision_is_found_by_region(site):
    devices = load_devices(site(STEADY))
    assert devices.precision(HORIZON, "one_third").rms_cv_percent == 0.68
    assert devices.precision(HORIZON, "mid") is None
    assert devices.precision("LUNAR Prodigy", "one_third") is None


def test_later_phantom_scans_leave_an_old_studys_digest_alone(site):
    path = site(STEADY)
    before = devices_digest(path, on(28)), devices_digest(path, on(40))
    append_scan(path.parent / "horizon.csv", scan(38, 1.002))
    assert devices_digest(path, on(28)) == before[0]
    assert devices_digest(path, on(40)) != before[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("slope = 0.9", "slope = -0.9"), "slope = -0.9: must be a number above 0"),
        (('"one_third"]', '"elbow"]'), "elbow"),
        (("subjects = 40", "subjcts = 40"), "subjects is missing"),
        (("baseline_scans = 15", "baseline_scans = 5"), "from 15 to 25"),
        (('date = 2026-02-01\nsource = "15', 'date = "soon"\nsource = "15'), "a date without quotes"),
        (("horizon.csv", "lost.csv"), "lost.csv"),
        (("[[cross", '[[device]]\nname = "hologic horizon A"\n[[cross'), "entered twice"),
        (("# the first room", "\nroom = 1"), "room = 1: unknown key"),
    ],
)
def test_a_mistake_in_the_file_is_named(site, change, message):
    path = site(STEADY)
    path.write_text(DEVICES.replace(*change))
    with pytest.raises(ConfigurationError, match=message):
        load_devices(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2026-13-01,P-17,1.0", "YYYY-MM-DD"),
        ("2026-01-01,P-17,", "bmd_g_cm2 is missing"),
        ("2026-01-01,P-17,-1", "positive number"),
        ("2026-01-01,P-17,nan", "positive number"),
        ('2026-01-01,P-17,"1,0"', "positive number"),
    ],
)
def test_a_mistake_in_the_log_is_named_with_its_line(tmp_path, line, message):
    log = tmp_path / "log.csv"
    log.write_text(f"date,phantom,bmd_g_cm2\n2026-01-01,P-17,1.0\n{line}\n")
    with pytest.raises(ConfigurationError, match=f"line 3.*{message}"):
        read_log(log)


def test_a_scan_comes_back_from_the_log_as_it_was_written(tmp_path):
    original = scan(3, 1.0123, bmc_g=44.1, area_cm2=43.6, new_baseline=True, note='tube "B", filter changed')
    append_scan(tmp_path / "log.csv", original)
    append_scan(tmp_path / "log.csv", scan(1, 1.0))
    assert read_log(tmp_path / "log.csv") == (scan(1, 1.0), original)


def test_a_written_section_leaves_comments_and_other_entries_alone(site):
    path = site(STEADY)
    values = {"rms_sd_g_cm2": 0.005, "rms_cv_percent": 0.8, "degrees_of_freedom": 31}
    values |= {"date": date(2026, 5, 1), "source": 'again, by "B"'}
    write_section(path, HORIZON, "precision.one_third", values)
    text = path.read_text()
    assert "# the first room" in text
    assert "15 patients, three scans each" not in text
    devices = load_devices(path)
    assert devices.precision(HORIZON, "one_third").source == 'again, by "B"'
    assert devices.equation("LUNAR Prodigy", HORIZON, "one_third") is not None
    write_section(path, "New scanner", "precision.mid", values)
    assert load_devices(path).precision("New scanner", "mid").degrees_of_freedom == 31
    assert load_devices(path).find(HORIZON).quality_control is not None


def test_a_section_that_would_spoil_the_file_is_not_written(site):
    path = site(STEADY)
    before = path.read_text()
    with pytest.raises(ConfigurationError):
        write_section(path, HORIZON, "precision.one_third", {"rms_sd_g_cm2": 0.005})
    assert path.read_text() == before
    assert sorted(item.name for item in path.parent.iterdir()) == ["devices.toml", "horizon.csv"]


def test_a_devices_file_is_begun_where_none_is(tmp_path):
    values = {"input": "density", "slope": 1.02, "intercept": 0.0, "see_g_cm2": 0.004, "slope_se": 0.003}
    values |= {"intercept_se": 0.002, "date": date(2026, 5, 1), "source": "step phantom 3"}
    write_section(tmp_path / "devices.toml", HORIZON, "calibration", values)
    scale = load_devices(tmp_path / "devices.toml").find(HORIZON).calibration
    assert (scale.slope, scale.input) == (1.02, "density")
    assert np.isclose(scale.see_g_cm2, 0.004)
