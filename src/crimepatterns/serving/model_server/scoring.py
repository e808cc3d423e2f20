"""Batch scoring: rows of features through a stored learner, all together."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from crimepatterns.serving.failures import UnreadableRequestError
from crimepatterns.serving.model_server.learners import Learner
from crimepatterns.serving.payloads import Payload, json_payload

__all__ = ["ScoringRequest", "read_request", "score_rows"]

_MOST_ROWS = 50_000
_FORM = '{"columns": {"FEATURE": [1.0, ...], ...}} or {"cells": ["ID", ...]}, with "learner" or "model" if you want one'


@dataclass(frozen=True)
class ScoringRequest:
    """What is to be scored: rows by a stored learner, or cells by the stored forecast.

    Parameters
    ----------
    columns : dict or None
        Feature to list of values.
    cells : tuple of str
    learner : str or None
        With columns: name of the learner, such as ``poisson_boosting``.
    model : str or None
        With cells: the model whose forecast is asked for.
    """

    columns: dict[str, list[Any]] | None
    cells: tuple[str, ...]
    learner: str | None
    model: str | None


def read_request(body: bytes) -> ScoringRequest:
    """Read the body of a scoring request.

    Raises
    ------
    UnreadableRequestError
        If it is not what it should be; the message says what that is.
    """
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UnreadableRequestError(f"The body must be JSON such as {_FORM}: {error}.") from error
    if not isinstance(asked, dict) or set(asked) - {"columns", "cells", "learner", "model"}:
        raise UnreadableRequestError(f"The body must be {_FORM}.")
    columns, cells = asked.get("columns"), asked.get("cells")
    names = [asked.get("learner"), asked.get("model")]
    if (columns is None) == (cells is None) or not all(name is None or isinstance(name, str) for name in names):
        raise UnreadableRequestError(f"The body must have either columns or cells: {_FORM}.")
    if cells is not None:
        if not isinstance(cells, list) or not cells or not all(isinstance(cell, str) for cell in cells):
            raise UnreadableRequestError("cells must be a list of ids.")
        return ScoringRequest(None, tuple(cells[:_MOST_ROWS]), None, names[1])
    if not isinstance(columns, dict) or not all(isinstance(values, list) for values in columns.values()):
        raise UnreadableRequestError("columns must hold a list of numbers for each feature.")
    return ScoringRequest(columns, (), names[0], None)


def score_rows(learner: Learner, columns: dict[str, list[Any]]) -> Payload:
    """Score rows: incidents expected in one period, and the chance of at least one.

    Parameters
    ----------
    learner : Learner
    columns : dict
        As many values for each of the learner's features; null where one is not known.

    Raises
    ------
    UnreadableRequestError
        If a feature is missing, unknown, of another length, or no number.
    """
    import pandas as pd

    missing, unknown = set(learner.features) - set(columns), set(columns) - set(learner.features)
    if missing or unknown:
        raise UnreadableRequestError(
            f"{learner.name} needs the features that /v1/models/{learner.name} lists: "
            f"missing {sorted(missing)}, not known {[name[:60] for name in sorted(unknown)]}."
        )
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1 or not 1 <= max(lengths) <= _MOST_ROWS:
        raise UnreadableRequestError(f"Every feature needs as many values, 1 to {_MOST_ROWS}: got {sorted(lengths)}.")
    try:
        rows = pd.DataFrame({name: np.array(columns[name], dtype=float) for name in learner.features})
        expected = learner.expected(rows)
    except (ValueError, TypeError) as error:
        raise UnreadableRequestError(f"These rows cannot be scored: {' '.join(str(error).split())[:200]}.") from error
    return json_payload(
        {
            "model": learner.name,
            "version": learner.version,
            "rows": len(rows),
            "warning": learner.config.get("warning"),
            "columns": {"expected": np.round(expected, 9), "chance_of_any": np.round(-np.expm1(-expected), 9)},
        }
    )
