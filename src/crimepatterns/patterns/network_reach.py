"""What lies within reach along the streets: shortest ways from many places at once, in bounded memory."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from crimepatterns.domain.segments import Segments

__all__ = ["Reach", "reachable_junctions", "reachable_segments"]

_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]

_CELLS = 1 << 22
"""Entries of the table of distances that is held at once."""


class Reach(NamedTuple):
    """Pairs of segments that can be reached from each other, sorted by the first.

    ``source``, ``target`` : ndarray of int, shape (n_pairs,), segments;
    ``way`` : ndarray of float, shape (n_pairs, 2, 2), metres from the first or last end of the source to the first or
    last end of the target, infinite beyond the limit.
    """

    source: _Ints
    target: _Ints
    way: _Floats


def reachable_junctions(
    graph: sparse.csr_array, sources: _Ints, limit: float
) -> Iterator[tuple[_Ints, _Ints, _Floats]]:
    """Yield the junctions within reach of each source, in blocks of sources.

    Parameters
    ----------
    graph : csr_array of float, shape (n, n)
        Lengths of the edges, metres.
    sources : ndarray of int, shape (m,)
    limit : float
        Metres.

    Yields
    ------
    row, junction : ndarray of int
        Position in `sources`, and what it reaches; itself included.
    distance : ndarray of float
        Along the shortest way.

    Notes
    -----
    Labels are corrected for a whole block of sources at once: each round lengthens all ways that got shorter in the
    round before by one edge, until none is shorter.
    """
    count = graph.shape[0]
    step = max(_CELLS // count, 1)
    best = np.full(min(step, max(len(sources), 1)) * count, np.inf)
    for begin in range(0, len(sources), step):
        block = sources[begin : begin + step]
        frontier = np.arange(len(block)) * count + block
        best[frontier] = 0.0
        touched = [frontier]
        while frontier.size:
            junction = frontier % count
            degree = graph.indptr[junction + 1] - graph.indptr[junction]
            one = np.repeat(np.arange(len(frontier)), degree)
            edge = np.arange(len(one)) - np.repeat(np.cumsum(degree) - degree, degree) + graph.indptr[junction][one]
            key = (frontier - junction)[one] + graph.indices[edge]
            distance = best[frontier][one] + graph.data[edge]
            shorter = (distance <= limit) & (distance < best[key])
            np.minimum.at(best, key[shorter], distance[shorter])
            frontier = np.unique(key[shorter])
            touched.append(frontier)
        found = np.unique(np.concatenate(touched))
        yield found // count + begin, found % count, best[found]
        best[found] = np.inf


def reachable_segments(segments: Segments, sources: _Ints, limit: float) -> Iterator[Reach]:
    """Yield, in blocks of sources, the segments with an end within reach of an end of each source; itself included.

    Parameters
    ----------
    segments : Segments
    sources : ndarray of int, shape (m,)
        Distinct segments.
    limit : float
        Metres.
    """
    step = max(_CELLS // (2 * len(segments.junctions)), 1)
    bounding = sparse.csr_array(segments.incidence.T)
    for begin in range(0, len(sources), step):
        block = sources[begin : begin + step]
        row, junction, distance = (
            np.concatenate(parts)
            for parts in zip(*reachable_junctions(segments.graph, segments.ends[block].ravel(), limit), strict=True)
        )
        degree = bounding.indptr[junction + 1] - bounding.indptr[junction]
        one = np.repeat(np.arange(len(row)), degree)
        offset = np.arange(len(one)) - np.repeat(np.cumsum(degree) - degree, degree)
        target = bounding.indices[bounding.indptr[junction][one] + offset].astype(np.int64)
        pair, number = np.unique((row[one] // 2) * len(segments) + target, return_inverse=True)
        way = np.full((len(pair), 2, 2), np.inf)
        for end in (0, 1):
            there = segments.ends[target, end] == junction[one]
            way[number[there], row[one][there] % 2, end] = distance[one][there]
        yield Reach(block[pair // len(segments)], pair % len(segments), way)
