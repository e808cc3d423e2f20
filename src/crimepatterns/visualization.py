"""Stage: draw every figure for which there are results, and say which ones could not be drawn and why."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from crimepatterns.city import City
from crimepatterns.config import Settings
from crimepatterns.domain.incidents import Incidents
from crimepatterns.domain.police_found import police_warning
from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.domain.scorecard import Scorecard
from crimepatterns.errors import MissingInputError, PatternError
from crimepatterns.pattern_methods.card_file import CardFile
from crimepatterns.patterns.window import Window, last_days
from crimepatterns.quality.flags import without_doubted_hours
from crimepatterns.store.atomic import replacing_folder
from crimepatterns.store.context_layers import read_context_layer
from crimepatterns.store.layers import read_forecast, read_layer, read_surface, read_table
from crimepatterns.store.layout import slug
from crimepatterns.store.scorecards import read_extra, read_scorecard
from crimepatterns.visuals import static
from crimepatterns.visuals.frame import save_figure

__all__ = ["visualize"]

_TASK = "Drawing figures"
_DPI = 160
_ALL = "all"
_KINDS = (
    "trend", "context", "density", "gi_star", "clusters", "emerging", "local_moran", "change", "near_repeat",
    "knox", "self_exciting", "cards", "scan", "usual", "concentration", "repeat_places", "gi_star_given",
    "local_moran_given", "density_ratio", "smoothed_rates", "similarity", "network", "street_density",
    "season_trend", "shifts", "hours", "seasons", "forecast", "shift_forecast", "harm", "areas", "scoreboard",
    "curve", "calibration", "coverage",
)  # fmt: skip


def visualize(settings: Settings, *, progress: Progress = silent) -> dict[str, Any]:
    """Draw maps, rhythms, trends and the scoreboard as PNG files below ``results/<city>/figures``.

    Parameters
    ----------
    settings : Settings
    progress : Progress

    Returns
    -------
    dict
        JSON-able: ``outputs``, ``not_drawn`` (figure to reason) and a ``sentence``.

    Raises
    ------
    MissingInputError
        If cleaning has not run.
    ArtefactError
        If a result on disk is damaged.
    """
    gallery = _Gallery(City(settings))
    figures = list(gallery.figures())
    outputs: list[str] = []
    not_drawn: dict[str, str] = {}
    root = gallery.city.layout.figures.relative_to(settings.root)
    with replacing_folder(gallery.city.layout.figures) as folder:
        for step, (name, draw) in enumerate(figures):
            progress(_TASK, step, len(figures))
            try:
                figure = draw()
            except (MissingInputError, PatternError) as reason:
                # The summary is read by people and kept in manifests: no folders of this machine in it.
                not_drawn[name] = str(reason).replace(f"{settings.root}/", "")
                continue
            save_figure(figure, folder / f"{name}.png", dpi=_DPI, warning=gallery.warning_of(name))
            outputs.append(str(root / f"{name}.png"))
    progress(_TASK, len(figures), len(figures))
    kinds = sorted({gallery.kind_of(name) for name in not_drawn})
    missed = f"; {len(not_drawn)} not drawn ({', '.join(kinds)})" if not_drawn else ""
    return {"sentence": f"{len(outputs)} figures{missed}.", "not_drawn": not_drawn, "outputs": sorted(outputs)}


_EXCESS = {
    "high-high": "more, among more",
    "high-low": "more, among fewer",
    "low-high": "fewer, among more",
    "low-low": "fewer, among fewer",
}
"""What kinds of cells mean beside a reference: more or fewer than it gives."""


@dataclass(frozen=True, eq=False)
class _Gallery:
    """Which figures there can be for a city, each as a name and a function that draws it."""

    city: City

    def figures(self) -> Iterator[tuple[str, Callable[[], Figure]]]:
        yield "trend", partial(static.trend, self.city.incidents, run_date=self.run_date)
        for layer in (one for one in self.city.settings.context if one.role == "feature"):
            yield f"context_{layer.name}", partial(self._context_map, layer.name)
        for category in (*self.pattern_categories, _ALL):
            name = slug(category)
            yield f"density_{name}", partial(self._surface_map, static.hot_spot_map, name, "density")
            yield f"gi_star_{name}", partial(self._surface_map, static.significance_map, name, "gi_star")
            yield f"clusters_{name}", partial(self._cluster_map, name)
            yield f"emerging_{name}", partial(self._kinds_map, name, "emerging", "emerging", "Emerging hot spots")
            yield f"local_moran_{name}", partial(self._kinds_map, name, "local_moran_kinds", "kind", "Local Moran")
            yield f"change_{name}", partial(self._change_map, name)
            if category != _ALL:
                yield f"near_repeat_{name}", partial(self._chains_map, name)
                yield f"knox_{name}", partial(self._repeat_table, name)
            yield from self._of_one_file(self.city.layout.patterns / name)
            yield f"hours_{name}", partial(self._hours, category)
            yield f"seasons_{name}", partial(self._seasons, category)
        if (self.city.layout.patterns / _ALL / "cards.json").exists():
            yield "cards", self._cards
        if (self.city.layout.forecasts / "harm.parquet").exists():
            yield "harm", self._harm
        for category in self.city.targets:
            name = slug(category)
            yield f"forecast_{name}", partial(self._forecast_map, name)
            if (self.city.layout.forecasts / "shifts" / f"{name}.parquet").exists():
                yield f"shift_forecast_{name}", partial(self._shift_calendar, name)
            yield f"areas_{name}", partial(self._area_chart, name)
            yield f"scoreboard_{name}", partial(self._scoreboard, category)
            yield f"curve_{name}", partial(self._curve, category)
            yield f"calibration_{name}", partial(self._calibration, category)
            yield f"coverage_{name}", partial(self._coverage, category)

    @staticmethod
    def kind_of(name: str) -> str:
        """Name the kind of a figure: ``gi_star`` for ``gi_star_theft``."""
        found = [kind for kind in _KINDS if name == kind or name.startswith(f"{kind}_")]
        return max(found, key=len)

    def warning_of(self, name: str) -> str:
        """Say what must stand below a figure of a category that comes to light because the police look."""
        about = name.removeprefix(f"{self.kind_of(name)}_")
        found = self.city.found_by_police
        drawn = {slug(category): category for category in {*self.pattern_categories, *self.city.targets}}
        category = drawn.get(about, "")
        return police_warning(category, found[category]) if category in found else ""

    @cached_property
    def run_date(self) -> str:
        return datetime.now(UTC).date().isoformat()

    @property
    def title(self) -> str:
        return self.city.area.name

    @property
    def pattern_categories(self) -> tuple[str, ...]:
        return self.city.settings.patterns.categories or self.city.targets

    @cached_property
    def window(self) -> Window:
        return last_days(self.city.incidents, days=self.city.settings.patterns.window_days)

    @cached_property
    def evaluation(self) -> Path:
        """The judge span once it has been opened, the select span before."""
        judge = self.city.layout.evaluation / "judge"
        return judge if judge.is_dir() else self.city.layout.evaluation / "select"

    @cached_property
    def scorecard(self) -> Scorecard:
        return read_scorecard(self.evaluation)

    @cached_property
    def baselines(self) -> frozenset[str]:
        from crimepatterns.forecasts.registry import BASELINES

        return BASELINES

    def _surface_map(self, draw: Callable[..., Figure], name: str, method: str) -> Figure:
        surface, facts = read_surface(self.city.layout.patterns / name / f"{method}.parquet", self.city.area)
        return draw(surface, category=facts["category"], window=facts["window"], run_date=facts["run_date"])

    def _context_map(self, name: str) -> Figure:
        """Draw the first column of a layer as known at the end of the data."""
        column = self.city.context[name][0]
        layer, _ = read_context_layer(self.city.layout.context / "layers" / f"{name}.parquet")
        last = self.city.incidents.table["occurred_from"].max().normalize() + pd.DateOffset(days=1)
        return static.covariate_map(column, self.city.grid, as_of=last, layer=layer, run_date=self.run_date)

    def _cluster_map(self, name: str) -> Figure:
        layer, facts = read_layer(self.city.layout.patterns / name / "dbscan.parquet")
        if layer.empty:
            raise PatternError(str(facts["sentence"]))
        return static.cluster_map(
            layer,
            self.city.area,
            category=facts["category"],
            window=facts["window"],
            parameters=facts["parameters"],
            run_date=facts["run_date"],
        )

    def _kinds_map(self, name: str, file: str, column: str, title: str) -> Figure:
        layer, facts = read_layer(self.city.layout.patterns / name / f"{file}.parquet")
        return static.kinds_map(layer, self.city.area, column=column, title=title, facts=facts)

    def _change_map(self, name: str) -> Figure:
        surface, facts = read_surface(self.city.layout.patterns / name / "change.parquet", self.city.area)
        return static.change_map(surface, category=facts["category"], window=facts["window"], facts=facts)

    def _chains_map(self, name: str) -> Figure:
        chains, facts = read_layer(self.city.layout.patterns / name / "near_repeat.parquet")
        return static.chains_map(chains, self.city.area, facts=facts)

    def _repeat_table(self, name: str) -> Figure:
        table, facts = read_table(self.city.layout.patterns / name / "knox.parquet")
        return static.repeat_table(table, city=self.title, facts=facts)

    def _chosen(self, category: str) -> Incidents:
        if category != _ALL:
            return self.city.incidents.of(category)
        return self.city.incidents.of(*{*self.pattern_categories, *self.city.reported_categories})

    def _cards(self) -> Figure:
        found = CardFile(self.city)
        return static.card_sheet(found.decided.cards, self.city.area, facts=found.stored.facts)

    def _hours(self, category: str) -> Figure:
        chosen = self.window.of(self._chosen(category))
        flags = self.city.flags
        known = without_doubted_hours(chosen, flags)
        return static.hour_weekday_map(
            known,
            category=category,
            window=self.window,
            run_date=self.run_date,
            note=flags.note("hours_unreliable"),
        )

    def _seasons(self, category: str) -> Figure:
        return static.seasonality(self._chosen(category), category=category, run_date=self.run_date)

    def _forecast_map(self, name: str) -> Figure:
        path = self.city.layout.forecasts / f"{name}.parquet"
        if not path.exists():
            raise MissingInputError("there is no forecast yet: run `crimepatterns forecast` first.")
        forecast, facts = read_forecast(path, self.city.area)
        return static.forecast_map(forecast, interval=facts.get("total_interval"), run_date=self.run_date)

    def _area_chart(self, name: str) -> Figure:
        layer, facts = read_layer(self.city.layout.forecasts / "areas" / f"{name}.parquet")
        return static.areas_chart(layer, city=self.title, facts=facts)

    def _coverage(self, category: str) -> Figure:
        coverage: pd.DataFrame = read_extra(self.evaluation, "coverage")
        unions: pd.DataFrame = read_extra(self.evaluation, "unions")
        champion = dict(self.scorecard.notes["champions"])[category]  # type: ignore[call-overload]
        own, rows = (
            table[(table["category"] == category) & (table["model"] == champion)] for table in (coverage, unions)
        )
        return static.coverage_chart(
            own, rows, category=category, model=champion, city=self.title, run_date=self.run_date
        )

    def _harm(self) -> Figure:
        surface, facts = read_surface(self.city.layout.forecasts / "harm.parquet", self.city.area)
        return static.harm_map(surface, facts=facts, run_date=self.run_date)

    def _shift_calendar(self, name: str) -> Figure:
        made, _ = read_forecast(self.city.layout.forecasts / "shifts" / f"{name}.parquet", self.city.area)
        return static.shift_calendar(made, run_date=self.run_date)

    def _scoreboard(self, category: str) -> Figure:
        return static.scoreboard(
            self.scorecard, category=category, city=self.title, baselines=self.baselines, run_date=self.run_date
        )

    def _curve(self, category: str) -> Figure:
        curve: pd.DataFrame = read_extra(self.evaluation, "curve")
        return static.hit_rate_curve(
            curve[curve["category"] == category],
            category=category,
            city=self.title,
            baselines=self.baselines,
            run_date=self.run_date,
        )

    def _calibration(self, category: str) -> Figure:
        return static.calibration_plot(self.scorecard, category=category, city=self.title, run_date=self.run_date)

    def _of_one_file(self, folder: Path) -> Iterator[tuple[str, Callable[[], Figure]]]:
        """Figures of pattern methods that wrote one file; each is drawn where its method has run."""
        for kind, file, draw in (
            ("scan", "scan", partial(self._of_layer, static.scan_map)),
            ("usual", "usual", partial(self._of_table, static.usual_chart)),
            ("concentration", "concentration", self._lorenz),
            ("repeat_places", "repeat_places", partial(self._of_table, static.j_curve)),
            ("gi_star_given", "gi_star_given", self._given),
            ("local_moran_given", "local_moran_given_kinds", self._given_kinds),
            ("density_ratio", "density_ratio", partial(self._of_surface, static.density_ratio_map)),
            ("smoothed_rates", "smoothed_rates", partial(self._of_surface, static.rates_map)),
            ("similarity", "similarity", partial(self._of_layer, static.alike_map)),
            ("network", "network", partial(self._of_layer, static.hot_streets_map)),
            ("street_density", "network", partial(self._of_layer, static.street_density_map)),
            ("season_trend", "season_trend", partial(self._of_table, static.season_trend_chart)),
            ("self_exciting", "self_exciting", partial(self._of_table, static.followers_chart)),
            ("shifts", "rhythms_shifts", partial(self._of_table, static.shift_table)),
        ):
            path = folder / f"{file}.parquet"
            if path.exists():
                yield f"{kind}_{folder.name}", partial(draw, path)

    def _of_layer(self, draw: Callable[..., Figure], path: Path) -> Figure:
        layer, facts = read_layer(path)
        return draw(layer, self.city.area, facts=facts)

    def _of_table(self, draw: Callable[..., Figure], path: Path) -> Figure:
        table, facts = read_table(path)
        return draw(table, city=self.title, facts=facts)

    def _of_surface(self, draw: Callable[..., Figure], path: Path) -> Figure:
        surface, facts = read_surface(path, self.city.area)
        return draw(surface, facts=facts)

    def _given(self, path: Path) -> Figure:
        surface, facts = read_surface(path, self.city.area)
        window = f"{facts['window']}, beside {facts['given']}"
        return static.significance_map(surface, category=facts["category"], window=window, run_date=facts["run_date"])

    def _given_kinds(self, path: Path) -> Figure:
        layer, facts = read_layer(path)
        told = {**facts, "window": f"{facts['window']}, beside {facts['given']}"}
        return static.kinds_map(
            layer, self.city.area, column="kind", title="Excess among neighbours", facts=told, meaning=_EXCESS
        )

    def _lorenz(self, path: Path) -> Figure:
        shares, facts = read_table(path)
        curve, _ = read_table(path.with_name("concentration_curve.parquet"))
        return static.concentration_curve(curve, shares, city=self.title, facts=facts)
