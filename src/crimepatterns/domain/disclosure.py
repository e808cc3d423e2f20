"""What the public may see of incidents: whole cells, whole weeks, no sensitive offence, no small count, in any sum.

The counts are made safe once, before anybody asks, and every public answer is a sum of them. So whatever polygons,
periods, offences and formats somebody compares, the difference of two answers is again a sum of safe counts.

How a count becomes safe: the incidents of one category in one cell are counted up week by week, and the running count
is passed on in steps of `DisclosureRule.smallest_count`. A week that does not complete a step shows nothing; what it
held waits for the weeks after it and then shows together with theirs. No total contains what waits, so there is none
from which it could be taken back: that is what complementary suppression is for, and here nothing is left for it to do.
The running count begins at a number below the step that outsiders do not know, so that the sums are right on average.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.errors import DomainError

__all__ = ["DisclosureRule", "release", "release_counts"]


@dataclass(frozen=True)
class DisclosureRule:
    """What is kept from the public.

    Parameters
    ----------
    sensitive : tuple of str
        Categories and offences of which nothing is shown, compared without regard to case.
    smallest_count : int
        Every public count is a multiple of it; 1 shows counts as they are.
    cell_size_m : float
        Side of the cells in which the public sees places, metres.

    Raises
    ------
    DomainError
        If a number is not positive.
    """

    sensitive: tuple[str, ...] = ()
    smallest_count: int = 5
    cell_size_m: float = 500.0

    def __post_init__(self) -> None:
        if self.smallest_count < 1 or self.cell_size_m <= 0:
            raise DomainError(
                f"Disclosure needs a smallest count of at least 1 and cells > 0 metres, got {self.smallest_count} and "
                f"{self.cell_size_m}: set them in the section disclosure of config.yaml."
            )

    def hides(self, labels: Iterable[str]) -> NDArray[np.bool_]:
        """Tell which labels, shape (n,), are sensitive."""
        closed = {one.strip().casefold() for one in self.sensitive}
        return np.array([str(label).strip().casefold() in closed for label in labels], dtype=bool)


def release(table: pd.DataFrame, rule: DisclosureRule) -> pd.DataFrame:
    """Count incidents for the public.

    Parameters
    ----------
    table : DataFrame, shape (n, >= 5)
        ``id``, ``week`` (number of the week, int), ``category`` and ``offence`` (text) and ``cell`` (int).
    rule : DisclosureRule

    Returns
    -------
    DataFrame, shape (m, 4)
        ``category``, ``cell``, ``week`` and ``count``, a positive multiple of the smallest count; other weeks of a cell
        show nothing. Sorted by the first three.
    """
    hidden = _hidden(table["category"], rule) | _hidden(table["offence"], rule)
    shown = table.loc[~hidden, ["category", "cell", "week", "id"]].astype({"category": str})
    counted = shown.groupby(["category", "cell", "week"])["id"].agg(count="size", first="min").reset_index()
    return release_counts(counted, rule)


def release_counts(weekly: pd.DataFrame, rule: DisclosureRule) -> pd.DataFrame:
    """Make the counts of incidents that are not sensitive safe for the public.

    Parameters
    ----------
    weekly : DataFrame, shape (n, 5)
        ``category``, ``cell``, ``week``, ``count`` and ``first``, the smallest id among what was counted.
    rule : DisclosureRule

    Returns
    -------
    DataFrame, shape (m, 4)
        As `release` of the rows.
    """
    streams = ["category", "cell"]
    if weekly.empty:
        return weekly[[*streams, "week", "count"]].astype({"count": np.int64}).reset_index(drop=True)
    weekly = weekly.sort_values([*streams, "week"], ignore_index=True)
    opening = weekly.drop_duplicates(streams)
    begin = [
        _beginning(f"{one.category}|{one.cell}|{one.first}", rule.smallest_count)
        for one in opening[[*streams, "first"]].itertuples()
    ]
    weekly = weekly.merge(opening[streams].assign(begin=begin), on=streams)
    running = weekly.groupby(streams, sort=False)["count"].cumsum() + weekly["begin"]
    steps = running // rule.smallest_count
    before = (running - weekly["count"]) // rule.smallest_count
    weekly["count"] = ((steps - before) * rule.smallest_count).astype(np.int64)
    return weekly.loc[weekly["count"] > 0, [*streams, "week", "count"]].reset_index(drop=True)


def _hidden(labels: pd.Series, rule: DisclosureRule) -> NDArray[np.bool_]:
    codes, words = pd.factorize(labels.astype(str))
    return rule.hides(words)[codes] if len(words) else np.zeros(len(labels), dtype=bool)


def _beginning(text: str, step: int) -> int:
    # From an id that the public never sees: outsiders cannot compute it, and it stays when later months arrive.
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % step
