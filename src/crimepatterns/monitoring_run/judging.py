"""Judge issued forecasts once their outcome is known, and follow each champion through its verdicts."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.city import City
from crimepatterns.domain.panel import Panel
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import MissingInputError
from crimepatterns.evaluation.scoring_rules import poisson_deviance
from crimepatterns.evaluation.selection import Budget, select_cells
from crimepatterns.monitoring.evidence import Outcome
from crimepatterns.monitoring.retirement import Retirement, followed
from crimepatterns.store.issued import IssuedForecast, Verdict, issued_forecasts, keep_verdict, read_verdicts
from crimepatterns.store.scorecards import read_extra

__all__ = ["champion_states", "judge_matured"]

_HALF = 0.5
_YEAR_DAYS = 365.25


def judge_matured(city: City) -> list[Verdict]:
    """Judge every issued forecast whose period has ended and whose reports have come in; return all verdicts so far.

    A forecast is judged once and for good. One on another grid than today's is judged on its own cells where they are
    still there, and left alone otherwise.
    """
    known = {(one.category, one.champion, one.cutoff) for one in read_verdicts(city.layout)}
    until = city.matured[0]
    for issued in issued_forecasts(city.layout, city.area.timezone):
        if issued.key in known or issued.end > until or not _same_cells(city, issued):
            continue
        keep_verdict(city.layout, _judged(city, issued, until))
    return read_verdicts(city.layout)


def champion_states(city: City, verdicts: Sequence[Verdict]) -> dict[tuple[str, str], Retirement]:
    """Follow each category's champions through their verdicts.

    Returns
    -------
    dict of (category, champion) to Retirement
        From non-overlapping periods only: where forecasts overlap, the later ones add nothing new.
    """
    states = {}
    pairs = dict.fromkeys((one.category, one.champion) for one in verdicts)
    per_year = _YEAR_DAYS / city.settings.forecast.horizon_days
    for category, champion in pairs:
        own = _apart([one for one in verdicts if (one.category, one.champion) == (category, champion)])
        outcomes = [(one.end, _outcome(one)) for one in own]
        reference = _backtested(city, category, champion)
        states[category, champion] = followed(outcomes, per_year=per_year, reference=reference)
    return states


def _same_cells(city: City, issued: IssuedForecast) -> bool:
    return bool(np.array_equal(issued.cells["cell_id"].to_numpy().astype(str), city.grid.ids.astype(str)))


def _judged(city: City, issued: IssuedForecast, until: pd.Timestamp) -> Verdict:
    window = Periods(pd.DatetimeIndex([issued.start, issued.end]).as_unit("us"))
    panel = Panel.count(city.incidents, city.grid, window, categories=(issued.category,))
    observed = panel.of(issued.category)[:, 0].astype(float)
    cells, budget = issued.cells, Budget(area_share=city.settings.evaluation.primary_budget)
    expected, baseline = cells["expected"].to_numpy(dtype=float), cells["baseline"].to_numpy(dtype=float)
    areas = cells["area_km2"].to_numpy(dtype=float)
    hot = _hot(expected)
    ours, theirs = select_cells(expected, areas, budget), select_cells(baseline, areas, budget)
    inside, asked = 0, 0
    if {"low", "high"} <= set(cells):
        within = (observed >= cells["low"]) & (observed <= cells["high"])
        inside, asked = int(within[hot].sum()), int(hot.sum())
    return Verdict(
        category=issued.category,
        champion=issued.champion,
        baseline=issued.baseline,
        cutoff=issued.cutoff.isoformat(),
        start=issued.start.isoformat(),
        end=issued.end.isoformat(),
        known_until=until.isoformat(),
        expected=float(expected.sum()),
        observed=float(observed.sum()),
        expected_hot=float(expected[hot].sum()),
        observed_hot=float(observed[hot].sum()),
        hits=float(ours @ observed),
        baseline_hits=float(theirs @ observed),
        best=float(select_cells(observed, areas, budget) @ observed),
        caught_both=float(np.minimum(ours, theirs) @ observed),
        inside_interval=inside,
        with_interval=asked,
        deviance=float(poisson_deviance(expected, observed).sum()),
        baseline_deviance=float(poisson_deviance(baseline, observed).sum()),
    )


def _hot(expected: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark the cells that expect most and together hold half of what is expected."""
    order = np.argsort(-expected, kind="stable")
    reached = np.cumsum(expected[order]) >= _HALF * expected.sum()
    hot = np.zeros(len(expected), dtype=bool)
    hot[order[: int(np.argmax(reached)) + 1]] = True
    return hot


def _outcome(verdict: Verdict) -> Outcome:
    return Outcome(
        expected_hot=verdict.expected_hot,
        expected_rest=max(verdict.expected - verdict.expected_hot, 0.0),
        observed_hot=verdict.observed_hot,
        observed_rest=max(verdict.observed - verdict.observed_hot, 0.0),
        caught_both=verdict.caught_both,
        caught_champion=max(verdict.hits - verdict.caught_both, 0.0),
        caught_baseline=max(verdict.baseline_hits - verdict.caught_both, 0.0),
    )


def _apart(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Keep forecasts whose periods do not overlap, the earliest first."""
    kept: list[Verdict] = []
    for one in sorted(verdicts, key=lambda verdict: pd.Timestamp(verdict.start)):
        if not kept or pd.Timestamp(one.start) >= pd.Timestamp(kept[-1].end):
            kept.append(one)
    return kept


def _backtested(city: City, category: str, champion: str) -> list[Outcome]:
    """Read what the back-test of the select span says about the model; nothing where there was none."""
    try:
        table = read_extra(city.layout.evaluation / "select", "backtest")
    except MissingInputError:
        return []
    if champion not in table:
        return []
    outcomes = []
    for _, origin in table.loc[table["category"] == category].groupby("cutoff", sort=True):
        expected, observed = origin[champion].to_numpy(dtype=float), origin["observed"].to_numpy(dtype=float)
        hot = _hot(expected)
        outcomes.append(
            Outcome(
                expected_hot=float(expected[hot].sum()),
                expected_rest=float(expected[~hot].sum()),
                observed_hot=float(observed[hot].sum()),
                observed_rest=float(observed[~hot].sum()),
                caught_both=0.0,
                caught_champion=0.0,
                caught_baseline=0.0,
            )
        )
    return outcomes
