"""Where the search for learners' settings is kept, so that it can go on after a break, and what it found."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crimepatterns.errors import ArtefactError, ForecastError
from crimepatterns.store.atomic import read_json, write_json

__all__ = ["open_studies", "read_tuned", "write_tuned"]

_FILE = "studies.sqlite"
_FOUND = "settings.json"


def open_studies(folder: Path) -> Any:
    """Open the SQLite file of all studies of a city for Optuna, or begin it.

    Raises
    ------
    ForecastError
        If Optuna is not installed.
    """
    try:
        from optuna import logging
        from optuna.storages import RDBStorage
    except ImportError as error:
        raise ForecastError(
            "Searching settings needs Optuna, which is not installed: pip install 'crimepatterns[tuning]', or set "
            "forecast.tuning.method to candidates."
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    logging.set_verbosity(logging.ERROR)
    # Workers that search for several models at once wait for one another.
    return RDBStorage(f"sqlite:///{folder / _FILE}", engine_kwargs={"connect_args": {"timeout": 60}})


def write_tuned(folder: Path, found: Mapping[str, Mapping[str, Any]], *, facts: Mapping[str, Any]) -> Path:
    """Write the settings found, by learner and category, with facts such as the end of the fit span."""
    path = folder / _FOUND
    write_json(path, {**facts, "settings": {name: dict(settings) for name, settings in found.items()}})
    return path


def read_tuned(folder: Path, **facts: Any) -> dict[str, dict[str, dict[str, Any]]]:
    """Read the settings found, by learner and category; empty where there are none or for other facts.

    Raises
    ------
    ArtefactError
        If the file is damaged.
    """
    path = folder / _FOUND
    if not path.is_file():
        return {}
    stored = read_json(path)
    if not isinstance(stored, dict) or not isinstance(stored.get("settings"), dict):
        raise ArtefactError(f"{path} does not hold settings of learners: run `crimepatterns train` again.")
    if any(stored.get(key) != value for key, value in facts.items()):
        return {}
    found: dict[str, dict[str, dict[str, Any]]] = stored["settings"]
    return found
