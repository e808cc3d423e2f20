"""Stored learners in memory: loaded in the background, checked before use, replaced by newer ones as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from crimepatterns.errors import CrimePatternsError, ModelError, UntrustedModelError
from crimepatterns.serving.failures import UnknownNameError
from crimepatterns.serving.memory import give_back
from crimepatterns.serving.model_server.forests import quick

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


__all__ = ["Learner", "Learners", "Refusal", "load_learners", "versions_of_models"]

ModelVersions = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, eq=False)
class Learner:
    """A stored learner that can score rows.

    Parameters
    ----------
    name, version : str
    category : str
        Slug.
    change : int
        Number of the last change of its stages; one that is lower is an old copy.
    model : calibrated model
        Last step of its pipeline; see `quick`.
    columns : list of str
        Features in the order in which the model wants them.
    config, metrics, manifest : mapping
        As stored.
    """

    name: str
    version: str
    category: str
    change: int
    model: Any = field(repr=False)
    columns: list[str] = field(repr=False)
    config: Mapping[str, Any] = field(repr=False)
    metrics: Mapping[str, Any] = field(repr=False)
    manifest: Mapping[str, Any] = field(repr=False)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns that a row needs."""
        return tuple(self.config["features"])

    def expected(self, rows: "pd.DataFrame") -> "NDArray[np.float64]":
        """Incidents expected in one period per row, shape (n_rows,).

        The same as `FittedLearner.expected`, whose steps around the model take longer than the model itself where there
        is one row.
        """
        expected: NDArray[np.float64] = self.model.expected(rows[self.columns])
        return expected


@dataclass(frozen=True)
class Refusal:
    """A stored version that is not used, and why.

    Parameters
    ----------
    name, reason : str
    serving : str or None
        The version that is used in its place.
    """

    name: str
    reason: str
    serving: str | None


@dataclass(frozen=True, eq=False)
class Learners:
    """All stored learners of a city.

    Parameters
    ----------
    state : {"loading", "ready"}
    by_name : mapping of str to Learner
    refused : tuple of Refusal
    versions : tuple
        What they were loaded from; see `versions_of_models`.
    """

    state: Literal["loading", "ready"] = "loading"
    by_name: Mapping[str, Learner] = field(default_factory=lambda: MappingProxyType({}))
    refused: tuple[Refusal, ...] = ()
    versions: ModelVersions = ()

    def named(self, name: str) -> Learner:
        """Return a learner.

        Raises
        ------
        UnknownNameError
            If there is none; also where its only version was refused.
        """
        if name not in self.by_name:
            refused = next((one.reason for one in self.refused if one.name == name), None)
            if refused is not None:
                raise ModelError(f"{name} is not used: {refused}")
            raise UnknownNameError(f"No stored model {name[:80]!r}: there are {sorted(self.by_name)}.")
        return self.by_name[name]

    def of_category(self, slug: str, learner: str | None) -> Learner:
        """Return a category's learner, the first by name where none is asked for; errors as in `named`."""
        found = {one.config["forecaster"]: one for one in self.by_name.values() if one.category == slug}
        if learner is None and found:
            return found[min(found)]
        if learner is not None and learner in found:
            return found[learner]
        ending = f"-{slug}-" if learner is None else f"-{slug}-{learner}"
        refused = next((one for one in self.refused if ending in one.name), None)
        if refused is not None:
            raise ModelError(f"{refused.name} is not used: {refused.reason}")
        wanted = "" if learner is None else f" {learner[:60]!r}"
        raise UnknownNameError(f"No stored model{wanted} of {slug[:60]!r}: there are {sorted(found)}.")


def versions_of_models(models: Path, city: str) -> ModelVersions:
    """Return what changes when a model of a city is trained, replaced or altered."""
    found = []
    for path in sorted(models.glob(f"{city}-*/*")):
        for file in (path, *sorted(path.glob("*"))) if path.is_dir() else (path,):
            try:
                facts = file.stat()
            except OSError:
                continue
            found.append((file.relative_to(models).as_posix(), facts.st_mtime_ns, facts.st_size))
    return tuple(found)


def load_learners(models: Path, city: str, before: Learners) -> Learners:
    """Load the champion of every learner of a city; one that cannot be trusted leaves the last good one in place.

    scikit-learn and skops are imported here and nowhere else in the server.

    Parameters
    ----------
    models : Path
    city : str
    before : Learners
        Those that are served until now.
    """
    versions = versions_of_models(models, city)
    loaded: dict[str, Learner] = {}
    refused: list[Refusal] = []
    for name in sorted({path.parent.parent.name for path in models.glob(f"{city}-*/[!.]*/manifest.json")}):
        last_good = before.by_name.get(name)
        found: Learner | None = None
        try:
            found = _load(models, name, last_good)
        except CrimePatternsError as error:
            serving = None if last_good is None else last_good.version
            refused.append(Refusal(name, " ".join(str(error).split()).replace(f"{models}/", "models/"), serving))
            found = last_good
        # The name of one city may begin with that of another.
        if found is not None and found.config.get("city") == city:
            loaded[name] = found
        give_back()
    _use_one_thread()
    return Learners("ready", MappingProxyType(loaded), tuple(refused), versions)


def _load(models: Path, name: str, last_good: Learner | None) -> Learner:
    from crimepatterns.forecasts.stored_learner import restore_learner
    from crimepatterns.store.layout import slug
    from crimepatterns.store.model_stages import read_stages
    from crimepatterns.store.models import find_version, load_model

    change = read_stages(models / name).number
    if last_good is not None and change < last_good.change:
        raise UntrustedModelError(
            f"The stages of {name} went back from change {last_good.change} to {change}: an old copy was put in place. "
            "Restore them from a backup, or start the server again if that is what you want."
        )
    stored = load_model(find_version(models, name))
    if last_good is not None and last_good.manifest == stored.manifest:
        return replace(last_good, change=change)
    fitted = restore_learner(stored.pipeline, stored.config)
    return Learner(
        name=name,
        version=stored.version,
        category=slug(fitted.target),
        change=change,
        model=quick(stored.pipeline[-1]),
        columns=list(stored.pipeline[0].transformers_[0][2]),
        config=stored.config,
        metrics=stored.metrics,
        manifest=stored.manifest,
    )


def _use_one_thread() -> None:
    """Score in one thread for good: setting the number at each request would cost more than the scoring."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    threadpool_limits(limits=1)
