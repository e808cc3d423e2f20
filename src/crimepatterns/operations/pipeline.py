"""Run stages, one or all; skip those whose inputs, settings and results are as they were."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crimepatterns.config import Settings, settings_digest
from crimepatterns.config.taxonomy_tables import table_files
from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import MissingInputError, NotApplicableError
from crimepatterns.operations.fingerprints import digest_files, fingerprint, unchanged
from crimepatterns.operations.locking import city_lock
from crimepatterns.operations.stages import STAGES, Stage, stage_named
from crimepatterns.operations.tracked import tracked
from crimepatterns.store.atomic import stored_json, write_json
from crimepatterns.store.layout import Layout
from crimepatterns.store.raw import RawStore
from crimepatterns.version import __version__

__all__ = ["StageOutcome", "run_all", "run_stage", "stage_manifest"]


@dataclass(frozen=True)
class StageOutcome:
    """What a stage did.

    Parameters
    ----------
    name : str
    skipped : bool
        True where nothing had changed and the earlier result stands.
    seconds : float
        Wall-clock time of the run that made the result.
    summary : mapping
        What the stage reported; JSON-able.
    impossible : str
        Why these records cannot carry the stage; empty where they can.
    """

    name: str
    skipped: bool
    seconds: float
    summary: Mapping[str, Any]
    impossible: str = ""


def run_all(settings: Settings, *, force: bool = False, progress: Progress = silent) -> list[StageOutcome]:
    """Run every stage in order; see `run_stage`.

    A stage that the records cannot carry is told apart in its outcome (``impossible``), and so is every stage that
    needs it; the others run.
    """
    layout = Layout(settings.root, settings.city)
    outcomes: dict[str, StageOutcome] = {}
    with city_lock(layout.results):
        for stage in STAGES:
            lacking = [name for name in stage.after if name in outcomes and outcomes[name].impossible]
            if lacking:
                reason = f"Needs {lacking[0]}, which these records cannot carry."
                outcomes[stage.name] = StageOutcome(
                    stage.name, skipped=True, seconds=0.0, summary={}, impossible=reason
                )
                continue
            try:
                outcomes[stage.name] = _run(settings, stage, force=force, progress=progress, options={})
            except NotApplicableError as error:
                _withdraw(layout, stage)
                outcomes[stage.name] = StageOutcome(
                    stage.name, skipped=True, seconds=0.0, summary={}, impossible=str(error)
                )
    return list(outcomes.values())


def run_stage(
    settings: Settings,
    name: str,
    *,
    force: bool = False,
    progress: Progress = silent,
    options: Mapping[str, Any] | None = None,
) -> StageOutcome:
    """Run one stage unless it is up to date.

    Parameters
    ----------
    settings : Settings
    name : str
        A stage of `STAGES`, or ``judge``.
    force : bool
        Run even if nothing changed.
    progress : Progress
    options : mapping, optional
        Further keyword arguments of the stage's function; they count as settings.

    Raises
    ------
    MissingInputError
        If a stage it needs has never finished.
    """
    layout = Layout(settings.root, settings.city)
    with city_lock(layout.results):
        return _run(settings, stage_named(name), force=force, progress=progress, options=options or {})


def stage_manifest(settings: Settings, name: str) -> dict[str, Any] | None:
    """Return the manifest of a stage's last finished run, or None; a damaged one counts as none."""
    path = Layout(settings.root, settings.city).stages / f"{name}.json"
    manifest: dict[str, Any] | None = stored_json(path)
    return manifest


def _run(
    settings: Settings, stage: Stage, *, force: bool, progress: Progress, options: Mapping[str, Any]
) -> StageOutcome:
    layout = Layout(settings.root, settings.city)
    digest = settings_digest(stage.settings_of(settings), dict(stage.options), dict(options), __version__)
    inputs = _inputs(settings, stage)
    before = stage_manifest(settings, stage.name)
    current = before is not None and before["settings"] == digest and before["inputs"] == inputs
    current = current and not (stage.name == "ingest" and _asks_elsewhere(settings))
    if before is not None and current and not force and unchanged(layout.root, before["outputs"]):
        return StageOutcome(stage.name, skipped=True, seconds=before["seconds"], summary=before["summary"])
    progress(stage.purpose, 0, None)
    began = time.monotonic()
    anew = {stage.anew: True} if force and stage.anew else {}
    summary = stage.function()(settings, progress=progress, **dict(stage.options), **options, **anew)
    seconds = round(time.monotonic() - began, 2)
    told = tracked(settings, stage.name)
    summary = {**summary, "tracking": told} if told else summary
    outputs = fingerprint(layout.root, stage.outputs(layout), known=before["outputs"] if before is not None else None)
    write_json(
        layout.stages / f"{stage.name}.json",
        {
            "stage": stage.name,
            "version": __version__,
            "settings": digest,
            "inputs": inputs,
            "outputs": outputs,
            "digest": settings_digest({name: facts["sha256"] for name, facts in outputs.items()}),
            "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": seconds,
            "summary": summary,
        },
    )
    return StageOutcome(stage.name, skipped=False, seconds=seconds, summary=summary)


def _withdraw(layout: Layout, stage: Stage) -> None:
    """Forget that a stage ever finished: its former result is of other records."""
    (layout.stages / f"{stage.name}.json").unlink(missing_ok=True)


def _inputs(settings: Settings, stage: Stage) -> dict[str, str]:
    """Digest what a stage reads: the results of earlier stages, and for the first two the user's own files."""
    inputs = {}
    for name in stage.after:
        manifest = stage_manifest(settings, name)
        if manifest is None:
            raise MissingInputError(
                f"{stage.name} needs the result of {name}, which has not finished for {settings.city}: "
                f"run `crimepatterns {name}` first, or `crimepatterns run` for everything."
            )
        inputs[name] = manifest["digest"]
    for name in stage.optional:
        manifest = stage_manifest(settings, name)
        if manifest is not None:
            inputs[name] = manifest["digest"]
    if stage.name == "forecast":
        layout = Layout(settings.root, settings.city)
        inputs["served"] = digest_files(sorted(layout.models.glob(f"{settings.city}-*/stages.jsonl")))
    own = {
        "ingest": _incident_files(settings),
        "clean": _tables_and_areas(settings),
        "context": _context_files(settings),
        "patterns": () if settings.patterns.streets is None else (settings.patterns.streets,),
    }.get(stage.name, ())
    if own:
        digests = RawStore(Layout(settings.root, settings.city).raw).digests
        found = sorted({match for path in own for match in _matches(Path(path))})
        inputs["files"] = digest_files(found, digest=digests.digest)
    return inputs


def _incident_files(settings: Settings) -> tuple[str, ...]:
    named = (*settings.source.paths, settings.source.agency_places)
    return tuple(path for path in named if path is not None)


def _asks_elsewhere(settings: Settings) -> bool:
    """Tell whether records come from where only asking shows a change; ingest then says itself what is new."""
    remote = settings.source.kind in {"arcgis", "police_uk", "socrata", "sql", "url"}
    return remote or any("://" in path for path in settings.source.paths)


def _tables_and_areas(settings: Settings) -> tuple[str, ...]:
    named = (settings.study_area.boundary, settings.study_area.neighbourhoods, *table_files(settings.taxonomy))
    return tuple(path for path in named if path is not None)


def _context_files(settings: Settings) -> tuple[str, ...]:
    places = [layer.places for layer in settings.context if layer.places is not None]
    return (*(path for layer in settings.context for path in layer.paths), *places)


def _matches(path: Path) -> list[Path]:
    if path.exists():
        return [path]
    anchor = Path(path.anchor) if path.is_absolute() else Path()
    pattern = str(path.relative_to(path.anchor)) if path.is_absolute() else str(path)
    return sorted(anchor.glob(pattern))
