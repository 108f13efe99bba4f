"""What may stay in a de-identified object, and what must never be found in one: keywords of PS3.6."""

from __future__ import annotations

__all__ = [
    "BINARY_THAT_STAYS",
    "DATES_THAT_STAY",
    "IDENTIFYING",
    "PUBLIC_SCHEMES",
    "SEQUENCES_THAT_GO",
    "TEXT_THAT_STAYS",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TEXT_THAT_STAYS = _words(
    """
    Modality ConversionType ImageType PhotometricInterpretation BodyPartExamined ViewPosition Laterality
    ImageLaterality PatientSex PresentationIntentType PresentationLUTShape PixelIntensityRelationship
    RescaleType LossyImageCompression LossyImageCompressionMethod BurnedInAnnotation PatientOrientation
    DetectorType FieldOfViewShape VOILUTFunction Units SmokingStatus EthnicGroup
    Manufacturer ManufacturerModelName SoftwareVersions
    ValueType RelationshipType ContinuityOfContent CompletionFlag VerificationFlag PreliminaryFlag GraphicType
    TemporalRangeType PixelOriginInterpretation SegmentationType SegmentAlgorithmType
    SegmentationFractionalType GraphicAnnotationUnits BoundingBoxAnnotationUnits AnchorPointAnnotationUnits
    ContentQualification VolumetricProperties VolumeBasedCalculationTechnique
    CodingSchemeDesignator CodingSchemeVersion MappingResource TemplateIdentifier ContextIdentifier
    """
)
"""Their short plain values describe the image, the device or the report's form, never a person."""

DATES_THAT_STAY = _words("StudyDate SeriesDate AcquisitionDate ContentDate InstanceCreationDate")
"""Moved, all by the same number of days."""

BINARY_THAT_STAYS = _words(
    """
    PixelData FloatPixelData DoubleFloatPixelData LUTData RedPaletteColorLookupTableData
    GreenPaletteColorLookupTableData BluePaletteColorLookupTableData PointCoordinatesData
    """
)

SEQUENCES_THAT_GO = _words("IconImageSequence OriginalAttributesSequence ModifiedAttributesSequence")

PUBLIC_SCHEMES = _words("DCM SCT SRT SNM3 UCUM LN RADLEX IBSI FMA UMLS")
"""Coding schemes whose codes mean the same everywhere (PS3.16 section 8)."""

IDENTIFYING = _words(
    """
    PatientID OtherPatientIDs IssuerOfPatientID PatientBirthDate AccessionNumber StudyID InstitutionName
    InstitutionAddress InstitutionalDepartmentName PatientAddress PatientTelephoneNumbers StationName
    DeviceSerialNumber AdmissionID RequestedProcedureID PatientMotherBirthName MilitaryRank PatientComments
    """
)
"""Attributes that name a person or an institution, besides every person name and private text."""
