"""What each member of a stack would have said about past periods, from what was known before each."""

import hashlib
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.history import Archive, History
from crimepatterns.domain.periods import Periods
from crimepatterns.domain.protocols import Forecaster
from crimepatterns.features.calendar import civil_days

__all__ = ["FoldCache", "fold_means"]

_MOST_KEPT = 512

FoldCache = dict[tuple[str, str, str, str], NDArray[np.float64]]
"""Means by digest of what was known at fit and at forecast, member and target."""


def fold_means(
    history: History, members: Mapping[str, Forecaster], *, folds: int, cache: FoldCache
) -> dict[str, NDArray[np.float64]]:
    """Forecast the last `folds` periods of a history by each member, each from what was known before it.

    Members are fitted at most twice: at moments that lie `folds` periods apart on a fixed beat of the calendar, the
    first at or before the first fold, so that a stack fitted a period later finds all but its newest fold in the cache.

    Parameters
    ----------
    history : History
    members : mapping of str to Forecaster
    folds : int
        More than that many periods must lie before the first of them.
    cache : dict
        Filled here; pass the same again to save work.

    Returns
    -------
    dict of str to ndarray of float, shape (n_cells, folds)
    """
    periods = history.panel.periods
    days = round(float(np.median(civil_days(periods))))
    archive = Archive(history.incidents, history.grid, days, history.covariates)
    starts = list(periods.starts)
    parts: dict[str, list[NDArray[np.float64]]] = {name: [] for name in members}
    for begin, cutoffs in _blocks(starts, days, folds):
        taught, *known = (
            archive.at(cutoff, target=history.target, categories=history.panel.categories)
            for cutoff in (begin, *cutoffs)
        )
        digests = [_digest(one) for one in (taught, *known)]
        for name, member in members.items():
            parts[name] += _block_means(name, member, taught, known, digests, days, cache)
    while len(cache) > _MOST_KEPT:
        cache.pop(next(iter(cache)))
    return {name: np.column_stack(found) for name, found in parts.items()}


def _block_means(
    name: str,
    member: Forecaster,
    taught: History,
    known: Sequence[History],
    digests: Sequence[str],
    days: int,
    cache: FoldCache,
) -> list[NDArray[np.float64]]:
    """Forecasts of one member over a block, fitted once at its begin."""
    keys = [(digests[0], digest, name, taught.target) for digest in digests[1:]]
    if any(key not in cache for key in keys):
        # The seed comes from what is forecast, so that a forecast that was kept is the one that would be made again.
        seed = [zlib.crc32(f"{taught.target}/{name}/fold".encode()), int(taught.cutoff.timestamp())]
        fitted = member.fit(taught, rng=np.random.default_rng(seed))
        for key, history in zip(keys, known, strict=True):
            following = Periods.starting_at(history.cutoff, days=days, count=1)
            cache[key] = fitted.predict(history, following).mean[:, 0]
    return [cache[key] for key in keys]


def _blocks(starts: Sequence[pd.Timestamp], days: int, folds: int) -> list[tuple[pd.Timestamp, list[pd.Timestamp]]]:
    """Put the last `folds` starts into blocks, each with the moment to fit at: the calendar's last beat before it."""
    blocks: list[tuple[pd.Timestamp, list[pd.Timestamp]]] = []
    first = len(starts) - folds
    for i in range(max(first - folds + 1, 1), len(starts)):
        beat = (starts[i].tz_localize(None) - pd.Timestamp(1970, 1, 1)).days // days % folds == 0
        if beat:
            blocks.append((starts[i], []))
        if i >= first:
            if not blocks:
                blocks.append((starts[i], []))
            blocks[-1][1].append(starts[i])
    return [block for block in blocks if block[1]]


def _digest(history: History) -> str:
    """Digest of what a forecaster can see: counts of all categories, places and moments of the incidents, context."""
    total = hashlib.sha256(f"{history.cutoff.isoformat()}|{history.panel.categories}".encode())
    total.update(f"{history.grid.kind}|{len(history.grid)}|".encode())
    for name in history.panel.categories:
        total.update(np.ascontiguousarray(history.panel.of(name)).tobytes())
    table = history.incidents.table
    for column in ("x", "y"):
        total.update(table[column].to_numpy(dtype=np.float64).tobytes())
    for column in ("occurred_from", "known_at"):
        total.update(pd.DatetimeIndex(table[column]).as_unit("us").asi8.tobytes())
    if history.covariates is not None:
        total.update(history.covariates.digest.encode())
    return total.hexdigest()
