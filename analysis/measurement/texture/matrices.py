"""Texture matrices of one 2-D region, compiled.

All take grey levels with a border of zeros: ``0`` is outside the region, ``1..Ng`` are the levels. Distances
are one pixel (Chebyshev). Definitions: IBSI reference manual (arXiv:1612.07003) with the deviations of
pyradiomics 3.0.1 that `docs/texture.md` lists.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis.measurement.texture.compiled import compiled

Levels = NDArray[np.int32]
Matrix = NDArray[np.float64]

DIRECTIONS = ((0, 1), (1, 1), (1, 0), (1, -1))
"""(row, column) steps: 0°, 45°, 90°, 135°; the opposite ones are counted by symmetry."""


@compiled
def cooccurrence(levels: Levels, highest: int) -> Matrix:
    """Symmetric grey-level co-occurrence counts (GLCM), one matrix per direction: (4, Ng, Ng)."""
    counts = np.zeros((4, highest, highest))
    rows, columns = levels.shape
    for direction in range(4):
        down, right = DIRECTIONS[direction]
        for row in range(1, rows - 1):
            for column in range(1, columns - 1):
                here, there = levels[row, column], levels[row + down, column + right]
                if here > 0 and there > 0:
                    counts[direction, here - 1, there - 1] += 1.0
                    counts[direction, there - 1, here - 1] += 1.0
    return counts


@compiled
def run_lengths(levels: Levels, highest: int) -> Matrix:
    """Grey-level run lengths (GLRLM): (4, Ng, longest side).

    A direction in which no line of pixels holds two of the region is left empty: it has no runs to speak of.
    """
    rows, columns = levels.shape
    counts = np.zeros((4, highest, max(rows, columns) - 2))
    for direction in range(4):
        down, right = DIRECTIONS[direction]
        on_line = np.zeros(rows + columns, np.int64)
        for row in range(1, rows - 1):
            for column in range(1, columns - 1):
                level = levels[row, column]
                if level == 0:
                    continue
                # pixels of one line share this number
                on_line[row * right - column * down + (columns if right >= 0 else rows + columns - 1)] += 1
                if levels[row - down, column - right] == level:
                    continue
                length, r, c = 1, row + down, column + right
                while levels[r, c] == level:
                    length, r, c = length + 1, r + down, c + right
                counts[direction, level - 1, length - 1] += 1.0
        if on_line.max() < 2:
            counts[direction] = 0.0
    return counts


@compiled
def size_zones(levels: Levels, highest: int) -> Matrix:
    """Grey-level size zones (GLSZM), 8-connected: (Ng, largest zone)."""
    rows, columns = levels.shape
    left = levels.copy()
    stack = np.empty((rows * columns, 2), np.int64)
    zones = np.empty((rows * columns, 2), np.int64)
    found, largest = 0, 1
    for row in range(1, rows - 1):
        for column in range(1, columns - 1):
            level = left[row, column]
            if level == 0:
                continue
            left[row, column] = 0
            stack[0, 0], stack[0, 1] = row, column
            waiting, size = 1, 0
            while waiting > 0:
                waiting -= 1
                r, c = stack[waiting, 0], stack[waiting, 1]
                size += 1
                for down in range(-1, 2):
                    for right in range(-1, 2):
                        if left[r + down, c + right] == level:
                            left[r + down, c + right] = 0
                            stack[waiting, 0], stack[waiting, 1] = r + down, c + right
                            waiting += 1
            zones[found, 0], zones[found, 1] = level, size
            found, largest = found + 1, max(largest, size)
    counts = np.zeros((highest, largest))
    for zone in range(found):
        counts[zones[zone, 0] - 1, zones[zone, 1] - 1] += 1.0
    return counts


@compiled
def neighbourhood(levels: Levels, highest: int) -> tuple[Matrix, Matrix]:
    """Grey-level dependences (GLDM) and neighbourhood grey-tone differences (NGTDM).

    Returns
    -------
    dependences : (Ng, 9)
        Pixels by level and number of neighbours of the same level, 0–8.
    differences : (Ng, 2)
        Pixels by level, and the sum of their distances from the mean of their neighbours. A pixel without
        neighbours counts as a pixel without distance, as in pyradiomics.
    """
    rows, columns = levels.shape
    dependences, differences = np.zeros((highest, 9)), np.zeros((highest, 2))
    for row in range(1, rows - 1):
        for column in range(1, columns - 1):
            level = levels[row, column]
            if level == 0:
                continue
            same, neighbours, total = -1, -1, -level
            for down in range(-1, 2):
                for right in range(-1, 2):
                    other = levels[row + down, column + right]
                    if other > 0:
                        neighbours, total = neighbours + 1, total + other
                        same += other == level
            dependences[level - 1, same] += 1.0
            differences[level - 1, 0] += 1.0
            if neighbours > 0:
                differences[level - 1, 1] += abs(level - total / neighbours)
    return dependences, differences
