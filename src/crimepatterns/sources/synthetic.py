"""The embedded default city: a source like any other, whose truth is known.

Data sheet
----------
What: invented incidents of an invented city, Lindenfeld. No person, place or event in it is real.
Who: drawn by this module from a seed; the same seed gives the same city, bit for bit.
Fields: case number, from/until/report times (naive local), offence, discovery, premise, neighbourhood, degrees.
Defects: planted on purpose at known shares, see `crimepatterns.sources.synthetic_plan.DEFECT_SHARES`.
Use: to try the product without data, and to test methods against what is true. Never to conclude about real places.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa

from crimepatterns.domain.area import StudyArea
from crimepatterns.domain.protocols import RawTable
from crimepatterns.errors import SourceError
from crimepatterns.sources.synthetic_background import draw_background
from crimepatterns.sources.synthetic_calendar import Calendar
from crimepatterns.sources.synthetic_layout import Ground, draw_ground
from crimepatterns.sources.synthetic_plan import CATEGORIES, CITY_CLASSES, DEFECT_SHARES, CityClass
from crimepatterns.sources.synthetic_process import make_process
from crimepatterns.sources.synthetic_records import RAW_SCHEMA
from crimepatterns.sources.synthetic_render import Renderer
from crimepatterns.sources.synthetic_streets import Places, lay_streets, place_addresses
from crimepatterns.sources.synthetic_truth import Truth

__all__ = ["SyntheticCity"]


class SyntheticCity:
    """An invented city with incidents whose true intensity is known.

    Nothing is drawn before it is asked for.

    Parameters
    ----------
    city_class : {"stable", "drifting", "triggering"}
        Fixed hot places; hot places that move and change weight; or strong near repeats (branching above 0.4).
    incidents : int
        Expected number of incidents in the record; the raw table has about 1 % more rows, the planted duplicates.
    years : int
        Length of the record, ending at `end`.
    seed : int
        Not negative.
    timezone : str
        IANA name of the zone whose civil time the city keeps.
    area_km2 : float
        Size of the study area, square kilometres, met to a few per cent.
    end : str
        First day after the record, the first of a month.

    Raises
    ------
    SourceError
        If the class is unknown or a number is out of range.

    Examples
    --------
    >>> city = SyntheticCity(incidents=2_000, years=1, area_km2=40)
    >>> first = next(iter(city.fetch().batches))
    >>> first.schema.names[:2]
    ['Case Number', 'Occurred From']
    """

    def __init__(
        self,
        *,
        city_class: CityClass = "stable",
        incidents: int = 60_000,
        years: int = 3,
        seed: int = 20_260,
        timezone: str = "America/Chicago",
        area_km2: float = 120.0,
        end: str = "2026-01-01",
    ) -> None:
        if city_class not in CITY_CLASSES:
            raise SourceError(f"Synthetic city class must be one of {list(CITY_CLASSES)}, got {city_class!r}.")
        for name, value, least, most in (
            ("incidents", incidents, 1, 10**9),
            ("years", years, 1, 50),
            ("seed", seed, 0, 2**63),
            ("area_km2", area_km2, 20, 2_000),
        ):
            if not least <= value <= most:
                raise SourceError(f"Synthetic city {name} must lie between {least} and {most}, got {value}.")
        self.name = f"synthetic-{city_class}"
        self.city_class: CityClass = city_class
        self.incidents = incidents
        self.seed = seed
        self._area_km2 = area_km2
        self._calendar = Calendar(end, years, timezone)

    # -- the source ---------------------------------------------------------------------------------------------

    def fetch(self, window: tuple[pd.Timestamp, pd.Timestamp] | None = None) -> RawTable:
        """Stream the raw table month by month in order of time; the batches can be read more than once.

        Parameters
        ----------
        window : tuple of Timestamp, optional
            Only incidents that occurred in ``[start, end)``, tz-aware; a row keeps its values whatever the window.
        """
        local = None if window is None else (self._local(window[0]), self._local(window[1]))
        share = 1.0 if local is None else self._share_of_record(local)
        rows = round(self.incidents * (1 + DEFECT_SHARES["duplicate"]) * share)
        return RawTable(tuple(RAW_SCHEMA.names), _Batches(self._renderer, local), rows)

    @property
    def columns(self) -> Mapping[str, Any]:
        """Which raw column holds what, by the keys of the `columns` settings."""
        return MappingProxyType(
            {
                "id": "Case Number",
                "occurred_from": "Occurred From",
                "occurred_until": "Occurred Until",
                "known_at": "Reported",
                "category": "Offense",
                "offence": "Offense Description",
                "discovery": "Discovery",
                "longitude": "Longitude",
                "latitude": "Latitude",
                "area": "Neighborhood",
                "extra": ("Premise",),
            }
        )

    @property
    def taxonomy(self) -> Mapping[str, str]:
        """Publisher's label to category."""
        return MappingProxyType({plan.label: plan.name for plan in CATEGORIES})

    @property
    def categories(self) -> tuple[str, ...]:
        """Planted categories, the most frequent first."""
        return tuple(plan.name for plan in CATEGORIES)

    @property
    def start(self) -> pd.Timestamp:
        """First moment of the record."""
        return pd.Timestamp(self._calendar.first.astype("datetime64[D]")).tz_localize(self._calendar.timezone)

    @property
    def end(self) -> pd.Timestamp:
        """First moment after the record."""
        return pd.Timestamp(self._calendar.end).tz_localize(self._calendar.timezone)

    # -- the place ----------------------------------------------------------------------------------------------

    @property
    def area(self) -> StudyArea:
        """Boundary, neighbourhoods, reference system and time zone."""
        return self._ground.area

    @cached_property
    def streets(self) -> gpd.GeoDataFrame:
        """Street lines: ``street_id, kind, bridge, length_m, geometry``."""
        return lay_streets(np.random.default_rng([self.seed, 2]), self._ground)

    @property
    def places(self) -> gpd.GeoDataFrame:
        """Addresses, the only points at which incidents happen: ``street_id, neighbourhood, geometry``."""
        names = self.area.neighbourhoods["name"].to_numpy(dtype=object)
        return gpd.GeoDataFrame(
            {
                "street_id": self.streets["street_id"].to_numpy(dtype=object)[self._places.segment],
                "neighbourhood": names[self._places.neighbourhood],
            },
            geometry=gpd.points_from_xy(self._places.x, self._places.y),
            crs=self.area.crs,
        )

    @property
    def unbuilt(self) -> gpd.GeoDataFrame:
        """River and parks, where nobody lives: ``kind, geometry``."""
        return gpd.GeoDataFrame(
            {"kind": ["river", "parks"]}, geometry=[self._ground.river, self._ground.parks], crs=self.area.crs
        )

    # -- the truth ----------------------------------------------------------------------------------------------

    @cached_property
    def truth(self) -> Truth:
        """Expected counts, planted facts and the answer to every row."""
        return Truth(self._renderer.process, self._places, self._renderer)

    @property
    def defects(self) -> Mapping[str, int]:
        """Number of rows planted with each defect."""
        return self.truth.defects

    @cached_property
    def _ground(self) -> Ground:
        rng = np.random.default_rng([self.seed, 1])
        return draw_ground(rng, name="Lindenfeld", area_km2=self._area_km2, timezone=self._calendar.timezone)

    @cached_property
    def _places(self) -> Places:
        return place_addresses(np.random.default_rng([self.seed, 3]), self._ground, self.streets)

    @cached_property
    def _renderer(self) -> Renderer:
        background = draw_background(
            np.random.default_rng([self.seed, 4]),
            ground=self._ground,
            places=self._places,
            calendar=self._calendar,
            city_class=self.city_class,
        )
        process = make_process(
            background, self._places, self._calendar, city_class=self.city_class, incidents=float(self.incidents)
        )
        return Renderer(process, self._places, [str(name) for name in self.area.neighbourhoods["name"]], self.seed)

    def _local(self, moment: pd.Timestamp) -> np.datetime64:
        if moment.tzinfo is None:
            raise SourceError(f"A window needs moments with a time zone, got {moment}.")
        return np.datetime64(moment.tz_convert(self._calendar.timezone).tz_localize(None), "s")

    def _share_of_record(self, window: tuple[np.datetime64, np.datetime64]) -> float:
        first, last = self._calendar.dates(np.array([0, self._calendar.days])).astype("datetime64[s]")
        covered = (min(window[1], last) - max(window[0], first)) / (last - first)
        return float(np.clip(covered, 0.0, 1.0))


@dataclass(frozen=True, eq=False)
class _Batches:
    """Raw rows that are drawn anew, and equal, each time they are read."""

    renderer: Renderer
    window: tuple[np.datetime64, np.datetime64] | None

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self.renderer.raw(self.window)
