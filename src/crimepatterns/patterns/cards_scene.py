"""The incidents of the last days as the search for pattern cards needs them, and the record behind them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.pattern import IACA_TYPES, PatternType
from crimepatterns.errors import PatternError
from crimepatterns.patterns.cards_candidates import Scene, key_sets
from crimepatterns.patterns.cards_fields import BehaviourColumns, Fields, read_fields
from crimepatterns.patterns.cards_past import Before
from crimepatterns.patterns.cards_scan import Family
from crimepatterns.patterns.filters import behaviour_column
from crimepatterns.patterns.window import last_days

__all__ = ["CardScene", "make_scene"]

_LONGEST_SPAN = pd.Timedelta(days=7)
_PAST = pd.Timedelta(days=365)
_NO_COLUMNS = {
    "series": "the file tells no behaviour beside the category.",
    "spree": "the file tells no behaviour beside the category.",
    "hot prey": "the file has no column on premise or class of business.",
    "hot product": "the file has no column on kinds of property.",
    "hot setting": "the file has no column on kinds of premise.",
}


@dataclass(frozen=True, eq=False)
class CardScene:
    """What cards are made of.

    Parameters
    ----------
    table : DataFrame, shape (n, ...)
        Incidents of the window with a usable time.
    area : StudyArea
    places : Scene
        The distinct events among them, for the search.
    event : ndarray of int64, shape (n,)
        Event of each incident: records of one category at one place and moment are one event.
    record : DataFrame, shape (m, ...)
        The whole record known at `as_of`.
    fields : Fields
        Of the record.
    position : ndarray of int64, shape (n,)
        Row of each incident in the record.
    stratum : ndarray of int64, shape (n,)
        District and season.
    columns : BehaviourColumns
    as_of, start, record_from : Timestamp
    left_out : int
        Incidents of the window whose time is known too coarsely.
    """

    table: pd.DataFrame = field(repr=False)
    area: StudyArea = field(repr=False)
    places: Scene = field(repr=False)
    event: NDArray[np.int64] = field(repr=False)
    record: pd.DataFrame = field(repr=False)
    fields: Fields = field(repr=False)
    position: NDArray[np.int64] = field(repr=False)
    stratum: NDArray[np.int64] = field(repr=False)
    columns: BehaviourColumns
    as_of: pd.Timestamp
    start: pd.Timestamp
    record_from: pd.Timestamp
    left_out: int

    def with_copies(self, events: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of all records of the given events, in order of time."""
        return self._timely(np.flatnonzero(np.isin(self.event, events)))

    def rows_of(self, members: Sequence[str]) -> NDArray[np.int64]:
        """Return the rows of incidents by id, in order of time.

        Raises
        ------
        PatternError
            If one is not among the incidents of the window.
        """
        wanted = sorted(set(members))
        rows = pd.Index(self.table["id"]).get_indexer(wanted)
        if (rows < 0).any():
            missing = [member for member, row in zip(wanted, rows, strict=True) if row < 0]
            raise PatternError(f"Incidents {missing[:5]} are not in the window of this analysis: widen its days.")
        return self._timely(rows.astype(np.int64))

    def _timely(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        own = self.table.iloc[rows]
        return rows[np.lexsort((own["id"].to_numpy(dtype=str), own["occurred_from"].to_numpy()))]


def make_scene(
    incidents: Incidents,
    columns: BehaviourColumns,
    *,
    as_of: pd.Timestamp | None,
    days: int,
    types: Collection[PatternType],
    season_days: int,
) -> tuple[CardScene, dict[str, str]]:
    """Prepare the search; see `crimepatterns.patterns.cards.find_cards` for the parameters.

    Returns
    -------
    scene : CardScene
    skipped : dict of type to str
        Types that cannot be looked for, and why.
    """
    if not len(incidents):
        raise PatternError("Pattern cards need incidents, got none: widen the selection.")
    moment = last_days(incidents, days=1).end if as_of is None else as_of
    known = incidents.as_of(moment)
    if not len(known):
        raise PatternError(f"Nothing was known at {moment}: choose a later date.")
    # In one order whatever the storage, so that the same labels are dealt to the same incidents.
    ordered = known.table.sort_values(["occurred_from", "id"], kind="stable").reset_index(drop=True)
    known = Incidents(ordered, known.area, known.provenance)
    record = known.table
    start = moment - pd.DateOffset(days=days)
    late = (record["occurred_from"] >= start).to_numpy(dtype=bool)
    span = record["occurred_until"] - record["occurred_from"]
    dated = ((record["time_precision"] != "month") & (span <= _LONGEST_SPAN)).to_numpy(dtype=bool)
    position = np.flatnonzero(late & dated)
    if not len(position):
        raise PatternError(f"No incident with a usable time in the {days} days before {moment}: widen days.")
    fields = read_fields(known, columns)
    table = record.iloc[position].reset_index(drop=True)
    middle = (_wall(table["occurred_from"]) + _wall(table["occurred_until"])) / 2.0
    back = float(_wall(pd.Series([moment]))[0]) - middle
    district = fields.district[position]
    season = np.floor(back / season_days).astype(np.int64)
    stratum = np.unique(np.column_stack([district, season]), axis=0, return_inverse=True)[1].ravel().astype(np.int64)
    week = int(back.max() // 7) - (back // 7).astype(np.int64)
    first, event = _events(table)
    before = np.flatnonzero(
        ((record["occurred_from"] >= start - _PAST) & (record["occurred_from"] < start)).to_numpy(dtype=bool)
    )
    families, skipped = _families(fields, position[first], before, types)
    places = Scene(
        table["x"].to_numpy(dtype=float)[first],
        table["y"].to_numpy(dtype=float)[first],
        middle[first],
        week[first],
        stratum[first],
        families,
        fields.codes["category"][position[first]],
        Before(*(record[axis].to_numpy(dtype=float)[before] for axis in ("x", "y"))),
    )
    if columns.relationship is not None:
        behaviour_column(known, columns.relationship, wanted="relationship")
    left_out = int((late & ~dated).sum())
    begin = record["occurred_from"].min()
    scene = CardScene(
        table, known.area, places, event, record, fields, position, stratum, columns, moment, start, begin, left_out
    )
    return scene, skipped


def _families(
    fields: Fields, rows: NDArray[np.int64], before: NDArray[np.int64], types: Collection[PatternType]
) -> tuple[tuple[Family, ...], dict[str, str]]:
    families, skipped = [], {}
    several = len(np.unique(fields.codes["category"][rows])) > 1
    for kind, keys_of_kind in key_sets(fields).items():
        if kind not in types:
            continue
        if not keys_of_kind:
            skipped[str(kind)] = _NO_COLUMNS[kind]
        if keys_of_kind == (("category",),) and not several:
            skipped[str(kind)] = "all incidents are of one category."
            continue
        for keys in keys_of_kind:
            joint = fields.joint(keys)
            rate = fields.base_rates(joint)
            code = joint[rows]
            # Numbered anew without those that occur only before the window.
            named = np.unique(code[code >= 0])
            families.append(Family(kind, keys, _numbered(code, named), rate[rows], _numbered(joint[before], named)))
    order = {kind: number for number, kind in enumerate(IACA_TYPES)}
    return tuple(sorted(families, key=lambda family: order[family.iaca_type])), skipped


def _numbered(code: NDArray[np.int64], named: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each code its place among the ascending ones in `named`, -1 where it is none of them."""
    if not len(named):
        return np.full(len(code), -1, dtype=np.int64)
    at = np.minimum(np.searchsorted(named, code), len(named) - 1)
    return np.where(named[at] == code, at, -1).astype(np.int64)


def _events(table: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row of each event, and the number of the event of each row."""
    alike = pd.DataFrame(
        {
            "x": table["x"].round(),
            "y": table["y"].round(),
            "from": table["occurred_from"],
            "until": table["occurred_until"],
            "category": table["category"].astype(str),
        }
    )
    # A date alone is no moment: several records of one day at one place may well be several events.
    fine = table["time_precision"].isin(("minute", "hour")).to_numpy(dtype=bool)
    alike["own"] = np.where(fine, -1, np.arange(len(table)))
    event = alike.groupby(list(alike.columns), sort=False).ngroup().to_numpy().astype(np.int64)
    return np.unique(event, return_index=True)[1].astype(np.int64), event


def _wall(times: pd.Series) -> NDArray[np.float64]:
    """Return civil times as days since 1970."""
    return np.asarray(times.dt.tz_localize(None).astype("datetime64[us]").astype(np.int64) / 86_400e6, dtype=float)
