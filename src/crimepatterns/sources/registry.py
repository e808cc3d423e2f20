"""The kinds of sources, by the name a city file gives them; a new kind is one file and one line here."""

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from crimepatterns.domain.protocols import Source
from crimepatterns.errors import ConfigError

__all__ = ["SOURCES", "open_source"]

SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "file": "crimepatterns.sources.local_file:LocalFiles",
        "nibrs": "crimepatterns.sources.nibrs:NibrsExtracts",
        "synthetic": "crimepatterns.sources.synthetic:SyntheticCity",
    }
)
"""Name of a kind to the class that reads it, imported when first used."""


def open_source(kind: str, **options: Any) -> Source:
    """Open a source of records.

    Parameters
    ----------
    kind : str
        One of `SOURCES`.
    **options
        Keyword arguments of its class.

    Raises
    ------
    ConfigError
        If there is no such kind.
    """
    if kind not in SOURCES:
        raise ConfigError(f"source.kind must be one of {sorted(SOURCES)}, got {kind!r}.")
    module, _, name = SOURCES[kind].partition(":")
    make: Callable[..., Source] = getattr(import_module(module), name)
    return make(**options)
