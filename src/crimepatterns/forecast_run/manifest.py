"""The manifest of a forecast run: everything that decides its bytes, and the digests of these bytes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from crimepatterns.errors import ArtefactError
from crimepatterns.store.atomic import read_json, write_json
from crimepatterns.store.digests import sha256_file
from crimepatterns.store.layout import Layout

__all__ = ["MANIFEST", "ForecastManifest", "digests_of", "keep_manifest", "read_manifest"]

MANIFEST = "manifest.json"
"""Its name in the folder of the forecasts."""


@dataclass(frozen=True)
class ForecastManifest:
    """What one forecast run was made from, and what it made.

    Parameters
    ----------
    city : str
    run_date : str
        When it was made, ISO 8601; it stands in every layer, so a replay takes it from here.
    cutoff : str
        Day from which it forecasts, ISO 8601.
    settings : mapping
        The sections of the settings that decide what is forecast.
    code : mapping of str to str
        Version of the product, of Python, and of every library that computes or writes.
    commit : str or None
        Commit of the product's code, where it ran from a checkout.
    inputs : mapping of str to str
        Digest of each thing that was read, under the name by which a difference is told.
    champions : mapping of str to str
        The model that was served, by category; its keys are the categories that were forecast.
    told : mapping of str to mapping
        What was said of each served model: where a plain count suffices, or whom it stands in for.
    models : mapping of str to str
        Version of every stored model that was used, by name; empty where none was stored.
    outputs : mapping of str to str
        SHA-256 of every file, by its place in the folder of the forecasts.
    intervals : mapping
        What past weeks taught about intervals, by category and model; empty where nothing had been evaluated.
    """

    city: str
    run_date: str
    cutoff: str
    settings: Mapping[str, Any] = field(repr=False)
    code: Mapping[str, str] = field(repr=False)
    commit: str | None
    inputs: Mapping[str, str] = field(repr=False)
    champions: Mapping[str, str]
    told: Mapping[str, Mapping[str, Any]] = field(repr=False)
    models: Mapping[str, str] = field(repr=False)
    outputs: Mapping[str, str] = field(repr=False)
    intervals: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """A name for the run: the day from which it forecasts and when it was made."""
        made = "".join(letter for letter in self.run_date[:19] if letter.isalnum())
        return f"{self.cutoff[:10]}-made-{made}"


def read_manifest(path: Path) -> ForecastManifest:
    """Read the manifest of a forecast run.

    Raises
    ------
    ArtefactError
        If the file is not there, is damaged, or is something else.
    """
    stored = read_json(path)
    try:
        return ForecastManifest(**stored)
    except TypeError as error:
        raise ArtefactError(
            f"{path} is not the manifest of a forecast run: give {MANIFEST} of results/<city>/forecasts, or a file of "
            "results/<city>/forecast_manifests."
        ) from error


def keep_manifest(layout: Layout, folder: Path, manifest: ForecastManifest) -> Path:
    """Write a manifest beside its forecasts, and once more where the next run does not replace it.

    Returns
    -------
    Path
        Where it stays.
    """
    kept = layout.forecast_manifests / f"{manifest.name}.json"
    for path in (folder / MANIFEST, kept):
        write_json(path, asdict(manifest))
    return kept


def digests_of(folder: Path) -> dict[str, str]:
    """Digest every file of a folder of forecasts but its manifest, by its place in the folder."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}
