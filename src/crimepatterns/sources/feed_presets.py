"""What is known of single portals: where their crime records are, which column holds what, what to beware of.

Data sheet
----------
Each preset is plain data: the settings that a city file would otherwise hold, and a sheet in words. A city file that
names a preset (``source.feed.preset``) needs little more, and wins wherever it says something itself.

Looked up, not run against the live portals : dataset ids, names of columns and the remarks come from the portals'
documentation and from public programs that read them, as of 2026-11. ``make live-check`` asks the portals themselves.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from crimepatterns.errors import ConfigError

__all__ = ["PRESETS", "FeedPreset", "preset_named"]


@dataclass(frozen=True)
class FeedPreset:
    """A known feed.

    Parameters
    ----------
    name : str
        What ``source.feed.preset`` calls it.
    settings : mapping
        As in a city file; the file wins key by key.
    publisher, rhythm, geocoding, privacy, defects, documentation : str
        The data sheet.
    """

    name: str
    settings: Mapping[str, Any] = field(repr=False)
    publisher: str
    rhythm: str
    geocoding: str
    privacy: str
    defects: str
    documentation: str


def preset_named(name: str) -> FeedPreset:
    """Return a known feed.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name not in PRESETS:
        close = difflib.get_close_matches(name, PRESETS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        raise ConfigError(f"source.feed.preset must be one of {', '.join(PRESETS)}, got {name!r}{hint}")
    return PRESETS[name]


def _place(title: str, timezone: str, crs: str) -> dict[str, Any]:
    hull = {"derive": "concave_hull", "buffer_m": 50}
    return {"title": title, "timezone": timezone, "crs": crs, "study_area": hull}


def _socrata(domain: str, *datasets: str, **feed: Any) -> dict[str, Any]:
    return {"kind": "socrata", "feed": {"domain": domain, "datasets": list(datasets), **feed}}


_CHICAGO = FeedPreset(
    "chicago",
    {
        **_place("Chicago", "America/Chicago", "EPSG:32616"),
        "source": {
            **_socrata("data.cityofchicago.org", "ijzp-q8t2", id_column="id", volatile_columns=["updated_on"]),
            "origin": "Chicago Police Department (CLEAR), City of Chicago Data Portal, dataset ijzp-q8t2",
            "licence": "City of Chicago terms of use",
        },
        "columns": {
            "id": "id", "occurred_from": "date", "category": "primary_type", "offence": "iucr",
            "longitude": "longitude", "latitude": "latitude", "area": "community_area",
            "extra": ["location_description", "domestic"],
        },
        "cleaning": {"earliest": "2001-01-01", "assumed_delay_days": 7},
        "taxonomy": {"crosswalk": "chicago_iucr"},
    },
    publisher="Chicago Police Department, from its CLEAR system; Crimes - 2001 to Present, about 8 million rows",
    rhythm="daily; the most recent seven days are left out, so records count as known seven days after they happened",
    geocoding="shifted within the block; addresses end in XX",
    privacy="no columns about persons; murder victims are single rows",
    defects=(
        "no report date; case_number is not unique (id is); a share of rows has no coordinates; updated_on changes in "
        "bulk without a change of the record; the FBI codes follow the older summary system"
    ),
    documentation="data.cityofchicago.org/d/ijzp-q8t2",
)  # fmt: skip

_NEW_YORK = FeedPreset(
    "new_york",
    {
        **_place("New York City", "America/New_York", "EPSG:32618"),
        "source": {
            **_socrata("data.cityofnewyork.us", "qgea-i56i", "5uac-w243", id_column="cmplnt_num"),
            "origin": "New York City Police Department, NYC Open Data, datasets qgea-i56i and 5uac-w243",
            "licence": "NYC Open Data terms of use",
        },
        "columns": {
            "id": "cmplnt_num", "date": "cmplnt_fr_dt", "time": "cmplnt_fr_tm", "known_at": "rpt_dt",
            "category": "ofns_desc", "offence": "ky_cd", "longitude": "longitude", "latitude": "latitude",
            "area": "addr_pct_cd", "extra": ["law_cat_cd", "prem_typ_desc"],
        },
        "cleaning": {"earliest": "2006-01-01"},
        "taxonomy": {"crosswalk": "new_york"},
    },
    publisher="New York City Police Department; complaints since 2006 and of the current year, 9 million rows",
    rhythm="quarterly; the past year moves from the current to the historic dataset; numbers are said to last",
    geocoding="middle of the street segment; rape and sex crimes at the precinct station",
    privacy="age group, race and sex of suspect and victim are published; these columns are dropped",
    defects=(
        "the two datasets are divided by report date, not by the day of the offence; impossible years such as 1015; "
        "report dates have no time of day; the end of an interval is split into two columns and is not used"
    ),
    documentation="data.cityofnewyork.us/d/qgea-i56i and /d/5uac-w243, with the department's footnotes",
)  # fmt: skip

_SAN_FRANCISCO = FeedPreset(
    "san_francisco",
    {
        **_place("San Francisco", "America/Los_Angeles", "EPSG:32610"),
        "source": {
            **_socrata(
                "data.sfgov.org", "wg3w-h783", id_column="row_id", volatile_columns=["data_as_of", "data_loaded_at"]
            ),
            "origin": "San Francisco Police Department, DataSF, dataset wg3w-h783",
            "licence": "ODC Public Domain Dedication and License",
        },
        "columns": {
            "id": "row_id", "occurred_from": "incident_datetime", "known_at": "report_datetime",
            "category": "incident_category", "offence": "incident_subcategory",
            "longitude": "longitude", "latitude": "latitude", "area": "analysis_neighborhood",
            "extra": ["report_type_code", "police_district"],
        },
        "cleaning": {"earliest": "2018-01-01"},
    },
    publisher="San Francisco Police Department; incident reports since 2018, about 1 million rows",
    rhythm="daily",
    geocoding="nearest intersection",
    privacy="juveniles and some offences are left out by the department",
    defects=(
        "a row is one code of one report: an incident has several rows, and supplements (report_type_code IS, VS) "
        "repeat it; count first reports only with source.feed.where: \"report_type_code in ('II', 'VI')\""
    ),
    documentation="data.sfgov.org/d/wg3w-h783; datasf.gitbook.io (dataset explainer)",
)  # fmt: skip

_LOS_ANGELES = FeedPreset(
    "los_angeles",
    {
        **_place("Los Angeles", "America/Los_Angeles", "EPSG:32611"),
        "source": {
            **_socrata("data.lacity.org", "2nrs-mtv8", id_column="dr_no"),
            "origin": "Los Angeles Police Department, City of Los Angeles open data, dataset 2nrs-mtv8",
            "licence": "see the portal",
        },
        "columns": {
            "id": "dr_no", "date": "date_occ", "time": "time_occ", "known_at": "date_rptd",
            "category": "crm_cd_desc", "offence": "crm_cd", "longitude": "lon", "latitude": "lat",
            "area": "area_name", "extra": ["premis_desc"],
        },
        "cleaning": {"earliest": "2020-01-01"},
    },
    publisher="Los Angeles Police Department; crimes since 2020, about 1 million rows",
    rhythm="was bi-weekly; the department moved to NIBRS from March 2024 and publishes later offences as k7nn-b2ep",
    geocoding="nearest hundred block",
    privacy="age, sex and descent of victims are published; these columns are dropped",
    defects=(
        "records thin out during 2024; coordinates of (0, 0); report dates have no time of day; "
        "typed from paper reports, with errors; midnight and noon are heaped"
    ),
    documentation="data.lacity.org/d/2nrs-mtv8",
)  # fmt: skip

_SEATTLE = FeedPreset(
    "seattle",
    {
        **_place("Seattle", "America/Los_Angeles", "EPSG:32610"),
        "source": {
            **_socrata("data.seattle.gov", "tazs-3rd5", id_column="offense_id"),
            "origin": "Seattle Police Department, Seattle open data, dataset tazs-3rd5",
            "licence": "see the portal",
        },
        "columns": {
            "id": "offense_id", "occurred_from": "offense_date", "known_at": "report_date_time",
            "category": "offense_sub_category", "offence": "nibrs_offense_code",
            "longitude": "longitude", "latitude": "latitude", "area": "neighborhood", "extra": ["precinct", "beat"],
        },
        "cleaning": {"earliest": "2008-01-01"},
        "taxonomy": {"crosswalk": "nibrs"},
    },
    publisher="Seattle Police Department; offences since 2008, more than a million rows",
    rhythm="daily",
    geocoding="hundred block",
    privacy="the place of about one record in six is withheld: REDACTED in latitude, longitude and block",
    defects=(
        "a new records system since May 2019; code 999 is not a crime (found property, death investigations); midnight "
        "stands for unknown times; columns have had other names before (offense_start_datetime is now offense_date)"
    ),
    documentation="data.seattle.gov/d/tazs-3rd5",
)  # fmt: skip

_WASHINGTON = FeedPreset(
    "washington_dc",
    {
        **_place("Washington, DC", "America/New_York", "EPSG:32618"),
        "source": {
            "kind": "arcgis",
            "origin": "Metropolitan Police Department, Open Data DC, service FEEDS/MPD",
            "licence": "CC BY 4.0",
            "feed": {
                "urls": ["https://maps2.dcgis.dc.gov/dcgis/rest/services/FEEDS/MPD/MapServer"],
                "layers": r"Crime Incidents\s*(-|in)?\s*\d{4}",
                "id_column": "CCN",
            },
        },
        "columns": {
            "id": "CCN", "occurred_from": "START_DATE", "occurred_until": "END_DATE", "known_at": "REPORT_DAT",
            "category": "OFFENSE", "longitude": "geometry_longitude", "latitude": "geometry_latitude",
            "area": "NEIGHBORHOOD_CLUSTER", "extra": ["METHOD", "SHIFT"],
        },
        "cleaning": {"earliest": "2008-01-01"},
        "taxonomy": {
            "mapping": {
                "THEFT/OTHER": "theft", "THEFT F/AUTO": "theft", "MOTOR VEHICLE THEFT": "vehicle theft",
                "BURGLARY": "burglary", "ROBBERY": "robbery", "ASSAULT W/DANGEROUS WEAPON": "assault",
                "SEX ABUSE": "sex offences", "HOMICIDE": "homicide", "ARSON": "arson",
            },
        },
    },
    publisher="Metropolitan Police Department; one layer per year since 2008, 20,000 to 40,000 rows each",
    rhythm="daily; a layer's number changes with the years, so layers are found by their names",
    geocoding="middle of the block",
    privacy="no columns about persons; the same service also holds a registry of persons, which is never asked for",
    defects=(
        "nine kinds of serious offence only; layers are divided by report date; the begin reaches back decades in cold "
        "cases; the layer of the last 30 days repeats the current year and is not read"
    ),
    documentation="opendata.dc.gov: Crime Incidents, attribute definitions",
)  # fmt: skip

PRESETS: Mapping[str, FeedPreset] = MappingProxyType(
    {one.name: one for one in (_CHICAGO, _NEW_YORK, _SAN_FRANCISCO, _LOS_ANGELES, _SEATTLE, _WASHINGTON)}
)
"""Known feeds by name."""
