"""What the model server tells Prometheus beside its requests: what it serves, and what it refused."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from crimepatterns.serving.model_server.current import Current

__all__ = ["ServedCollector"]


class ServedCollector(Collector):
    """Series about the forecasts and learners that are served at this moment.

    Parameters
    ----------
    current : Current
    """

    def __init__(self, current: Current) -> None:
        self._current = current

    def collect(self) -> Iterator[Metric]:
        """Read the state; nothing on disk is looked at."""
        current, city = self._current, [self._current.settings.city]
        learners, snapshot = current.learners, current.snapshot
        for name, told, value in (
            ("forecasts", "Categories with a forecast.", len(snapshot.slugs if snapshot else ())),
            ("models", "Stored models in service.", len(learners.by_name)),
            ("models_refused", "Stored models that are not trusted.", len(learners.refused)),
            ("forecasts_refused", "1 where the newest forecasts are not trusted.", _bad(current)),
            ("models_ready", "1 once the stored models are loaded.", learners.state == "ready"),
        ):
            gauge = GaugeMetricFamily(f"crimepatterns_model_server_{name}", told, labels=("city",))
            gauge.add_metric(city, float(value))
            yield gauge
        reloads = CounterMetricFamily(
            "crimepatterns_model_server_reloads", "New forecasts or models taken over.", labels=("city",)
        )
        reloads.add_metric(city, float(current.reloads))
        yield reloads

    def describe(self) -> Iterable[Metric]:
        """Announce nothing beforehand."""
        return ()


def _bad(current: Current) -> bool:
    return current.problem is not None and not current.problem.missing
