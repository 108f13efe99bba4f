"""A mutation of a result for each rule that `reports.checks` has for other objects, and for all."""

from __future__ import annotations

from pydicom.uid import EnhancedSRStorage
from result_spoiling import (
    KEYS,
    OUTLINES,
    PDF,
    PICTURE,
    REGIONS,
    REPORT,
    SUMMARY,
    Spoil,
    annotation,
    concept,
    cropped,
    frame,
    frame_source,
    graphic,
    label,
    put,
    reference_of,
    remove,
    segment,
    select_nothing,
    select_what_is_not_sent,
    shared,
    torn,
)

OBJECT_MUTATIONS: dict[str, tuple[str, Spoil, str]] = {
    # every object
    "another patient": (
        REPORT,
        put("PatientID", "someone else"),
        "agree with its source image on PatientID",
    ),
    "another name": (SUMMARY, put("PatientName", "Roe^Richard"), "on PatientName"),
    "another birth date": (SUMMARY, put("PatientBirthDate", ""), "on PatientBirthDate"),
    "another study": (
        SUMMARY,
        put("StudyInstanceUID", "2.25.77"),
        "on StudyInstanceUID",
    ),
    "another accession number": (
        SUMMARY,
        put("AccessionNumber", "B"),
        "on AccessionNumber",
    ),
    "another maker": (
        REPORT,
        put("ManufacturerModelName", "Something else"),
        "name this product",
    ),
    "another version": (REPORT, put("SoftwareVersions", "9"), "name this version"),
    "another character set": (
        REPORT,
        put("SpecificCharacterSet", "ISO_IR 100"),
        "UTF-8",
    ),
    "an illegal UID": (
        REPORT,
        put("SeriesInstanceUID", "2.25.01"),
        "legal SeriesInstanceUID",
    ),
    "the series of the source": (
        REPORT,
        put("SeriesInstanceUID", "2.25.1002"),
        "a series of its own",
    ),
    "the series number of the source": (
        REPORT,
        put("SeriesNumber", 1),
        "series number and description",
    ),
    "no description": (
        REPORT,
        put("SeriesDescription", ""),
        "series number and description",
    ),
    "another document class": (
        REPORT,
        put("SOPClassUID", EnhancedSRStorage),
        "file header|Comprehensive SR",
    ),
    "another modality": (SUMMARY, put("Modality", "CR"), "of modality OT"),
    "another file header": (
        REPORT,
        put("MediaStorageSOPInstanceUID", "2.25.5", lambda document: document.file_meta),
        "file header of its own",
    ),
    "fit for clinical use": (
        REPORT,
        put("ContentQualification", "PRODUCT"),
        "RESEARCH",
    ),
    # secondary captures
    "an original": (PICTURE, put("ImageType", ["ORIGINAL", "PRIMARY"]), "DERIVED"),
    "a primary picture": (PICTURE, put("ImageType", ["DERIVED", "PRIMARY"]), "DERIVED"),
    "a name in hidden pixels": (
        SUMMARY,
        put("BurnedInAnnotation", "NO"),
        "Burned In Annotation YES",
    ),
    "a name that is not there": (
        PICTURE,
        put("BurnedInAnnotation", "YES"),
        "Burned In Annotation NO",
    ),
    "a face": (SUMMARY, put("RecognizableVisualFeatures", "YES"), "recognised"),
    "no derivation": (PICTURE, remove("DerivationDescription"), "how it was derived"),
    "no conversion type": (PICTURE, remove("ConversionType"), "conversion type"),
    "a lossy picture": (
        PICTURE,
        put("LossyImageCompression", "01"),
        "lost in compression",
    ),
    "a grey picture": (PICTURE, put("PhotometricInterpretation", "MONOCHROME2"), "RGB"),
    "pixels missing": (PICTURE, cropped, "as many pixels"),
    "no source": (
        SUMMARY,
        remove("SourceImageSequence"),
        "analysed image as its source",
    ),
    "another source": (
        PICTURE,
        put(
            "ReferencedSOPInstanceUID",
            "2.25.5",
            lambda picture: picture.SourceImageSequence[0],
        ),
        "analysed image as its source",
    ),
    # segmentations
    "a secondary segmentation": (REGIONS, put("ImageType", ["DERIVED", "SECONDARY"]), "DERIVED.PRIMARY"),
    "fractions": (REGIONS, put("SegmentationType", "FRACTIONAL"), "be BINARY"),
    "another grid": (REGIONS, put("Rows", 10), "pixels of the analysed image"),
    "a segmentation of another image": (
        REGIONS,
        put("ReferencedSOPInstanceUID", "2.25.5", reference_of),
        "analysed image in its references",
    ),
    "segments not counted": (REGIONS, put("SegmentNumber", 9, segment), "number its segments"),
    "no segment": (REGIONS, put("SegmentSequence", []), "number its segments"),
    "no segment label": (REGIONS, put("SegmentLabel", "", segment), "label every segment"),
    "a segment drawn by hand": (
        REGIONS,
        put("SegmentAlgorithmType", "MANUAL", segment),
        "name the algorithm",
    ),
    "a segment of nothing": (
        REGIONS,
        remove("SegmentedPropertyTypeCodeSequence", segment),
        "what every segment is",
    ),
    "a tracking ID without UID": (REGIONS, remove("TrackingUID", segment), "ID and UID together"),
    "frames not described": (REGIONS, put("NumberOfFrames", 99), "describe every frame"),
    "segments not drawn": (REGIONS, cropped, "as many pixels"),
    "no plane orientation": (REGIONS, remove("PlaneOrientationSequence", shared), "plane orientation"),
    "no plane position": (REGIONS, remove("PlanePositionSequence", frame), "plane position in every frame"),
    "a frame of no segment": (REGIONS, remove("SegmentIdentificationSequence", frame), "which segment"),
    "a frame of no image": (REGIONS, remove("DerivationImageSequence", frame), "derive every frame"),
    "a frame of another image": (
        REGIONS,
        put("ReferencedSOPInstanceUID", "2.25.5", frame_source),
        "derive every frame",
    ),
    # presentation states
    "a state of another image": (
        OUTLINES,
        put("ReferencedSOPInstanceUID", "2.25.5", reference_of),
        "state of the analysed image",
    ),
    "a state of another series": (
        OUTLINES,
        put("SeriesInstanceUID", "2.25.5", lambda state: state.ReferencedSeriesSequence[0]),
        "the series of the analysed image",
    ),
    "no content label": (OUTLINES, put("ContentLabel", ""), "a label and a date"),
    "no creation date": (OUTLINES, remove("PresentationCreationDate"), "a label and a date"),
    "no LUT shape": (OUTLINES, remove("PresentationLUTShape"), "presentation LUT shape"),
    "no displayed area": (OUTLINES, remove("DisplayedAreaSelectionSequence"), "displayed area"),
    "nothing drawn": (OUTLINES, put("GraphicObjectSequence", [], annotation), "draw an outline"),
    "a layer it has not": (OUTLINES, put("GraphicLayer", "OTHER", annotation), "layer it has"),
    "outlines by share of the display": (
        OUTLINES,
        put("GraphicAnnotationUnits", "DISPLAY", graphic),
        "polylines in pixels",
    ),
    "points miscounted": (OUTLINES, put("NumberOfGraphicPoints", 3, graphic), "count the points"),
    "an outline drawn off the image": (
        OUTLINES,
        put("GraphicData", [1, 1, 900, 1, 900, 900, 9, 900, 5, 5, 1, 1], graphic),
        "count the points|within the image",
    ),
    "an empty label": (OUTLINES, put("UnformattedTextValue", " ", label), "something in every label"),
    "a label off the image": (
        OUTLINES,
        put("BoundingBoxBottomRightHandCorner", [900, 900], label),
        "labels within the image",
    ),
    # encapsulated documents
    "a document of another type": (PDF, put("MIMETypeOfEncapsulatedDocument", "text/xml"), "application/pdf"),
    "a document of another length": (PDF, put("EncapsulatedDocumentLength", 3), "the length it says"),
    "no PDF": (PDF, torn, "whole PDF file"),
    "a document without title": (PDF, put("DocumentTitle", ""), "have a title"),
    "a document of no kind": (PDF, remove("ConceptNameCodeSequence"), "what kind of document"),
    "a document about nothing": (PDF, remove("SourceInstanceSequence"), "analysed image as its source"),
    "a document that hides its name": (PDF, put("BurnedInAnnotation", "NO"), "Burned In Annotation YES"),
    # key object selections
    "key objects by another title": (KEYS, put("CodeValue", "113001", concept("113000")), "title .113000"),
    "key objects of no template": (KEYS, remove("ContentTemplateSequence"), "template 2010"),
    "key objects that are not sent": (KEYS, select_what_is_not_sent, "no dead links"),
    "key objects not listed": (KEYS, remove("CurrentRequestedProcedureEvidenceSequence"), "exactly once"),
    "no key object": (KEYS, select_nothing, "select something"),
    "a number as key object": (
        KEYS,
        put("ValueType", "NUM", lambda selection: selection.ContentSequence[-1]),
        "know the relationship",
    ),
}
"""What is wrong -> the result that is spoiled, how, and what the error says."""
