"""What a city file need not say: the settings of a known feed, and the one id that a feed and its columns share."""

from collections.abc import Callable, Mapping
from typing import Any

from crimepatterns.sources.feed_presets import preset_named

__all__ = ["with_feed_ids", "with_preset"]

_ROW_NUMBER = {"socrata": ":id"}
"""Kinds whose portals number their rows themselves."""

Merge = Callable[[Mapping[str, Any], Mapping[str, Any]], dict[str, Any]]


def with_preset(defaults: Mapping[str, Any], over: Mapping[str, Any], merge: Merge) -> dict[str, Any]:
    """Lay the settings of the preset that `over` names between the defaults and `over`.

    Raises
    ------
    ConfigError
        If there is no such preset.
    """
    name = _inner(over, "source", "feed", "preset")
    known = preset_named(str(name)).settings if name is not None else {}
    return merge(merge(defaults, known), over)


def with_feed_ids(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Let ``source.feed.id_column`` and ``columns.id`` stand for each other where only one is given."""
    kind = _inner(settings, "source", "kind")
    feed, columns = _inner(settings, "source", "feed"), settings.get("columns")
    if kind not in {"socrata", "arcgis", "sql"} or not isinstance(feed, Mapping) or not isinstance(columns, Mapping):
        return dict(settings)
    chosen = feed.get("id_column") or columns.get("id") or _ROW_NUMBER.get(str(kind))
    source = {**settings["source"], "feed": {**feed, "id_column": feed.get("id_column") or chosen}}
    return {**settings, "source": source, "columns": {**columns, "id": columns.get("id") or chosen}}


def _inner(settings: Mapping[str, Any], *names: str) -> Any:
    found: Any = settings
    for name in names:
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found
