"""The templates of PS3.16 that both reports are made of, each as the content items it asks for."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from analysis.results import Laterality, ModelIdentity, Polygon
from analysis.wording import Language
from reports import codes as coded
from reports import content
from reports.content import HAS_ACQ_CONTEXT, HAS_CONCEPT_MOD, HAS_OBS_CONTEXT, SELECTED_FROM, Item
from reports.identity import MANUFACTURER, MANUFACTURER_MODEL_NAME, result_uid
from reports.regions_of_interest import closed_polyline, tracking_text, tracking_uid
from reports.source import ReportContext


def language_of_content(language: Language) -> Item:
    """TID 1204."""
    return content.code(
        codes.DCM.LanguageOfContentItemAndDescendants, coded.LANGUAGES[language], HAS_CONCEPT_MOD
    )


def device_observer(context: ReportContext) -> list[Item]:
    """TID 1002, 1004: this program in this version, the same for every study."""
    version = context.analysis.engine_version
    return [
        content.code(codes.DCM.ObserverType, codes.DCM.Device, HAS_OBS_CONTEXT),
        content.uid_reference(
            codes.DCM.DeviceObserverUID, result_uid(version, MANUFACTURER_MODEL_NAME), HAS_OBS_CONTEXT
        ),
        content.text(codes.DCM.DeviceObserverName, f"{MANUFACTURER_MODEL_NAME} {version}", HAS_OBS_CONTEXT),
        content.text(codes.DCM.DeviceObserverManufacturer, MANUFACTURER, HAS_OBS_CONTEXT),
        content.text(codes.DCM.DeviceObserverModelName, MANUFACTURER_MODEL_NAME, HAS_OBS_CONTEXT),
    ]


def image_library(context: ReportContext) -> Item:
    """TID 1600 to 1603: the analysed image with what a reader of the numbers must know of it."""
    header, image, side = context.header, context.image, context.analysis.laterality
    descriptors = [
        content.code(codes.DCM.TargetRegion, coded.FOREARM, HAS_ACQ_CONTEXT),
        content.number(codes.DCM.PixelDataRows, image.rows, coded.PIXELS, HAS_ACQ_CONTEXT),
        content.number(codes.DCM.PixelDataColumns, image.columns, coded.PIXELS, HAS_ACQ_CONTEXT),
    ]
    if modality := coded.MODALITIES.get(str(header.Modality)):
        descriptors.insert(0, content.code(codes.DCM.Modality, modality, HAS_ACQ_CONTEXT))
    if side is not None:
        descriptors.append(content.code(codes.DCM.ImageLaterality, coded.LATERALITIES[side], HAS_ACQ_CONTEXT))
    if context.analysis.pixel_spacing_mm is not None:
        row, column = context.analysis.pixel_spacing_mm
        descriptors += [
            content.number(codes.DCM.HorizontalPixelSpacing, column, coded.MM, HAS_ACQ_CONTEXT),
            content.number(codes.DCM.VerticalPixelSpacing, row, coded.MM, HAS_ACQ_CONTEXT),
        ]
    entry = content.image(
        codes.DCM.OriginalSource, image.sop_class_uid, image.sop_instance_uid, children=descriptors
    )
    return content.container(
        codes.DCM.ImageLibrary, [content.container(codes.DCM.ImageLibraryGroup, [entry])]
    )


def algorithm_identification(
    name: str,
    version: str,
    *,
    manufacturer: str = "",
    family: Code | None = None,
    parameters: Iterable[str] = (),
) -> list[Item]:
    """TID 4019."""
    items = [
        content.text(codes.DCM.AlgorithmName, name, HAS_CONCEPT_MOD),
        content.text(codes.DCM.AlgorithmVersion, version, HAS_CONCEPT_MOD),
    ]
    if manufacturer:
        items.append(content.text(codes.DCM.AlgorithmManufacturer, manufacturer, HAS_CONCEPT_MOD))
    items += [
        content.text(codes.DCM.AlgorithmParameters, parameter, HAS_CONCEPT_MOD) for parameter in parameters
    ]
    if family is not None:
        items.append(content.code(codes.DCM.AlgorithmFamily, family, HAS_CONCEPT_MOD))
    return items


def model_identification(model: ModelIdentity, parameters: Iterable[str] = ()) -> list[Item]:
    """TID 4019 of a trained model: which bytes, and trained on what."""
    return algorithm_identification(
        model.name,
        model.version,
        family=codes.cid7162.ArtificialIntelligence,
        parameters=[f"sha256: {model.sha256}", f"training data: {model.training_data}", *parameters],
    )


def measurement_group(
    name: str,
    outline: Polygon,
    context: ReportContext,
    *,
    finding: Code,
    site: Code,
    children: Iterable[Item],
) -> Item:
    """TID 1410 with an outline on the analysed image; TID 1501 where there is no image to draw on.

    Parameters
    ----------
    name : str
        For people; also what its tracking UID is derived from.
    outline : Polygon
    context : ReportContext
    finding, site : Code
    children : iterable of Item
        Algorithm, measurements and qualitative evaluations.
    """
    region = [] if context.evidence is None else [_image_region(outline, context)]
    items = [
        content.text(codes.DCM.TrackingIdentifier, tracking_text(name), HAS_OBS_CONTEXT),
        content.uid_reference(
            codes.DCM.TrackingUniqueIdentifier, tracking_uid(name, context), HAS_OBS_CONTEXT
        ),
        content.code(codes.DCM.Finding, finding),
        finding_site(site, context.analysis.laterality),
        *children,
        *region,
    ]
    return content.container(
        codes.DCM.MeasurementGroup, items, template=PLANAR_GROUP if region else GROUP_WITHOUT_OUTLINE
    )


PLANAR_GROUP, GROUP_WITHOUT_OUTLINE = "1410", "1501"
"""Template Identifiers."""


def finding_site(site: Code, side: Laterality | None = None) -> Item:
    """Finding Site, with Laterality where the side is known."""
    sides = [content.code(codes.SCT.Laterality, coded.LATERALITIES[side], HAS_CONCEPT_MOD)] if side else []
    return content.code(codes.SCT.FindingSite, site, HAS_CONCEPT_MOD, sides)


def _image_region(outline: Polygon, context: ReportContext) -> Item:
    # Stone of Orthanc draws the outline only if its image is called by this code of PS3.16 TID 1410
    source = content.image(
        codes.DCM.OriginalSource,
        context.image.sop_class_uid,
        context.image.sop_instance_uid,
        SELECTED_FROM,
    )
    return content.polyline(codes.DCM.ImageRegion, closed_polyline(outline).ravel().tolist(), source)
