"""The first route that one object of a study meets decides; the language has no other rule."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from node_support import receive
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, generate_uid
from scripted_scp import write_object

from dicom_node.config import DEFAULT_ROUTE, Condition, Route
from dicom_node.config.matching import ATTRIBUTES, KINDS
from dicom_node.storage.archive import Archive
from dicom_node.storage.journal import Journal
from dicom_node.workflow.facts import ObjectFacts, Sender, facts_of, read_header
from dicom_node.workflow.routing import Router, follow, shadowing

DX_IMAGE = "1.2.840.10008.5.1.4.1.1.1.1"
COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"

texts = st.text("aAbB1 -", min_size=1, max_size=4).map(str.strip).filter(bool)
patterns = st.text("aAbB1 -*?", min_size=1, max_size=4).map(str.strip).filter(bool)
attributes = st.sampled_from(["calling_ae", "called_ae", "modality", "body_part", "study_description"])
objects_of_a_study = st.lists(st.dictionaries(attributes, texts), min_size=1, max_size=4)
conditions = st.dictionaries(attributes, st.lists(patterns, min_size=1, max_size=3), max_size=3).map(
    lambda table: tuple(Condition(name, tuple(found)) for name, found in table.items())
)
routes_of_a_site = st.lists(conditions, max_size=5).map(
    lambda whens: [Route(f"route {number}", when=when) for number, when in enumerate(whens)]
)


def one_object(values: Mapping[str, str]) -> ObjectFacts:
    return ObjectFacts(MappingProxyType({name: (value,) for name, value in values.items()}), True)


def holds(condition: Condition, values: Mapping[str, str]) -> bool:
    """The documented meaning, spelled independently: any pattern, wild cards, either case."""
    value = values.get(condition.attribute, "").strip().lower()
    return bool(value) and any(fnmatch.fnmatchcase(value, pattern.lower()) for pattern in condition.patterns)


@given(routes_of_a_site, objects_of_a_study)
def test_the_first_route_decides_that_one_object_meets_entirely(
    routes: list[Route], objects: list[dict[str, str]]
) -> None:
    verdicts = follow(routes, [one_object(values) for values in objects])
    expected = next(
        (
            route
            for route in routes
            if not route.when or any(all(holds(item, values) for item in route.when) for values in objects)
        ),
        DEFAULT_ROUTE,
    )
    assert verdicts[-1].route == expected
    assert [verdict.matched for verdict in verdicts] == [False] * (len(verdicts) - 1) + [True]
    assert [verdict.route for verdict in verdicts] == [*routes, DEFAULT_ROUTE][: len(verdicts)]


@given(routes_of_a_site, objects_of_a_study)
def test_a_route_that_is_said_never_to_decide_never_does(
    routes: list[Route], objects: list[dict[str, str]]
) -> None:
    decided = follow(routes, [one_object(values) for values in objects])[-1].route
    never = [route for number, route in enumerate(routes) if shadowing(routes, number)]
    assert decided not in never


@given(routes_of_a_site, objects_of_a_study, st.data())
def test_the_order_of_the_objects_does_not_matter(
    routes: list[Route], objects: list[dict[str, str]], data: st.DataObject
) -> None:
    facts = [one_object(values) for values in objects]
    assert follow(routes, facts)[-1].route == follow(routes, data.draw(st.permutations(facts)))[-1].route


@given(texts)
def test_letters_count_the_same_in_either_case(text: str) -> None:
    assert Condition("study_description", (text.upper(),)).fitting((text.lower(),))


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_an_absent_or_empty_value_fits_nothing(attribute: str) -> None:
    anything = Condition(attribute, ("0.0.0.0/0" if attribute == "peer_address" else "*",))
    assert anything.fitting(()) is None
    assert anything.fitting(("",)) is None


@pytest.mark.parametrize(
    ("network", "address", "fits"),
    [
        ("10.20.0.0/16", "10.20.30.40", True),
        ("10.20.0.0/16", "10.21.0.1", False),
        ("10.20.30.40", "10.20.30.40", True),
        ("10.20.0.0/16", "::ffff:10.20.1.1", True),  # an IPv4 peer of a socket that listens to both
        ("fe80::/10", "fe80::1%eth0", True),
        ("10.0.0.0/8", "scanner.example", False),
    ],
)
def test_an_address_fits_the_network_that_holds_it(network: str, address: str, fits: bool) -> None:
    assert (Condition("peer_address", (network,)).fitting((address,)) is not None) is fits


def test_conditions_met_by_different_objects_do_not_add_up() -> None:
    route = Route(
        "forearm images", when=(Condition("modality", ("DX",)), Condition("body_part", ("FOREARM",)))
    )
    apart = [one_object({"modality": "DX"}), one_object({"modality": "SR", "body_part": "FOREARM"})]
    assert follow([route], apart)[-1].route == DEFAULT_ROUTE
    together = [*apart, one_object({"modality": "dx", "body_part": "forearm"})]
    assert follow([route], together)[-1].route == route


@pytest.mark.parametrize(
    "pattern", [DX_IMAGE, "Digital X-Ray Image*", "digitalxrayimagestorageforpresentation"]
)
def test_a_sop_class_goes_by_uid_name_or_keyword(pattern: str) -> None:
    facts = facts_of({}, DX_IMAGE, Sender())
    assert Condition("sop_class", (pattern,)).fitting(facts["sop_class"])


@pytest.mark.parametrize(
    ("sop_class", "kind"),
    [
        (DX_IMAGE, "image"),
        ("1.2.840.10008.5.1.4.1.1.7", "image"),
        (COMPREHENSIVE_SR, "report"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "document"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "other"),
        ("1.2.826.0.1.3680043.9.9999.1", "other"),
    ],
)
def test_the_kind_goes_by_sop_class(sop_class: str, kind: str) -> None:
    assert kind in KINDS
    assert facts_of({}, sop_class, Sender())["kind"] == (kind,)


class Ground:
    """A journal and an archive with studies as received."""

    def __init__(self, folder: Path) -> None:
        self.archive = Archive(folder / "data")
        self.journal = Journal(self.archive.journal_path)
        self.folder = folder

    def receive(self, study: str, *, sop_class: str = DX_IMAGE, syntax: str = "", **values: str) -> None:
        file = write_object(self.folder / "object.dcm", sop_class=sop_class, study=study)
        dataset = dcmread(file)
        for keyword, value in values.items():
            setattr(dataset, keyword, value)
        encode(dataset, file, syntax or dataset.file_meta.TransferSyntaxUID)
        name = generate_uid()
        kept = self.archive.data_dir / "instances" / f"{name}.dcm"
        kept.write_bytes(file.read_bytes())
        receive(
            self.journal,
            study,
            content=name.encode(),
            path=f"instances/{kept.name}",
            sop_class=sop_class,
            syntax=str(dataset.file_meta.TransferSyntaxUID),
        )

    def route(self, study: str, *routes: Route) -> str:
        return Router(routes, self.archive, self.journal).decide(study).route


def encode(dataset: Dataset, file: Path, syntax: str) -> None:
    dataset.file_meta.TransferSyntaxUID = syntax
    big, implicit = syntax == ExplicitVRBigEndian, syntax == ImplicitVRLittleEndian
    dcmwrite(file, dataset, enforce_file_format=True, little_endian=not big, implicit_vr=implicit)


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path)
    yield made
    made.journal.close()


BY_DESCRIPTION = Route("forearm", when=(Condition("study_description", ("*unterarm*",)),))


@pytest.mark.parametrize("syntax", ["", ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_values_come_from_the_archived_header_however_it_is_encoded(ground: Ground, syntax: str) -> None:
    ground.receive("1.2", StudyDescription="DXA Unterarm links", syntax=syntax)
    assert ground.route("1.2", BY_DESCRIPTION) == "forearm"


@pytest.mark.parametrize("character_set", ["ISO_IR 100", "ISO_IR 192"])
def test_letters_beyond_ascii_fit_in_either_usual_encoding(ground: Ground, character_set: str) -> None:
    ground.receive("1.2", StudyDescription="Knöchel", SpecificCharacterSet=character_set)
    assert (
        ground.route("1.2", Route("ankle", when=(Condition("study_description", ("knöchel",)),))) == "ankle"
    )


def test_a_value_inside_a_sequence_fits_nothing(ground: Ground) -> None:
    file = write_object(ground.folder / "nested.dcm", sop_class=DX_IMAGE, study="1.2")
    dataset = dcmread(file)
    item = Dataset()
    item.StudyDescription = "Unterarm"
    dataset.RequestAttributesSequence = [item]
    dataset.save_as(file)
    assert "study_description" not in read_header(file, dataset.file_meta.TransferSyntaxUID)


@pytest.mark.parametrize("damage", ["cut", "no meta", "gone", "empty"])
def test_a_file_that_cannot_be_read_fits_nothing_and_goes_the_default_way(
    tmp_path: Path, damage: str
) -> None:
    file = write_object(tmp_path / "object.dcm", sop_class=DX_IMAGE, study="1.2")
    whole = file.read_bytes()
    {
        "cut": lambda: file.write_bytes(whole[:-3]),
        "no meta": lambda: file.write_bytes(whole[132:]),
        "gone": file.unlink,
        "empty": lambda: file.write_bytes(b""),
    }[damage]()
    header = read_header(file, "1.2.840.10008.1.2.1")
    assert dict(header) == {}
    facts = facts_of(header, DX_IMAGE, Sender())
    assert follow([Route("any", when=(Condition("modality", ("*",)),))], [facts])[-1].route == DEFAULT_ROUTE


def test_what_is_journalled_of_a_decision_quotes_the_rule_and_not_the_patient(ground: Ground) -> None:
    ground.receive("1.2", StudyDescription="Unterarm of Jane Doe")
    study = ground.journal.study("1.2")
    assert study is not None
    routing = Router([BY_DESCRIPTION], ground.archive, ground.journal).decide("1.2")
    assert ground.journal.complete_study(study, "quiet", routing)
    kept = ground.journal.routing("1.2")
    assert kept == routing
    assert kept.reasons == ("study_description fits '*unterarm*'",)
    told = " ".join(event.message for event in ground.journal.events())
    assert "*unterarm*" in told and "Jane" not in told


def test_headers_are_read_once_while_a_study_arrives_and_not_kept_once_it_is_decided_on(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dicom_node.workflow import facts

    reads: list[Path] = []

    def counted(path: Path, syntax: str) -> facts.Header:
        reads.append(path)
        return read_header(path, syntax)

    monkeypatch.setattr(facts, "read_header", counted)
    ground.receive("1.2")
    ground.receive("1.2")
    router = Router([BY_DESCRIPTION], ground.archive, ground.journal)
    router.objects("1.2")
    router.objects("1.2")
    router.decide("1.2")
    assert len(reads) == 2
    router.objects("1.2")
    assert len(reads) == 4, "a node that runs for months keeps no headers of studies long gone"


def test_objects_of_private_classes_are_forwarded_if_asked_and_never_analysed(ground: Ground) -> None:
    ground.receive("1.2", sop_class="1.2.826.0.1.3680043.9.9999.1")
    both = Route("all", action=("analyse", "forward"), forward_to=("pacs",))
    router = Router([both], ground.archive, ground.journal)
    assert router.decide("1.2").actions == ("forward",)
    assert Router([], ground.archive, ground.journal).decide("1.2").actions == ("store",)
    ground.receive("1.2")
    assert router.decide("1.2").actions == ("analyse", "forward"), "the standard's own object is analysed"


def test_a_later_route_with_fewer_patterns_is_shadowed() -> None:
    wide = Route("wide", when=(Condition("modality", ("DX", "CR")),))
    narrow = Route("narrow", when=(Condition("modality", ("DX",)), Condition("calling_ae", ("A",))))
    assert shadowing([wide, narrow], 1) == wide
    assert shadowing([narrow, wide], 1) is None
    assert shadowing([Route("every"), narrow], 1) == Route("every")
    assert shadowing([replace(wide, when=()), wide, narrow], 2) is not None
