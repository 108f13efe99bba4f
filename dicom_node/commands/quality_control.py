"""``dicom-node quality-control``: keep the log of a scanner's phantom scans, and judge the scanner by it."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from dicom_node.commands.options import add_devices_options, devices_path
from dicom_node.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.table import Table

    from analysis.quality_control.control_chart import ControlChart
    from analysis.quality_control.devices import Device, Devices, PhantomControl
    from analysis.quality_control.phantom_log import PhantomScan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser(
        "add",
        help="enter a phantom scan and say whether the scanner is in control",
        description="Enter one phantom scan into the log of its scanner. Ends with 1 if the scanner is out "
        "of control.",
    )
    add.add_argument("--device", required=True, metavar="NAME", help="the scanner's name in the devices file")
    add.add_argument(
        "--date", required=True, type=date.fromisoformat, metavar="YYYY-MM-DD", help="day of the phantom scan"
    )
    add.add_argument("--bmd", required=True, type=float, metavar="G/CM2", help="its BMD")
    add.add_argument("--bmc", type=float, metavar="G", help="its BMC")
    add.add_argument("--area", type=float, metavar="CM2", help="its area")
    add.add_argument("--phantom", metavar="ID", help="default: the phantom the devices file names")
    add.add_argument("--note", default="", help="a remark, e.g. what service has done")
    add.add_argument(
        "--new-baseline",
        action="store_true",
        help="start anew here: the scanner was repaired, moved or recalibrated",
    )
    show = actions.add_parser("show", help="state of every scanner, and its latest phantom scans")
    show.add_argument("--device", metavar="NAME", help="only this scanner, with its scans")
    show.add_argument("--last", type=int, default=10, metavar="N", help="how many scans")
    chart = actions.add_parser("chart", help="draw Shewhart and CUSUM chart as PNG")
    chart.add_argument("--device", required=True, metavar="NAME", help="the scanner's name")
    chart.add_argument("--out", required=True, type=Path, metavar="PNG", help="the file to write")
    for action in (add, show, chart):
        add_devices_options(action)


def run(options: argparse.Namespace) -> int:
    from analysis.quality_control import load_devices

    devices = load_devices(devices_path(options))
    return {"add": _add, "show": _show, "chart": _draw}[options.action](devices, options)


def _add(devices: Devices, options: argparse.Namespace) -> int:
    from analysis.quality_control import load_devices
    from analysis.quality_control.phantom_log import PhantomScan, append_scan

    control = _control(_device(devices, options.device))
    for name in ("bmd", "bmc", "area"):
        value = getattr(options, name)
        if value is not None and not 0 < value < 1000:
            raise ConfigurationError(f"--{name} {value:g}: must be a positive number")
    scan = PhantomScan(
        date=options.date,
        phantom=(options.phantom or control.phantom).strip(),
        bmd_g_cm2=options.bmd,
        bmc_g=options.bmc,
        area_cm2=options.area,
        new_baseline=options.new_baseline,
        note=" ".join(options.note.split()),
    )
    append_scan(control.log, scan)
    device = _device(load_devices(devices.path), options.device)
    print(f"entered in {control.log}: {scan.date} {scan.phantom} {scan.bmd_g_cm2:g} g/cm²")
    sentence, in_control = _state(device)
    print(f"{device.name}: {sentence}")
    return 0 if in_control else 1


def _show(devices: Devices, options: argparse.Namespace) -> int:
    from dicom_node.tables import print_table

    if options.device is None:
        print_table(_overview(devices))
        return 0
    device = _device(devices, options.device)
    print_table(_scans_table(device, options.last))
    print(f"{device.name}: {_state(device)[0]}")
    return 0


def _draw(devices: Devices, options: argparse.Namespace) -> int:
    from analysis.quality_control.figures import draw_control_chart

    device = _device(devices, options.device)
    scans, chart = _judged(_control(device))
    if chart is None:
        raise ConfigurationError(f"{device.name}: {_state(device)[0]}; there is nothing to draw yet")
    title = f"{device.name}, phantom {scans[0].phantom}"
    draw_control_chart(chart, [scan.date for scan in scans], title, options.out)
    print(f"written to {options.out}; {_state(device)[0]}")
    return 0


def _device(devices: Devices, name: str) -> Device:
    found = devices.find(name)
    if found is None:
        names = ", ".join(repr(entry.name) for entry in devices.entries) or "none is entered"
        raise ConfigurationError(f"--device {name!r}: not in {devices.path}; there are: {names}")
    return found


def _control(device: Device) -> PhantomControl:
    if device.quality_control is None:
        raise ConfigurationError(
            f"device {device.name!r} has no [device.quality_control]; add it with log and phantom, as "
            "conf/devices.toml shows"
        )
    return device.quality_control


def _judged(control: PhantomControl) -> tuple[tuple[PhantomScan, ...], ControlChart | None]:
    from analysis.quality_control.control_chart import control_chart
    from analysis.quality_control.phantom_log import current_series

    scans = current_series(control.scans, control.phantom)
    return scans, control_chart([scan.bmd_g_cm2 for scan in scans], control.baseline_scans)


def _state(device: Device) -> tuple[str, bool]:
    """The scanner's state after its latest phantom scan in words, and whether nothing speaks against it."""
    from analysis.quality_control.control_chart import RULES, estimated_shift

    control = _control(device)
    scans, chart = _judged(control)
    if chart is None:
        return f"baseline: {min(len(scans), control.baseline_scans)} of {control.baseline_scans} scans", True
    if not chart.signals[-1]:
        return f"in control on {scans[-1].date}", True
    shift = estimated_shift(chart, len(scans) - 1)
    rules = "; ".join(RULES[name] for name in chart.signals[-1])
    since = scans[shift.first].date
    return f"OUT OF CONTROL on {scans[-1].date}: {rules}; {shift.percent:+.2f} % since {since}", False


def _overview(devices: Devices) -> Table:
    from rich.table import Table

    table = Table(title=f"Scanners in {devices.path}")
    for heading in ("device", "phantom", "scans", "latest", "state"):
        table.add_column(heading, overflow="fold")
    for device in devices.entries:
        control = device.quality_control
        if control is None:
            table.add_row(device.name, "-", "-", "-", "no phantom log")
            continue
        scans, _ = _judged(control)
        latest = scans[-1].date.isoformat() if scans else "-"
        table.add_row(device.name, control.phantom, str(len(scans)), latest, _state(device)[0])
    return table


def _scans_table(device: Device, last: int) -> Table:
    from rich.table import Table

    from analysis.quality_control.control_chart import RULES

    scans, chart = _judged(_control(device))
    table = Table(title=f"{device.name}: latest phantom scans")
    for heading in (
        "date",
        "BMD g/cm²",
        "off baseline",
        "z",
        "CUSUM up",
        "CUSUM down",
        "rules broken",
        "note",
    ):
        table.add_column(heading, justify="right" if heading[0] in "BozC" else "left", overflow="fold")
    for index in range(max(0, len(scans) - last), len(scans)):
        scan = scans[index]
        judged = ["-"] * 5
        if chart is not None:
            judged = [
                f"{100 * (scan.bmd_g_cm2 / chart.baseline.mean - 1):+.2f} %",
                f"{chart.z[index]:+.2f}",
                f"{chart.cusum_high[index]:.2f}",
                f"{chart.cusum_low[index]:.2f}",
                "; ".join(RULES[name] for name in chart.signals[index]) or "-",
            ]
        table.add_row(scan.date.isoformat(), f"{scan.bmd_g_cm2:.4f}", *judged, scan.note)
    return table
