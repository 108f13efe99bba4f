"""The first subjects of a simulated cohort as DICOM studies: the very pictures that were measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from analysis.simulation.cohort.people import CHUNK
from analysis.simulation.cohort.scan import shown_density, simulated_phantom
from analysis.simulation.cohort.scanning import ScanPlan
from analysis.simulation.cohort.store import subject_id
from analysis.simulation.dicom.calibrated import calibrated_image, forearm_site
from analysis.simulation.study import SimulatedStudy, study_header, study_truth, write_study


def write_studies(directory: Path, plan: ScanPlan, count: int) -> list[Path]:
    """Write the index scans of the first `count` subjects, each in a folder named by its ``subject_id``.

    The patient's ID is the ``subject_id``, so that results of the node can be joined with the cohort's table.

    Returns
    -------
    list of Path
        The folders.
    """
    folders = []
    for position in range(min(count, plan.size)):
        folders.append(directory / subject_id(position))
        write_study(_study(plan, position), folders[-1])
    return folders


def _study(plan: ScanPlan, position: int) -> SimulatedStudy:
    chunk, index = divmod(position, CHUNK)
    subject = plan.people(chunk).subjects[index]
    phantom = simulated_phantom(subject, plan.scanner, plan.stream(chunk, index, 0))
    phantom = replace(phantom, density_g_cm2=shown_density(phantom, plan.scanner))
    name = subject_id(position)
    key = f"{plan.population.name}-{plan.scanner.name}-{plan.seed}-{name}"
    header = study_header(key, subject, position, patient_id=name, patient_name=f"SIMULATED^{name}")
    site = forearm_site(phantom.truth.laterality.value, phantom.truth.hand_up)
    image = calibrated_image(header, phantom.density_g_cm2, phantom.spacing_mm, site)
    masks = {"radius": phantom.truth.radius_mask, "ulna": phantom.truth.ulna_mask}
    truth = study_truth("calibrated", header, image, phantom, position)
    return SimulatedStudy(
        {"image.dcm": image}, truth, {name: np.asarray(mask) for name, mask in masks.items()}
    )
