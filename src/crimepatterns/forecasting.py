"""Stage: forecast the next period of every category by every model, from what is known on the last day."""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crimepatterns.city import City
from crimepatterns.config import Settings
from crimepatterns.domain.explanation import CellExplanation, Explanation
from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.history import History
from crimepatterns.domain.periods import Periods
from crimepatterns.domain.protocols import ExplainingForecaster, FittedForecaster, Progress, silent
from crimepatterns.errors import ConfigError, MissingInputError, ModelError
from crimepatterns.forecast_outputs.areas import write_areas
from crimepatterns.forecast_outputs.harm import HARM, harm_of
from crimepatterns.forecast_outputs.intervals import interval_facts, with_intervals
from crimepatterns.forecast_outputs.shifts import shifts_of
from crimepatterns.forecast_outputs.summary import summary_of
from crimepatterns.forecast_run.manifest import ForecastManifest, digests_of, keep_manifest
from crimepatterns.forecast_run.retiring import keep_for_judging
from crimepatterns.forecast_run.work import ForecastWork
from crimepatterns.forecasts.registry import LEARNERS, make_forecaster, options_in
from crimepatterns.forecasts.stored_learner import restore_learner
from crimepatterns.store.atomic import replacing_folder
from crimepatterns.store.explanations import cells_explained
from crimepatterns.store.layers import read_layer, write_forecast
from crimepatterns.store.layout import slug
from crimepatterns.store.models import StoredModel, load_model
from crimepatterns.version import __version__

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
    that model. ``areas/<category>.parquet`` sums the champion's forecast up over neighbourhoods and the city,
    ``shifts/<category>.parquet`` shares it out over the shifts of ``forecast.shifts``, and ``harm.parquet`` adds the
    champions up by the weights of ``taxonomy.harm``. Quantiles are those that past weeks teach where `evaluate` has
    run, else the model's own.

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
        ``premises`` (how many are of each side of ``forecast.split_premise``, and of neither),
        ``cutoff``, ``period``, ``champions``, ``suffices`` (categories for which a plain count does), ``warnings`` (on
        categories found by police activity), ``context_gaps`` (share of cells of which a column of the context knows
        nothing), ``note`` (on last weeks that are not complete), ``categories`` (total with its interval, areas,
        places, shifts, fallbacks, who is retired), ``harm`` (None without ``taxonomy.harm``), ``manifest`` (for
        ``--replay``) and ``outputs``.

    Raises
    ------
    ConfigError
        If `as_of` is no date or lies outside the data, or the champion is no model.
    MissingInputError
        If cleaning has not run.
    ModelError
        If a stored model is damaged, or was trained for another grid or horizon.
    """
    work = ForecastWork(City(settings), as_of) if again is None else ForecastWork(City(settings), again.cutoff, again)
    pairs = [(category, model) for category in work.targets for model in work.models(category)]
    categories: dict[str, Any] = {}
    home = into or work.city.layout.forecasts
    served: list[Forecast] = []
    with replacing_folder(home) as folder:
        for step, (category, model) in enumerate(pairs):
            progress(f"Forecasting {category} by {model}", step, len(pairs))
            made, facts, why = _forecast_one(work, category, model)
            learned, origin = work.intervals(category, model)
            made, facts = with_intervals(made, learned), {**facts, **interval_facts(learned, origin)}
            write_forecast(folder / slug(category) / f"{model}.parquet", made, facts, why)
            if model == work.champion(category):
                areas = write_areas(made, learned, folder / "areas" / f"{slug(category)}.parquet", facts)
                told = work.told(category)
                own = {**facts, "champion": True, "total_interval": areas["interval"], **told}
                write_forecast(folder / f"{slug(category)}.parquet", made, own, why)
                by_shift = shifts_of(work.city, work.history(category), made, folder, facts)
                summary = {**summary_of(made, most=_TOP_CELLS), **areas, **by_shift, **told}
                categories.setdefault(category, {}).update(summary)
                served.append(made)
            if "fallback" in made.parameters:
                fallbacks = categories.setdefault(category, {}).setdefault("fallbacks", {})
                fallbacks[model] = made.parameters["fallback"]
        warned = {**work.facts, "warnings": list(work.city.warnings.values())}
        harm = harm_of(work.city, work.cutoff, served, folder, warned)
        names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.parquet"))
        manifest = keep_manifest(work.city.layout, folder, work.manifest(digests_of(folder))) if again is None else None
    if into is None:
        keep_for_judging(work.city, home, {category: work.wanted(category) for category in work.targets})
    progress("Forecasting", len(pairs), len(pairs))
    return {
        "cutoff": work.cutoff.isoformat(),
        "period": [work.periods.start.isoformat(), work.periods.end.isoformat()],
        "champions": work.champions,
        "suffices": [category for category in work.targets if "verdict" in work.told(category)],
        "warnings": list(work.city.warnings.values()),
        "context_gaps": work.context_gaps,
        "note": work.city.flags.note("recent_weeks_incomplete"),
        "categories": categories,
        "harm": harm,
        "premises": work.city.premises,
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


def _forecast_one(work: ForecastWork, category: str, model: str) -> tuple[Forecast, dict[str, Any], Explanation | None]:
    """Forecast by one model; a learner comes from its stored version unless that knows the future.

    The third is what the forecast is made of, from a model that can tell.
    """
    settings, history = work.city.settings, work.history(category)
    facts: dict[str, Any] = {**work.facts, "model_version": __version__}
    if category in work.city.warnings:
        facts["warning"] = work.city.warnings[category]
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
    options = options_in(settings.forecast)
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


def _stored(work: ForecastWork, category: str, model: str) -> StoredModel | None:
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
