"""What `doctor` looks at: each check says ok, warn or fail, and what to do."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from analysis.config import AnalysisConfig
from dicom_node.config import Destination, NodeConfig, Route
from dicom_node.data_directory import check_data_directory
from dicom_node.errors import ConfigurationError, DeliveryError, NodeError
from reports import ReportOptions
from reports.options import DEFAULT_OPTIONS, EVERY_RESULT

__all__ = [
    "Finding",
    "Level",
    "check_analysis_files",
    "check_report_choices",
    "check_route_files",
    "diagnose",
]


class Level(StrEnum):
    """How bad a finding is; ``fail`` keeps the node from working."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the diagnosis."""

    level: Level
    subject: str
    message: str

    @property
    def complaint(self) -> str:
        """What is wrong, without the cure; the whole message where nothing is."""
        return self.message.partition("; ")[0] if self.cure else self.message

    @property
    def cure(self) -> str:
        """What to do about it; empty where nothing is wrong, or nothing can be said."""
        return "" if self.level is Level.OK else self.message.partition("; ")[2]


def diagnose(config: NodeConfig) -> Iterator[Finding]:
    """Check everything the node needs, one finding per subject, as soon as it is known."""
    from dicom_node.access_diagnosis import check_access
    from dicom_node.archive_diagnosis import check_archives
    from dicom_node.clinical_diagnosis import check_clinical
    from dicom_node.console_diagnosis import check_console
    from dicom_node.keeping_diagnosis import check_keeping
    from dicom_node.learning_diagnosis import check_learning
    from dicom_node.observing_diagnosis import check_observing
    from dicom_node.surveillance_diagnosis import check_surveillance

    yield Finding(Level.OK, "configuration", f"{config.path} is sound")
    yield from _check_data_dir(config)
    yield from check_keeping(config)
    yield from check_access(config)
    yield from check_observing(config)
    yield from check_console(config)
    yield from _check_analysis(config.analysis)
    yield from check_learning(config)
    yield from check_surveillance(config)
    yield _check_executor(config)
    yield from _check_routes(config)
    yield from _check_reports(config)
    yield from _check_destinations(config)
    yield from check_archives(config)
    yield from check_clinical(config)


def check_analysis_files(config: AnalysisConfig) -> tuple[str, ...]:
    """Load reference, guideline, models and devices as an analysis would; return a line on each.

    Raises
    ------
    ConfigurationError
        If one is damaged: a worker would fail on every study.
    """
    return tuple(check(config) for check in _ANALYSIS_FILES.values())


def check_route_files(route: Route, config: AnalysisConfig) -> tuple[str, ...]:
    """Load what a route names in place of the files of ``[analysis]``; return a line on each.

    Raises
    ------
    ConfigurationError
        If one is damaged: a worker would fail on every study of the route.
    """
    named = [name for name in ("guideline", "models") if getattr(route, name) is not None]
    try:
        return tuple(_ANALYSIS_FILES[name](route.analysis(config)) for name in named)
    except ConfigurationError as error:
        raise ConfigurationError(f"[[route]] {route.name!r}: {error}") from None


def check_report_choices(config: NodeConfig) -> None:
    """Check what ``[reports]`` and the destinations choose, as far as only the writer knows what there is.

    Raises
    ------
    ConfigurationError
        If a texture feature has no code: a worker would fail on every study.
    """
    for name, options in config.reports_by_destination().items():
        if options.texture == DEFAULT_OPTIONS.texture:
            continue
        from reports.texture import check_texture_choice

        try:
            check_texture_choice(options.texture)
        except ConfigurationError as error:
            table = f"[[destination]] {name!r} [destination.reports]" if name else "[reports]"
            raise ConfigurationError(f"{table} {error}") from None


def _check_data_dir(config: NodeConfig) -> Iterator[Finding]:
    try:
        check_data_directory(config.node.data_dir)
    except ConfigurationError as error:
        yield Finding(Level.FAIL, "data_dir", str(error))
        return
    data_dir = config.node.data_dir
    existing = next(path for path in (data_dir, *data_dir.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        yield Finding(
            Level.FAIL,
            "data_dir",
            f"{existing} cannot be written ({error.strerror}); set its owner or [node] data_dir",
        )
        return
    yield Finding(Level.OK, "data_dir", f"{data_dir} can be written")
    free = shutil.disk_usage(existing).free
    needed = config.receiver.min_free_bytes
    amounts = f"{free / 1e9:.1f} GB free, [receiver] min_free_bytes = {needed / 1e9:.1f} GB"
    if free < needed:
        yield Finding(
            Level.FAIL, "disk space", f"{amounts}: objects are refused with 0xA700; free some space"
        )
    elif free < 2 * needed:
        yield Finding(Level.WARN, "disk space", f"{amounts}: free some space soon")
    else:
        yield Finding(Level.OK, "disk space", amounts)


def _check_analysis(config: AnalysisConfig) -> Iterator[Finding]:
    for subject, check in _ANALYSIS_FILES.items():
        try:
            yield Finding(Level.OK, subject, check(config))
        except ConfigurationError as error:
            yield Finding(Level.FAIL, subject, str(error))


def _reference(config: AnalysisConfig) -> str:
    from analysis.measurement.reference import load_reference

    return load_reference(config.reference).identity.name


def _guideline(config: AnalysisConfig) -> str:
    from analysis.advice.guideline import load_guideline

    guideline = load_guideline(config.guideline)
    return f"{config.guideline.name}: {len(guideline.rules)} rules"


def _models(config: AnalysisConfig) -> str:
    from analysis.risk import load_models

    models = load_models(config.models).models
    names = ", ".join(f"{model.identity.name} {model.identity.version}" for model in models)
    return f"{names}; every SHA-256 as registered"


def _devices(config: AnalysisConfig) -> str:
    from analysis.quality_control import load_devices

    if config.devices is None:
        return "no devices file: nothing is known of any scanner's calibration, precision or quality control"
    devices = load_devices(config.devices)
    return f"{config.devices.name}: scanners {len(devices.entries)}, equations {len(devices.equations)}"


_ANALYSIS_FILES: Mapping[str, Callable[[AnalysisConfig], str]] = {
    "reference": _reference,
    "guideline": _guideline,
    "models": _models,
    "devices": _devices,
}


def _check_executor(config: NodeConfig) -> Finding:
    settings = config.execution
    if settings.executor == "processes":
        return Finding(Level.OK, "execution", f"{settings.workers} worker process(es) of this machine")
    from dicom_node.workflow.cluster import count_workers

    try:
        found = count_workers(settings)
    except NodeError as error:
        return Finding(Level.FAIL, "execution", str(error))
    message = (
        f"{settings.scheduler} answers, with {found} worker(s) for [execution] workers = {settings.workers}"
    )
    return Finding(Level.OK if found >= settings.workers else Level.WARN, "execution", message)


def _check_routes(config: NodeConfig) -> Iterator[Finding]:
    """Say what each route does, and which ones never decide."""
    from dicom_node.workflow.routing import shadowing

    for number, route in enumerate(config.routes):
        subject = f"route {route.name}"
        earlier = shadowing(config.routes, number)
        if earlier is not None:
            yield Finding(
                Level.WARN,
                subject,
                f"never decides: {earlier.name!r}, which stands before it, fits wherever it does; move it up",
            )
            continue
        try:
            files = check_route_files(route, config.analysis)
        except ConfigurationError as error:
            yield Finding(Level.FAIL, subject, str(error))
            continue
        conditions = " and ".join(map(str, route.when)) or "every study"
        discards = "discard" in route.action
        told = "; ".join((conditions, ", ".join(route.action), *files))
        yield Finding(Level.WARN if discards else Level.OK, subject, told)


def _check_reports(config: NodeConfig) -> Iterator[Finding]:
    """Say what each destination gets."""
    try:
        check_report_choices(config)
    except ConfigurationError as error:
        yield Finding(Level.FAIL, "reports", str(error))
        return
    for name, options in config.reports_by_destination().items():
        yield Finding(Level.OK, f"results for {name}" if name else "results, held", _choices(options))


def _choices(options: ReportOptions) -> str:
    refusals = {
        "none": "no answer to studies that were not analysed",
        "rejected": "refusals of forearm studies",
        "all": "refusals of every study that was not analysed",
    }
    return "; ".join(
        (
            ", ".join(name for name in EVERY_RESULT if name in options.results),
            {"en": "in English", "zh": "in Chinese"}[options.language],
            f"SR class {options.sr_class}",
            f"patient {'printed' if options.patient_on_summary else 'not printed'} on the pages",
            refusals[options.refusals],
        )
    )


def _check_destinations(config: NodeConfig) -> Iterator[Finding]:
    if not config.destinations:
        yield Finding(
            Level.WARN,
            "destination",
            f"none is configured: results are held; add a [[destination]] to {config.path} to send them",
        )
    for destination in config.destinations:
        yield _check_destination(destination, config)


def _check_destination(destination: Destination, config: NodeConfig) -> Finding:
    from dicom_node.network.destinations import verify

    subject = f"destination {destination.name}"
    try:
        answer = verify(destination, config.delivery, calling_ae_title=config.node.ae_title)
    except DeliveryError as error:
        return Finding(Level.FAIL, subject, f"{error}; results wait until it answers")
    return Finding(Level.OK, subject, answer)
