"""Stage: forecast the next period of every category by every model, from what is known on the last day."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crimepatterns.city import City
from crimepatterns.config import Settings
from crimepatterns.domain.explanation import CellExplanation, Explanation
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.history import History
from crimepatterns.domain.periods import Periods
from crimepatterns.domain.protocols import ExplainingForecaster, FittedForecaster, Progress, silent
from crimepatterns.errors import ConfigError, MissingInputError, ModelError
from crimepatterns.forecast_outputs.harm import HARM, harm_of
from crimepatterns.forecast_outputs.shifts import shifts_of
from crimepatterns.forecast_outputs.summary import summary_of
from crimepatterns.forecast_run.inputs import FORECAST_SETTINGS, code_in_use, inputs_of
from crimepatterns.forecast_run.manifest import ForecastManifest, digests_of, keep_manifest
from crimepatterns.forecast_run.retiring import BASELINE, keep_for_judging, told_of
from crimepatterns.forecasts.registry import LEARNERS, OPTIONS, make_forecaster
from crimepatterns.forecasts.stored_learner import restore_learner
from crimepatterns.store.atomic import read_json, replacing_folder
from crimepatterns.store.digests import incidents_digest
from crimepatterns.store.explanations import cells_explained
from crimepatterns.store.layers import read_layer, write_forecast
from crimepatterns.store.layout import slug
from crimepatterns.store.models import StoredModel, find_version, load_model
from crimepatterns.store.retirements import Retired, read_retirements
from crimepatterns.version import __version__, code_commit

__all__ = ["explain", "forecast"]

_TOP_CELLS = 5


def forecast(
    settings: Settings,
    *,
    progress: Progress = silent,
    as_of: str | None = None,
    again: ForecastManifest | None = None,
    into: Path | None = None,
) -> dict[str, Any]:
    """Forecast the next period and write one layer per category and model below ``results/<city>/forecasts``.

    ``<category>/<model>.parquet`` holds each model, ``<category>.parquet`` the champion: the model of
    ``forecast.champion``, else the one that evaluation chose, else ``count_eb``; ``count_eb`` where monitoring retired
    that model. ``shifts/<category>.parquet`` shares the champion's forecast out over the shifts of ``forecast.shifts``,
    and ``harm.parquet`` adds the champions up by the weights of ``taxonomy.harm``.

    Parameters
    ----------
    settings : Settings
    progress : Progress
    as_of : str, optional
        Day from which to forecast, such as ``2025-10-01``: only what was known before it is used, and learners that
        were trained on later data are fitted anew. Default: the day after the last incident.
    again : ForecastManifest, optional
        Make this run again: its cutoff, categories, champions, stored models and run date are taken instead.
    into : path, optional
        Folder to write instead of ``results/<city>/forecasts``.

    Returns
    -------
    dict
        ``cutoff``, ``period``, ``champions``, ``context_gaps`` (share of cells of which a column of the context knows
        nothing), ``note`` (on last weeks that are not complete), ``categories`` (total, places, shifts, fallbacks, who
        is retired), ``harm`` (None without ``taxonomy.harm``), ``manifest`` (for ``--replay``) and ``outputs``.

    Raises
    ------
    ConfigError
        If `as_of` is no date or lies outside the data, or the champion is no model.
    MissingInputError
        If cleaning has not run.
    ModelError
        If a stored model is damaged, or was trained for another grid or horizon.
    """
    work = _Work(City(settings), as_of) if again is None else _Work(City(settings), again.cutoff, again)
    pairs = [(category, model) for category in work.targets for model in work.models(category)]
    categories: dict[str, Any] = {}
    home = into or work.city.layout.forecasts
    served: list[Forecast] = []
    with replacing_folder(home) as folder:
        for step, (category, model) in enumerate(pairs):
            progress(f"Forecasting {category} by {model}", step, len(pairs))
            made, facts, why = _forecast_one(work, category, model)
            write_forecast(folder / slug(category) / f"{model}.parquet", made, facts, why)
            if model == work.champion(category):
                told = told_of(work.retired(category))
                write_forecast(folder / f"{slug(category)}.parquet", made, {**facts, "champion": True, **told}, why)
                by_shift = shifts_of(work.city, work.history(category), made, folder, facts)
                categories.setdefault(category, {}).update(summary_of(made, most=_TOP_CELLS), **by_shift, **told)
                served.append(made)
            if "fallback" in made.parameters:
                fallbacks = categories.setdefault(category, {}).setdefault("fallbacks", {})
                fallbacks[model] = made.parameters["fallback"]
        harm = harm_of(work.city, work.cutoff, served, folder, work.facts)
        names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.parquet"))
        manifest = keep_manifest(work.city.layout, folder, work.manifest(digests_of(folder))) if again is None else None
    if into is None:
        keep_for_judging(work.city, home, {category: work.wanted(category) for category in work.targets})
    progress("Forecasting", len(pairs), len(pairs))
    return {
        "cutoff": work.cutoff.isoformat(),
        "period": [work.periods.start.isoformat(), work.periods.end.isoformat()],
        "champions": work.champions,
        "context_gaps": work.context_gaps,
        "note": work.city.flags.note("recent_weeks_incomplete"),
        "categories": categories,
        "harm": harm,
        "manifest": None if manifest is None else str(manifest.relative_to(settings.root)),
        "outputs": [str((home / name).relative_to(settings.root)) for name in names],
    }


def explain(settings: Settings, *, category: str, cells: Sequence[str] = ()) -> list[CellExplanation]:
    """Tell from the last forecast why a category is expected where it is.

    The champion's forecast is explained, or that of another model where the champion cannot tell what its forecast is
    made of; each explanation names its model.

    Parameters
    ----------
    settings : Settings
    category : str
    cells : sequence of str
        Cell ids; the five cells that expect most where it is left out.

    Raises
    ------
    ConfigError
        If there is no such category or cell.
    MissingInputError
        If `crimepatterns forecast` has not run, or no model of it can explain itself.
    """
    folder = City(settings).layout.forecasts
    champion = folder / f"{slug(category)}.parquet"
    known = sorted(path.stem for path in folder.glob("*.parquet") if path.stem != HARM)
    if not known:
        raise MissingInputError("There is no forecast to explain yet: run `crimepatterns forecast` first.")
    if champion.stem not in known:
        raise ConfigError(f"No forecast of {category!r}, there are {known}: see forecast.categories.")
    for path in (champion, *sorted((folder / slug(category)).glob("*.parquet"))):
        found = cells_explained(*read_layer(path), cells, most=_TOP_CELLS)
        if found:
            return found
    raise MissingInputError(
        f"No model of the last forecast of {category} can tell what it is made of: "
        "add additive_intensity to forecast.models and run `crimepatterns forecast`."
    )


@dataclass(frozen=True, eq=False)
class _Work:
    """What is the same for every forecast of one run."""

    city: City
    as_of: str | None
    again: ForecastManifest | None = None
    versions: dict[str, str] = field(default_factory=dict)
    """Version of each stored model that was asked for; empty where there is none."""

    @cached_property
    def run_date(self) -> str:
        return datetime.now(UTC).isoformat(timespec="seconds") if self.again is None else self.again.run_date

    @property
    def targets(self) -> tuple[str, ...]:
        return self.city.targets if self.again is None else tuple(self.again.champions)

    @cached_property
    def cutoff(self) -> pd.Timestamp:
        archive, zone = self.city.archive, self.city.area.timezone
        if self.as_of is None:
            return archive.end
        try:
            moment = pd.Timestamp(self.as_of)
            moment = moment.tz_convert(zone) if moment.tzinfo else moment.tz_localize(zone)
        except (ValueError, TypeError) as error:
            raise ConfigError(f"--as-of needs a day such as 2025-10-01, got {self.as_of!r}.") from error
        day = moment.normalize()
        earliest = archive.start + pd.DateOffset(days=archive.period_days)
        if earliest > archive.end:
            raise ConfigError(
                f"The data from {archive.start.date()} to {archive.end.date()} hold no whole period of "
                f"{archive.period_days} days, so no day of --as-of allows a forecast: set forecast.horizon_days."
            )
        if pd.isna(day) or not earliest <= day <= archive.end:
            raise ConfigError(
                f"--as-of must lie from {earliest.date()} to {archive.end.date()}, where the data allow a forecast; "
                f"got {self.as_of}."
            )
        return day

    @cached_property
    def periods(self) -> Periods:
        return Periods.starting_at(self.cutoff, days=self.city.settings.forecast.horizon_days, count=1)

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        table, known = self.city.incidents.as_of(self.cutoff).table, self.city.covariates
        return {
            "run_date": self.run_date,
            "code_version": __version__,
            "data_digest": incidents_digest(table),
            "context_digest": None if known is None else known.as_of(self.cutoff).digest,
            "context_gaps": self.context_gaps,
            "cutoff": self.cutoff.isoformat(),
            "seed": self.city.settings.forecast.seed,
        }

    @cached_property
    def context_gaps(self) -> dict[str, float]:
        """Share of cells of which a column knew nothing at the cutoff, for columns with such cells."""
        known = self.city.covariates
        if known is None:
            return {}
        unknown = known.as_of(self.cutoff).to_frame().isna().mean()
        return {str(name): round(float(share), 4) for name, share in unknown.items() if share}

    @cached_property
    def _chosen(self) -> Mapping[str, str]:
        path = self.city.layout.evaluation / "select" / "champions.json"
        found: Mapping[str, str] = read_json(path) if path.is_file() else {}
        return found

    @cached_property
    def _histories(self) -> dict[str, History]:
        return {}

    def history(self, category: str) -> History:
        if category not in self._histories:
            self._histories.clear()
            self._histories[category] = self.city.archive.at(self.cutoff, target=category)
        return self._histories[category]

    def champion(self, category: str) -> str:
        if self.again is not None:
            return self.again.champions[category]
        retired = self.retired(category)
        return self.wanted(category) if retired is None else retired.baseline

    def wanted(self, category: str) -> str:
        """Return the champion before monitoring is asked."""
        return self.city.settings.forecast.champion or self._chosen.get(category, BASELINE)

    @cached_property
    def _retirements(self) -> Mapping[str, Retired]:
        return read_retirements(self.city.layout)

    def retired(self, category: str) -> Retired | None:
        """Return who is wanted but not served; a replay serves what the run did that it repeats."""
        found = self._retirements.get(category)
        if found is None or not found.holds(self.wanted(category), self.cutoff):
            return None
        return found if self.again is None or self.again.champions[category] == found.baseline else None

    def models(self, category: str) -> tuple[str, ...]:
        # A retired champion goes on being forecast: only so can it earn its place again.
        own = (self.wanted(category), self.champion(category))
        return tuple(dict.fromkeys((*self.city.settings.forecast.models, *own)))

    @property
    def champions(self) -> dict[str, str]:
        return {category: self.champion(category) for category in self.targets}

    def stored_version(self, name: str) -> Path | None:
        """Find the latest stored version of a model, or the one a replay needs; None where training left none."""
        wanted = None if self.again is None else self.again.models[name]
        try:
            found = None if wanted == "" else find_version(self.city.layout.models, name, wanted)
        except ModelError:
            found = None
        self.versions[name] = "" if found is None else found.name
        return found

    def manifest(self, outputs: Mapping[str, str]) -> ForecastManifest:
        """Note what these forecasts were made from, once all are made."""
        return ForecastManifest(
            city=self.city.settings.city,
            run_date=self.run_date,
            cutoff=self.cutoff.isoformat(),
            settings=self.city.settings.model_dump(mode="json", include=set(FORECAST_SETTINGS)),
            code=code_in_use(),
            commit=code_commit(),
            inputs=inputs_of(self.city, self.cutoff, self.versions),
            champions=self.champions,
            models=self.versions,
            outputs=outputs,
        )


def _forecast_one(work: _Work, category: str, model: str) -> tuple[Forecast, dict[str, Any], Explanation | None]:
    """Forecast by one model; a learner comes from its stored version unless that knows the future.

    The third is what the forecast is made of, from a model that can tell.
    """
    settings, history = work.city.settings, work.history(category)
    facts: dict[str, Any] = {**work.facts, "model_version": __version__}
    stored = _stored(work, category, model) if model in LEARNERS else None
    chosen = None
    if stored is not None:
        fitted = restore_learner(stored.pipeline, stored.config)
        if fitted.trained_until <= work.cutoff:
            named = {**facts, "model_version": stored.version, "model_name": stored.name}
            return _told(fitted, history, work.periods, named)
        chosen = stored.config["facts"]["settings"]
        facts["model_version"] = f"settings of {stored.version}, fitted anew on what was known at the cutoff"
    elif model in LEARNERS:
        facts["model_version"] = "not stored: fitted for this forecast"
    options = {key: getattr(settings.forecast, key) for key in OPTIONS if hasattr(settings.forecast, key)}
    maker = make_forecaster(model, settings=chosen, **options)
    rng = np.random.default_rng([settings.forecast.seed, zlib.crc32(f"{category}/{model}/forecast".encode())])
    return _told(maker.fit(history, rng=rng), history, work.periods, facts)


def _told(
    fitted: FittedForecaster, history: History, periods: Periods, facts: dict[str, Any]
) -> tuple[Forecast, dict[str, Any], Explanation | None]:
    if isinstance(fitted, ExplainingForecaster):
        why = fitted.explain(history, periods)
        return why.forecast, facts, why
    return fitted.predict(history, periods), facts, None


def _stored(work: _Work, category: str, model: str) -> StoredModel | None:
    """Read the stored version, or None where training left none."""
    settings = work.city.settings
    name = f"{settings.city}-{slug(category)}-{model}"
    folder = work.stored_version(name)
    if folder is None:
        return None
    stored = load_model(folder)
    expected = {"grid": settings.grid.model_dump(mode="json"), "horizon_days": settings.forecast.horizon_days}
    different = [key for key, value in expected.items() if stored.config.get(key) != value]
    if different:
        raise ModelError(
            f"Model {name} {stored.version} was trained with another {' and '.join(different)}: "
            "run `crimepatterns train`, then forecast again."
        )
    return stored
