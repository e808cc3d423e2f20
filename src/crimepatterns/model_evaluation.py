"""Stage: score every model on past origins, choose the champions, and open the judge span on request."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.city import City
from crimepatterns.config import Settings, open_executor, settings_digest
from crimepatterns.domain.folds import Fold
from crimepatterns.domain.protocols import Forecaster, Progress, silent
from crimepatterns.domain.scorecard import Scorecard
from crimepatterns.errors import MissingInputError
from crimepatterns.evaluation.backtest import BacktestResult, backtests
from crimepatterns.evaluation.champion import Champion, choose_champion
from crimepatterns.evaluation.interval_scores import coverage_by_model
from crimepatterns.evaluation.scoreboard import assemble_scorecard, best_baselines, curves
from crimepatterns.evaluation.selection import Budget
from crimepatterns.forecast_outputs.shift_trial import shift_sentences, try_shifts
from crimepatterns.forecasts.registry import BASELINES, CLASSIFIERS, make_forecaster, options_in
from crimepatterns.interval_history import audit_columns, past_intervals
from crimepatterns.patterns.premise_split import whole_category
from crimepatterns.reports.scoreboard import scoreboard_html, scoreboard_text, verdict_sentences
from crimepatterns.store.atomic import read_json
from crimepatterns.store.ledger import append_opening
from crimepatterns.store.scorecards import write_scorecard
from crimepatterns.store.studies import read_tuned
from crimepatterns.version import __version__, code_commit

__all__ = ["evaluate"]


def evaluate(settings: Settings, *, report: bool = False, progress: Progress = silent) -> dict[str, Any]:
    """Score the models of the settings on the select span and choose a champion per category.

    Parameters
    ----------
    settings : Settings
    report : bool
        Open the judge span instead, with the champions and baselines of the select span; every opening is appended to
        the ledger with commit, settings, data and scores.
    progress : Progress

    Returns
    -------
    dict
        ``span``, ``origins``, ``champions``, ``primary`` (score and interval per category and model), ``verdicts``,
        ``notes`` and ``outputs``.

    Raises
    ------
    MissingInputError
        If cleaning has not run, or the judge span is asked for before the select span.
    NotApplicableError
        If the data are too short to learn from and to judge.
    """
    city = City(settings)
    chosen = _read_choices(city) if report else None
    cut, shortened = city.spans
    forecasters = _forecasters(city)
    results = _backtests(city, forecasters, cut.judge if report else cut.select, progress)
    primary = Budget(area_share=settings.evaluation.primary_budget)
    if chosen is None:
        chosen = _choose(settings, results, primary)
    champions = {name: champion.model for name, champion in chosen.champions.items()}
    intervals = past_intervals(city, results, champions, forecasters, progress)
    coverage = coverage_by_model(intervals.unions, audit=audit_columns(city))
    shifts = try_shifts(city, results, champions)
    progress("Assembling the scoreboard", 0, 1)
    scorecard = assemble_scorecard(
        results,
        span="judge" if report else "select",
        budgets=_budgets(settings),
        primary=primary,
        baselines=BASELINES,
        classifiers=CLASSIFIERS,
        fixed_baselines=chosen.baselines if report else None,
        truths=_truths(city, results),
        simulations=settings.evaluation.simulations,
        confidence=settings.evaluation.confidence,
        seed=settings.forecast.seed,
        unions=intervals.unions,
        coverage=coverage,
        notes={
            "as_of": city.matured[1],
            "shortened": shortened,
            "champions": champions,
            "reasons": {name: champion.reason for name, champion in chosen.champions.items()},
            "shifts": shift_sentences(shifts),
            "suffices": {name: champion.verdict for name, champion in chosen.champions.items() if champion.verdict},
            "warnings": city.warnings,
            "version": __version__,
        },
    )
    ledger_entry = _open_judge(city, scorecard) if report else None
    learned = {"grid": settings.grid.model_dump(mode="json"), "learned": intervals.to_json()}
    folder = city.layout.evaluation / scorecard.span
    write_scorecard(
        folder,
        scorecard,
        tables={
            "curve": curves(results),
            "backtest": _backtest_table(results),
            "unions": intervals.unions,
            "coverage": coverage,
            "shifts": shifts,
        },
        documents={"champions": champions, "choices": chosen.to_json(), "intervals": learned},
        pages={"scoreboard.txt": scoreboard_text(scorecard), "scoreboard.html": scoreboard_html(scorecard)},
    )
    return _summary(city, scorecard, folder, ledger_entry)


@dataclass(frozen=True)
class _Choices:
    """What the select span decided, for the judge span to keep."""

    champions: Mapping[str, Champion]
    baselines: Mapping[str, Mapping[str, str]]

    def to_json(self) -> dict[str, Any]:
        return {
            name: {
                "model": one.model,
                "reason": one.reason,
                "verdict": one.verdict,
                "baselines": dict(self.baselines[name]),
            }
            for name, one in self.champions.items()
        }


def _choose(settings: Settings, results: Sequence[BacktestResult], primary: Budget) -> _Choices:
    champions, baselines = {}, {}
    for result in results:
        baselines[result.category] = best_baselines(result, baselines=BASELINES, primary=primary)
        if settings.forecast.champion in result.models:
            champions[result.category] = Champion(str(settings.forecast.champion), "Set by forecast.champion.")
        else:
            champions[result.category] = choose_champion(
                result,
                order=settings.forecast.models,
                budget=primary,
                counts=BASELINES,
                confidence=settings.evaluation.confidence,
            )
    return _Choices(champions, baselines)


def _read_choices(city: City) -> _Choices:
    path = city.layout.evaluation / "select" / "choices.json"
    if not path.exists():
        raise MissingInputError(f"{path} is not there: run `crimepatterns evaluate` before opening the judge span.")
    stored: dict[str, Any] = read_json(path)
    return _Choices(
        {name: Champion(facts["model"], facts["reason"], facts.get("verdict", "")) for name, facts in stored.items()},
        {name: facts["baselines"] for name, facts in stored.items()},
    )


def _budgets(settings: Settings) -> tuple[Budget, ...]:
    wanted = settings.evaluation
    areas = tuple(Budget(area_share=share) for share in wanted.area_budgets)
    return areas + tuple(Budget(places=places) for places in wanted.place_budgets)


def _forecasters(city: City) -> dict[str, Forecaster]:
    forecast = city.settings.forecast
    # Scores need forecasts, not what is told beside them.
    options = options_in(forecast) | {"tell_triggering": False}
    if forecast.tuning.method == "optuna":
        # Found inside the fit span, before any origin here.
        options["tuned"] = read_tuned(city.layout.tuning, fit_end=city.spans[0].fit_end.isoformat())
    return {name: make_forecaster(name, **options) for name in forecast.models}


def _backtests(
    city: City, forecasters: Mapping[str, Forecaster], folds: Sequence[Fold], progress: Progress
) -> list[BacktestResult]:
    settings, forecast = city.settings, city.settings.forecast
    with open_executor(settings.execution, workers=settings.workers) as executor:
        return backtests(
            city.archive,
            folds,
            forecasters,
            categories=city.targets,
            refit_every=forecast.refit_every,
            seed=forecast.seed,
            refit_always=BASELINES,
            executor=executor,
            progress=progress,
        )


def _truths(city: City, results: Sequence[BacktestResult]) -> dict[str, NDArray[np.float64]] | None:
    """Ask the invented city what was truly to be expected; None for a real one."""
    source = city.settings.source
    if source.kind != "synthetic":
        return None
    from crimepatterns.sources.synthetic import SyntheticCity

    truth = SyntheticCity(
        city_class=source.city_class,
        incidents=source.incidents,
        years=source.years,
        seed=source.seed,
        timezone=city.settings.timezone,
    ).truth
    truths = {}
    for result in results:
        whole = whole_category(result.category)
        side = result.category.removeprefix(whole).strip(" ()")
        share = truth.premise_share(whole, getattr(city.settings.patterns, side)) if side else 1.0
        expected = [
            truth.expected_counts(result.grid, fold.test, category=whole, as_of=fold.cutoff).sum(axis=1)
            for fold in result.folds
        ]
        truths[result.category] = share * np.vstack(expected)
    return truths


def _backtest_table(results: Sequence[BacktestResult]) -> pd.DataFrame:
    """One row per category, origin and cell: ``observed`` and what each model expected."""
    parts = []
    for result in results:
        for i, cutoff in enumerate(result.cutoffs):
            means = {name: result.expected[name][i].astype(np.float32) for name in result.models}
            frame = {"category": result.category, "cutoff": cutoff, "cell_id": result.grid.ids.astype(str)}
            parts.append(pd.DataFrame({**frame, "observed": result.observed[i].astype(np.int32), **means}))
    return pd.concat(parts, ignore_index=True)


def _open_judge(city: City, scorecard: Scorecard) -> int:
    """Log the opening before anyone can read the scores; return how many openings there have been."""
    settings = city.settings
    record = {
        "opened_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "version": __version__,
        "commit": code_commit(),
        "config_digest": settings_digest(
            settings.model_dump(mode="json", exclude={"root", "workers", "execution", "serving"})
        ),
        "data_digest": _data_digest(city),
        "context_digest": None if city.covariates is None else city.covariates.digest,
        "city": settings.city,
        "categories": list(city.targets),
        "champions": scorecard.notes["champions"],
        "origins": scorecard.notes["origins"],
        "first_cutoff": scorecard.notes["first_cutoff"],
        "primary": scorecard.notes["primary"],
        "scores": _primary_scores(scorecard),
    }
    return append_opening(city.layout.ledger, record)


def _primary_scores(scorecard: Scorecard) -> dict[str, dict[str, dict[str, Any]]]:
    rows = scorecard.summary
    catch = rows["metric"].isin(["pei", "hit_rate_saturated", "hit_rate"]) & (
        rows["budget"] == scorecard.notes["primary"]
    )
    scores: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows.loc[catch | (rows["metric"] == "deviance_skill")].to_dict("records"):
        values = [None if pd.isna(row[key]) else round(float(row[key]), 5) for key in ("value", "lower", "upper")]
        scores.setdefault(str(row["category"]), {}).setdefault(str(row["model"]), {})[str(row["metric"])] = values
    return scores


def _data_digest(city: City) -> str:
    table = city.incidents.table[["id", "occurred_from", "known_at", "category", "x", "y"]]
    rows = pd.util.hash_pandas_object(table.assign(category=table["category"].astype(str)), index=False)
    return hashlib.sha256(np.sort(rows.to_numpy()).tobytes()).hexdigest()[:16]


def _summary(city: City, scorecard: Scorecard, folder: Path, openings: int | None) -> dict[str, Any]:
    root = city.settings.root
    outputs = [folder] if openings is None else [folder, city.layout.ledger]
    return {
        "span": scorecard.span,
        "origins": scorecard.notes["origins"],
        "champions": scorecard.notes["champions"],
        "reasons": scorecard.notes["reasons"],
        "suffices": scorecard.notes["suffices"],
        "warnings": list(city.warnings.values()),
        "primary": _primary_scores(scorecard),
        "verdicts": verdict_sentences(scorecard),
        "notes": [scorecard.notes[key] for key in ("as_of", "claims", "shortened") if scorecard.notes[key]],
        "shifts": scorecard.notes["shifts"],
        **({} if openings is None else {"openings": openings}),
        "outputs": [str(path.relative_to(root)) for path in outputs],
    }
