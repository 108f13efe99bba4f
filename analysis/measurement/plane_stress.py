"""Linear plane-stress finite elements on a regular grid of squares, some of which are empty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.segmentation.anatomy import FloatArray

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """What one plate does under an axial and under a transverse force of 1 N.

    Attributes
    ----------
    axial_strain, transverse_strain : ndarray, (rows, columns, 3)
        Mean strain of each square: across, along, engineering shear; 1/N. NaN where there is no square.
    axial_stiffness_n_mm, transverse_stiffness_n_mm : float
        Force over the displacement of the loaded edge in the force's direction (of the mean along the edge).
    """

    axial_strain: FloatArray
    transverse_strain: FloatArray
    axial_stiffness_n_mm: float
    transverse_stiffness_n_mm: float


def solve_plate(
    rigidity_n_mm: FloatArray, side_mm: float, poisson: float, loaded_columns: BoolArray
) -> Solution:
    """Hold a plate at its last row of squares, load the first square of chosen columns, and solve.

    Axially the loaded edge is pushed towards the held end by a platen that does not tilt, as in
    finite-element tests of the distal radius by HR-pQCT; transversely it is a cantilever whose loaded edge
    takes an even force towards larger columns. Every square is a bilinear element of scikit-fem; empty
    squares are left out of the mesh rather than made soft.

    Parameters
    ----------
    rigidity_n_mm : ndarray, (rows, columns)
        Young's modulus times thickness of each square; 0 = empty. All squares must hang together by edges.
    side_mm : float
        Of a square.
    poisson : float
        Poisson's ratio.
    loaded_columns : ndarray of bool, (columns,)
        Which columns bear the load on the free edge of their first square.

    Returns
    -------
    Solution

    Notes
    -----
    The held edge cannot move along and stays straight, but may widen (only its middle node is held across),
    so that a uniform bar is in exactly uniaxial stress.
    """
    from skfem import MeshQuad

    present = rigidity_n_mm > 0
    nodes, squares = _mesh(present)
    points = (nodes * side_mm).T[::-1]
    mesh = MeshQuad(np.ascontiguousarray(points), np.ascontiguousarray(squares.T), validate=False)
    basis, stiffness = _assemble(mesh, rigidity_n_mm[present], poisson)
    across, along = basis.nodal_dofs
    held_nodes = np.flatnonzero(nodes[:, 0] == nodes[:, 0].max())
    held = np.append(along[held_nodes], across[held_nodes[len(held_nodes) // 2]])
    share = _edge_shares(nodes, present, loaded_columns)
    platen = along[share > 0]
    pushed = np.zeros(basis.N)
    pushed[platen] = 1.0
    _release(stiffness, pushed, np.zeros(basis.N), np.concatenate([held, platen]))
    axial_stiffness = float((stiffness @ pushed)[platen].sum())
    moved, force = np.zeros(basis.N), np.zeros(basis.N)
    force[across] = share
    _release(stiffness, moved, force, held)
    return Solution(
        axial_strain=_square_strain(basis, pushed, present) / axial_stiffness,
        transverse_strain=_square_strain(basis, moved, present),
        axial_stiffness_n_mm=axial_stiffness,
        transverse_stiffness_n_mm=float(1 / (force @ moved)),
    )


def _release(stiffness: Any, displacement: FloatArray, force: FloatArray, fixed: NDArray[np.intp]) -> None:
    """Solve for the displacements that are not `fixed`, in place."""
    from scipy.sparse.linalg import splu

    free = np.setdiff1d(np.arange(displacement.size), fixed)
    rows = stiffness[free]
    # the matrix is symmetric and definite: an ordering for that and no pivoting, as in a Cholesky
    factor = splu(
        rows[:, free].tocsc(),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    displacement[free] = factor.solve(force[free] - rows @ displacement)


def equivalent_strain(strain: FloatArray, poisson: float) -> FloatArray:
    """Von Mises stress over Young's modulus: in uniaxial stress the strain itself.

    Parameters
    ----------
    strain : ndarray, (..., 3)
        Across, along, engineering shear.

    Returns
    -------
    ndarray, (...)
    """
    x, y, shear = np.moveaxis(strain, -1, 0)
    stress_x, stress_y = (x + poisson * y) / (1 - poisson**2), (y + poisson * x) / (1 - poisson**2)
    stress_xy = shear / (2 * (1 + poisson))
    return np.asarray(np.sqrt(stress_x**2 + stress_y**2 - stress_x * stress_y + 3 * stress_xy**2))


def _mesh(present: BoolArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Nodes (row, column) that belong to a square, and each square's four nodes, counter-clockwise."""
    rows, columns = np.nonzero(present)
    corner_rows = rows[:, None] + np.array([0, 0, 1, 1])
    corner_columns = columns[:, None] + np.array([0, 1, 1, 0])
    width = present.shape[1] + 1
    used, squares = np.unique(corner_rows * width + corner_columns, return_inverse=True)
    return np.stack(np.divmod(used, width), axis=1), squares.reshape(-1, 4)


def _assemble(mesh: Any, rigidity: FloatArray, poisson: float) -> tuple[Any, Any]:
    from skfem import Basis, BilinearForm, ElementQuad1, ElementVector

    basis = Basis(mesh, ElementVector(ElementQuad1()), intorder=2)

    def work(u: Any, v: Any, w: Any) -> Any:
        du, dv = u.grad, v.grad
        shear = (du[0, 1] + du[1, 0]) * (dv[0, 1] + dv[1, 0]) * (1 - poisson) / 2
        normal = du[0, 0] * dv[0, 0] + du[1, 1] * dv[1, 1]
        coupled = poisson * (du[0, 0] * dv[1, 1] + du[1, 1] * dv[0, 0])
        return w["rigidity"] / (1 - poisson**2) * (normal + coupled + shear)

    per_point = np.repeat(rigidity[:, None], basis.X.shape[-1], axis=1)
    return basis, BilinearForm(work).assemble(basis, rigidity=per_point)


def _edge_shares(nodes: NDArray[np.intp], present: BoolArray, loaded: BoolArray) -> FloatArray:
    """Part of the force that each node takes: half of each loaded edge's to either end."""
    columns = np.flatnonzero(loaded & present.any(axis=0))
    first = present.argmax(axis=0)[columns]
    width = present.shape[1] + 1
    index = np.searchsorted(
        nodes[:, 0] * width + nodes[:, 1], [first * width + columns + end for end in (0, 1)]
    )
    share = np.zeros(len(nodes))
    np.add.at(share, index, 0.5 / len(columns))
    return share


def _square_strain(basis: Any, displacement: FloatArray, present: BoolArray) -> FloatArray:
    gradient = basis.interpolate(displacement).grad.mean(axis=-1)
    strain = np.full((*present.shape, 3), np.nan)
    strain[present] = np.stack([gradient[0, 0], gradient[1, 1], gradient[0, 1] + gradient[1, 0]], axis=-1)
    return strain
