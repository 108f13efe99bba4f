"""Ways to spoil a sound result, one for each rule of `reports.checks`, and what the error then says."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

from pydicom import Dataset
from pydicom.uid import EnhancedSRStorage

from reports.checks import content_items

Spoil = Callable[[Dataset], object]
NUMBERS, REPORT, SUMMARY, PICTURE = "Measurements", "Report", "Summary", "Risk drivers"
"""First word of a result's Series Description."""


# --- ways to find something in a result -------------------------------------------------------------------


def code_of(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue) if "ConceptNameCodeSequence" in item else ""


def items(document: Dataset, code: str) -> Iterator[Dataset]:
    return (item for item in content_items(document) if code_of(item) == code)


def item(document: Dataset, code: str) -> Dataset:
    return next(items(document, code))


def number(document: Dataset) -> Dataset:
    return next(item for item in content_items(document) if item.ValueType == "NUM")


def measured(document: Dataset) -> Dataset:
    value: Dataset = number(document).MeasuredValueSequence[0]
    return value


def outline(document: Dataset) -> Dataset:
    return item(document, "111030")


def section(document: Dataset) -> Dataset:
    found: Dataset = next(c for c in document.ContentSequence if c.ValueType == "CONTAINER")
    return found


# --- ways to spoil it -------------------------------------------------------------------------------------


def drop(code: str) -> Spoil:
    """Remove the first item with this concept name."""

    def spoil(document: Dataset) -> None:
        for parent in content_items(document):
            children = list(parent.get("ContentSequence", ()))
            found = [child for child in children if code_of(child) == code]
            if found:
                parent.ContentSequence = [child for child in children if child is not found[0]]
                return
        raise LookupError(code)

    return spoil


def repeat(code: str) -> Spoil:
    def spoil(document: Dataset) -> None:
        for parent in content_items(document):
            for child in parent.get("ContentSequence", ()):
                if code_of(child) == code:
                    parent.ContentSequence.append(copy.deepcopy(child))
                    return
        raise LookupError(code)

    return spoil


def put(keyword: str, value: object, at: Callable[[Dataset], Dataset] = lambda document: document) -> Spoil:
    return lambda document: setattr(at(document), keyword, value)


def remove(keyword: str, at: Callable[[Dataset], Dataset] = lambda document: document) -> Spoil:
    return lambda document: delattr(at(document), keyword)


def at(code: str) -> Callable[[Dataset], Dataset]:
    return lambda document: item(document, code)


def concept(code: str) -> Callable[[Dataset], Dataset]:
    return lambda document: item(document, code).ConceptNameCodeSequence[0]


def value(code: str) -> Callable[[Dataset], Dataset]:
    return lambda document: item(document, code).ConceptCodeSequence[0]


def evidence(document: Dataset) -> Dataset:
    study: Dataset = document.CurrentRequestedProcedureEvidenceSequence[0]
    return study


def evidence_series(document: Dataset) -> Dataset:
    series: Dataset = evidence(document).ReferencedSeriesSequence[0]
    return series


def outline_image(document: Dataset) -> Dataset:
    reference: Dataset = outline(document).ContentSequence[0].ReferencedSOPSequence[0]
    return reference


def unit(document: Dataset) -> Dataset:
    code: Dataset = measured(document).MeasurementUnitsCodeSequence[0]
    return code


def moved_out(document: Dataset) -> None:
    outline(document).GraphicData = [x + 150 for x in outline(document).GraphicData]


def shared_tracking(document: Dataset) -> None:
    first, second, *_ = items(document, "112040")
    second.UID = first.UID


def listed_twice(document: Dataset) -> None:
    instances = evidence_series(document).ReferencedSOPSequence
    instances.append(copy.deepcopy(instances[0]))


def as_other_evidence(document: Dataset) -> None:
    document.PertinentOtherEvidenceSequence = document.CurrentRequestedProcedureEvidenceSequence
    del document.CurrentRequestedProcedureEvidenceSequence


def replacing_itself(document: Dataset) -> None:
    document.PredecessorDocumentsSequence = copy.deepcopy(document.CurrentRequestedProcedureEvidenceSequence)
    series = document.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = document.SOPInstanceUID


def its_own_evidence(document: Dataset) -> None:
    instances = evidence_series(document).ReferencedSOPSequence
    instances.append(copy.deepcopy(instances[0]))
    instances[-1].ReferencedSOPInstanceUID = document.SOPInstanceUID


def emptied_section(document: Dataset) -> None:
    section(document).ContentSequence = []


def wordless_section(document: Dataset) -> None:
    code = next(child for child in content_items(document) if child.ValueType == "CODE")
    word = copy.deepcopy(code)
    word.RelationshipType = "CONTAINS"
    section(document).ContentSequence = [word]


def without_sections(document: Dataset) -> None:
    document.ContentSequence = [c for c in document.ContentSequence if c.ValueType != "CONTAINER"]


def without_numbers(document: Dataset) -> None:
    for group in items(document, "125007"):
        group.ContentSequence = [child for child in group.ContentSequence if child.ValueType != "NUM"]


def outsider_in_measurements(document: Dataset) -> None:
    stray = next(child for child in content_items(document) if child.ValueType == "TEXT")
    stray = copy.deepcopy(stray)
    stray.RelationshipType = "CONTAINS"
    item(document, "126010").ContentSequence.append(stray)


def by_reference(document: Dataset) -> None:
    reference = Dataset()
    reference.RelationshipType = "CONTAINS"
    reference.ReferencedContentItemIdentifier = [1, 1]
    item(document, "126010").ContentSequence.append(reference)


def cropped(picture: Dataset) -> None:
    picture.PixelData = picture.PixelData[:-2]


MUTATIONS: dict[str, tuple[str, Spoil, str]] = {
    # TID 1500, 1204, 1001, 1002, 1004: the root of the measurements
    "no language": (NUMBERS, drop("121049"), "exactly one Language"),
    "two languages": (NUMBERS, repeat("121049"), "exactly one Language"),
    "a language of another scheme": (
        NUMBERS,
        put("CodingSchemeDesignator", "DCM", value("121049")),
        "5646",
    ),
    "no observer type": (NUMBERS, drop("121005"), "exactly one Observer Type"),
    "a person as observer": (
        NUMBERS,
        put("CodeValue", "121006", value("121005")),
        "observed by a device",
    ),
    "no device UID": (NUMBERS, drop("121012"), "exactly one Device Observer UID"),
    "an illegal device UID": (NUMBERS, put("UID", "1.02.3", at("121012")), "legal UID"),
    "no device name": (NUMBERS, drop("121013"), "Device Observer Name"),
    "no device manufacturer": (NUMBERS, drop("121014"), "Device Observer Manufacturer"),
    "no device model": (NUMBERS, drop("121015"), "Device Observer Model Name"),
    "no procedure reported": (NUMBERS, drop("121058"), "at least 1 Procedure reported"),
    "no imaging measurements": (NUMBERS, drop("126010"), "exactly one Imaging Measurements"),
    "no qualitative evaluations": (NUMBERS, drop("C0034375"), "exactly one Qualitative Evaluations"),
    "a stray item among the groups": (NUMBERS, outsider_in_measurements, "only measurement groups"),
    "another title": (NUMBERS, put("CodeValue", "126001", concept("126000")), "title .126000, DCM"),
    "no template": (NUMBERS, remove("ContentTemplateSequence"), "template 1500 of DCMR"),
    "another template": (
        NUMBERS,
        put("TemplateIdentifier", "1501", lambda document: document.ContentTemplateSequence[0]),
        "template 1500 of DCMR",
    ),
    "a template of nobody": (
        NUMBERS,
        put("MappingResource", "99X", lambda document: document.ContentTemplateSequence[0]),
        "template 1500 of DCMR",
    ),
    # TID 1410, 4108, 4019: the measurement groups
    "no tracking identifier": (NUMBERS, drop("112039"), "exactly one Tracking Identifier"),
    "an empty tracking identifier": (NUMBERS, put("TextValue", " ", at("112039")), "say something in"),
    "no tracking UID": (NUMBERS, drop("112040"), "exactly one Tracking Unique Identifier"),
    "an empty tracking UID": (NUMBERS, put("UID", "", at("112040")), "legal UID"),
    "a shared tracking UID": (NUMBERS, shared_tracking, "tracking UID of its own"),
    "no finding": (NUMBERS, drop("121071"), "exactly one Finding "),
    "no finding site": (NUMBERS, drop("363698007"), "exactly one Finding Site"),
    "no side": (NUMBERS, drop("272741003"), "the side of the analysed forearm"),
    "the other side": (
        NUMBERS,
        put("CodeValue", "24028007", value("272741003")),
        "the side of the analysed",
    ),
    "no algorithm name": (NUMBERS, drop("111001"), "exactly one Algorithm Name"),
    "no algorithm version": (NUMBERS, drop("111003"), "exactly one Algorithm Version"),
    "no outline": (NUMBERS, drop("111030"), "exactly one Image Region"),
    "two outlines": (NUMBERS, repeat("111030"), "exactly one Image Region"),
    "nothing measured": (NUMBERS, without_numbers, "measure something"),
    # outlines
    "an open outline": (
        NUMBERS,
        lambda document: put("GraphicData", outline(document).GraphicData[:-2], outline)(document),
        "closed outlines",
    ),
    "five points": (NUMBERS, put("GraphicData", [1, 1, 9, 1, 9, 9, 1, 9, 1, 1], outline), "at least 6"),
    "half a point": (NUMBERS, put("GraphicData", [1.0] * 13, outline), "a row to every column"),
    "an outline off the image": (NUMBERS, moved_out, "within the image of 200 x 300"),
    "an outline around nothing": (
        NUMBERS,
        put("GraphicData", [5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 5, 5], outline),
        "enclose something",
    ),
    "a polygon type of the third dimension": (
        NUMBERS,
        put("GraphicType", "POLYGON", outline),
        "POLYLINE",
    ),
    "another purpose of the image": (
        NUMBERS,
        put("CodeValue", "260753009", lambda d: outline(d).ContentSequence[0].ConceptNameCodeSequence[0]),
        "Original Source",
    ),
    "an outline of no image": (NUMBERS, put("ContentSequence", [], outline), "Original Source"),
    "a frame of a single image": (NUMBERS, put("ReferencedFrameNumber", 1, outline_image), "as a whole"),
    # TID 300: numbers
    "no value": (NUMBERS, put("MeasuredValueSequence", [], number), "or leave it out"),
    "not a number": (
        NUMBERS,
        put("FloatingPointValue", float("nan"), measured),
        "finite number",
    ),
    "two different numbers": (NUMBERS, put("FloatingPointValue", 5.5, measured), "same number in both"),
    "no unit": (NUMBERS, put("MeasurementUnitsCodeSequence", [], measured), "unit of UCUM"),
    "a unit of another scheme": (NUMBERS, put("CodingSchemeDesignator", "DCM", unit), "unit of UCUM"),
    "an invented unit": (NUMBERS, put("CodeValue", "gram/cm2", unit), "unit of UCUM"),
    # relationships, values, codes
    "an unknown relationship": (
        NUMBERS,
        put("RelationshipType", "HAS FRIENDS", number),
        "know the relation",
    ),
    "a number as property of a container": (
        NUMBERS,
        put("RelationshipType", "HAS PROPERTIES", number),
        "know the relationship CONTAINER HAS PROPERTIES NUM",
    ),
    "a bogus value type": (NUMBERS, put("ValueType", "NUMBER", number), "know the relationship"),
    "content by reference": (NUMBERS, by_reference, "by value"),
    "continuous containers": (
        NUMBERS,
        put("ContinuityOfContent", "CONTINUOUS", at("125007")),
        "SEPARATE",
    ),
    "an item without name": (NUMBERS, remove("ConceptNameCodeSequence", number), "name every NUM"),
    "a code without value": (NUMBERS, put("ConceptCodeSequence", [], at("121058")), "have a code in"),
    "a long meaning": (NUMBERS, put("CodeMeaning", "x" * 65, concept("125007")), "1 to 64 characters"),
    "no meaning": (NUMBERS, put("CodeMeaning", "", concept("125007")), "1 to 64 characters"),
    "a translated meaning": (
        NUMBERS,
        put("CodeMeaning", "骨密度", concept("125007")),
        "English meaning",
    ),
    "a long code": (NUMBERS, put("CodeValue", "x" * 17, concept("121058")), "at most 16 characters"),
    "a code twice": (NUMBERS, put("LongCodeValue", "x" * 17, concept("121058")), "one code value"),
    "undeclared private codes": (NUMBERS, remove("CodingSchemeIdentificationSequence"), "coding scheme"),
    "a code of nobody": (NUMBERS, put("CodingSchemeDesignator", "", concept("121058")), "coding scheme"),
    # evidence
    "no evidence": (NUMBERS, remove("CurrentRequestedProcedureEvidenceSequence"), "exactly once"),
    "evidence listed twice": (NUMBERS, listed_twice, "exactly once"),
    "evidence of another study": (
        NUMBERS,
        put("StudyInstanceUID", "2.25.5", evidence),
        "analysed study",
    ),
    "evidence of another series": (
        NUMBERS,
        put("SeriesInstanceUID", "2.25.5", evidence_series),
        "under its own series",
    ),
    "current evidence as other": (NUMBERS, as_other_evidence, "as other evidence"),
    "another class in the reference": (
        NUMBERS,
        put("ReferencedSOPClassUID", EnhancedSRStorage, outline_image),
        "as a whole|SOP class it is referred to",
    ),
    "an outline on another image": (
        NUMBERS,
        put("ReferencedSOPInstanceUID", "2.25.5", outline_image),
        "as a whole|exactly once",
    ),
    "itself as evidence": (NUMBERS, its_own_evidence, "its own evidence"),
    # SR document general
    "unfinished": (NUMBERS, put("CompletionFlag", "PARTIAL"), "complete and not verified"),
    "verified by nobody": (NUMBERS, put("VerificationFlag", "VERIFIED"), "complete and not verified"),
    "no content date": (NUMBERS, remove("ContentDate"), "content date"),
    "its own successor": (NUMBERS, replacing_itself, "not replace itself"),
    # TID 2000: the report in words
    "the title of the measurements": (
        REPORT,
        put("CodeValue", "126000", concept("18748-4")),
        "title .18748-4",
    ),
    "the template of the measurements": (
        REPORT,
        put("TemplateIdentifier", "1500", lambda document: document.ContentTemplateSequence[0]),
        "template 2000",
    ),
    "a report without language": (REPORT, drop("121049"), "exactly one Language"),
    "a report without observer": (REPORT, drop("121005"), "exactly one Observer Type"),
    "a report without sections": (REPORT, without_sections, "at least one section"),
    "an empty section": (REPORT, emptied_section, "leave out 'Summary' or fill it"),
    "a section without words": (REPORT, wordless_section, "in words"),
    # every object
    "another patient": (REPORT, put("PatientID", "someone else"), "agree with its source image on PatientID"),
    "another name": (SUMMARY, put("PatientName", "Roe^Richard"), "on PatientName"),
    "another birth date": (SUMMARY, put("PatientBirthDate", ""), "on PatientBirthDate"),
    "another study": (SUMMARY, put("StudyInstanceUID", "2.25.77"), "on StudyInstanceUID"),
    "another accession number": (SUMMARY, put("AccessionNumber", "B"), "on AccessionNumber"),
    "another maker": (REPORT, put("ManufacturerModelName", "Something else"), "name this product"),
    "another version": (REPORT, put("SoftwareVersions", "9"), "name this version"),
    "another character set": (REPORT, put("SpecificCharacterSet", "ISO_IR 100"), "UTF-8"),
    "an illegal UID": (REPORT, put("SeriesInstanceUID", "2.25.01"), "legal SeriesInstanceUID"),
    "the series of the source": (REPORT, put("SeriesInstanceUID", "2.25.1002"), "a series of its own"),
    "the series number of the source": (REPORT, put("SeriesNumber", 1), "series number and description"),
    "no description": (REPORT, put("SeriesDescription", ""), "series number and description"),
    "another document class": (REPORT, put("SOPClassUID", EnhancedSRStorage), "file header|Comprehensive SR"),
    "another modality": (SUMMARY, put("Modality", "CR"), "of modality OT"),
    "another file header": (
        REPORT,
        put("MediaStorageSOPInstanceUID", "2.25.5", lambda document: document.file_meta),
        "file header of its own",
    ),
    "fit for clinical use": (REPORT, put("ContentQualification", "PRODUCT"), "RESEARCH"),
    # secondary captures
    "an original": (PICTURE, put("ImageType", ["ORIGINAL", "PRIMARY"]), "DERIVED"),
    "a primary picture": (PICTURE, put("ImageType", ["DERIVED", "PRIMARY"]), "DERIVED"),
    "a name in hidden pixels": (SUMMARY, put("BurnedInAnnotation", "NO"), "Burned In Annotation YES"),
    "a name that is not there": (PICTURE, put("BurnedInAnnotation", "YES"), "Burned In Annotation NO"),
    "a face": (SUMMARY, put("RecognizableVisualFeatures", "YES"), "recognised"),
    "no derivation": (PICTURE, remove("DerivationDescription"), "how it was derived"),
    "no conversion type": (PICTURE, remove("ConversionType"), "conversion type"),
    "a lossy picture": (PICTURE, put("LossyImageCompression", "01"), "lost in compression"),
    "a grey picture": (PICTURE, put("PhotometricInterpretation", "MONOCHROME2"), "RGB"),
    "pixels missing": (PICTURE, cropped, "as many pixels"),
    "no source": (SUMMARY, remove("SourceImageSequence"), "analysed image as its source"),
    "another source": (
        PICTURE,
        put("ReferencedSOPInstanceUID", "2.25.5", lambda picture: picture.SourceImageSequence[0]),
        "analysed image as its source",
    ),
}
"""What is wrong -> the result that is spoiled, how, and what the error says."""
