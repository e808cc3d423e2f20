"""How a classifier becomes a forecaster: learn from past periods, calibrate on later ones, tell expected counts."""

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
from crimepatterns.features.design import Design, known_context, predictor_categories
from crimepatterns.features.rows import Rows
from crimepatterns.forecasts.predictive import forecast_from_mean, period_lengths
from crimepatterns.forecasts.shrunk_count import ShrunkCount
from crimepatterns.forecasts.threads import one_thread
from crimepatterns.forecasts.tuning import Build, Tuning, tune

__all__ = ["ClassifierForecaster", "FittedClassifier"]

_FEWEST_TARGETS = 3
_FEWEST_POSITIVES = 10
_CALIBRATION_SHARE = 0.2
_CALIBRATION_ROWS = 80_000


@dataclass(frozen=True, eq=False)
class ClassifierForecaster:
    """Learn the chance of at least one incident per cell and period from lagged, neighbour and calendar features.

    The last `train_periods` target periods are learned from; of these the last fifth is kept apart, in time, to
    calibrate. Above `max_rows` rows are drawn at random without regard to the outcome, so that chances stay right.
    Where a history is too short or too empty to learn from, ``count_eb`` stands in and the forecast says so.

    Parameters
    ----------
    name : str
    build : callable
        ``build(settings, rows=..., seed=..., jobs=...)`` makes an unfitted classifier.
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
    jobs : int
        Threads of one fit of the random forest. Cores are better used by fits that run apart: threads of scikit-learn
        1.9 also overwrite each other's warning filters, which are the process's.
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
    jobs: int = 1
    executor: Executor | None = field(default=None, repr=False)

    def fit(self, history: History, *, rng: np.random.Generator) -> FittedForecaster:
        """Learn from `history`; see the class for what happens with little of it."""
        last = len(history.panel.periods)
        # A target needs some past of its own; with little history that is one period.
        first = max(last - self.train_periods, min(4, last // 4), 1)
        targets = last - first
        if targets < _FEWEST_TARGETS:
            return self._stand_in(history, rng, f"{last} periods of history are too few to learn from")
        split = last - max(1, round(_CALIBRATION_SHARE * targets))
        if np.count_nonzero(history.counts[:, first:split]) < _FEWEST_POSITIVES:
            return self._stand_in(history, rng, "too few incidents to learn from")
        predictors, context = predictor_categories(history), known_context(history, first)
        design = Design(history.panel, history.target, predictors=predictors, covariates=context)
        rows = Rows.sample(len(history.grid), first, split, limit=self.max_rows, rng=rng)
        features, outcome = design.rows(rows), design.outcomes(rows) > 0
        if outcome.all() or not outcome.any():
            return self._stand_in(history, rng, "every cell has the same outcome in every period")
        tuning = self._tune(features, outcome, rows.periods, rng)
        model = self.build(tuning.settings, rows=len(rows), seed=int(rng.integers(2**31 - 1)), jobs=self.jobs)
        with one_thread():
            model.fit(features, outcome.astype(np.int64))
        if hasattr(model, "n_jobs"):
            # Threads add up trees in whatever order they finish; one thread gives the same bits every time.
            model.n_jobs = 1
        later = Rows.sample(len(history.grid), split, last, limit=_CALIBRATION_ROWS, rng=rng)
        pipeline = _pipeline(model, design, later, list(features.columns))
        return FittedClassifier(
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
            },
        )

    def _tune(
        self,
        features: pd.DataFrame,
        outcome: NDArray[np.bool_],
        periods: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> Tuning:
        tried = list(self.candidates[: max(1, self.tuning_candidates)]) if self.settings is None else [self.settings]
        return tune(
            features,
            outcome,
            periods,
            build=self.build,
            candidates=tried,
            trial=self.trial,
            folds=self.tuning_folds,
            rng=rng,
            jobs=self.jobs,
            max_rows=max(1_000, self.max_rows // 8),
            executor=self.executor,
        )

    def _stand_in(self, history: History, rng: np.random.Generator, reason: str) -> FittedForecaster:
        fitted = ShrunkCount(recent_days=self.recent_days).fit(history, rng=rng)
        return _StandIn(self.name, fitted, f"{reason}: count_eb instead")


@dataclass(frozen=True, eq=False)
class FittedClassifier:
    """A trained classifier that forecasts; it holds trees and numbers, no incidents.

    Parameters
    ----------
    name : str
    pipeline : sklearn Pipeline
        From a DataFrame with the named features to the calibrated chance of at least one incident; its last step
        holds the bare trained model.
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
        """The bare trained classifier."""
        return self.pipeline[-1].model

    def chance(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Calibrated chance of at least one incident per row of features, shape (n_rows,)."""
        with one_thread():
            chance: NDArray[np.float64] = self.pipeline.predict_proba(features)[:, 1]
        return chance

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
        from crimepatterns.forecasts.calibrated_classifier import expected_count

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
            mean[:, i] = expected_count(self.chance(design.next_period(one))) * lengths[i]
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
        return Design(history.panel, history.target, predictors=self.predictors, covariates=context)


@dataclass(frozen=True, eq=False)
class _StandIn:
    """The shrunk count under a learner's name, where there was too little to learn from."""

    name: str
    inner: FittedForecaster
    reason: str

    def predict(self, history: History, periods: Periods) -> Forecast:
        forecast = self.inner.predict(history, periods)
        parameters = MappingProxyType({**forecast.parameters, "fallback": self.reason})
        return replace(forecast, model=self.name, parameters=parameters)


def _pipeline(model: Any, design: Design, later: Rows, columns: list[str]) -> Any:
    """Join choosing columns, model and calibration; the calibration is fitted on later periods than the model."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    from crimepatterns.forecasts.calibrated_classifier import CalibratedClassifier, fit_calibration

    features = design.rows(later)
    with one_thread():
        raw = model.predict_proba(features)[:, 1]
    intercept, slope = fit_calibration(raw, design.outcomes(later))
    choose = ColumnTransformer(
        [("features", "passthrough", columns)], remainder="drop", verbose_feature_names_out=False
    ).set_output(transform="pandas")
    choose.fit(features)
    calibrated = CalibratedClassifier(model, intercept, slope).fit(features, np.zeros(0))
    return Pipeline([("choose_features", choose), ("calibrated_model", calibrated)])
