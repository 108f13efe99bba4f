"""Finite elements against the answers of the textbook."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.measurement.plane_stress import equivalent_strain, solve_plate

POISSON = 0.3


def plate(length_mm, width_mm, side_mm, rigidity=5000.0):
    shape = (round(length_mm / side_mm), round(width_mm / side_mm))
    return solve_plate(np.full(shape, rigidity), side_mm, POISSON, np.ones(shape[1], bool))


@settings(max_examples=15, deadline=None)
@given(st.floats(500, 50_000), st.integers(4, 12), st.integers(8, 40))
def test_a_uniform_bar_is_in_exactly_uniaxial_stress(rigidity, columns, rows):
    solution = solve_plate(np.full((rows, columns), rigidity), 0.8, POISSON, np.ones(columns, bool))
    stress = 1 / (0.8 * columns)
    assert solution.axial_stiffness_n_mm == pytest.approx(rigidity * columns / rows, rel=1e-9)
    assert solution.axial_strain[..., 1] == pytest.approx(-stress / rigidity, rel=1e-8)
    assert solution.axial_strain[..., 0] == pytest.approx(POISSON * stress / rigidity, rel=1e-7)
    assert equivalent_strain(solution.axial_strain, POISSON) == pytest.approx(stress / rigidity, rel=1e-8)


def test_a_cantilever_bends_as_beam_theory_says():
    length, width, rigidity = 80.0, 10.0, 5000.0
    inertia = width**3 / 12
    bending = length**3 / (3 * rigidity * inertia)
    shear = length / (5 / 6 * rigidity / (2 * (1 + POISSON)) * width)
    solution = plate(length, width, 0.5)
    assert solution.transverse_stiffness_n_mm == pytest.approx(1 / (bending + shear), rel=0.005)
    row = solution.transverse_strain.shape[0] // 2
    place = (np.arange(20) + 0.5) * 0.5 - width / 2
    moment = (row + 0.5) * 0.5
    # the force points to larger columns, so that the first column is stretched
    assert solution.transverse_strain[row, :, 1] == pytest.approx(
        -moment * place / (rigidity * inertia), abs=1e-3 * moment * width / (rigidity * inertia)
    )


def test_finer_squares_approach_the_exact_deflection_quadratically():
    length, width = 80.0, 10.0
    stiffness = np.array([plate(length, width, side).transverse_stiffness_n_mm for side in (2.0, 1.0, 0.5)])
    steps = np.abs(np.diff(stiffness))
    assert 3.0 < steps[0] / steps[1] < 5.0


def test_two_bars_in_series_add_their_compliance():
    rigidity = np.full((40, 8), 2000.0)
    rigidity[20:] = 8000.0
    # without lateral contraction no stress is spent where the bars meet
    solution = solve_plate(rigidity, 1.0, 0.0, np.ones(8, bool))
    assert 1 / solution.axial_stiffness_n_mm == pytest.approx(20 / (2000 * 8) + 20 / (8000 * 8), rel=1e-9)


def test_empty_squares_carry_nothing():
    slotted = np.full((30, 9), 3000.0)
    slotted[:, 4] = 0.0
    slotted[-1, 4] = 3000.0
    solution = solve_plate(slotted, 1.0, 0.0, np.arange(9) != 4)
    assert np.isnan(solution.axial_strain[0, 4]).all()
    # eight columns of 29 squares, and nine of the last: to within the flow of force around the slot's end
    assert 1 / solution.axial_stiffness_n_mm == pytest.approx(29 / (3000 * 8) + 1 / (3000 * 9), rel=0.01)


def test_mirrored_plates_answer_alike():
    rng = np.random.default_rng(5)
    rigidity = rng.uniform(1000, 9000, (25, 8))
    one = solve_plate(rigidity, 1.0, POISSON, np.ones(8, bool))
    other = solve_plate(rigidity[:, ::-1], 1.0, POISSON, np.ones(8, bool))
    assert other.axial_stiffness_n_mm == pytest.approx(one.axial_stiffness_n_mm, rel=1e-6)
    assert other.transverse_stiffness_n_mm == pytest.approx(one.transverse_stiffness_n_mm, rel=1e-3)


@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1), st.floats(0.1, 10))
def test_equivalent_strain_is_homogeneous_and_never_negative(x, y, shear, factor):
    strain = np.array([x, y, shear])
    value = float(equivalent_strain(strain, POISSON))
    assert value >= 0
    assert float(equivalent_strain(factor * strain, POISSON)) == pytest.approx(factor * value, abs=1e-12)
