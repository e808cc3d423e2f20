"""Guesses which column of a published dataset holds what, from names and from a few records; a person checks it."""

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from crimepatterns.sources.feed import FeedDescription

__all__ = ["guess_columns"]

_NOT_MOMENTS = r"updat|modif|load|creat|edit|publish|as_of|year|month|weekday|day_of|hour"
_WANTED: Mapping[str, tuple[Sequence[str], str]] = {
    "occurred_from": (
        (
            r"occurred_from|from_date|date_from|cmplnt_fr_dt|fr_dt",
            r"offen[sc]e_?(start_?)?date|incident_?date_?time|occur|date_occ",
            r"^start_?date|start_?date",
            r"incident_?date|crime_?date|event_?date",
            r"^date$|^datetime$",
            r"date",
        ),
        rf"report|rpt|end|until|(^|_)to(_|$)|{_NOT_MOMENTS}",
    ),
    "occurred_until": (
        (r"occurred_until|occurred_to|date_to|to_date|end_?date|(^|_)to_dt",),
        rf"report|{_NOT_MOMENTS}",
    ),
    "known_at": ((r"report(ed)?_?(date_?time|date|dat)|date_?(rptd|reported)|rpt_dt", r"reported"), _NOT_MOMENTS),
    "category": (
        (
            r"primary_type|ofns_desc|crm_cd_desc|offen[sc]e_(sub_)?category|incident_category|crime_type|nibrs_.*desc",
            r"^offen[sc]es?$|^crime$|^category$",
            r"offen[sc]e|crime|category",
            r"(^|_)type(_|$)|description|desc$",
        ),
        r"date|time|code|number|(^|_)id(_|$)|location|premis|group|weapon|report|against",
    ),
    "longitude": ((r"^geometry_longitude$", r"^(lon(g|gitude)?|lng)$", r"longitude|_lon$|_long$"), r"^$"),
    "latitude": ((r"^geometry_latitude$", r"^lat(itude)?$", r"latitude|_lat$"), r"^$"),
    "area": (
        (r"neighbou?rhood|community_area", r"precinct|pct_cd|district|ward|beat|sector|area_name"),
        r"latitude|longitude",
    ),
}
"""Setting to names in order of preference, and to names that mean something else."""


def guess_columns(told: FeedDescription, sample: pa.RecordBatch) -> dict[str, str]:
    """Guess the settings ``columns`` of a dataset.

    Parameters
    ----------
    told : FeedDescription
    sample : pyarrow.RecordBatch
        A few records; a column that is empty in all of them is not chosen.

    Returns
    -------
    dict of str to str
        Setting to column; what cannot be guessed is left out.
    """
    filled = [name for name in told.names if _filled(sample, name)]
    guessed = {"id": told.id_column} if told.id_column else {}
    for setting, (names, other) in _WANTED.items():
        free = [name for name in filled if name not in guessed.values() and not re.search(other, name, re.IGNORECASE)]
        found = next((name for wanted in names for name in free if re.search(wanted, name, re.IGNORECASE)), None)
        if found is not None:
            guessed[setting] = found
    if ("longitude" in guessed) != ("latitude" in guessed):
        guessed.pop("longitude", None)
        guessed.pop("latitude", None)
    return guessed


def _filled(sample: pa.RecordBatch, name: str) -> bool:
    if name not in sample.schema.names:
        return False
    column = sample.column(name)
    return bool(sample.num_rows == 0 or pc.any(pc.and_kleene(pc.is_valid(column), pc.not_equal(column, ""))).as_py())
