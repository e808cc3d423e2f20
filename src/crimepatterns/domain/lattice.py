"""Arithmetic of square and hexagonal lattices, in the upright frame with the origin at zero.

Squares have a column and a row; pointy-top hexagons have axial coordinates (q, r).
"""

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["lattice_centres", "lattice_of", "lattice_over", "lattice_shapes", "rotate"]

_ROOT3 = float(np.sqrt(3.0))


def lattice_of(points: NDArray[np.float64], kind: str, size: float) -> NDArray[np.int64]:
    """Find the lattice coordinates, shape (n, 2), of the cell that holds each point, shape (n, 2)."""
    if kind == "square":
        return np.floor(points / size).astype(np.int64)
    q = points[:, 0] / size - points[:, 1] / (size * _ROOT3)
    r = points[:, 1] * 2.0 / (size * _ROOT3)
    s = -q - r
    rounded = np.round(np.column_stack([q, r, s]))
    error = np.abs(rounded - np.column_stack([q, r, s]))
    fix_q = (error[:, 0] > error[:, 1]) & (error[:, 0] > error[:, 2])
    fix_r = ~fix_q & (error[:, 1] > error[:, 2])
    rounded[fix_q, 0] = -rounded[fix_q, 1] - rounded[fix_q, 2]
    rounded[fix_r, 1] = -rounded[fix_r, 0] - rounded[fix_r, 2]
    return rounded[:, :2].astype(np.int64)


def lattice_centres(lattice: NDArray[np.int64], kind: str, size: float) -> NDArray[np.float64]:
    """Give the centre, metres, of each lattice cell; both shape (n, 2)."""
    if kind == "square":
        return np.asarray((lattice + 0.5) * size, dtype=np.float64)
    q, r = lattice[:, 0].astype(float), lattice[:, 1].astype(float)
    return np.column_stack([(q + r / 2.0) * size, r * size * _ROOT3 / 2.0])


def lattice_over(bounds: tuple[float, float, float, float], kind: str, size: float) -> NDArray[np.int64]:
    """List every lattice cell that may meet the bounds (west, south, east, north), shape (n, 2)."""
    west, south, east, north = bounds
    if kind == "square":
        columns = np.arange(int(np.floor(west / size)), int(np.floor(east / size)) + 1)
        rows = np.arange(int(np.floor(south / size)), int(np.floor(north / size)) + 1)
        return np.array(np.meshgrid(columns, rows, indexing="ij"), dtype=np.int64).reshape(2, -1).T
    r_values = np.arange(int(np.floor(south * 2 / (size * _ROOT3))) - 1, int(np.ceil(north * 2 / (size * _ROOT3))) + 2)
    parts = []
    for r in r_values:
        q = np.arange(int(np.floor(west / size - r / 2)) - 1, int(np.ceil(east / size - r / 2)) + 2)
        parts.append(np.column_stack([q, np.full(len(q), r)]))
    return np.concatenate(parts).astype(np.int64)


def lattice_shapes(
    lattice: NDArray[np.int64], kind: str, size: float, origin: tuple[float, float]
) -> NDArray[np.object_]:
    """Draw the polygon of each lattice cell, the lattice shifted to `origin`."""
    centres = lattice_centres(lattice, kind, size) + np.asarray(origin)
    if kind == "square":
        half = size / 2.0
        x, y = centres[:, 0], centres[:, 1]
        boxes: NDArray[np.object_] = shapely.box(x - half, y - half, x + half, y + half)
        return boxes
    angles = np.deg2rad(np.arange(30, 390, 60))
    corners = np.column_stack([np.cos(angles), np.sin(angles)]) * size / _ROOT3
    rings = centres[:, None, :] + corners[None, :, :]
    hexagons: NDArray[np.object_] = shapely.polygons(np.concatenate([rings, rings[:, :1, :]], axis=1))
    return hexagons


def rotate(points: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    """Turn points, shape (n, 2), counter-clockwise about zero."""
    if not degrees:
        return points
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.column_stack([points[:, 0] * cos - points[:, 1] * sin, points[:, 0] * sin + points[:, 1] * cos])
