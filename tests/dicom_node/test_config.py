"""A site's mistakes in node.toml are named with key, value and remedy before anything starts."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_node.config import (
    AccessSettings,
    AuditSettings,
    BackupSettings,
    CommitmentSettings,
    CompletionSettings,
    ConsoleSettings,
    DeliverySettings,
    ExecutionSettings,
    LearningSettings,
    LoggingSettings,
    MonitoringSettings,
    NodeConfig,
    NodeSettings,
    NotificationSettings,
    ReceiverSettings,
    ReprocessingSettings,
    RetentionSettings,
    ServerTls,
    default_conf_directory,
)
from dicom_node.errors import ConfigurationError
from dicom_node.settings import ae_title
from dicom_node.storage.records import HELD
from reports import ReportOptions

ANALYSIS = '[analysis]\nreference = "curve.csv"\nguideline = "rules.toml"\nmodels = "models"\n'
PACS = '[[destination]]\nname = "pacs"\nae_title = "PACS"\nhost = "127.0.0.1"\nport = 104\n'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A conf directory in which every file that [analysis] names is there."""
    conf = tmp_path / "conf"
    (conf / "models").mkdir(parents=True)
    (conf / "curve.csv").touch()
    (conf / "rules.toml").touch()
    return conf


def load(conf: Path, text: str) -> NodeConfig:
    path = conf / "node.toml"
    path.write_text(text, encoding="utf-8")
    return NodeConfig.load(path)


def test_paths_start_from_the_configuration_file(site: Path) -> None:
    config = load(site, '[node]\ndata_dir = "../data"\n' + ANALYSIS)
    assert config.node.data_dir == site.parent / "data"
    assert config.analysis.reference == site / "curve.csv"


def test_everything_but_the_analysis_files_has_a_default(site: Path) -> None:
    config = load(site, ANALYSIS)
    assert (config.node.ae_title, config.node.port) == ("RADIUSDXA", 11112)
    assert config.completion.quiet_seconds == 10
    assert config.destinations == ()


def test_every_destination_keeps_its_own_name(site: Path) -> None:
    config = load(site, ANALYSIS + PACS + PACS.replace('"pacs"', '"archive"'))
    assert [item.name for item in config.destinations] == ["pacs", "archive"]
    assert config.destination("archive").port == 104
    with pytest.raises(ConfigurationError, match="'pax'; there are: pacs, archive"):
        config.destination("pax")


def test_a_destination_chooses_its_own_results_and_inherits_the_rest(site: Path) -> None:
    shared = '[reports]\npatient_on_summary = false\nlanguage = "en"\n'
    own = '[destination.reports]\nlanguage = "zh"\nresults = ["summary", "report"]\n'
    archive = PACS.replace('"pacs"', '"archive"')
    config = load(site, shared + ANALYSIS + PACS + own + archive)
    pacs, other = config.destinations
    assert (pacs.reports.language, pacs.reports.results) == ("zh", ("summary", "report"))
    assert pacs.reports.patient_on_summary is False
    assert other.reports == config.reports
    assert config.reports_by_destination() == {"pacs": pacs.reports, "archive": config.reports}


def test_without_a_destination_the_results_are_made_and_held(site: Path) -> None:
    config = load(site, '[reports]\nlanguage = "zh"\n' + ANALYSIS)
    assert config.reports_by_destination() == {HELD: config.reports}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[node]\nae_titel = 'X'\n", r"\[node\] ae_titel = 'X': unknown key; did you mean 'ae_title'\?"),
        ("[nodes]\nport = 1\n", r"top level nodes = .*did you mean 'node'\?"),
        ("[node]\nport = 99999\n", r"\[node\] port = 99999: must be from 0 to 65535"),
        ("[node]\nport = '11112'\n", r"\[node\] port = '11112': must be a whole number"),
        ("[node]\nport = true\n", r"\[node\] port = True: must be a whole number"),
        ("[node]\nae_title = 'SEVENTEEN_LETTERS'\n", r"ae_title = 'SEVENTEEN_LETTERS': must be 1 to 16"),
        ("[node]\nport = \n", r"is not TOML: .*line 2.*; mend that line"),
        ("[completion]\nquiet_seconds = -1\n", r"quiet_seconds = -1: must be from 0 to 86400"),
        ("completion = 3\n", r"completion = 3: must be a table; write \[completion\]"),
        ("[reports]\npatient_on_summary = 1\n", r"patient_on_summary = 1: must be true or false"),
        ("[receiver]\ncalling_ae_titles = 'SCANNER'\n", r"calling_ae_titles = 'SCANNER': must be a list"),
        ("[receiver]\ncalling_ae_titles = ['']\n", r"calling_ae_titles = \[''\]: must be 1 to 16"),
        ("[reports]\nlanguage = 'de'\n", r"\[reports\] language = 'de': must be one of 'en', 'zh'"),
        ("[reports]\nresults = ['heatmap']\n", r"results = \['heatmap'\]: must be a list of 'summary', "),
        ("[reports]\nresults = []\n", r"\[reports\] results = \[\]: must name at least one of summary"),
        ("[reports]\nresults = ['report', 'report']\n", r"results: names 'report' twice; name it once"),
        (ANALYSIS + PACS + "reports = 3\n", r"1 reports = 3: must be a table; write \[destination.reports\]"),
        (
            ANALYSIS + PACS + "[destination.reports]\nlangauge = 'zh'\n",
            r"\[\[destination\]\] 1 \[destination.reports\] langauge = 'zh': .*did you mean 'language'",
        ),
        (
            ANALYSIS + PACS + "[destination.reports]\nsr_class = 'basic'\n",
            r"\[destination.reports\] sr_class = 'basic': must be one of 'comprehensive', 'enhanced'",
        ),
        (ANALYSIS + PACS + PACS, r"\[\[destination\]\] 2 name = 'pacs': used twice"),
        (ANALYSIS + "[[destination]]\nname = 'a'\n", r"\[\[destination\]\] 'a' ae_title is missing: type"),
        ("destination = 3\n" + ANALYSIS, r"destination: must be a list of tables"),
        (ANALYSIS.replace("curve", "gone"), r"reference = 'gone.csv': must be a path that exists"),
        ("", r"\[analysis\] reference is missing"),
        (ANALYSIS + "forearm_position = 'sideways'\n", r"must be one of 'palm_down', 'palm_up', 'unchecked'"),
        (ANALYSIS + "texture_families = ['glcm']\n", r"must be a list of 'core', 'original', 'log'"),
    ],
)
def test_a_mistake_is_named_with_key_value_and_remedy(site: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint) as raised:
        load(site, text)
    assert str(site / "node.toml") in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere.toml: no such file; pass --config FILE"):
        NodeConfig.load(tmp_path / "nowhere.toml")


def test_the_shipped_configuration_documents_every_key_with_its_default() -> None:
    text = (default_conf_directory() / "node.toml").read_text(encoding="utf-8")
    uncommented = re.sub(r"^#(?=[a-z_]+ = )", "", text.split("#[[destination]]")[0], flags=re.MULTILINE)
    shipped = tomllib.loads(uncommented)
    schemas = {
        "node": NodeSettings,
        "receiver": ReceiverSettings,
        "completion": CompletionSettings,
        "execution": ExecutionSettings,
        "delivery": DeliverySettings,
        "reports": ReportOptions,
        "access": AccessSettings,
        "tls": ServerTls,
        "commitment": CommitmentSettings,
        "notifications": NotificationSettings,
        "learning": LearningSettings,
        "logging": LoggingSettings,
        "monitoring": MonitoringSettings,
        "console": ConsoleSettings,
        "audit": AuditSettings,
        "retention": RetentionSettings,
        "backup": BackupSettings,
        "reprocessing": ReprocessingSettings,
    }
    for name, schema in schemas.items():
        defaults = schema()
        for item in fields(schema):
            if item.name == "profiles":  # tables of their own, shown as an example
                continue
            default = getattr(defaults, item.name)
            expected = str(default) if isinstance(default, Path) else default
            written = shipped[name].pop(item.name)
            if default is None:  # without a default the file shows an example
                continue
            assert (tuple(written) if isinstance(written, list) else written) == expected
        assert shipped[name] == {}


@given(st.text(max_size=20))
def test_an_ae_title_is_accepted_only_if_dicom_can_carry_it(text: str) -> None:
    if ae_title(text) is None:
        assert 1 <= len(text.encode("ascii")) <= 16
        assert "\\" not in text and text.isprintable() and text == text.strip()
