"""All candidates of one category, judged on the same past origins.

What is judged is how a version was made: its settings are fitted anew at each past origin on what was known then,
beside those of the version that is served and beside the shrunk count. The version itself was taught on these weeks, so
its own forecasts of them would prove nothing; it is only asked whether it makes sense of the coming period. Origins are
those of the select span; the judge span stays closed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crimepatterns.city import City
from crimepatterns.config import open_executor, settings_digest
from crimepatterns.domain.periods import Periods
from crimepatterns.domain.protocols import Forecaster
from crimepatterns.errors import ConfigError, ForecastError
from crimepatterns.evaluation.backtest import BacktestResult, backtest
from crimepatterns.evaluation.equity import reports_by_neighbourhood
from crimepatterns.evaluation.exposure import ExposedGroup, exposure_gates, most_reported_third
from crimepatterns.evaluation.promotion import (
    Gate,
    GateVerdict,
    calibration_gates,
    data_gate,
    non_inferiority_gates,
    verdict_of,
)
from crimepatterns.evaluation.selection import Budget
from crimepatterns.forecasts.registry import BASELINES, OPTIONS, make_forecaster, options_in
from crimepatterns.forecasts.stored_learner import restore_learner
from crimepatterns.store.models import StoredModel
from crimepatterns.version import __version__

__all__ = ["Contender", "GateWork"]

_COUNT = "count_eb"
_SENSIBLE = 1.5
"""A version whose total for the coming period is so many times that of the count, or the reverse, makes no sense."""


@dataclass(frozen=True, eq=False)
class Contender:
    """A version that waits, and the one that is served."""

    home: Path
    candidate: StoredModel
    champion: StoredModel


@dataclass(frozen=True, eq=False)
class GateWork:
    """All candidates of one category, judged on the same origins.

    Parameters
    ----------
    city : City
    category : str
    contenders : tuple of Contender
    audit : mapping of str to mapping of str to float
        Columns of audit tables by neighbourhood, ``layer: column``; for figures only.
    """

    city: City
    category: str
    contenders: tuple[Contender, ...]
    audit: Mapping[str, Mapping[str, float]] = field(default_factory=dict, repr=False)

    @cached_property
    def result(self) -> BacktestResult:
        """Forecasts of every way of making a version, and of the count."""
        city, forecast = self.city, self.city.settings.forecast
        makers: dict[str, Forecaster] = {_COUNT: self._maker(_COUNT, {}, None)}
        for one in self.contenders:
            for stored in (one.candidate, one.champion):
                config = stored.config
                made = self._maker(config["forecaster"], config["training"], config["facts"]["settings"])
                makers.setdefault(_recipe(stored), made)
        with open_executor(city.settings.execution, workers=city.settings.workers) as executor:
            return backtest(
                city.archive,
                city.spans[0].select,
                makers,
                category=self.category,
                refit_every=forecast.refit_every,
                seed=forecast.seed,
                refit_always=BASELINES,
                executor=executor,
            )

    def _maker(self, name: str, training: Mapping[str, Any], chosen: Mapping[str, Any] | None) -> Forecaster:
        forecast = self.city.settings.forecast
        options = options_in(forecast)
        own = {key: value for key, value in training.items() if key in OPTIONS}
        return make_forecaster(name, **{**options, **own}, settings=chosen)

    @property
    def budget(self) -> Budget:
        """The budget on which models are compared."""
        return Budget(area_share=self.city.settings.evaluation.primary_budget)

    @cached_property
    def reported(self) -> NDArray[np.int64]:
        """What was known in each cell before the first origin."""
        history = self.city.archive.at(self.result.folds[0].cutoff, target=self.category)
        return history.counts.sum(axis=1, dtype=np.int64)

    @cached_property
    def groups(self) -> dict[str, dict[str, str]]:
        """Ways of grouping neighbourhoods: by reports per km2, and by each column of the audit tables."""
        count = self.city.settings.gates.area_groups
        rate = reports_by_neighbourhood(self.city.grid, self.reported)["per_km2"]
        by_reports = {str(name): float(value) for name, value in rate.items()}
        ways = {"reports": by_reports, **self.audit}
        return {by: _ranked(values, count) for by, values in ways.items() if len(values) >= count}

    @cached_property
    def exposed(self) -> tuple[ExposedGroup, ...]:
        """Whose exposure is looked at; the areas with the most reports where the settings name nobody."""
        wanted, columns = self.city.settings.gates.exposed, self.audit
        unknown = sorted({one for pair in wanted for one in pair} - set(columns))
        if unknown:
            raise ConfigError(f"gates.exposed names {unknown}; the audit tables hold {sorted(columns)}.")
        if not wanted:
            third = most_reported_third(self.city.grid, self.reported)
            return () if third is None else (third,)
        return tuple(_pair(*pair, columns) for pair in wanted)

    def judge(self, contender: Contender) -> GateVerdict:
        """Ask every gate."""
        rules, model = self.city.settings.gates, _recipe(contender.candidate)
        others = {_recipe(contender.champion): "the served version", _COUNT: _COUNT}
        gates = [
            data_gate(self.city.flags.checked, self.city.flags.raised, accepted=rules.accepted_findings),
            self._sensible(contender.candidate),
        ]
        for other, called in others.items():
            gates += non_inferiority_gates(
                self.result,
                model,
                other,
                called=called,
                budget=self.budget,
                catch_margin=rules.catch_margin,
                deviance_margin=rules.deviance_margin,
                least_origins=rules.least_origins,
            )
        gates += calibration_gates(self.result, model, groups=self.groups, group_ratio=rules.group_ratio)
        for exposed in self.exposed:
            gates += exposure_gates(
                self.result,
                model,
                exposed,
                reported=self.reported,
                budget=self.budget,
                times_count=rules.amplification,
                signed_above=rules.signed_above,
                cap=self.city.settings.plan.neighbourhood_cap,
            )
        if not self.exposed:
            gates.append(Gate("exposure", "not applicable", "The study area has too few named neighbourhoods."))
        return verdict_of(gates)

    def _sensible(self, stored: StoredModel) -> Gate:
        """Forecast the coming period by the version itself and by the count."""
        archive = self.city.archive
        history = archive.at(archive.end, target=self.category)
        periods = Periods.starting_at(archive.end, days=archive.period_days, count=1)
        count = self._maker(_COUNT, {}, None).fit(history, rng=np.random.default_rng(0)).predict(history, periods)
        total = float(count.mean.sum())
        try:
            own = float(restore_learner(stored.pipeline, stored.config).predict(history, periods).mean.sum())
        except ForecastError as error:
            return Gate("the version itself", "refused", f"It cannot forecast the coming period: {error}")
        ratio = own / total if total > 0 else float("nan")
        sensible = 1 / _SENSIBLE <= ratio <= _SENSIBLE
        told = (
            f"For the coming period it expects {own:.1f} incidents where {_COUNT} expects {total:.1f} "
            f"({1 / _SENSIBLE:.2f} to {_SENSIBLE:g} times as many are believed)."
        )
        return Gate("the version itself", "passed" if sensible else "refused", told, ratio, None, _SENSIBLE)

    def record(self, contender: Contender, verdict: GateVerdict) -> dict[str, Any]:
        """Return what is kept of a verdict."""
        folds = self.result.folds
        same = _recipe(contender.candidate) == _recipe(contender.champion)
        return {
            "version": contender.candidate.version,
            "beside": contender.champion.version,
            "same_settings": same,
            "origins": len(folds),
            "first_cutoff": folds[0].cutoff.isoformat(),
            "last_end": folds[-1].test.end.isoformat(),
            "budget": self.budget.label,
            "code_version": __version__,
            **verdict.to_json(),
        }


def _recipe(stored: StoredModel) -> str:
    """Name how a version was made: two of the same name forecast the same at every past origin."""
    config = stored.config
    made = {key: config[key] for key in ("forecaster", "training")}
    return f"{config['forecaster']} {settings_digest(made, dict(config['facts']['settings']))[:12]}"


def _ranked(values: Mapping[str, float], groups: int) -> dict[str, str]:
    """Put neighbourhoods into groups of equal number, the lowest values first."""
    rank = pd.Series(values, dtype=float).dropna().rank(method="first", pct=True)
    return {str(name): f"{int(np.ceil(share * groups - 1e-9))} of {groups}" for name, share in rank.items()}


def _pair(group: str, reference: str, columns: Mapping[str, Mapping[str, float]]) -> ExposedGroup:
    table = pd.DataFrame({name: pd.Series(columns[name], dtype=float) for name in (group, reference)}).fillna(0.0)
    residents = table.rename_axis("neighbourhood").reset_index()
    return ExposedGroup(group, reference, residents, f"{group} beside {reference}")
