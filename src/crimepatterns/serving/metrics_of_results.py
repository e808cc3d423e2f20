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
        parts: tuple[Callable[[], Iterable[Metric]], ...] = (self._data, self._stages, self._forecasts)
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

    @property
    def _city(self) -> str:
        return self._results.settings.city


def _gauge(name: str, meaning: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, labels=["city", *labels])


def _seconds(moment: str) -> float:
    stamp = pd.Timestamp(moment)
    return float((stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp).timestamp())
