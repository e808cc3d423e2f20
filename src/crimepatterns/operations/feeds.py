"""Looking after feeds: what is there, whether the portal still is as the city file says, and new city files."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import yaml

from crimepatterns.cleaning.schema import ColumnMap
from crimepatterns.config import Settings, build_settings, load_settings
from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import ConfigError, CrimePatternsError
from crimepatterns.feed_ingest import feed_client, open_feeds, reconcile
from crimepatterns.operations.locking import city_lock
from crimepatterns.sources.feed import FeedDescription
from crimepatterns.sources.feed_columns import guess_columns
from crimepatterns.sources.feed_presets import preset_named
from crimepatterns.store.atomic import replacing
from crimepatterns.store.layout import Layout
from crimepatterns.store.pending import PendingPages
from crimepatterns.store.raw import RawStore

__all__ = ["CheckedFeed", "FeedStatus", "add_city", "check_feeds", "feed_status", "reconcile_city"]

_SAMPLE = 200
_SHEET = ("rhythm", "geocoding", "privacy", "defects")


@dataclass(frozen=True)
class CheckedFeed:
    """What a portal says now, beside what the city file expects.

    Parameters
    ----------
    name, title : str
    rows : int or None
        Records that the portal counts.
    missing : dict of str to str
        Setting to column, for mapped columns that are not there.
    examples : dict of str to (str or None)
        Setting to a value from a few records; None where all of them are empty.
    problem : str
        Why it could not be asked; empty where it could.
    """

    name: str
    title: str
    rows: int | None
    missing: Mapping[str, str]
    examples: Mapping[str, str | None]
    problem: str = ""

    @property
    def good(self) -> bool:
        """Whether the feed can be asked and has every mapped column."""
        return not self.problem and not self.missing


@dataclass(frozen=True)
class FeedStatus:
    """What was pulled from a feed so far: its copies, their rows, the last one's date, rows of an unfinished pull."""

    name: str
    copies: int
    rows: int
    last: str
    unfinished_rows: int


def check_feeds(settings: Settings, *, rows: int = 10) -> list[CheckedFeed]:
    """Fetch a few records from every feed of a city and compare them with the settings; nothing is stored.

    Errors of a portal do not stop the others; they are told in the result.
    """
    columns = ColumnMap(**settings.columns.model_dump())
    mapped = {**columns.mapped, **{f"extra ({name})": name for name in columns.extra}}
    checked = []
    with feed_client(settings) as client:
        try:
            opened = open_feeds(settings, client)
        except CrimePatternsError as error:
            return [CheckedFeed(settings.city, settings.title, None, {}, {}, str(error))]
        for one in opened:
            try:
                told, sample = one.feed.describe(client), one.feed.sample(client, rows)
            except CrimePatternsError as error:
                checked.append(CheckedFeed(one.feed.name, "", None, {}, {}, str(error)))
                continue
            missing = {setting: column for setting, column in mapped.items() if column not in sample.schema.names}
            there = {setting: column for setting, column in mapped.items() if setting not in missing}
            examples = {setting: _first(sample.column(column)) for setting, column in there.items()}
            checked.append(CheckedFeed(one.feed.name, told.title, told.rows, missing, examples))
    return checked


def feed_status(settings: Settings) -> list[FeedStatus]:
    """Say what was pulled so far, feed by feed; the portals are not asked."""
    store = RawStore(Layout(settings.root, settings.city).raw)
    entries = [entry for entry in store.entries() if entry.current and entry.feed]
    unfinished = {folder.name: folder for folder in (store.folder / "pending").glob("*") if folder.is_dir()}
    names = dict.fromkeys([*(entry.feed for entry in entries if not entry.withdraws), *unfinished])
    found = []
    for name in names:
        own = [entry for entry in entries if entry.feed == name and not entry.withdraws]
        waiting = PendingPages.rows_below(unfinished[name]) if name in unfinished else 0
        last = max((entry.fetched_at for entry in own), default="")
        found.append(FeedStatus(name, len(own), sum(entry.rows for entry in own), last[:16].replace("T", " "), waiting))
    gone = [entry for entry in entries if entry.withdraws]
    if gone:
        last = gone[-1].fetched_at[:16].replace("T", " ")
        found.append(FeedStatus("withdrawn records", len(gone), sum(entry.rows for entry in gone), last, 0))
    return found


def reconcile_city(settings: Settings, *, accept: bool = False, progress: Progress = silent) -> dict[str, Any]:
    """Look for withdrawn records now; see `crimepatterns.feed_ingest.reconcile`."""
    with city_lock(Layout(settings.root, settings.city).results):
        found = reconcile(settings, accept=accept, progress=progress)
    return {"known": found.known, "withdrawn": found.withdrawn, "cannot_list": list(found.unlisted)}


def add_city(
    name: str,
    folder: Path,
    *,
    preset: str | None = None,
    domain: str | None = None,
    dataset: str | None = None,
    url: str | None = None,
    id_column: str | None = None,
    title: str | None = None,
    timezone: str | None = None,
    allow_private: Sequence[str] = (),
    replace: bool = False,
) -> Path:
    """Write a city file for a feed; columns are guessed from what the portal says about the dataset.

    Raises
    ------
    ConfigError
        If the file is there already, or what is asked for is not one feed.
    SourceError
        If the portal cannot be asked.
    """
    path = folder / f"{name}.yaml"
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", name):
        raise ConfigError(f"A city's short name is of a-z, 0-9, - and _, got {name!r}.")
    if path.exists() and not replace:
        raise ConfigError(f"{path} is there already: give another name, or --force to replace it.")
    if [preset is not None, domain is not None and dataset is not None, url is not None].count(True) != 1:
        raise ConfigError("Give one of --preset, --domain with --dataset, or --url.")
    if preset is not None:
        known = preset_named(preset)
        facts = {"city": name, "title": title or known.settings["title"], "source": {"feed": {"preset": preset}}}
        notes = [known.publisher, *(f"{part}: {getattr(known, part)}" for part in _SHEET)]
    else:
        kind = "arcgis" if url else "socrata"
        feed: dict[str, Any] = {"urls": [url]} if url else {"domain": domain, "datasets": [dataset]}
        feed |= {"allow_private": list(allow_private)} if allow_private else {}
        told, columns = _asked(name, kind, feed, id_column)
        source = {"kind": kind, "feed": {**feed, "id_column": columns["id"]}}
        facts = {
            "city": name,
            "title": " ".join((title or told.title or name).split()),
            "timezone": timezone or "UTC",
            "source": {
                **source,
                "origin": ", ".join(filter(None, (told.publisher, told.title))),
                "licence": told.licence,
            },
            "columns": columns,
            "study_area": {"derive": "concave_hull", "buffer_m": 50},
        }
        rows = "" if told.rows is None else f", {told.rows:,} rows"
        notes = [
            f"{told.title}{rows}. Columns were guessed from their names: check them, the time zone and the study area.",
            f"The dataset has: {', '.join(told.names)}.",
        ]
    with replacing(path) as beside:
        text = yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, width=110)
        beside.write_text(f"{_commented(notes)}\n{text}", encoding="utf-8")
        load_settings(beside)  # what cannot be read back is not put in place
    return path


def _asked(
    name: str, kind: str, feed: Mapping[str, Any], id_column: str | None
) -> tuple[FeedDescription, dict[str, str]]:
    """Ask the portal about a dataset, and guess which column holds what."""
    unknown = "-" if kind == "arcgis" else None
    asking = build_settings(
        {
            "city": name,
            "source": {"kind": kind, "feed": {**feed, "id_column": id_column or unknown}},
            "columns": {"occurred_from": "-", "category": "-"},
        }
    )
    with feed_client(asking) as client:
        (opened,) = open_feeds(asking, client)
        told, sample = opened.feed.describe(client), opened.feed.sample(client, _SAMPLE)
    columns = guess_columns(told, sample)
    if id_column is not None:
        columns["id"] = id_column
    absent = [column for column in columns.values() if column not in told.names]
    lacking = [setting for setting in ("id", "occurred_from", "category") if setting not in columns]
    if absent or lacking:
        what = f"has no column {absent[0]!r}" if absent else f"has no column that looks like {' or '.join(lacking)}"
        raise ConfigError(
            f"{told.title or opened.feed.name} {what}. It has: {', '.join(told.names)}. "
            "Write the city file by hand: docs/feeds.md says how."
        )
    return told, columns


def _commented(notes: Sequence[str]) -> str:
    """Write notes as comments; what a portal says about itself cannot become a setting."""
    lines = [line for note in notes for line in textwrap.wrap(" ".join(note.split()), 115)]
    return "\n".join(f"# {line}" for line in lines)


def _first(column: Any) -> str | None:
    filled = column.filter(pc.and_kleene(pc.is_valid(column), pc.not_equal(column, "")))
    return str(filled[0].as_py()) if len(filled) else None
