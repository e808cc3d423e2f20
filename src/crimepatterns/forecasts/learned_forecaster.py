"""How a learner becomes a forecaster: learn from past periods, calibrate on later ones, tell expected counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.forecast import Forecast
from crimepatterns.domain.history import History
from crimepatterns.domain.periods import Periods
from crimepatterns.domain.protocols import Executor, FittedForecaster
from crimepatterns.errors import ForecastError
from crimepatterns.features.calendar import civil_days
from crimepatterns.features.design import Design, known_context, predictor_categories
from crimepatterns.features.rows import Rows
from crimepatterns.forecasts.learning_task import ChanceTask, LearningTask
from crimepatterns.forecasts.optuna_search import OptunaSearch
from crimepatterns.forecasts.predictive import forecast_from_mean, period_lengths
from crimepatterns.forecasts.shrunk_count import ShrunkCount, gamma_shape
from crimepatterns.forecasts.threads import one_thread
from crimepatterns.forecasts.tuning import Build, Tuning, tune

__all__ = ["FittedLearner", "LearnedForecaster", "StandIn", "periods_not_known"]

_LEAST_KNOWN = 0.8
_AGES = 24
"""Moments within a period at which its completeness is read."""
_FEWEST_TARGETS = 3
_FEWEST_POSITIVES = 10
_FEWEST_LATER = 10
"""Incidents that the level is set by, in the periods kept for calibration; fewer leave it to chance."""
_CALIBRATION_SHARE = 0.2
_CALIBRATION_ROWS = 80_000


@dataclass(frozen=True, eq=False)
class LearnedForecaster:
    """Learn the chance or the number of incidents per cell and period from lagged, neighbour and calendar features.

    The last `train_periods` target periods are learned from; of these the last fifth is kept apart, in time, to
    calibrate. Above `max_rows` rows are drawn at random without regard to the outcome, so that chances stay right.
    Where a history is too short or too empty to learn from, ``count_eb`` stands in and the forecast says so.

    Parameters
    ----------
    name : str
    build : callable
        ``build(settings, rows=..., seed=..., jobs=...)`` makes an unfitted model.
    candidates : sequence of mapping
        Settings for tuning; the first is the default.
    trial : mapping
        Settings that replace those of a candidate while candidates are compared, to save time.
    settings : mapping, optional
        Fixed settings; nothing is tuned then.
    train_periods, max_rows : int
    tuning_candidates : int
        How many candidates are tried; 0 and 1 take the default untried.
    tuning_folds : int
    recent_days : int
        For the stand-in.
    task : LearningTask
        What is learned: chances, as a rule.
    jobs : int
        Threads of one fit of the random forest. Cores are better used by fits that run apart: threads of scikit-learn
        1.9 also overwrite each other's warning filters, which are the process's.
    search : OptunaSearch, optional
        Searches settings where it has a space for this learner, instead of trying the candidates.
    tuned : mapping
        Settings found earlier, by learner and category; taken where there are no fixed ones.
    executor : Executor, optional
        Runs the candidates of tuning apart; leave it out where whole fits are run apart.
    """

    name: str
    build: Build
    candidates: Sequence[Mapping[str, Any]]
    trial: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] | None = None
    train_periods: int = 52
    max_rows: int = 200_000
    tuning_candidates: int = 4
    tuning_folds: int = 3
    recent_days: int = 90
    task: LearningTask = field(default_factory=ChanceTask)
    jobs: int = 1
    search: OptunaSearch | None = None
    tuned: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=dict)
    executor: Executor | None = field(default=None, repr=False)

    def fit(self, history: History, *, rng: np.random.Generator) -> FittedForecaster:
        """Learn from `history`; see the class for what happens with little of it."""
        gap = periods_not_known(history)
        last = len(history.panel.periods) - gap
        # A target needs some past of its own; with little history that is one period.
        first = max(last - self.train_periods, min(4, last // 4), 1) + gap
        targets = last - first
        if targets < _FEWEST_TARGETS:
            return self._stand_in(history, rng, f"{last} periods of history are too few to learn from")
        split = last - max(1, round(_CALIBRATION_SHARE * targets))
        if np.count_nonzero(history.counts[:, first:split]) < _FEWEST_POSITIVES:
            return self._stand_in(history, rng, "too few incidents to learn from")
        if history.counts[:, split:].sum() < _FEWEST_LATER:
            return self._stand_in(history, rng, "too few incidents in the last periods to calibrate on")
        predictors, context = predictor_categories(history), known_context(history, first)
        shape = None if self.task.offset is None else _shape(history, split)
        design = Design(history.panel, history.target, predictors=predictors, covariates=context, shape=shape, gap=gap)
        rows = Rows.sample(len(history.grid), first, split, limit=self.max_rows, rng=rng)
        features, counts = design.rows(rows), design.outcomes(rows)
        nothing = self.task.nothing_to_learn(counts)
        if nothing:
            return self._stand_in(history, rng, nothing)
        tuning = self._tune(features, counts, rows.periods, history.target, rng)
        model = self.build(tuning.settings, rows=len(rows), seed=int(rng.integers(2**31 - 1)), jobs=self.jobs)
        with one_thread():
            self.task.fit(model, features, counts)
        if hasattr(model, "n_jobs"):
            # Threads add up trees in whatever order they finish; one thread gives the same bits every time.
            model.n_jobs = 1
        later = Rows.sample(len(history.grid), split, last, limit=_CALIBRATION_ROWS, rng=rng)
        pipeline = _pipeline(self.task, model, design, later, list(features.columns))
        return FittedLearner(
            name=self.name,
            pipeline=pipeline,
            predictors=predictors,
            target=history.target,
            trained_until=history.panel.periods.end,
            tuning=tuning,
            facts={
                "settings": dict(tuning.settings),
                "learned_periods": split - first,
                "calibration_periods": last - split,
                "rows": len(rows),
                "trained_until": history.panel.periods.end.isoformat(),
                **({} if context is None else {"context": list(context.names)}),
                **({} if shape is None else {"gamma_shape": shape}),
                **({} if not gap else {"periods_not_known": gap}),
            },
        )

    def _tune(
        self,
        features: pd.DataFrame,
        counts: NDArray[np.int32],
        periods: NDArray[np.int64],
        target: str,
        rng: np.random.Generator,
    ) -> Tuning:
        fixed = self.tuned.get(self.name, {}).get(target) if self.settings is None else self.settings
        tried = list(self.candidates[: max(1, self.tuning_candidates)]) if fixed is None else [fixed]
        common: dict[str, Any] = {
            "build": self.build,
            "task": self.task,
            "candidates": tried,
            "trial": self.trial,
            "folds": self.tuning_folds,
            "rng": rng,
            "max_rows": max(1_000, self.max_rows // 8),
        }
        if fixed is None and self.search is not None and self.name in self.search.spaces:
            return self.search.tune(features, counts, periods, name=self.name, target=target, **common)
        return tune(features, counts, periods, jobs=self.jobs, executor=self.executor, **common)

    def _stand_in(self, history: History, rng: np.random.Generator, reason: str) -> FittedForecaster:
        fitted = ShrunkCount(recent_days=self.recent_days).fit(history, rng=rng)
        return StandIn(self.name, fitted, f"{reason}: count_eb instead")


@dataclass(frozen=True, eq=False)
class FittedLearner:
    """A trained learner that forecasts; it holds trees and numbers, no incidents.

    Parameters
    ----------
    name : str
    pipeline : sklearn Pipeline
        From a DataFrame with the named features to the calibrated chance of at least one incident; its last step
        holds the bare trained model and tells expected counts.
    predictors : tuple of str
        Other categories whose counts it needs.
    target : str
        The category it was trained on.
    trained_until : Timestamp
        It must not forecast from an earlier cutoff.
    tuning : Tuning, optional
    facts : mapping
        For the parameters of each forecast; JSON-able.
    """

    name: str
    pipeline: Any = field(repr=False)
    predictors: tuple[str, ...]
    target: str
    trained_until: pd.Timestamp
    tuning: Tuning | None = field(default=None, repr=False)
    facts: Mapping[str, object] = field(default_factory=dict, repr=False)

    @property
    def model(self) -> Any:
        """The bare trained model."""
        return self.pipeline[-1].model

    def chance(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Calibrated chance of at least one incident per row of features, shape (n_rows,)."""
        with one_thread():
            chance: NDArray[np.float64] = self.pipeline.predict_proba(features)[:, 1]
        return chance

    def expected(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Calibrated expected incidents per row of features, shape (n_rows,)."""
        with one_thread():
            expected: NDArray[np.float64] = self.pipeline[-1].expected(self.pipeline[:-1].transform(features))
        return expected

    def features(self, history: History, periods: Periods | None = None) -> pd.DataFrame:
        """Describe every cell for the next period, as this model was taught to see it.

        Raises
        ------
        ForecastError
            If it was taught with context that the history lacks.
        """
        return self._design(history).next_period(periods)

    def predict(self, history: History, periods: Periods) -> Forecast:
        """Forecast `periods` from the end of `history`.

        Raises
        ------
        ForecastError
            If the history is of another category, ends before the model was trained, or lacks its context.
        """
        if history.target != self.target:
            raise ForecastError(f"{self.name} was trained on {self.target!r}, not on {history.target!r}.")
        if history.cutoff < self.trained_until:
            raise ForecastError(
                f"{self.name} was trained on data until {self.trained_until}: fit it anew to forecast from "
                f"{history.cutoff}, or it would know the future."
            )
        design = self._design(history)
        lengths = period_lengths(history, periods)
        mean = np.empty((len(history.grid), len(periods)))
        for i in range(len(periods)):
            one = Periods(periods.edges[i : i + 2])
            mean[:, i] = self.expected(design.next_period(one)) * lengths[i]
        return forecast_from_mean(history, periods, mean, model=self.name, parameters=dict(self.facts))

    def _design(self, history: History) -> Design:
        found = history.covariates
        taught = self.facts.get("context", [])
        needed = list(taught) if isinstance(taught, list) else []
        missing = [name for name in needed if found is None or name not in found.names]
        if missing:
            raise ForecastError(
                f"{self.name} was trained with the context {missing}, which is not there: train it anew."
            )
        context = None if found is None else found.of(needed)
        shape = self.facts.get("gamma_shape")
        return Design(
            history.panel,
            history.target,
            predictors=self.predictors,
            covariates=context,
            shape=float(shape) if isinstance(shape, int | float) else None,
            gap=int(str(self.facts.get("periods_not_known", 0))),
        )


@dataclass(frozen=True, eq=False)
class StandIn:
    """Another forecast under a forecaster's name, where there was too little to learn from.

    Parameters
    ----------
    name : str
        Of the forecaster whose place it takes.
    inner : FittedForecaster
    reason : str
        Told as the ``fallback`` of each forecast.
    """

    name: str
    inner: FittedForecaster
    reason: str

    def predict(self, history: History, periods: Periods) -> Forecast:
        """Forecast and say why."""
        forecast = self.inner.predict(history, periods)
        parameters = MappingProxyType({**forecast.parameters, "fallback": self.reason})
        return replace(forecast, model=self.name, parameters=parameters)


def periods_not_known(history: History) -> int:
    """Count the last periods that a learner must not look at, since too few of their incidents are known yet.

    A learner that is taught with complete periods and then shown incomplete ones believes that crime falls. So the
    periods of which less than four fifths are known are hidden from it, when it is taught as when it forecasts.

    Returns
    -------
    int
        0 where reports are taken to be complete; at most a quarter of the periods.
    """
    known, periods = history.completeness, history.panel.periods
    if known is None:
        return 0
    length = float(np.median(civil_days(periods)))
    most = len(periods) // 4
    within = (np.arange(_AGES) + 0.5) / _AGES
    shares = [float(known.at((gap + within) * length).mean()) for gap in range(most)]
    return next((gap for gap, share in enumerate(shares) if share >= _LEAST_KNOWN), most)


def _shape(history: History, last: int) -> float:
    """Shape of the gamma distribution of rates over cells, from the periods before `last`."""
    area = history.grid.area_km2
    return gamma_shape(history.counts[:, :last].sum(axis=1, dtype=np.int64), last * area / area.mean())


def _pipeline(task: LearningTask, model: Any, design: Design, later: Rows, columns: list[str]) -> Any:
    """Join choosing columns, model and calibration; the calibration is fitted on later periods than the model."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    from crimepatterns.forecasts.calibrated_classifier import fit_line

    features = design.rows(later)
    with one_thread():
        raw = task.log_rate(model, features)
    intercept, slope = fit_line(raw, design.outcomes(later))
    choose = ColumnTransformer(
        [("features", "passthrough", columns)], remainder="drop", verbose_feature_names_out=False
    ).set_output(transform="pandas")
    choose.fit(features)
    return Pipeline([("choose_features", choose), ("calibrated_model", task.calibrated(model, intercept, slope))])
