"""A mutation of a Structured Report for each rule that `reports.checks` has for documents."""

from __future__ import annotations

from pydicom.uid import EnhancedSRStorage
from result_spoiling import (
    NUMBERS,
    REPORT,
    Spoil,
    as_other_evidence,
    at,
    by_reference,
    concept,
    drop,
    drop_in,
    emptied_section,
    evidence,
    evidence_series,
    its_own_evidence,
    listed_twice,
    measured,
    moved_out,
    number,
    outline,
    outline_image,
    outsider_in_measurements,
    put,
    remove,
    repeat,
    repeat_in,
    replacing_itself,
    shared_tracking,
    unit,
    value,
    without_numbers,
    without_sections,
    wordless_section,
)

DOCUMENT_MUTATIONS: dict[str, tuple[str, Spoil, str]] = {
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
    "no imaging measurements": (
        NUMBERS,
        drop("126010"),
        "exactly one Imaging Measurements",
    ),
    "no qualitative evaluations": (
        NUMBERS,
        drop("C0034375"),
        "exactly one Qualitative Evaluations",
    ),
    "a stray item among the groups": (
        NUMBERS,
        outsider_in_measurements,
        "only measurement groups",
    ),
    "no image library": (NUMBERS, drop("111028"), "exactly one Image Library "),
    "two image groups": (NUMBERS, repeat("126200"), "exactly one Image Library Group"),
    "an empty image library": (NUMBERS, drop("126200"), "leave out .Image Library. or fill it"),
    "an image listed twice": (NUMBERS, repeat_in("126200", "111040"), "exactly one Original Source"),
    "a library without image": (NUMBERS, drop_in("126200", "111040"), "leave out .Image Library Group"),
    "a library without modality": (NUMBERS, drop("121139"), "exactly one Modality"),
    "another title": (
        NUMBERS,
        put("CodeValue", "126001", concept("126000")),
        "title .126000, DCM",
    ),
    "no template": (
        NUMBERS,
        remove("ContentTemplateSequence"),
        "template 1500 of DCMR",
    ),
    "another template": (
        NUMBERS,
        put(
            "TemplateIdentifier",
            "1501",
            lambda document: document.ContentTemplateSequence[0],
        ),
        "template 1500 of DCMR",
    ),
    "a template of nobody": (
        NUMBERS,
        put(
            "MappingResource",
            "99X",
            lambda document: document.ContentTemplateSequence[0],
        ),
        "template 1500 of DCMR",
    ),
    # TID 1410, 4108, 4019: the measurement groups
    "no tracking identifier": (
        NUMBERS,
        drop("112039"),
        "exactly one Tracking Identifier",
    ),
    "an empty tracking identifier": (
        NUMBERS,
        put("TextValue", " ", at("112039")),
        "say something in",
    ),
    "a tracking identifier as content": (
        NUMBERS,
        put("RelationshipType", "CONTAINS", at("112039")),
        "have Tracking Identifier as HAS OBS CONTEXT TEXT",
    ),
    "no tracking UID": (
        NUMBERS,
        drop("112040"),
        "exactly one Tracking Unique Identifier",
    ),
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
    "five points": (
        NUMBERS,
        put("GraphicData", [1, 1, 9, 1, 9, 9, 1, 9, 1, 1], outline),
        "at least 6",
    ),
    "half a point": (
        NUMBERS,
        put("GraphicData", [1.0] * 13, outline),
        "a row to every column",
    ),
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
        put(
            "CodeValue",
            "260753009",
            lambda d: outline(d).ContentSequence[0].ConceptNameCodeSequence[0],
        ),
        "Original Source",
    ),
    "an outline of no image": (
        NUMBERS,
        put("ContentSequence", [], outline),
        "Original Source",
    ),
    "a frame of a single image": (
        NUMBERS,
        put("ReferencedFrameNumber", 1, outline_image),
        "as a whole",
    ),
    # TID 300: numbers
    "no value": (NUMBERS, put("MeasuredValueSequence", [], number), "or leave it out"),
    "not a number": (
        NUMBERS,
        put("FloatingPointValue", float("nan"), measured),
        "finite number",
    ),
    "two different numbers": (
        NUMBERS,
        put("FloatingPointValue", 5.5, measured),
        "same number in both",
    ),
    "no unit": (
        NUMBERS,
        put("MeasurementUnitsCodeSequence", [], measured),
        "unit of UCUM",
    ),
    "a unit of another scheme": (
        NUMBERS,
        put("CodingSchemeDesignator", "DCM", unit),
        "unit of UCUM",
    ),
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
    "a bogus value type": (
        NUMBERS,
        put("ValueType", "NUMBER", number),
        "know the relationship",
    ),
    "content by reference": (NUMBERS, by_reference, "by value"),
    "continuous containers": (
        NUMBERS,
        put("ContinuityOfContent", "CONTINUOUS", at("125007")),
        "SEPARATE",
    ),
    "an item without name": (
        NUMBERS,
        remove("ConceptNameCodeSequence", number),
        "name every NUM",
    ),
    "a code without value": (
        NUMBERS,
        put("ConceptCodeSequence", [], at("121058")),
        "have a code in",
    ),
    "a long meaning": (
        NUMBERS,
        put("CodeMeaning", "x" * 65, concept("125007")),
        "1 to 64 characters",
    ),
    "no meaning": (
        NUMBERS,
        put("CodeMeaning", "", concept("125007")),
        "1 to 64 characters",
    ),
    "a translated meaning": (
        NUMBERS,
        put("CodeMeaning", "骨密度", concept("125007")),
        "English meaning",
    ),
    "a long code": (
        NUMBERS,
        put("CodeValue", "x" * 17, concept("121058")),
        "at most 16 characters",
    ),
    "a code twice": (
        NUMBERS,
        put("LongCodeValue", "x" * 17, concept("121058")),
        "one code value",
    ),
    "undeclared private codes": (
        NUMBERS,
        remove("CodingSchemeIdentificationSequence"),
        "coding scheme",
    ),
    "a code of nobody": (
        NUMBERS,
        put("CodingSchemeDesignator", "", concept("121058")),
        "coding scheme",
    ),
    # evidence
    "no evidence": (
        NUMBERS,
        remove("CurrentRequestedProcedureEvidenceSequence"),
        "exactly once",
    ),
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
    "unfinished": (
        NUMBERS,
        put("CompletionFlag", "PARTIAL"),
        "complete and not verified",
    ),
    "verified by nobody": (
        NUMBERS,
        put("VerificationFlag", "VERIFIED"),
        "complete and not verified",
    ),
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
        put(
            "TemplateIdentifier",
            "1500",
            lambda document: document.ContentTemplateSequence[0],
        ),
        "template 2000",
    ),
    "a report without language": (REPORT, drop("121049"), "exactly one Language"),
    "a report without observer": (REPORT, drop("121005"), "exactly one Observer Type"),
    "a report without sections": (REPORT, without_sections, "at least one section"),
    "an empty section": (REPORT, emptied_section, "leave out 'Summary' or fill it"),
    "a section without words": (REPORT, wordless_section, "in words"),
}
"""What is wrong -> the document that is spoiled, how, and what the error says."""
