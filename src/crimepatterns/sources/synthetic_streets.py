"""Streets and addresses of the embedded city: section roads, a turned old town, diagonals, blocks with gaps."""

from dataclasses import dataclass, field

import geopandas as gpd
import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from scipy import sparse

from crimepatterns.sources.synthetic_layout import CRS, Ground

__all__ = ["Places", "lay_streets", "place_addresses"]

_BLOCK_M = (200.0, 100.0)
_SECTION_ROAD_M = 1600.0
_OLD_TOWN_BLOCK_M = (130.0, 110.0)
_OLD_TOWN_TURN = np.deg2rad(27.0)
_ADDRESS_SPACING_M = 60.0
_SETBACK_M = 12.0


@dataclass(frozen=True, eq=False)
class Places:
    """Addresses, sorted by neighbourhood: the finite set of points at which incidents happen.

    Parameters
    ----------
    x, y : ndarray of float, shape (n_places,)
        Metres; they are the projection of the rounded degrees, so that records and truth agree exactly.
    longitude, latitude : ndarray of float, shape (n_places,)
        Degrees, six decimals.
    snapped : ndarray of float, shape (n_places, 2, 2)
        Longitude and latitude of the middle of the block and of the nearer crossing.
    arterial : ndarray of bool, shape (n_places,)
    neighbourhood : ndarray of int, shape (n_places,)
        Position in the study area's neighbourhood table; never falling.
    segment : ndarray of int, shape (n_places,)
        Position in the street table.
    """

    x: NDArray[np.float64] = field(repr=False)
    y: NDArray[np.float64] = field(repr=False)
    longitude: NDArray[np.float64] = field(repr=False)
    latitude: NDArray[np.float64] = field(repr=False)
    snapped: NDArray[np.float64] = field(repr=False)
    arterial: NDArray[np.bool_] = field(repr=False)
    neighbourhood: NDArray[np.int64] = field(repr=False)
    segment: NDArray[np.int64] = field(repr=False)

    def __len__(self) -> int:
        return len(self.x)


def lay_streets(rng: np.random.Generator, ground: Ground) -> gpd.GeoDataFrame:
    """Lay the street lines: straight pieces of at most 200 m, cut at every crossing.

    Returns
    -------
    GeoDataFrame, shape (n_segments, 5)
        ``street_id``, ``kind`` (arterial or local), ``bridge``, ``length_m`` and ``geometry`` (lines of metres).
    """
    arterials = _arterials(ground.radius_m)
    ring = shapely.polygons(shapely.get_coordinates(arterials[-1]))
    main = _lattice_edges(ground.radius_m * 1.7, _BLOCK_M, 0.0)
    old = _lattice_edges(ground.radius_m * 0.5, _OLD_TOWN_BLOCK_M, _OLD_TOWN_TURN)
    main = _thin(rng, main, ground.radius_m)
    main = shapely.difference(main, ring)
    old = shapely.intersection(old, ring)
    local = np.concatenate([main, old])
    local = shapely.get_parts(local[~shapely.is_empty(local)])
    # Crossings are found on the plan, then everything is bent.
    noded = shapely.get_parts(shapely.node(shapely.multilinestrings(np.concatenate([local, arterials]))))
    noded = _straight_pieces(noded)
    noded = noded[shapely.length(noded) > 12.0]
    near_arterial = shapely.distance(
        shapely.line_interpolate_point(noded, 0.5, normalized=True), shapely.multilinestrings(arterials)
    )
    lines = shapely.transform(noded, ground.warp)
    return _on_the_ground(ground, lines, near_arterial < 0.5)


def place_addresses(rng: np.random.Generator, ground: Ground, streets: gpd.GeoDataFrame) -> Places:
    """Put addresses beside the streets, about one for every 60 m; none on bridges."""
    lines, lengths = streets.geometry.to_numpy(), streets["length_m"].to_numpy(dtype=float)
    count = np.maximum(1, np.round(lengths / _ADDRESS_SPACING_M)).astype(np.int64)
    count[streets["bridge"].to_numpy(dtype=bool)] = 0
    segment = np.repeat(np.arange(len(lines), dtype=np.int64), count)
    order = np.arange(len(segment)) - np.repeat(np.cumsum(count) - count, count)
    share = (order + rng.uniform(0.25, 0.75, len(segment))) / count[segment]
    starts, ends = _ends(lines)
    start, end = starts[segment], ends[segment]
    direction = (end - start) / np.linalg.norm(end - start, axis=1, keepdims=True)
    side = np.where(rng.random(len(segment)) < 0.5, -1.0, 1.0)[:, None]
    point = start + share[:, None] * (end - start) + side * _SETBACK_M * direction[:, ::-1] * np.array([-1.0, 1.0])
    crossing = np.where(share[:, None] < 0.5, start, end)
    keep = ground.area.contains(point[:, 0], point[:, 1])
    keep &= ~shapely.intersects_xy(ground.river, point[:, 0], point[:, 1])
    return _sorted_places(
        ground,
        point=point[keep],
        middle=((start + end) / 2)[keep],
        crossing=crossing[keep],
        arterial=(streets["kind"].to_numpy() == "arterial")[segment[keep]],
        segment=segment[keep],
    )


def _sorted_places(
    ground: Ground,
    *,
    point: NDArray[np.float64],
    middle: NDArray[np.float64],
    crossing: NDArray[np.float64],
    arterial: NDArray[np.bool_],
    segment: NDArray[np.int64],
) -> Places:
    """Sort addresses by neighbourhood and settle their coordinates on six decimals of a degree."""
    position = {name: i for i, name in enumerate(ground.area.neighbourhoods["name"])}
    names = ground.area.neighbourhood_of(point[:, 0], point[:, 1])
    quarter = np.array([position[name] for name in names], dtype=np.int64)
    order = np.lexsort((segment, quarter))
    transformer = pyproj.Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    degrees, middle_degrees, crossing_degrees = (
        np.round(np.column_stack(transformer.transform(metres[order, 0], metres[order, 1])), 6)
        for metres in (point, middle, crossing)
    )
    x, y = transformer.transform(degrees[:, 0], degrees[:, 1], direction=pyproj.enums.TransformDirection.INVERSE)
    return Places(
        x=np.asarray(x),
        y=np.asarray(y),
        longitude=degrees[:, 0],
        latitude=degrees[:, 1],
        snapped=np.stack([middle_degrees, crossing_degrees], axis=1),
        arterial=arterial[order],
        neighbourhood=quarter[order],
        segment=segment[order],
    )


def _arterials(radius: float) -> NDArray[np.object_]:
    """Section roads both ways, two diagonals and last the ring round the old town, on the plan."""
    reach = 1.7 * radius
    at = np.arange(-np.floor(reach / _SECTION_ROAD_M), np.floor(reach / _SECTION_ROAD_M) + 1) * _SECTION_ROAD_M
    lines = [[(x, -reach), (x, reach)] for x in at] + [[(-reach, y), (reach, y)] for y in at]
    for angle in (np.deg2rad(34.0), np.deg2rad(118.0)):
        tip = reach * np.array([np.cos(angle), np.sin(angle)])
        lines.append([tuple(-tip), tuple(tip)])
    around = np.linspace(0, 2 * np.pi, 73)
    ring = (
        0.2
        * radius
        * (1 + 0.12 * np.cos(3 * around + 1.0))[:, None]
        * np.column_stack([np.cos(around), np.sin(around)])
    )
    ring[-1] = ring[0]
    return np.array([*(shapely.LineString(line) for line in lines), shapely.LineString(ring)], dtype=object)


def _lattice_edges(reach: float, block: tuple[float, float], turn: float) -> NDArray[np.object_]:
    """Edges between neighbouring crossings of a lattice about the centre."""
    columns = np.arange(-np.ceil(reach / block[0]), np.ceil(reach / block[0]) + 1) * block[0]
    rows = np.arange(-np.ceil(reach / block[1]), np.ceil(reach / block[1]) + 1) * block[1]
    x, y = np.meshgrid(columns, rows, indexing="ij")
    nodes = np.stack([x, y], axis=-1) @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    across = np.stack([nodes[:-1], nodes[1:]], axis=2).reshape(-1, 2, 2)
    along = np.stack([nodes[:, :-1], nodes[:, 1:]], axis=2).reshape(-1, 2, 2)
    edges: NDArray[np.object_] = shapely.linestrings(np.concatenate([across, along]))
    return edges


def _thin(rng: np.random.Generator, edges: NDArray[np.object_], radius: float) -> NDArray[np.object_]:
    """Leave out street pieces: few near the centre, many in loose suburbs, all in fields at the edge."""
    middle = shapely.get_coordinates(shapely.line_interpolate_point(edges, 0.5, normalized=True))
    waves = rng.normal(0, 1, (6, 2)) * 2 * np.pi / (0.7 * radius)
    loose = np.sin(middle @ waves.T + rng.uniform(0, 2 * np.pi, 6)).sum(axis=1) / np.sqrt(3.0)
    distance = np.hypot(middle[:, 0], middle[:, 1]) / radius
    gone = np.clip(0.02 + 0.32 * (distance - 0.25) + 0.10 * loose, 0.02, 0.55)
    field_edge = distance + 0.12 * loose > 1.02
    kept: NDArray[np.object_] = edges[(rng.random(len(edges)) > gone) & ~field_edge]
    return kept


def _straight_pieces(lines: NDArray[np.object_]) -> NDArray[np.object_]:
    points, line = shapely.get_coordinates(shapely.segmentize(lines, 1.001 * _BLOCK_M[0]), return_index=True)
    joined = np.flatnonzero(line[:-1] == line[1:])
    pieces: NDArray[np.object_] = shapely.linestrings(np.stack([points[joined], points[joined + 1]], axis=1))
    return pieces


def _on_the_ground(ground: Ground, lines: NDArray[np.object_], arterial: NDArray[np.bool_]) -> gpd.GeoDataFrame:
    """Keep what lies in the area: no local street crosses water or a park, arterials bridge the river."""
    shapely.prepare(ground.area.polygon)
    wet = shapely.intersects(lines, ground.river)
    barred = shapely.intersects(lines, ground.parks) & ~arterial
    keep = shapely.contains(ground.area.polygon, lines) & ~(wet & ~arterial) & ~barred
    lines, arterial, wet = lines[keep], arterial[keep], wet[keep]
    joined = _largest_network(lines)
    lines, arterial, wet = lines[joined], arterial[joined], wet[joined]
    return gpd.GeoDataFrame(
        {
            "street_id": [f"S{i:06d}" for i in range(len(lines))],
            "kind": np.where(arterial, "arterial", "local"),
            "bridge": wet,
            "length_m": shapely.length(lines),
        },
        geometry=lines,
        crs=CRS,
    )


def _largest_network(lines: NDArray[np.object_]) -> NDArray[np.bool_]:
    """Tell which lines can be reached from most others; a street that leads nowhere is not built."""
    ends = np.round(np.concatenate(_ends(lines)), 2)
    _, node = np.unique(ends, axis=0, return_inverse=True)
    start, end = np.split(node.reshape(-1), 2)
    graph = sparse.coo_array((np.ones(len(lines)), (start, end)), shape=(int(node.max()) + 1,) * 2)
    _, label = sparse.csgraph.connected_components(graph, directed=False)
    reachable: NDArray[np.bool_] = label[start] == np.bincount(label[start]).argmax()
    return reachable


def _ends(lines: NDArray[np.object_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first, last = shapely.get_point(lines, 0), shapely.get_point(lines, -1)
    return shapely.get_coordinates(first), shapely.get_coordinates(last)
