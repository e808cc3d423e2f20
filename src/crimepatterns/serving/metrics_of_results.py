"""The state of a city's results as series for Prometheus: how fresh data and forecasts are, read at each scrape."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial

import pandas as pd
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from crimepatterns.errors import CrimePatternsError
from crimepatterns.operations.stages import STAGES
from crimepatterns.serving.monitoring import monitoring_report
from crimepatterns.serving.results import Results
from crimepatterns.store.layers import read_facts

__all__ = ["ResultsCollector"]


class ResultsCollector(Collector):
    """Series that tell what the stages have left on disk.

    Moments are seconds since 1970 in UTC, as Prometheus has them: an age is ``time() - series``, which goes on growing
    while nothing runs. A part that is absent or damaged has no series; the others keep theirs.

    Parameters
    ----------
    results : Results
    """

    def __init__(self, results: Results) -> None:
        self._results = results

    def collect(self) -> Iterator[Metric]:
        """Read what is there; files are looked at only where they have changed."""
        parts: tuple[Callable[[], Iterable[Metric]], ...] = (
            self._data,
            self._stages,
            self._forecasts,
            self._drift,
            self._outcomes,
            self._champions,
        )
        for part in parts:
            with suppress(CrimePatternsError):
                yield from part()

    def describe(self) -> Iterable[Metric]:
        """Announce nothing: which series there are depends on what has run."""
        return ()

    def _data(self) -> Iterable[Metric]:
        report = self._results.cleaning_report()
        last = _gauge("crimepatterns_data_last_incident_timestamp_seconds", "Begin of the last cleaned incident.")
        kept = _gauge("crimepatterns_data_incidents", "Cleaned incidents.")
        rejected = _gauge("crimepatterns_data_rejected_rows", "Rows that cleaning rejected.")
        if report.get("last"):
            last.add_metric([self._city], _seconds(str(report["last"])))
        if {"kept", "rows_in"} <= set(report):
            kept.add_metric([self._city], report["kept"])
            rejected.add_metric([self._city], report["rows_in"] - report["kept"])
        return last, kept, rejected

    def _stages(self) -> Iterable[Metric]:
        finished = _gauge("crimepatterns_stage_finished_timestamp_seconds", "When the stage last finished.", "stage")
        took = _gauge("crimepatterns_stage_seconds", "How long the stage took then.", "stage")
        for stage in STAGES:
            facts = self._results.stage_facts(stage.name)
            if facts is not None and facts["finished_at"]:
                finished.add_metric([self._city, stage.name], _seconds(facts["finished_at"]))
                took.add_metric([self._city, stage.name], float(facts["seconds"] or 0.0))
        return finished, took

    def _forecasts(self) -> Iterable[Metric]:
        cutoff = _gauge("crimepatterns_forecast_cutoff_timestamp_seconds", "Nothing later was known.", "category")
        end = _gauge("crimepatterns_forecast_end_timestamp_seconds", "Until when the forecast reaches.", "category")
        model = _gauge("crimepatterns_forecast_model", "1 for the model that is served.", "category", "model")
        for one in self._results.categories:
            path = self._results.forecast_path(one)
            with suppress(CrimePatternsError):
                facts = self._results.cache.get(("facts", one.slug), [path], partial(read_facts, path))
                cutoff.add_metric([self._city, one.slug], _seconds(facts["issued_at"]))
                end.add_metric([self._city, one.slug], _seconds(facts["edges"][-1]))
                model.add_metric([self._city, one.slug, facts["model"]], 1.0)
        return cutoff, end, model

    def _drift(self) -> Iterable[Metric]:
        report = monitoring_report(self._results)
        made = _gauge("crimepatterns_monitor_made_timestamp_seconds", "When monitoring last ran.")
        made.add_metric([self._city], _seconds(report["made_at"]))
        lag = _gauge("crimepatterns_reporting_lag_days", "Days from incident to report, last eight weeks.", "quantile")
        for name, quantile in (("median_days", "0.5"), ("p95_days", "0.95"), ("assumed_days", "assumed")):
            if name in report["lag"]:
                lag.add_metric([self._city, quantile], report["lag"][name])
        alarms = _gauge("crimepatterns_drift_alarms", "Features of the group that have changed.", "group")
        effect = _gauge("crimepatterns_drift_effect", "Effect in units of the limit of an alarm.", "group", "feature")
        q_value = _gauge("crimepatterns_drift_q_value", "False discovery rate.", "group", "feature")
        for group in dict.fromkeys(one["group"] for one in report["drift"]):
            own = [one for one in report["drift"] if one["group"] == group]
            alarms.add_metric([self._city, group], sum(one["alarm"] for one in own))
            for one in own:
                effect.add_metric([self._city, group, one["name"]], one["effect"] / one["limit"])
                q_value.add_metric([self._city, group, one["name"]], one["q_value"])
        return made, lag, alarms, effect, q_value

    def _outcomes(self) -> Iterable[Metric]:
        labels = ("category", "model")
        ratio = _gauge("crimepatterns_matured_calibration", "Observed / expected incidents.", *labels, "cells")
        caught = _gauge("crimepatterns_matured_hit_rate", "Share of incidents caught, primary budget.", *labels)
        inside = _gauge("crimepatterns_matured_coverage", "Hot cells inside the 90 % interval.", *labels)
        count = _gauge("crimepatterns_matured_forecasts", "Forecasts judged so far.", *labels)
        for one in monitoring_report(self._results)["matured"]:
            names = [self._city, one["category"], one["champion"]]
            count.add_metric(names, one["forecasts"])
            told = (
                (ratio, [*names, "all"], one["calibration"]),
                (ratio, [*names, "hot"], one["calibration_hot"]),
                (caught, names, one["hit_rate"]),
                (caught, [*names[:2], f"{one['baseline']} (baseline)"], one["baseline_hit_rate"]),
                (inside, names, one["coverage_hot"]),
            )
            for family, own, value in told:
                if value is not None:
                    family.add_metric(own, value)
        return ratio, caught, inside, count

    def _champions(self) -> Iterable[Metric]:
        labels = ("category", "model")
        retired = _gauge("crimepatterns_champion_retired", "1 while the baseline is served instead.", *labels)
        evidence = _gauge("crimepatterns_retirement_evidence", "Evidence for a change; 1 brings it about.", *labels)
        for one in monitoring_report(self._results)["champions"]:
            names = [self._city, one["category"], one["champion"]]
            retired.add_metric(names, float(one["retired"]))
            evidence.add_metric(names, one["strength"])
        return retired, evidence

    @property
    def _city(self) -> str:
        return self._results.settings.city


def _gauge(name: str, meaning: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, labels=["city", *labels])


def _seconds(moment: str) -> float:
    stamp = pd.Timestamp(moment)
    return float((stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp).timestamp())
