"""All forecasts of one run, read together and never changed: an answer comes from one of them, whole."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from crimepatterns.errors import ArtefactError, MissingInputError
from crimepatterns.serving.failures import UnknownNameError
from crimepatterns.serving.model_server.tables import Cells, ForecastTable, read_forecast_table
from crimepatterns.serving.payloads import Payload
from crimepatterns.store.sealed import checked_content, stated_digests

__all__ = ["Answers", "Snapshot", "read_snapshot", "version_of_folder"]

_MANIFEST = "manifest.json"

FolderVersion = tuple[tuple[str, int, int, int], ...]


class Answers:
    """The finished bytes of answers, up to a size; those that were asked for last stay.

    Parameters
    ----------
    most_bytes : int
    """

    def __init__(self, most_bytes: int) -> None:
        self._most, self._size = most_bytes, 0
        self._kept: OrderedDict[Hashable, Payload] = OrderedDict()
        self._guard, self._making = threading.Lock(), threading.Lock()

    def find(self, key: Hashable) -> Payload | None:
        """Return an answer that is ready."""
        with self._guard:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def make(self, key: Hashable, make: Callable[[], Payload]) -> Payload:
        """Make an answer and keep it; one at a time, as eight large ones at once would need memory for eight."""
        with self._making:
            made = self.find(key)
            if made is None:
                made = make()
                self._keep(key, made)
        return made

    def _keep(self, key: Hashable, made: Payload) -> None:
        with self._guard:
            self._size += _bytes_of(made)
            self._kept[key] = made
            while self._size > self._most and len(self._kept) > 1:
                self._size -= _bytes_of(self._kept.popitem(last=False)[1])


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The forecasts of one run.

    Parameters
    ----------
    run : str
        Names the run by its content; it stands in every answer.
    version : tuple
        Of the folder it was read from.
    tables : mapping of str to mapping of str to ForecastTable
        By slug of the category, then by model.
    champions : mapping of str to ForecastTable
        By slug of the category.
    answers : Answers
    """

    run: str
    version: FolderVersion = field(repr=False)
    tables: Mapping[str, Mapping[str, ForecastTable]] = field(repr=False)
    champions: Mapping[str, ForecastTable] = field(repr=False)
    answers: Answers = field(repr=False)

    @property
    def slugs(self) -> tuple[str, ...]:
        """The categories that are forecast."""
        return tuple(sorted(self.champions))

    def table(self, category: str, model: str | None = None) -> ForecastTable:
        """Return the forecast of a category, by the champion or by another model.

        Raises
        ------
        UnknownNameError
            If there is none.
        """
        champion = self.champions.get(category)
        if champion is None:
            raise UnknownNameError(f"No forecast of {category[:60]!r} here: choose one of {sorted(self.champions)}.")
        if model is None or model == champion.model:
            return champion
        others = self.tables.get(category, {})
        if model not in others:
            raise UnknownNameError(f"No forecast by {model[:60]!r}: choose one of {self.models(category)}.")
        return others[model]

    def models(self, category: str) -> list[str]:
        """Return the models that forecast a category."""
        return sorted({*self.tables.get(category, {}), self.champions[category].model})


def version_of_folder(folder: Path) -> FolderVersion:
    """Return what changes when a forecast is replaced or altered; empty while there is none."""
    found = []
    for path in (folder, *sorted(folder.rglob("*.parquet")), folder / _MANIFEST):
        try:
            facts = path.stat()
        except OSError:
            continue
        found.append((path.relative_to(folder).as_posix(), facts.st_ino, facts.st_mtime_ns, facts.st_size))
    return tuple(found)


def read_snapshot(folder: Path, *, cache_bytes: int, tries: int = 5) -> Snapshot:
    """Read all forecasts of a folder, all from before or all from after a replacement.

    Parameters
    ----------
    folder : Path
        ``results/<city>/forecasts``.
    cache_bytes : int
        For finished answers.
    tries : int
        A forecast that is replaced while it is read is read again.

    Raises
    ------
    MissingInputError
        If there is no forecast.
    ArtefactError
        If a file is damaged, was altered, or the folder changes again and again.
    """
    for _ in range(tries):
        version = version_of_folder(folder)
        try:
            made = _read(folder, version, cache_bytes)
        except ArtefactError:
            if version_of_folder(folder) == version:
                raise
            continue
        if version_of_folder(folder) == version:
            return made
    raise ArtefactError(f"{folder} is being replaced all the time: it will be read later.")


def _read(folder: Path, version: FolderVersion, cache_bytes: int) -> Snapshot:
    digests = stated_digests(folder / _MANIFEST)
    known: dict[bytes, Cells] = {}
    seal = hashlib.sha256()

    def read(path: Path) -> ForecastTable | None:
        name = path.relative_to(folder).as_posix()
        if digests is not None and name not in digests:
            raise ArtefactError(f"{path} is not part of this forecast: run `crimepatterns forecast`.")
        content = checked_content(path, None if digests is None else digests[name])
        seal.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
        return read_forecast_table(path, content, known)

    champions = {path.stem: table for path in sorted(folder.glob("*.parquet")) if (table := read(path)) is not None}
    if not champions:
        raise MissingInputError("No forecast yet: run `crimepatterns forecast`.")
    tables: dict[str, dict[str, ForecastTable]] = {slug: {} for slug in champions}
    for slug, found in tables.items():
        for path in sorted((folder / slug).glob("*.parquet")):
            table = read(path)
            if table is not None:
                found[table.model] = table
    return Snapshot(seal.hexdigest()[:16], version, tables, champions, Answers(cache_bytes))


def _bytes_of(payload: Payload) -> int:
    return len(payload.body) + len(payload.packed or b"")
