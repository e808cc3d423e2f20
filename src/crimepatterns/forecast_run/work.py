"""One run of forecasts: its day, its categories, its champions, and what it must note to be made again."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from crimepatterns.city import City
from crimepatterns.domain.history import History
from crimepatterns.domain.periods import Periods
from crimepatterns.errors import ConfigError, ModelError, UntrustedModelError
from crimepatterns.evaluation.learned_intervals import LearnedIntervals
from crimepatterns.forecast_run.inputs import FORECAST_SETTINGS, code_in_use, inputs_of
from crimepatterns.forecast_run.intervals import learned_intervals
from crimepatterns.forecast_run.manifest import ForecastManifest
from crimepatterns.forecast_run.retiring import BASELINE, told_of
from crimepatterns.store.atomic import read_json
from crimepatterns.store.digests import incidents_digest
from crimepatterns.store.layout import slug
from crimepatterns.store.models import find_version
from crimepatterns.store.retirements import Retired, read_retirements
from crimepatterns.version import __version__, code_commit

__all__ = ["ForecastWork"]


@dataclass(frozen=True, eq=False)
class ForecastWork:
    """What is the same for every forecast of one run.

    Parameters
    ----------
    city : City
    as_of : str or None
        Day from which to forecast; the day after the last incident where it is None.
    again : ForecastManifest, optional
        The run that is made again.
    """

    city: City
    as_of: str | None
    again: ForecastManifest | None = None
    versions: dict[str, str] = field(default_factory=dict)
    """Version of each stored model that was asked for; empty where there is none."""
    taught: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What past weeks taught about intervals, by category and model, as far as it was used."""

    @cached_property
    def run_date(self) -> str:
        """When the run was made, ISO 8601."""
        return datetime.now(UTC).isoformat(timespec="seconds") if self.again is None else self.again.run_date

    @property
    def targets(self) -> tuple[str, ...]:
        """Categories to forecast."""
        return self.city.targets if self.again is None else tuple(self.again.champions)

    @cached_property
    def cutoff(self) -> pd.Timestamp:
        """The moment from which to forecast.

        Raises
        ------
        ConfigError
            If it is no day, or lies outside the data.
        """
        archive, zone = self.city.archive, self.city.area.timezone
        if self.as_of is None:
            return archive.end
        try:
            moment = pd.Timestamp(self.as_of)
            moment = moment.tz_convert(zone) if moment.tzinfo else moment.tz_localize(zone)
        except (ValueError, TypeError) as error:
            raise ConfigError(f"--as-of needs a day such as 2025-10-01, got {self.as_of!r}.") from error
        day = moment.normalize()
        earliest = archive.start + pd.DateOffset(days=archive.period_days)
        if earliest > archive.end:
            raise ConfigError(
                f"The data from {archive.start.date()} to {archive.end.date()} hold no whole period of "
                f"{archive.period_days} days, so no day of --as-of allows a forecast: set forecast.horizon_days."
            )
        if pd.isna(day) or not earliest <= day <= archive.end:
            raise ConfigError(
                f"--as-of must lie from {earliest.date()} to {archive.end.date()}, where the data allow a forecast; "
                f"got {self.as_of}."
            )
        return day

    @cached_property
    def periods(self) -> Periods:
        """What is forecast."""
        return Periods.starting_at(self.cutoff, days=self.city.settings.forecast.horizon_days, count=1)

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """What every layer of the run says about itself."""
        table, known = self.city.incidents.as_of(self.cutoff).table, self.city.covariates
        return {
            "run_date": self.run_date,
            "code_version": __version__,
            "data_digest": incidents_digest(table),
            "context_digest": None if known is None else known.as_of(self.cutoff).digest,
            "context_gaps": self.context_gaps,
            "cutoff": self.cutoff.isoformat(),
            "seed": self.city.settings.forecast.seed,
        }

    @cached_property
    def context_gaps(self) -> dict[str, float]:
        """Share of cells of which a column knew nothing at the cutoff, for columns with such cells."""
        known = self.city.covariates
        if known is None:
            return {}
        unknown = known.as_of(self.cutoff).to_frame().isna().mean()
        return {str(name): round(float(share), 4) for name, share in unknown.items() if share}

    @cached_property
    def _chosen(self) -> Mapping[str, str]:
        path = self.city.layout.evaluation / "select" / "champions.json"
        found: Mapping[str, str] = read_json(path) if path.is_file() else {}
        return found

    def told(self, category: str) -> Mapping[str, Any]:
        """Return what is said of the served model: who it stands in for, or that a plain count suffices."""
        if self.again is not None:
            return self.again.told[category]
        verdict = self._verdicts.get(category)
        return {**told_of(self._retired(category)), **({"verdict": verdict} if verdict else {})}

    @cached_property
    def _verdicts(self) -> Mapping[str, str]:
        path = self.city.layout.evaluation / "select" / "choices.json"
        choices = read_json(path) if path.is_file() else {}
        served = {name: facts for name, facts in choices.items() if facts["model"] == self.champion(name)}
        return {name: facts.get("verdict", "") for name, facts in served.items()}

    @cached_property
    def _histories(self) -> dict[str, History]:
        return {}

    def history(self, category: str) -> History:
        """Return what is known of a category; kept until another one is asked for."""
        if category not in self._histories:
            self._histories.clear()
            self._histories[category] = self.city.archive.at(self.cutoff, target=category)
        return self._histories[category]

    def champion(self, category: str) -> str:
        """Name the model that is served for a category."""
        if self.again is not None:
            return self.again.champions[category]
        retired = self._retired(category)
        return self.wanted(category) if retired is None else retired.baseline

    def wanted(self, category: str) -> str:
        """Name the champion before monitoring is asked."""
        return self.city.settings.forecast.champion or self._chosen.get(category, BASELINE)

    @cached_property
    def _retirements(self) -> Mapping[str, Retired]:
        return read_retirements(self.city.layout)

    def _retired(self, category: str) -> Retired | None:
        """Tell who is wanted but not served."""
        found = self._retirements.get(category)
        return found if found is not None and found.holds(self.wanted(category), self.cutoff) else None

    def models(self, category: str) -> tuple[str, ...]:
        """Name the models to forecast a category by; a replay takes those of the run that it repeats."""
        if self.again is not None:
            made = (Path(place) for place in self.again.outputs)
            return tuple(place.stem for place in made if place.parent == Path(slug(category)))
        # A retired champion goes on being forecast: only so can it earn its place again.
        own = (self.wanted(category), self.champion(category))
        return tuple(dict.fromkeys((*self.city.settings.forecast.models, *own)))

    @property
    def champions(self) -> dict[str, str]:
        """The model that is served, by category."""
        return {category: self.champion(category) for category in self.targets}

    def stored_version(self, name: str) -> Path | None:
        """Find the latest stored version of a model, or the one a replay needs; None where training left none."""
        wanted = None if self.again is None else self.again.models[name]
        try:
            found = None if wanted == "" else find_version(self.city.layout.models, name, wanted)
        except UntrustedModelError:
            raise  # Altered is not absent: a model fitted anew in its place would hide it.
        except ModelError:
            found = None
        self.versions[name] = "" if found is None else found.name
        return found

    def intervals(self, category: str, model: str) -> tuple[LearnedIntervals | None, str]:
        """Find what past weeks taught about the intervals of a model, and say so, or why there is nothing."""
        again = None if self.again is None else self.again.intervals
        found, origin = learned_intervals(self.city, category, model, self.cutoff, again=again)
        if found is not None:
            self.taught.setdefault(category, {})[model] = found.to_json()
        return found, origin

    def manifest(self, outputs: Mapping[str, str]) -> ForecastManifest:
        """Note what these forecasts were made from, once all are made."""
        return ForecastManifest(
            city=self.city.settings.city,
            run_date=self.run_date,
            cutoff=self.cutoff.isoformat(),
            settings=self.city.settings.model_dump(mode="json", include=set(FORECAST_SETTINGS)),
            code=code_in_use(),
            commit=code_commit(),
            inputs=inputs_of(self.city, self.cutoff, self.versions),
            champions=self.champions,
            told={category: dict(self.told(category)) for category in self.targets},
            models=self.versions,
            outputs=outputs,
            intervals=self.taught,
        )
