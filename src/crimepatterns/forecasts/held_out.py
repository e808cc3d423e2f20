"""How a learner does on periods it has not seen, and which features it leans on there."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.domain.folds import Fold
from crimepatterns.domain.history import Archive
from crimepatterns.forecasts.learned_forecaster import FittedLearner, LearnedForecaster
from crimepatterns.forecasts.probability_scores import log_loss
from crimepatterns.forecasts.shrunk_count import ShrunkCount

__all__ = ["HeldOut", "hold_out", "permutation_importance"]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Chances given to periods after those a learner was fitted on.

    Parameters
    ----------
    fitted : FittedLearner
    folds : tuple of Fold
    chance, reference : ndarray of float, shape (n_rows,)
        Chance of at least one incident by the learner, and by ``count_eb`` as 1 - exp(-mean).
    outcome : ndarray of bool, shape (n_rows,)
    features : DataFrame, shape (n_sampled, n_features)
        Some of the rows, drawn at random.
    sampled_outcome : ndarray of bool, shape (n_sampled,)
    """

    fitted: FittedLearner
    folds: tuple[Fold, ...] = field(repr=False)
    chance: NDArray[np.float64] = field(repr=False)
    reference: NDArray[np.float64] = field(repr=False)
    outcome: NDArray[np.bool_] = field(repr=False)
    features: pd.DataFrame = field(repr=False)
    sampled_outcome: NDArray[np.bool_] = field(repr=False)


def hold_out(
    archive: Archive,
    folds: Sequence[Fold],
    forecaster: LearnedForecaster,
    *,
    category: str,
    rng: np.random.Generator,
    sample_rows: int = 2_500,
) -> HeldOut | str:
    """Fit before the first fold, then say the chances of every fold from what was known at its cutoff.

    Parameters
    ----------
    archive : Archive
    folds : sequence of Fold
        In time order; all inside the fit span.
    forecaster : LearnedForecaster
    category : str
    rng : numpy.random.Generator
    sample_rows : int
        Rows kept with their features for the importance.

    Returns
    -------
    HeldOut or str
        The reason, where there was too little to learn from.
    """
    fitted = forecaster.fit(archive.at(folds[0].cutoff, target=category), rng=rng)
    if not isinstance(fitted, FittedLearner):
        return str(getattr(fitted, "reason", "too little to learn from"))
    each = max(1, min(len(archive.grid), -(-sample_rows // len(folds))))
    chances, references, outcomes, tables, kept = [], [], [], [], []
    for fold in folds:
        history = archive.at(fold.cutoff, target=category)
        happened = archive.outcome(fold.test, categories=(category,)).of(category)[:, 0] > 0
        table = fitted.features(history, fold.test)
        shrunk = ShrunkCount(recent_days=forecaster.recent_days).fit(history, rng=rng)
        chances.append(fitted.chance(table))
        references.append(-np.expm1(-shrunk.predict(history, fold.test).mean[:, 0]))
        outcomes.append(happened)
        chosen = np.sort(rng.choice(len(table), size=each, replace=False))
        tables.append(table.iloc[chosen])
        kept.append(happened[chosen])
    return HeldOut(
        fitted,
        tuple(folds),
        np.concatenate(chances),
        np.concatenate(references),
        np.concatenate(outcomes),
        pd.concat(tables, ignore_index=True),
        np.concatenate(kept),
    )


def permutation_importance(held: HeldOut, *, repeats: int, rng: np.random.Generator) -> pd.DataFrame:
    """Tell how much worse the chances become when one feature's values are shuffled over the rows.

    Features that say nearly the same share their importance: shuffling one leaves the others.

    Parameters
    ----------
    held : HeldOut
    repeats : int
        Shuffles per feature.
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame
        ``feature``, ``importance`` (mean rise of the log loss, nats), ``spread`` (standard deviation over repeats);
        the most important first. Breiman 2001, https://doi.org/10.1023/A:1010933404324.
    """
    outcome = held.sampled_outcome
    before = log_loss(held.fitted.chance(held.features), outcome)
    orders = [rng.permutation(len(outcome)) for _ in range(repeats)]
    # All shuffles of a feature are told in one go: asking a model costs much, asking it for more rows little.
    stacked = pd.concat([held.features] * repeats, ignore_index=True)
    rows = []
    for name in held.features.columns:
        values, shuffled = held.features[name].to_numpy(), stacked.copy()
        shuffled[name] = np.concatenate([values[order] for order in orders])
        chances = held.fitted.chance(shuffled).reshape(repeats, -1)
        rises = [log_loss(chance, outcome) - before for chance in chances]
        rows.append((str(name), float(np.mean(rises)), float(np.std(rises, ddof=1)) if repeats > 1 else 0.0))
    table = pd.DataFrame(rows, columns=["feature", "importance", "spread"])
    return table.sort_values(["importance", "feature"], ascending=[False, True], ignore_index=True)
