"""From a forecast back to the raw copies: every link of the chain named by its digest, and looked at again.

    raw copies -> clean incidents -> versions of models and what they were taught on -> files of the forecast

A link that is not as it was is told by name: whoever relies on a forecast should know what it still rests on.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from crimepatterns.city import City
from crimepatterns.config import Settings
from crimepatterns.errors import ConfigError, CrimePatternsError, MissingInputError
from crimepatterns.forecast_run.inputs import differences, inputs_of
from crimepatterns.forecast_run.manifest import MANIFEST, ForecastManifest, read_manifest
from crimepatterns.operations.pipeline import stage_manifest
from crimepatterns.store.atomic import write_json
from crimepatterns.store.digests import incidents_digest, sha256_file
from crimepatterns.store.gate_records import read_records
from crimepatterns.store.layout import Layout
from crimepatterns.store.model_stages import manifest_digest
from crimepatterns.store.models import checked_files
from crimepatterns.store.raw import RawStore
from crimepatterns.store.snapshots import pinned

__all__ = ["lineage_of", "lineage_text"]


def lineage_of(settings: Settings, path: Path | None = None) -> dict[str, Any]:
    """Follow a forecast back to the raw copies, check each link, and write what was found.

    Parameters
    ----------
    settings : Settings
    path : path, optional
        Manifest of a forecast run; the last one where it is left out.

    Returns
    -------
    dict
        ``forecast``, ``models``, ``clean``, ``raw``, ``breaks`` (sentences; empty where all holds), ``written``.

    Raises
    ------
    MissingInputError
        If there is no forecast.
    ConfigError
        If the manifest is of another city.
    ArtefactError
        If it is damaged.
    """
    layout = Layout(settings.root, settings.city)
    where = path or layout.forecasts / MANIFEST
    if path is None and not where.is_file():
        raise MissingInputError("There is no forecast to follow back: run `crimepatterns forecast` first.")
    manifest = read_manifest(where)
    if manifest.city != settings.city:
        raise ConfigError(f"{where} is a forecast of {manifest.city}: give --config its city file.")
    city = City(settings)
    breaks: list[str] = []
    digest, incidents = _taught_on(city, breaks)
    found = {
        "city": settings.city,
        "forecast": _forecast(layout, where, manifest, breaks),
        "models": _models(city, manifest, digest, breaks),
        "clean": {
            "version": pinned(layout.processed).name,
            "data_digest": digest,
            "incidents": incidents,
            **_clean(city, settings, manifest, breaks),
        },
        "raw": _raw(layout, settings, breaks),
        "breaks": breaks,
    }
    target = layout.lineage / f"{manifest.name}.json"
    write_json(target, found)
    return {**found, "written": str(target.relative_to(settings.root))}


def lineage_text(found: Mapping[str, Any]) -> list[str]:
    """Tell a lineage line by line, from the raw copies to the forecast."""
    forecast, clean = found["forecast"], found["clean"]
    lines = ["Raw copies"]
    lines += [f"  {one['sha256'][:16]}  {one['file']}: {one['rows']:,} rows of {one['source']}" for one in found["raw"]]
    lines += ["Clean incidents", f"  {clean['data_digest']}  {clean['version']}: {clean['incidents']:,} incidents"]
    lines.append(
        f"  as known at {forecast['cutoff'][:10]}: {clean['months_as_then']} of {clean['months']} months as then"
    )
    lines.append("Models")
    for name, one in found["models"].items():
        lines.append(
            f"  {one['manifest'][:16]}  {name} {one['version']}: taught on {one['data_digest']} until "
            f"{one['trained_until'][:10]} ({one['taught_on']}); gates: {one['gates']}"
            if one["version"]
            else f"  {'':16}  {name}: not stored, fitted for the forecast"
        )
    if not found["models"]:
        lines.append("  no stored model: all were fitted for the forecast")
    lines += [f"Forecast from {forecast['cutoff'][:10]}, made {forecast['run_date']} ({forecast['state']})"]
    lines += [f"  {digest[:16]}  {name}" for name, digest in forecast["files"].items()]
    broken = found["breaks"]
    lines += [f"BROKEN: {one}" for one in broken] or ["The chain holds: every link is as it was."]
    return lines


def _forecast(layout: Layout, where: Path, manifest: ForecastManifest, breaks: list[str]) -> dict[str, Any]:
    current = layout.forecasts / MANIFEST
    in_place = current.is_file() and read_manifest(current) == manifest
    if in_place:
        for name, digest in manifest.outputs.items():
            advice = "run `crimepatterns forecast --force`"
            _look(layout.forecasts / name, digest, breaks, f"forecast file {name}", advice)
    return {
        "manifest": sha256_file(where),
        "cutoff": manifest.cutoff,
        "run_date": manifest.run_date,
        "commit": manifest.commit,
        "code": dict(manifest.code),
        "champions": dict(manifest.champions),
        "state": "in place" if in_place else "replaced by a later run; --replay makes it again",
        "files": dict(manifest.outputs),
    }


def _taught_on(city: City, breaks: list[str]) -> tuple[str, int]:
    """Digest the clean incidents of now, as models name what they were taught on; empty where they cannot be read."""
    try:
        return incidents_digest(city.incidents.table), len(city.incidents)
    except (CrimePatternsError, OSError, ValueError) as error:
        breaks.append(f"the clean incidents cannot be read ({type(error).__name__}): run `crimepatterns clean --force`")
        return "", 0


def _models(city: City, manifest: ForecastManifest, now: str, breaks: list[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, version in manifest.models.items():
        if not version:
            found[name] = {"version": ""}
            continue
        home = city.layout.models / name
        try:
            facts, files = checked_files(home / version)
            records = [one for one in read_records(home) if one["version"] == version]
        except CrimePatternsError as error:
            breaks.append(f"model {name} {version}: {error}")
            found[name] = {"version": version, "manifest": "", "data_digest": "", "trained_until": ""}
            found[name] |= {"taught_on": "not known", "gates": "not known"}
            continue
        config = yaml.safe_load(files["model_config.yaml"])
        then, digest = manifest.inputs.get(f"model {name}", ""), manifest_digest(home, version)
        if then != f"{version}, {digest[:16]}":
            breaks.append(f"model {name} {version} is not the one that was forecast with ({then or 'not noted'})")
        found[name] = {
            "version": version,
            "manifest": digest,
            "data_digest": facts["data_digest"],
            "trained_until": config["trained_until"],
            "taught_on": "the clean data of now" if facts["data_digest"] == now else "clean data of an earlier day",
            "gates": records[-1]["state"] if records else "not asked",
        }
    return found


def _clean(city: City, settings: Settings, manifest: ForecastManifest, breaks: list[str]) -> dict[str, Any]:
    layout = city.layout
    stage = stage_manifest(settings, "clean")
    if stage is None:
        breaks.append("nothing says what the clean data were made from: run `crimepatterns clean`")
    else:
        for name, facts in stage["outputs"].items():
            _look(layout.root / name, facts["sha256"], breaks, name, "run `crimepatterns clean --force`")
        ingested = stage_manifest(settings, "ingest")
        if ingested is None or stage["inputs"].get("ingest") != ingested["digest"]:
            breaks.append("the clean data were not made from the raw copies of now: run `crimepatterns clean`")
    try:
        now = inputs_of(city, pd.Timestamp(manifest.cutoff).tz_convert(settings.timezone), {})
    except (CrimePatternsError, OSError, ValueError):
        now = {}  # Told already.
    then = {name: digest for name, digest in manifest.inputs.items() if not name.startswith("model ")}
    if now:
        breaks += [f"{one}: not what the forecast was made from" for one in differences(then, now)]
    months = [name for name in then if name.startswith("incidents of ")]
    return {
        "months": len(months),
        "months_as_then": sum(then[name] == now.get(name) for name in months),
        "inputs": then,
    }


def _raw(layout: Layout, settings: Settings, breaks: list[str]) -> list[dict[str, Any]]:
    store = RawStore(layout.raw)
    stage = stage_manifest(settings, "ingest") or {"outputs": {}}
    listed = stage["outputs"].get(store.manifest.relative_to(layout.root).as_posix())
    if listed is not None:
        advice = "restore it from a backup"
        _look(store.manifest, listed["sha256"], breaks, "the list of raw copies", advice)
    return list(_copies(store, breaks))


def _copies(store: RawStore, breaks: list[str]) -> Iterator[dict[str, Any]]:
    for entry in store.entries():
        _look(store.path_of(entry), entry.sha256, breaks, f"raw copy {entry.file}", "restore it from a backup")
        yield {
            "file": entry.file,
            "sha256": entry.sha256,
            "source": entry.source_name,
            "source_sha256": entry.source_sha256,
            "rows": entry.rows,
            "fetched_at": entry.fetched_at,
            "origin": entry.origin,
            "current": entry.current,
        }


def _look(path: Path, digest: str, breaks: list[str], called: str, advice: str) -> None:
    try:
        same = sha256_file(path) == digest
    except OSError:
        same = False
    if not same:
        breaks.append(f"{called} is not as it was: {advice}")
