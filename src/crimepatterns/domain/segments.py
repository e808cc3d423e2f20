"""Street segments: lines between junctions, joined where their ends meet, to which incidents are snapped."""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.spatial import cKDTree
from shapely.ops import substring

from crimepatterns.domain.area import StudyArea
from crimepatterns.errors import DomainError

__all__ = ["SEGMENT_COLUMNS", "Segments", "Snapped"]

SEGMENT_COLUMNS: tuple[str, ...] = ("segment_id", "street_id", "length_m", "neighbourhood", "geometry")
"""Columns of the table of segments, in this order."""

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]
_Lines = NDArray[np.object_]


class Snapped(NamedTuple):
    """Points on their nearest segment.

    ``segment`` : ndarray of int, shape (n,), position in the table, meaningless where `inside` is false; ``inside`` :
    ndarray of bool, near enough; ``distance_m`` : ndarray of float, from the point to the segment, NaN where not near
    enough; ``position_m`` : ndarray of float, along the segment from its first end, metres.
    """

    segment: _Ints
    inside: NDArray[np.bool_]
    distance_m: _Floats
    position_m: _Floats

    def distance_quantiles(self) -> dict[str, float]:
        """Return the median, the 95 % and 99 % quantile and the maximum of the snapping distance, metres."""
        used = self.distance_m[self.inside]
        names = ("median", "p95", "p99", "max")
        if not len(used):
            return dict.fromkeys(names, float("nan"))
        return dict(zip(names, np.round(np.quantile(used, [0.5, 0.95, 0.99, 1.0]), 2).tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class Segments:
    """A street network as the units of an analysis, as `Grid` has cells.

    Use `Segments.from_lines` rather than the constructor.

    Parameters
    ----------
    area : StudyArea
    table : GeoDataFrame, shape (n_segments, 5)
        Columns of `SEGMENT_COLUMNS`; ``segment_id`` is unique, ``street_id`` that of the line it was cut from.
    ends : ndarray of int, shape (n_segments, 2)
        Junction at the first and at the last point of each segment.
    junctions : ndarray of float, shape (n_junctions, 2)
        Metres.

    Raises
    ------
    DomainError
        If there are no segments, ids repeat, or ends do not fit.
    """

    area: StudyArea
    table: gpd.GeoDataFrame = field(repr=False)
    ends: _Ints = field(repr=False)
    junctions: _Floats = field(repr=False)

    def __post_init__(self) -> None:
        if self.table.empty:
            raise DomainError("The street network has no line in the study area: check the file and its CRS.")
        if list(self.table.columns) != list(SEGMENT_COLUMNS) or self.table["segment_id"].duplicated().any():
            raise DomainError(f"Segments need the columns {list(SEGMENT_COLUMNS)} and unique segment ids.")
        if self.ends.shape != (len(self.table), 2):
            raise DomainError(f"Segments need two ends each, shape ({len(self.table)}, 2), got {self.ends.shape}.")

    @classmethod
    def from_lines(
        cls,
        area: StudyArea,
        lines: gpd.GeoDataFrame,
        *,
        id_column: str | None = None,
        max_length_m: float | None = 100.0,
        join_m: float = 0.5,
    ) -> "Segments":
        """Make segments of street lines from any file.

        Lines are joined where their ends meet, and cut where the end of another line touches them. Lines that merely
        cross, as on a bridge, are not joined.

        Parameters
        ----------
        area : StudyArea
            Lines that do not touch it are left out.
        lines : GeoDataFrame
            Lines or multi-lines in any reference system.
        id_column : str, optional
            Names the street of each line; its row number where left out.
        max_length_m : float, optional
            Longer segments are cut into equal pieces; None leaves them whole.
        join_m : float
            Ends nearer to each other than this are one junction, metres.

        Raises
        ------
        DomainError
            If the table has no reference system, the id column is missing, or there is no usable line.
        """
        if max_length_m is not None and not max_length_m > 0:
            raise DomainError(f"max_length_m must be > 0 metres, or None, got {max_length_m}.")
        if not join_m >= 0:
            raise DomainError(f"join_m must be >= 0 metres, got {join_m}.")
        parts, street = _line_parts(area, lines, id_column)
        pieces, parent = _cut(parts, max_length_m, join_m)
        middle = shapely.get_coordinates(shapely.line_interpolate_point(pieces, 0.5, normalized=True))
        piece = pd.Series(street[parent]).groupby(street[parent], sort=False).cumcount() + 1
        table = gpd.GeoDataFrame(
            {
                "segment_id": [f"{name}-{k}" for name, k in zip(street[parent], piece, strict=True)],
                "street_id": street[parent],
                "length_m": shapely.length(pieces),
                "neighbourhood": area.neighbourhood_of(middle[:, 0], middle[:, 1]),
            },
            geometry=pieces,
            crs=area.crs,
        )
        ends, junctions = _joined(pieces, join_m)
        return cls(area, table, ends, junctions)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def ids(self) -> NDArray[np.object_]:
        """Segment ids, shape (n_segments,)."""
        return self.table["segment_id"].to_numpy(dtype=object)

    @property
    def length_m(self) -> _Floats:
        """Lengths, shape (n_segments,), metres."""
        return self.table["length_m"].to_numpy(dtype=float)

    @property
    def neighbourhood(self) -> NDArray[np.object_]:
        """Neighbourhood of the middle of each segment, shape (n_segments,)."""
        return self.table["neighbourhood"].to_numpy(dtype=object)

    @cached_property
    def incidence(self) -> sparse.csr_array:
        """Which junctions bound which segments: sparse, shape (n_segments, n_junctions), 1 where they do."""
        rows = np.repeat(np.arange(len(self)), 2)
        matrix = sparse.csr_array(
            (np.ones(len(rows)), (rows, self.ends.ravel())), shape=(len(self), len(self.junctions))
        )
        matrix.data[:] = 1.0
        return matrix

    @cached_property
    def adjacency(self) -> sparse.csr_array:
        """Segments that share a junction, without the segment itself: sparse float, shape (n_segments, n_segments)."""
        meeting = sparse.coo_array(self.incidence @ self.incidence.T)
        other = meeting.row != meeting.col
        rows, columns = meeting.row[other], meeting.col[other]
        return sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(self), len(self)))

    @cached_property
    def graph(self) -> sparse.csr_array:
        """Lengths between neighbouring junctions, the shortest of parallel ways: shape (n_junctions, n_junctions)."""
        first, last = self.ends.T
        low, high, length = np.minimum(first, last), np.maximum(first, last), self.length_m
        order = np.lexsort((length, high, low))
        order = order[low[order] != high[order]]
        low, high, length = low[order], high[order], length[order]
        keep = np.ones(len(low), dtype=bool)
        keep[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
        low, high, length = low[keep], high[keep], length[keep]
        return sparse.csr_array(
            (np.r_[length, length], (np.r_[low, high], np.r_[high, low])), shape=(len(self.junctions),) * 2
        )

    def assign(self, x: ArrayLike, y: ArrayLike, *, max_distance_m: float = 50.0) -> Snapped:
        """Snap points to their nearest segment; of equally near ones to the first in the table.

        Parameters
        ----------
        x, y : array_like of float, shape (n,)
            Metres in the area's reference system.
        max_distance_m : float
            Points farther from every segment are refused.
        """
        if not max_distance_m >= 0:
            raise DomainError(f"max_distance_m must be >= 0 metres, got {max_distance_m}.")
        points = shapely.points(np.asarray(x, dtype=float), np.asarray(y, dtype=float))
        count, lines = len(points), self.table.geometry.to_numpy()
        which, line = self._tree.query_nearest(points, max_distance=max(max_distance_m, 1e-9), all_matches=True)
        index, inside = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=bool)
        # Written from the last to the first, so that the first one stays.
        order = np.lexsort((-line, which))
        index[which[order]], inside[which] = line[order], True
        distance, position = np.full(count, np.nan), np.full(count, np.nan)
        distance[inside] = shapely.distance(points[inside], lines[index[inside]])
        position[inside] = shapely.line_locate_point(lines[index[inside]], points[inside])
        return Snapped(index, inside, distance, position)

    def to_geodataframe(self) -> gpd.GeoDataFrame:
        """Return a copy of the table of segments."""
        return self.table.copy()

    @cached_property
    def _tree(self) -> shapely.STRtree:
        return shapely.STRtree(self.table.geometry.to_numpy())


def _line_parts(area: StudyArea, lines: gpd.GeoDataFrame, id_column: str | None) -> tuple[_Lines, NDArray[np.object_]]:
    """Return single lines that touch the area, and the name of the street of each."""
    if lines.crs is None:
        raise DomainError("Street lines need a reference system: set it with set_crs.")
    if id_column is not None and id_column not in lines.columns:
        raise DomainError(f"Street id column {id_column!r} not found, the file has {list(lines.columns)}.")
    names = np.arange(len(lines)).astype(str) if id_column is None else lines[id_column].astype(str).to_numpy()
    shapes = lines.to_crs(area.crs).geometry.to_numpy()
    parts, row = shapely.get_parts(shapely.force_2d(shapes), return_index=True)
    usable = (shapely.get_type_id(parts) == shapely.GeometryType.LINESTRING) & (shapely.length(parts) > 0)
    usable[usable] = shapely.intersects(area.polygon, parts[usable])
    return parts[usable], np.asarray(names, dtype=object)[row[usable]]


def _cut(lines: _Lines, max_length_m: float | None, join_m: float) -> tuple[_Lines, _Ints]:
    """Cut lines where ends of others touch them and where they are too long; give the line of each piece."""
    touched = _touches(lines, join_m)
    length = shapely.length(lines)
    pieces: list[shapely.Geometry] = []
    parent: list[int] = []
    for k, line in enumerate(lines):
        bounds = np.concatenate([[0.0], touched.get(k, np.empty(0)), [length[k]]])
        if max_length_m is not None:
            count = np.maximum(np.ceil(np.diff(bounds) / max_length_m - 1e-9), 1).astype(int)
            spans = zip(bounds[:-1], bounds[1:], count, strict=True)
            bounds = np.append(np.concatenate([np.linspace(a, b, n + 1)[:-1] for a, b, n in spans]), bounds[-1])
        if len(bounds) == 2:
            pieces.append(line)
        else:
            pieces.extend(substring(line, a, b) for a, b in pairwise(bounds))
        parent.extend([k] * (len(bounds) - 1))
    return np.array(pieces, dtype=object), np.array(parent, dtype=np.int64)


def _touches(lines: _Lines, join_m: float) -> dict[int, _Floats]:
    """Return, for each line that ends of others touch between its own ends, where along it they do."""
    ends = np.concatenate([shapely.get_point(lines, 0), shapely.get_point(lines, -1)])
    point, line = shapely.STRtree(lines).query(ends, predicate="dwithin", distance=max(join_m, 1e-9))
    along = shapely.line_locate_point(lines[line], ends[point])
    margin = max(join_m, 1e-6)
    between = (along > margin) & (along < shapely.length(lines[line]) - margin)
    table = pd.DataFrame({"line": line[between], "along": np.round(along[between], 6)}).drop_duplicates()
    found = {}
    for key, where in table.sort_values(["line", "along"]).groupby("line")["along"]:
        at = where.to_numpy(dtype=float)
        found[int(str(key))] = at[np.diff(at, prepend=-np.inf) > margin]
    return found


def _joined(pieces: _Lines, join_m: float) -> tuple[_Ints, _Floats]:
    """Give each end the number of its junction; ends within the tolerance of each other are one."""
    points = shapely.get_coordinates(np.concatenate([shapely.get_point(pieces, 0), shapely.get_point(pieces, -1)]))
    pairs = cKDTree(points).query_pairs(max(join_m, 1e-6), output_type="ndarray")
    near = sparse.coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(points),) * 2)
    _, number = sparse.csgraph.connected_components(near, directed=False)
    _, first = np.unique(number, return_index=True)
    return number.reshape(2, -1).T.astype(np.int64), points[first]
