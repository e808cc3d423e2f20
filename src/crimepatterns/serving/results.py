"""What the stages have left of one city: found on disk, read through the store, never computed here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crimepatterns.config import Settings
from crimepatterns.domain.area import StudyArea
from crimepatterns.errors import ArtefactError, MissingInputError
from crimepatterns.patterns.premise_split import PREMISE_SIDES, side_of
from crimepatterns.serving.failures import UnknownNameError
from crimepatterns.serving.payloads import PayloadCache
from crimepatterns.store.areas import read_study_area
from crimepatterns.store.atomic import read_json
from crimepatterns.store.layout import Layout, slug

__all__ = ["ALL", "Category", "Results"]

ALL = "all"
"""Slug of the layers in which every reported category is counted together."""

SPANS = ("judge", "select")
"""Evaluation spans, the one to be shown first."""


@dataclass(frozen=True)
class Category:
    """One kind of incident that something is known about.

    Parameters
    ----------
    slug : str
        Its name in addresses and folders.
    name : str
    patterns, forecast : bool
        Whether hot spots and a forecast of it are stored.
    """

    slug: str
    name: str
    patterns: bool
    forecast: bool

    @property
    def label(self) -> str:
        """What the page calls it."""
        return "all reported categories" if self.slug == ALL else self.name


class Results:
    """The stored results of one city.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.layout = Layout(settings.root, settings.city)
        self.cache = PayloadCache()

    # -- categories -----------------------------------------------------------------------------------------------

    @property
    def categories(self) -> tuple[Category, ...]:
        """Categories with a stored result: forecast ones first, the most frequent first, all together last."""
        counts = self.cleaning_report().get("categories", {})
        whole = sorted(counts, key=lambda one: -counts[one])
        split = self.settings.forecast.split_premise
        parts = [[side_of(name, side) for side in PREMISE_SIDES] if name in split else [name] for name in whole]
        named = {slug(name): name for names in parts for name in names}
        found = [
            Category(
                part,
                name,
                patterns=(self.layout.patterns / part).is_dir(),
                forecast=(self.layout.forecasts / f"{part}.parquet").is_file(),
            )
            for part, name in {**named, ALL: ALL}.items()
        ]
        known = [one for one in found if one.patterns or one.forecast]
        return tuple(sorted(known, key=lambda one: (one.slug == ALL, not one.forecast)))

    def category(self, wanted: str | None) -> Category:
        """Return the category of that slug, or the first where none is asked for.

        Raises
        ------
        UnknownNameError
            If there is no such category; only names found on disk are ever turned into paths.
        MissingInputError
            If nothing is stored yet.
        """
        known = {one.slug: one for one in self.categories}
        if wanted in known:
            return known[wanted]
        if wanted is not None:
            raise UnknownNameError(f"No category {wanted[:60]!r} here: choose one of {list(known)}.")
        if not known:
            raise MissingInputError("No results yet: run `crimepatterns run`.")
        return next(iter(known.values()))

    def place_names(self) -> frozenset[str]:
        """Return the names of the neighbourhoods as the file writes them."""
        return frozenset(str(name) for name in self.area().neighbourhoods["name"])

    # -- files ----------------------------------------------------------------------------------------------------

    def layer_path(self, category: Category, layer: str) -> Path:
        """Return the file of a pattern layer; `layer` comes from a fixed list."""
        return self.layout.patterns / category.slug / f"{layer}.parquet"

    def forecast_path(self, category: Category) -> Path:
        """Return the file of the champion's forecast."""
        return self.layout.forecasts / f"{category.slug}.parquet"

    @property
    def plan_path(self) -> Path:
        """The patrol plan's layer."""
        return self.layout.plan / "plan.parquet"

    @property
    def span(self) -> str | None:
        """The evaluation span to show: the judge span where it was opened, else the select span, else None."""
        return next((name for name in SPANS if (self.layout.evaluation / name).is_dir()), None)

    # -- contents -------------------------------------------------------------------------------------------------

    def area(self) -> StudyArea:
        """Return the study area, kept until cleaning runs again."""
        path = self.layout.study_area
        return self.cache.get("area", [path], lambda: read_study_area(path))

    def cleaning_report(self) -> Mapping[str, Any]:
        """Return the cleaning report; empty before cleaning has run."""
        path = self.layout.cleaning_report
        if not path.exists():
            return {}
        report: dict[str, Any] = self.cache.get("cleaning", [path], lambda: read_json(path))
        return report

    @property
    def month_only(self) -> bool:
        """Whether most times are known to the month only: days, weeks and hours then mean nothing."""
        counted = self.cleaning_report().get("time_precision", {})
        return bool(2 * counted.get("month", 0) > sum(counted.values()))

    def honesty_report(self) -> Mapping[str, Any]:
        """Return the data honesty report; empty before `crimepatterns check` has run."""
        path = self.layout.quality / "honesty.json"
        if not path.exists():
            return {}
        report: dict[str, Any] = self.cache.get("honesty", [path], lambda: read_json(path))
        return report

    def stage_facts(self, name: str) -> Mapping[str, Any] | None:
        """Return when a stage last finished and in how long; None if it never did."""
        path = self.layout.stages / f"{name}.json"
        if not path.exists():
            return None
        try:
            manifest = self.cache.get(("stage", name), [path], lambda: read_json(path))
        except ArtefactError:
            return None
        return {key: manifest.get(key) for key in ("finished_at", "seconds", "version")}
