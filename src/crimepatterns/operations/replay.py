"""Make a former forecast again from its manifest, and show that not a byte is different."""

from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from crimepatterns.city import City
from crimepatterns.config import Settings
from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import ArtefactError, ConfigError
from crimepatterns.forecast_run.inputs import code_in_use, differences, inputs_of
from crimepatterns.forecast_run.manifest import ForecastManifest, digests_of, read_manifest
from crimepatterns.forecasting import forecast
from crimepatterns.operations.locking import city_lock
from crimepatterns.version import code_commit

__all__ = ["replay_forecast"]

_TOLD = 8


def replay_forecast(settings: Settings, path: Path, *, progress: Progress = silent) -> dict[str, Any]:
    """Make the forecasts of a manifest once more in a fresh folder and compare every file with what was made then.

    Parameters
    ----------
    settings : Settings
        Of the same city: they say where it lies and where its records come from. What decides the forecast is taken
        from the manifest.
    path : path
        Manifest of a forecast run.
    progress : Progress

    Returns
    -------
    dict
        ``city``, ``run_date``, ``cutoff``, ``files``, ``folder`` and ``sentence``.

    Raises
    ------
    ConfigError
        If the manifest is of another city.
    ArtefactError
        If it is damaged, if anything the forecast rests on is not as it was (the message names it), or if a file
        came out different.
    """
    manifest = read_manifest(path)
    if manifest.city != settings.city:
        raise ConfigError(
            f"{path} is a forecast of {manifest.city}, the settings are of {settings.city}: give --config its city "
            "file."
        )
    then = _settings_then(settings, manifest, path)
    folder = City(then).layout.replays / manifest.name
    with city_lock(City(then).layout.results):
        city = City(then)
        _refuse_if_changed(city, manifest)
        forecast(then, progress=progress, again=manifest, into=folder)
        _compare(manifest, folder)
    count = len(manifest.outputs)
    return {
        "city": manifest.city,
        "run_date": manifest.run_date,
        "cutoff": manifest.cutoff,
        "files": count,
        "folder": str(folder.relative_to(settings.root)),
        "sentence": f"The forecast from {manifest.cutoff[:10]}, made on {manifest.run_date[:10]}, was made again: "
        f"all {count} files are the same, byte for byte.",
    }


def _settings_then(settings: Settings, manifest: ForecastManifest, path: Path) -> Settings:
    try:
        return Settings.model_validate({**settings.model_dump(), **manifest.settings})
    except ValidationError as error:
        raise ArtefactError(
            f"{path} holds settings that this version does not know ({error.error_count()} problems): "
            f"replay it with version {manifest.code.get('crimepatterns')}."
        ) from error


def _refuse_if_changed(city: City, manifest: ForecastManifest) -> None:
    cutoff = pd.Timestamp(manifest.cutoff).tz_convert(city.area.timezone)
    changed = [
        *differences(manifest.code, code_in_use()),
        *differences(manifest.inputs, inputs_of(city, cutoff, manifest.models)),
    ]
    if changed:
        more = f"; and {len(changed) - _TOLD} more" if len(changed) > _TOLD else ""
        raise ArtefactError(
            f"This forecast cannot be made again, since {len(changed)} of the things it rests on are not as they were: "
            f"{'; '.join(changed[:_TOLD])}{more}. Bring them back, or make a new forecast."
        )


def _compare(manifest: ForecastManifest, folder: Path) -> None:
    changed = differences(manifest.outputs, digests_of(folder))
    if not changed:
        return
    files = ", ".join(one.partition(" (")[0] for one in changed[:_TOLD])
    commit = differences({"commit": str(manifest.commit)}, {"commit": str(code_commit())})
    why = commit[0] if commit else "the code is the same commit"
    raise ArtefactError(
        f"{len(changed)} of {len(manifest.outputs)} files came out different, {files}, though data, models and "
        f"versions are as they were: {why}. They lie in {folder}."
    )
