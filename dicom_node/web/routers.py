"""Every router of the console, explicitly: pages for people, JSON for programs. One line per topic."""

from __future__ import annotations

from dicom_node.web import live
from dicom_node.web.api import audit as audit_api
from dicom_node.web.api import clinical as clinical_api
from dicom_node.web.api import doctor as doctor_api
from dicom_node.web.api import jobs as jobs_api
from dicom_node.web.api import models as models_api
from dicom_node.web.api import overview as overview_api
from dicom_node.web.api import queue as queue_api
from dicom_node.web.api import reference
from dicom_node.web.api import reprocessing as reprocessing_api
from dicom_node.web.api import studies as studies_api
from dicom_node.web.api import surveillance as surveillance_api
from dicom_node.web.api import users as users_api
from dicom_node.web.pages import (
    audit,
    clinical,
    doctor,
    jobs,
    login,
    models,
    overview,
    queue,
    reprocessing,
    settings,
    studies,
    study,
    surveillance,
    users,
)

__all__ = ["API", "PAGES"]

PAGES = (
    login.router,
    live.router,
    overview.router,
    studies.router,
    clinical.router,
    study.router,
    queue.router,
    reprocessing.router,
    jobs.router,
    models.router,
    surveillance.router,
    doctor.router,
    audit.router,
    users.router,
    settings.router,
    reference.router,
)

API = (
    overview_api.router,
    studies_api.router,
    clinical_api.router,
    queue_api.router,
    jobs_api.router,
    reprocessing_api.router,
    models_api.router,
    surveillance_api.router,
    doctor_api.router,
    audit_api.router,
    users_api.router,
)
"""Served below ``/api``."""
