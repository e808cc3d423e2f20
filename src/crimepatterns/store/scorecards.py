"""Scorecards on disk: one folder of Parquet tables and JSON notes, swapped in whole."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from crimepatterns.domain.scorecard import Scorecard
from crimepatterns.errors import ArtefactError, CrimePatternsError, MissingInputError
from crimepatterns.store.atomic import read_json, replacing_folder, write_json, write_text

__all__ = ["read_extra", "read_scorecard", "write_scorecard"]

_TABLES = ("folds", "summary", "comparisons", "calibration", "equity")


def write_scorecard(
    folder: Path,
    scorecard: Scorecard,
    *,
    tables: Mapping[str, pd.DataFrame] | None = None,
    documents: Mapping[str, Mapping[str, Any]] | None = None,
    pages: Mapping[str, str] | None = None,
) -> None:
    """Write a scorecard and what belongs to it; a reader sees all of the old folder or all of the new one.

    Parameters
    ----------
    folder : Path
    scorecard : Scorecard
    tables : mapping of str to DataFrame, optional
        Further tables, written as ``<name>.parquet``: ``curve``, ``backtest``.
    documents : mapping of str to mapping, optional
        Written as ``<name>.json``: ``champions``.
    pages : mapping of str to str, optional
        File name to text.
    """
    with replacing_folder(folder) as beside:
        for name in _TABLES:
            getattr(scorecard, name).to_parquet(beside / f"{name}.parquet", index=False)
        for name, table in (tables or {}).items():
            table.to_parquet(beside / f"{name}.parquet", index=False)
        for name, document in (documents or {}).items():
            write_json(beside / f"{name}.json", document)
        for name, text in (pages or {}).items():
            write_text(beside / name, text)
        write_json(beside / "scorecard.json", {"span": scorecard.span, "notes": dict(scorecard.notes)})


def read_scorecard(folder: Path) -> Scorecard:
    """Read the scorecard that `write_scorecard` wrote.

    Raises
    ------
    MissingInputError
        If the span was never evaluated.
    ArtefactError
        If the folder is damaged.
    """
    if not folder.is_dir():
        raise MissingInputError(f"{folder} is not there yet: run `crimepatterns evaluate` first.")
    facts = read_json(folder / "scorecard.json")
    try:
        tables = {name: pd.read_parquet(folder / f"{name}.parquet") for name in _TABLES}
        return Scorecard(span=facts["span"], notes=MappingProxyType(facts["notes"]), **tables)
    except (OSError, ValueError, KeyError, CrimePatternsError) as error:
        raise ArtefactError(f"{folder} is damaged ({error}): run `crimepatterns evaluate --force`.") from error


def read_extra(folder: Path, name: str) -> pd.DataFrame:
    """Read a further table of a scorecard's folder, such as ``curve`` or ``backtest``.

    Raises
    ------
    MissingInputError
        If it is not there.
    ArtefactError
        If it is damaged.
    """
    path = folder / f"{name}.parquet"
    if not path.exists():
        raise MissingInputError(f"{path} is not there yet: run `crimepatterns evaluate` first.")
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise ArtefactError(f"{path} is damaged ({error}): run `crimepatterns evaluate --force`.") from error
