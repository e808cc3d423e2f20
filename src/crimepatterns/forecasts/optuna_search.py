"""Settings of a learner found by search instead of from a short list: Optuna, with a budget in minutes."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.errors import ForecastError
from crimepatterns.forecasts.learning_task import LearningTask
from crimepatterns.forecasts.threads import one_thread
from crimepatterns.forecasts.tuning import Build, Tuning, fold_samples, usable_blocks

__all__ = ["OptunaSearch", "Range"]

_STARTUP = 8
"""Trials drawn at random before the sampler learns, and finished ones before any is broken off."""


@dataclass(frozen=True)
class Range:
    """Numbers to draw a setting from.

    Parameters
    ----------
    low, high : float
    log : bool
        Draw evenly on a logarithmic scale.
    whole : bool
        Draw whole numbers.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False


Choices = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class OptunaSearch:
    """Search a learner's settings on rolling folds in time until a budget is spent.

    The candidates of the learner, moved into the space where they lie outside it, are tried first; then a
    tree-structured Parzen estimator proposes settings (Akiba et al. 2019, https://doi.org/10.1145/3292500.3330701).
    After each fold a trial that does worse than the median of the finished ones is broken off. A study is kept in
    `storage` under a digest of data, space and seed: asked again, it goes on where it stopped, and a spent budget
    gives the earlier answer at once.

    Parameters
    ----------
    spaces : mapping of str to mapping of str to Range or tuple
        Per learner, what each setting is drawn from; a learner without a space keeps its candidates.
    minutes : float
        Time for the trials of one learner and category, over all runs. The trial under way is finished.
    trials : int
        At most so many; with enough minutes the answer depends on this number and the seed alone.
    storage : optuna storage, optional
        Where studies are kept; in memory where it is left out.
    seed : int
    """

    spaces: Mapping[str, Mapping[str, Range | Choices]]
    minutes: float = 5.0
    trials: int = 50
    storage: Any = field(default=None, repr=False)
    seed: int = 7

    def tune(
        self,
        features: pd.DataFrame,
        counts: NDArray[Any],
        periods: NDArray[np.int64],
        *,
        name: str,
        target: str,
        build: Build,
        task: LearningTask,
        candidates: Sequence[Mapping[str, Any]],
        trial: Mapping[str, Any] = MappingProxyType({}),
        folds: int,
        rng: np.random.Generator,
        max_rows: int,
    ) -> Tuning:
        """Search; see `crimepatterns.forecasts.tuning.tune` for what is the same.

        Returns
        -------
        Tuning
            The table has one row per finished or broken-off trial, in the order of the trials.

        Raises
        ------
        ForecastError
            If Optuna is not installed.
        """
        optuna = _optuna()
        blocks = usable_blocks(counts, periods, folds=folds)
        if not blocks:
            return Tuning(candidates[0], pd.DataFrame({"candidate": [], task.score: []}), score=task.score)
        samples = fold_samples(periods, blocks, max_rows=max_rows, rng=rng)
        model_seed = int(rng.integers(2**31 - 1))
        digest = _digest(features, counts, samples, self.spaces[name], [self.seed, model_seed])
        with _quiet(optuna):
            study = self._study(optuna, f"{name}/{target}/{digest}", candidates, self.spaces[name])
            while self._budget_left(optuna, study):
                one = study.ask()
                settings = {**candidates[0], **_suggest(one, self.spaces[name])}
                scores: list[float] = []
                for learn, check in samples:
                    model = build({**settings, **trial}, rows=len(learn), seed=model_seed, jobs=1)
                    with one_thread():
                        task.fit(model, features.iloc[learn], counts[learn])
                        scores.append(task.loss(model, features.iloc[check], counts[check]))
                    one.report(float(np.mean(scores)), len(scores))
                    if len(scores) < len(samples) and one.should_prune():
                        break
                one.set_user_attr("fold_scores", scores)
                one.set_user_attr("settings", settings)
                pruned = len(scores) < len(samples)
                state = optuna.trial.TrialState.PRUNED if pruned else optuna.trial.TrialState.COMPLETE
                study.tell(one, None if pruned else float(np.mean(scores)), state=state)
        table = _table(optuna, study, task.score, len(blocks))
        finished = table[table["finished"]]
        # A budget that ended before the first trial leaves the default.
        best = candidates[0]
        if not finished.empty:
            best = finished["candidate"].iloc[int(np.argmin(finished[task.score].to_numpy()))]
        return Tuning(dict(best), table, tuple(blocks), task.score)

    def _study(
        self,
        optuna: Any,
        called: str,
        candidates: Sequence[Mapping[str, Any]],
        space: Mapping[str, Range | Choices],
    ) -> Any:
        """Open or begin the study; a trial that a killed run left open has failed."""
        storage = self.storage if self.storage is not None else optuna.storages.InMemoryStorage()
        known = called in optuna.get_all_study_names(storage)
        done = len(optuna.load_study(study_name=called, storage=storage).trials) if known else 0
        study = optuna.create_study(
            storage=storage,
            study_name=called,
            # The sampler of a resumed study must not draw the same numbers again.
            sampler=optuna.samplers.TPESampler(seed=self.seed + done, n_startup_trials=_STARTUP),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_STARTUP // 2),
            direction="minimize",
            load_if_exists=True,
        )
        for one in study.trials:
            if one.state == optuna.trial.TrialState.RUNNING:
                study.tell(one.number, state=optuna.trial.TrialState.FAIL)
        if not known:
            for candidate in candidates:
                study.enqueue_trial(_within(candidate, space))
        return study

    def _budget_left(self, optuna: Any, study: Any) -> bool:
        ended = [one for one in study.trials if one.state.is_finished()]
        spent = sum((one.duration for one in ended if one.duration is not None), timedelta())
        counted = [one for one in ended if one.state != optuna.trial.TrialState.FAIL]
        return len(counted) < self.trials and spent < timedelta(minutes=self.minutes)


def _within(candidate: Mapping[str, Any], space: Mapping[str, Range | Choices]) -> dict[str, Any]:
    """Return a candidate's values for the settings of the space; a choice that is not offered is left open."""
    moved: dict[str, Any] = {}
    for key, wanted in space.items():
        if isinstance(wanted, Range) and isinstance(candidate.get(key), int | float):
            moved[key] = min(max(candidate[key], wanted.low), wanted.high)
            moved[key] = round(moved[key]) if wanted.whole else float(moved[key])
        elif not isinstance(wanted, Range) and candidate.get(key) in wanted:
            moved[key] = candidate[key]
    return moved


def _suggest(trial: Any, space: Mapping[str, Range | Choices]) -> dict[str, Any]:
    """Draw each setting of the space."""
    drawn: dict[str, Any] = {}
    for key, wanted in space.items():
        if not isinstance(wanted, Range):
            drawn[key] = trial.suggest_categorical(key, list(wanted))
        elif wanted.whole:
            drawn[key] = trial.suggest_int(key, round(wanted.low), round(wanted.high), log=wanted.log)
        else:
            drawn[key] = trial.suggest_float(key, wanted.low, wanted.high, log=wanted.log)
    return drawn


def _table(optuna: Any, study: Any, score: str, folds: int) -> pd.DataFrame:
    """One row per trial that came to an end by itself."""
    rows = []
    for one in study.trials:
        scores = one.user_attrs.get("fold_scores")
        if scores is None:
            continue
        rows.append(
            {
                "candidate": dict(one.user_attrs["settings"]),
                score: float(np.mean(scores)),
                **{f"fold_{j}": (scores[j] if j < len(scores) else float("nan")) for j in range(folds)},
                "finished": one.state == optuna.trial.TrialState.COMPLETE,
            }
        )
    return pd.DataFrame(rows, columns=["candidate", score, *[f"fold_{j}" for j in range(folds)], "finished"])


def _digest(
    features: pd.DataFrame,
    counts: NDArray[Any],
    samples: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    space: Mapping[str, Range | Choices],
    seeds: Sequence[int],
) -> str:
    """Digest of everything the score of a trial depends on."""
    total = hashlib.sha256(json.dumps([list(features.columns), list(seeds)]).encode())
    total.update(json.dumps({key: repr(value) for key, value in space.items()}, sort_keys=True).encode())
    total.update(np.ascontiguousarray(features.to_numpy()).tobytes())
    total.update(np.ascontiguousarray(counts).tobytes())
    for pair in samples:
        for rows in pair:
            total.update(rows.tobytes())
    return total.hexdigest()[:16]


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Keep Optuna from writing a line per trial."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _optuna() -> Any:
    try:
        import optuna  # type: ignore[import-not-found, unused-ignore]
    except ImportError as error:
        raise ForecastError(
            "Searching settings needs Optuna, which is not installed: pip install 'crimepatterns[tuning]', or set "
            "forecast.tuning.method to candidates."
        ) from error
    return optuna
