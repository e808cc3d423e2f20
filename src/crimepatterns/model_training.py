"""Stage: tune and fit the learners of each category, and store each with its metrics, settings and card."""

import platform
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from importlib.metadata import version as library_version
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import yaml

from crimepatterns.city import City
from crimepatterns.config import Settings, open_executor, settings_digest
from crimepatterns.domain.folds import Fold, rolling
from crimepatterns.domain.protocols import Executor, Progress, silent
from crimepatterns.forecasts.held_out import HeldOut, hold_out, permutation_importance
from crimepatterns.forecasts.learned_forecaster import FittedLearner, LearnedForecaster
from crimepatterns.forecasts.optuna_search import OptunaSearch, Range
from crimepatterns.forecasts.partial_dependence import partial_dependence
from crimepatterns.forecasts.probability_scores import probability_scores
from crimepatterns.forecasts.registry import LEARNERS, make_forecaster, options_in
from crimepatterns.forecasts.stored_learner import learner_config
from crimepatterns.reports.model_card import model_card
from crimepatterns.store.digests import incidents_digest
from crimepatterns.store.layout import Layout, slug
from crimepatterns.store.model_stages import name_candidate, promote, read_stages
from crimepatterns.store.models import save_model
from crimepatterns.store.studies import open_studies, write_tuned
from crimepatterns.version import __version__
from crimepatterns.visuals.importance import dependence_figure, importance_figure

__all__ = ["train"]

_HELD_OUT_ORIGINS = 13
_REPEATS = 5
_SHOWN_FEATURES = 6
_FEW_MODELS = 4
_SCORES = {
    "log_loss": "log loss of uncalibrated chances, nats; lower is better",
    "poisson_deviance": "mean Poisson deviance of expected counts set to the right total; lower is better",
}
_LIBRARIES = ("scikit-learn", "skops", "numpy", "scipy", "pandas")


def train(settings: Settings, *, progress: Progress = silent) -> dict[str, Any]:
    """Tune, measure and fit every learner of the settings for every category, and store it below ``models/``.

    Settings are tuned and metrics measured on folds in time inside the fit span, which ends before the first origin on
    which models are chosen. The stored model is then fitted with these settings on everything up to the last day. With
    ``forecast.tuning.method: optuna`` settings are searched, and what was found is kept below
    ``results/<city>/tuning`` for evaluation.

    Parameters
    ----------
    settings : Settings
    progress : Progress

    Returns
    -------
    dict
        ``models`` (stage and scores, beside those of ``count_eb``), ``not_trained`` with reasons, and ``outputs``.

    Raises
    ------
    MissingInputError
        If cleaning has not run.
    NotApplicableError
        If the data are too short to learn from and to judge.
    """
    names = [name for name in settings.forecast.models if name in LEARNERS]
    trained: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    outputs: list[str] = []
    tuned: dict[str, dict[str, Any]] = {}
    city = City(settings)
    fit_end = city.spans[0].fit_end  # Data that are too short are told before any worker starts.
    pairs = [(category, name) for category in city.targets for name in names]
    with open_executor(settings.execution, workers=settings.workers) as executor:
        # A few models would leave workers idle: their tuning is spread out instead.
        apart = len(pairs) >= min(executor.workers, _FEW_MODELS)
        search = _search(settings, len(pairs)) if pairs and settings.forecast.tuning.method == "optuna" else None
        work = _Work(city, executor=None if apart else executor, search=search)
        learn = partial(_learn, work)
        progress("Training models", 0, len(pairs))
        for pair, learned in zip(pairs, executor.map(learn, pairs) if apart else map(learn, pairs), strict=True):
            title = f"{settings.city}-{slug(pair[0])}-{pair[1]}"
            if isinstance(learned, str):
                skipped[title] = learned
            else:
                folder, trained[title] = _store(work, pair, title, learned)
                outputs.append(str(folder.relative_to(settings.root)))
                tuned.setdefault(pair[1], {})[pair[0]] = learned.fitted.facts["settings"]
            progress("Training models", len(trained) + len(skipped), len(pairs))
    if search is not None:
        write_tuned(city.layout.tuning, tuned, facts={"fit_end": fit_end.isoformat()})
        outputs.append(str(city.layout.tuning.relative_to(settings.root)))
    return {
        "models": trained,
        "not_trained": skipped,
        "fit_end": fit_end.isoformat(),
        "trained_until": city.archive.end.isoformat(),
        "warnings": list(city.warnings.values()),
        "outputs": outputs,
    }


@dataclass(frozen=True, eq=False)
class _Work:
    """What is the same for every model of a city."""

    city: City
    executor: Executor | None = None
    search: OptunaSearch | None = None
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @cached_property
    def data_digest(self) -> str:
        return incidents_digest(self.city.incidents.table)

    @property
    def fit_end(self) -> pd.Timestamp:
        """End of the fit span: nothing later tunes settings or gives metrics."""
        return self.city.spans[0].fit_end

    @cached_property
    def folds(self) -> tuple[Fold, ...]:
        """Origins at the end of the fit span on which metrics are measured."""
        start, horizon = self.city.archive.start, self.city.settings.forecast.horizon_days
        periods = (self.fit_end.tz_localize(None) - start.tz_localize(None)).days // horizon
        origins = min(_HELD_OUT_ORIGINS, max(1, periods // 4))
        return rolling(start, self.fit_end, horizon_days=horizon, origins=origins)

    def forecaster(self, name: str, chosen: Mapping[str, Any] | None = None) -> LearnedForecaster:
        forecast = self.city.settings.forecast
        options = options_in(forecast)
        made = make_forecaster(name, executor=self.executor, search=self.search, settings=chosen, **options)
        return cast("LearnedForecaster", made)

    def rng(self, *purpose: str) -> np.random.Generator:
        return np.random.default_rng([self.city.settings.forecast.seed, zlib.crc32("/".join(purpose).encode())])


@dataclass(frozen=True, eq=False)
class _Learned:
    """A model that is not stored yet: measured on periods it had not seen, then fitted on everything."""

    held: HeldOut
    fitted: FittedLearner
    importance: pd.DataFrame
    dependence: pd.DataFrame


def _search(settings: Settings, pairs: int) -> OptunaSearch:
    """Share the minutes among the models."""
    wanted = settings.forecast.tuning
    spaces = {
        learner: {key: Range(**drawn) if isinstance(drawn, dict) else tuple(drawn) for key, drawn in space.items()}
        for learner, space in wanted.space.items()
    }
    return OptunaSearch(
        spaces,
        minutes=wanted.minutes / pairs,
        trials=wanted.trials,
        storage=open_studies(Layout(settings.root, settings.city).tuning),
        seed=settings.forecast.seed,
    )


def _learn(work: _Work, pair: tuple[str, str]) -> _Learned | str:
    """Tune, measure and fit one model; return why there is none where there is too little to learn from."""
    (category, name), archive = pair, work.city.archive
    held = hold_out(
        archive, work.folds, work.forecaster(name), category=category, rng=work.rng(category, name, "measure")
    )
    if isinstance(held, str):
        return held
    tuning = held.fitted.tuning
    chosen = dict(tuning.settings) if tuning is not None else None
    history = archive.at(archive.end, target=category)
    fitted = work.forecaster(name, chosen).fit(history, rng=work.rng(category, name, "fit"))
    if not isinstance(fitted, FittedLearner):
        return "too few incidents to learn from"
    importance = permutation_importance(held, repeats=_REPEATS, rng=work.rng(category, name, "importance"))
    leading = importance["feature"].head(_SHOWN_FEATURES).tolist()
    return _Learned(held, fitted, importance, partial_dependence(held, leading))


def _store(work: _Work, pair: tuple[str, str], title: str, learned: _Learned) -> tuple[Path, dict[str, Any]]:
    """Write one model below ``models/``; return its folder, and its version, stage and scores."""
    (category, name), archive = pair, work.city.archive
    held, fitted, importance = learned.held, learned.fitted, learned.importance
    metrics, config = _metrics(learned), _config(work, fitted)
    manifest = _manifest(work, category, held)
    version = f"{archive.end:%Y%m%d}-{settings_digest(config, work.data_digest, __version__)[:8]}"
    drawn = f"{work.city.settings.title}: {category}, {name}"
    bars = list(importance[["feature", "importance", "spread"]].itertuples(index=False, name=None))
    folder = save_model(
        work.city.layout.models,
        title,
        version,
        trained_model=fitted.model,
        pipeline=fitted.pipeline,
        metrics=metrics,
        config=config,
        importance=importance_figure(importance, title=drawn),
        dependence=dependence_figure(learned.dependence, title=drawn),
        card=model_card(
            title=work.city.settings.title,
            config=config,
            metrics=metrics,
            manifest={**manifest, "version": version},
            importance=bars,
        ),
        manifest=manifest,
    )
    _give_stage(folder, config)
    stage = read_stages(folder.parent).stage_of(folder.name)
    return folder, {"version": folder.name, "stage": stage, **metrics["held_out"]}


def _give_stage(folder: Path, config: Mapping[str, Any]) -> None:
    """Let the version wait for promotion; it replaces at once what was trained for another grid or horizon."""
    home, version = folder.parent, folder.name
    stages = name_candidate(home, version, reason=f"trained on what was known until {config['trained_until'][:10]}")
    if stages.champion not in (None, version):
        served = yaml.safe_load((home / str(stages.champion) / "model_config.yaml").read_text(encoding="utf-8"))
        if any(served.get(key) != config[key] for key in ("grid", "horizon_days")):
            promote(home, version, reason="the version before was trained for another grid or horizon")


def _metrics(learned: _Learned) -> dict[str, Any]:
    held, importance = learned.held, learned.importance
    tuning = held.fitted.tuning
    tried = [] if tuning is None else tuning.table.to_dict(orient="records")
    return {
        "held_out": {
            "origins": len(held.folds),
            "first_cutoff": held.folds[0].cutoff.isoformat(),
            "last_end": held.folds[-1].test.end.isoformat(),
            "model": probability_scores(held.chance, held.outcome),
            "count_eb": probability_scores(held.reference, held.outcome),
        },
        "time_cross_validation": {
            "score": _SCORES.get("log_loss" if tuning is None else tuning.score),
            "folds": [] if tuning is None else [list(block) for block in tuning.folds],
            "candidates": tried,
        },
        "feature_importance": importance.to_dict(orient="records"),
        "partial_dependence": learned.dependence.to_dict(orient="records"),
    }


def _config(work: _Work, fitted: FittedLearner) -> dict[str, Any]:
    settings = work.city.settings
    return {
        **learner_config(fitted),
        "city": settings.city,
        **({"warning": warning} if (warning := work.city.warnings.get(fitted.target)) else {}),
        "horizon_days": settings.forecast.horizon_days,
        "context_digest": None if work.city.covariates is None else work.city.covariates.digest,
        "grid": settings.grid.model_dump(mode="json"),
        "training": settings.forecast.model_dump(
            mode="json",
            include={"train_periods", "max_rows", "tuning_candidates", "tuning_folds", "recent_days", "seed"},
        ),
    }


def _manifest(work: _Work, category: str, held: HeldOut) -> dict[str, Any]:
    city = work.city
    return {
        "category": category,
        "trained_at": work.started,
        "data_digest": work.data_digest,
        "incidents": len(city.incidents),
        "categories": list(city.incidents.categories),
        "cells": len(city.grid),
        "code_version": __version__,
        "seed": city.settings.forecast.seed,
        "fit_end": work.fit_end.isoformat(),
        "folds": [[fold.cutoff.isoformat(), fold.test.end.isoformat()] for fold in held.folds],
        "libraries": {"python": platform.python_version(), **{name: library_version(name) for name in _LIBRARIES}},
    }
