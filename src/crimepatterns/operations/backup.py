"""Keep what nothing can make again, and put it back.

A backup holds the raw copies with the list of erased records, analysts' decisions and saved views, the ledger and the
log of access, trained models, issued forecasts with their verdicts, and manifests and searches. It leaves out what
`run` makes again from these (cleaned incidents, maps, forecasts, figures) unless it is asked to hold results, and keys
unless a file is named.
"""

import re
import shutil
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crimepatterns.config import Settings
from crimepatterns.errors import ArtefactError, ConfigError, CrimePatternsError
from crimepatterns.operations.locking import city_lock
from crimepatterns.store.archive import Archive, read_archive, write_archive
from crimepatterns.store.atomic import read_json
from crimepatterns.store.layout import Layout
from crimepatterns.store.model_stages import remember
from crimepatterns.store.raw import RawStore
from crimepatterns.version import __version__

__all__ = ["Restored", "back_up", "check_backup", "city_models", "restore"]

_KIND = "crimepatterns backup"


@dataclass(frozen=True)
class Restored:
    """What a restore did.

    Parameters
    ----------
    archive : Archive
    replaced, made : tuple of str
        Places that were there before, and those that were not, relative to the project folder.
    kept : tuple of str
        Places left as they are, since they hold all that the backup holds and more.
    """

    archive: Archive
    replaced: tuple[str, ...]
    made: tuple[str, ...]
    kept: tuple[str, ...]


def back_up(settings: Settings, target: Path, *, results: bool = False, also: Sequence[Path] = ()) -> Archive:
    """Write a backup of a city into a new file, whole or not at all; no stage of the city can run meanwhile.

    Parameters
    ----------
    settings : Settings
    target : Path
        A ``.tar`` file that is not there yet.
    results : bool
        Also hold everything below ``results/<city>``.
    also : sequence of Path
        Further files below the project folder, such as the city file, or a file of keys. Whoever has the backup then
        has these.

    Raises
    ------
    ConfigError
        If a named file is not there or lies outside the project folder, or the target exists.
    CrimePatternsError
        If there is nothing to keep, or another process works on the city.
    """
    layout = Layout(settings.root, settings.city)
    if target.exists():
        raise ConfigError(f"{target} exists, and a backup never replaces one: name another file.")
    with city_lock(layout.results):
        files = dict(_files(layout, _places(settings, layout, results=results)))
        if not files:
            raise CrimePatternsError(f"{settings.city} has nothing to keep in {settings.root.resolve()} yet.")
        files |= {_inside(settings.root, path): path for path in also}
        facts = {
            "kind": _KIND,
            "city": settings.city,
            "version": __version__,
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "host": socket.gethostname(),
            "erased": _erasures(layout.raw),
        }
        return write_archive(target, files.items(), facts=facts)


def check_backup(archive: Path, *, seal: str | None = None) -> Archive:
    """Read a backup from beginning to end and check every file in it.

    Raises
    ------
    ArtefactError
        If it is torn, damaged or altered, is no backup, or has another seal than the one given.
    """
    return _a_backup(archive, read_archive(archive, seal=seal))


def restore(
    settings: Settings, archive: Path, *, force: bool = False, with_erased: bool = False, seal: str | None = None
) -> Restored:
    """Put a city back as it was kept; nothing is touched before the whole backup was read and checked.

    Where the ledger that is there begins with the ledger of the backup, it stays: openings of the judge span are
    not undone. `run` makes again what the backup does not hold.

    Parameters
    ----------
    settings : Settings
        Say which city and which project folder.
    archive : Path
    force : bool
        Replace what the city has.
    with_erased : bool
        Restore even where records were erased after the backup was made, which brings them back.
    seal : str, optional
        As `back_up` told it; the backup must have it.

    Raises
    ------
    ArtefactError
        If the backup cannot be used; see `check_backup`.
    CrimePatternsError
        If the city has data and `force` is not given, records were erased since, or the ledgers contradict each other.
    """
    layout = Layout(settings.root, settings.city)
    layout.root.mkdir(parents=True, exist_ok=True)
    staging = layout.root / f".restore-{settings.city}.part"
    with city_lock(layout.results):
        shutil.rmtree(staging, ignore_errors=True)
        try:
            found = _a_backup(archive, read_archive(archive, into=staging / "new", seal=seal))
            _refuse_foreign(archive, found, settings)
            _refuse_loss(settings, layout, found, force=force, with_erased=with_erased)
            restored = _swap_in(settings, layout, staging, found)
            for home in city_models(layout):
                # An older log of stages would be taken for a forged one.
                remember(home)
            return restored
        finally:
            shutil.rmtree(staging, ignore_errors=True)


# -- what is kept ----------------------------------------------------------------------------------------------------


def _whole(layout: Layout) -> list[Path]:
    """Give folders that are kept, and replaced, as a whole; they need not be there."""
    decisions, searches = layout.card_decisions.parent, [layout.tuning, layout.grid_choice]
    return [
        layout.raw,
        decisions,
        layout.saved_views.parent,
        layout.issued,
        layout.monitoring,
        layout.stages,
        layout.forecast_manifests,
        *searches,
    ]


def _evidence(settings: Settings, layout: Layout) -> list[Path]:
    """Give files that only ever grow: what they hold is not undone."""
    return [layout.ledger, layout.root / settings.security.audit_file]


def _places(settings: Settings, layout: Layout, *, results: bool) -> list[Path]:
    kept = [*_whole(layout), *_evidence(settings, layout), *city_models(layout)]
    return [*(place for place in kept if not place.is_relative_to(layout.results)), layout.results] if results else kept


def city_models(layout: Layout) -> list[Path]:
    """List folders of models of a city: ``<city>-<category>-<forecaster>``.

    Categories and forecasters hold no dash there, so that a city whose name begins alike is told apart.
    """
    own = re.compile(re.escape(layout.city) + r"-[a-z0-9_]+-[a-z0-9_]+")
    return sorted(home for home in layout.models.glob(f"{layout.city}-*") if own.fullmatch(home.name))


def _files(layout: Layout, places: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    for place in places:
        below = sorted(place.rglob("*")) if place.is_dir() else [place]
        for path in below:
            name = path.relative_to(layout.root)
            if path.is_file() and not path.is_symlink() and not any(_passing(part) for part in name.parts):
                yield name.as_posix(), path


def _passing(name: str) -> bool:
    """Tell whether a name is that of something half-written, a lock, or a memory of files elsewhere."""
    return name in {".lock", ".digests.json"} or (name.startswith(".") and name.endswith((".part", ".old")))


def _inside(root: Path, path: Path) -> str:
    if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
        raise ConfigError(f"{path} is no file below the project folder {root.resolve()}: it cannot be kept.")
    return path.resolve().relative_to(root.resolve()).as_posix()


def _erasures(raw: Path) -> dict[str, Any]:
    """Count what was erased so far: rows per copied content, and remembered ids."""
    store = RawStore(raw)
    rows = {entry.source_sha256: entry.erased_rows for entry in store.entries() if entry.erased_rows}
    ids = read_json(store.forgotten.path)["sha256"] if store.forgotten.path.exists() else []
    return {"rows": rows, "ids": len(ids)}


# -- what may be put back --------------------------------------------------------------------------------------------


def _a_backup(path: Path, archive: Archive) -> Archive:
    if archive.facts.get("kind") != _KIND:
        raise ArtefactError(f"{path} is no backup of this product.")
    return archive


def _refuse_foreign(path: Path, archive: Archive, settings: Settings) -> None:
    if archive.facts.get("city") != settings.city:
        raise CrimePatternsError(
            f"{path} is a backup of {archive.facts.get('city')!r}, not of {settings.city!r}: give that city's "
            "file with --config, or its name with --set city=NAME."
        )


def _refuse_loss(settings: Settings, layout: Layout, archive: Archive, *, force: bool, with_erased: bool) -> None:
    kept = _places(settings, layout, results=False)
    # The log of access is there as soon as somebody looked at an empty page.
    there = [place for place in kept if place.exists() and place not in _evidence(settings, layout)[1:]]
    if there and not force:
        raise CrimePatternsError(
            f"{layout.city} has data already ({there[0]} and {len(there) - 1} more places): --force replaces them."
        )
    now, then = _erasures(layout.raw), archive.facts["erased"]
    lost = [name for name, rows in now["rows"].items() if then["rows"].get(name, 0) < rows]
    if (lost or now["ids"] > then["ids"]) and not with_erased:
        raise CrimePatternsError(
            f"Records of {layout.city} were erased after this backup was made, and it would bring them back: take a "
            "later one, or give --with-erased and run `crimepatterns forget` for them again."
        )


def _swap_in(settings: Settings, layout: Layout, staging: Path, archive: Archive) -> Restored:
    """Move each place into position, and all back should one fail; a killed swap is finished by restoring again."""
    new, old = staging / "new", staging / "old"
    units = _units(layout, archive)
    grown = _evidence(settings, layout)
    kept = [name for name in units if layout.root / name in grown and _goes_on(layout.root / name, new / name)]
    moved: dict[str, bool] = {}
    try:
        for name in (name for name in units if name not in kept):
            moved[name] = (layout.root / name).exists()
            if moved[name]:
                _move(layout.root / name, old / name)
            _move(new / name, layout.root / name)
    except OSError:
        for name in moved:
            if (old / name).exists():
                if (layout.root / name).exists():
                    _move(layout.root / name, new / name)
                _move(old / name, layout.root / name)
        raise
    replaced = tuple(name for name, there in moved.items() if there)
    return Restored(archive, replaced, tuple(name for name in moved if name not in replaced), tuple(kept))


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source.rename(target)


def _units(layout: Layout, archive: Archive) -> list[str]:
    """Give the places that are replaced as a whole: a city's folder, a model, a single file."""
    folders = [place.relative_to(layout.root).as_posix() for place in _whole(layout)]
    units = set()
    for name in archive.files:
        folder = next((one for one in folders if name.startswith(f"{one}/")), None)
        model = name.split("/")[:2] if name.startswith("models/") and name.count("/") >= 2 else None
        units.add(folder or ("/".join(model) if model else name))
    return sorted(units)


def _goes_on(log: Path, kept: Path) -> bool:
    """Tell whether the log that is there holds all lines of the kept one; refuse where neither holds the other."""
    if not log.exists():
        return False
    there, then = log.read_bytes(), kept.read_bytes()
    if not there.startswith(then) and not then.startswith(there):
        raise CrimePatternsError(
            f"{log} and the one in the backup contradict each other, and both are evidence: keep one of them "
            "elsewhere under another name, then restore again."
        )
    return there.startswith(then)
