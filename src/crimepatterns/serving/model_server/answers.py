"""Forecasts as bytes: columns in JSON or as an Arrow stream, with the facts they rest on."""

import gzip
import hashlib
from typing import Any, Literal

import numpy as np
import orjson
import pyarrow as pa

from crimepatterns.serving.model_server.selections import Selection
from crimepatterns.serving.model_server.snapshot import Snapshot
from crimepatterns.serving.model_server.tables import ForecastTable
from crimepatterns.serving.payloads import Payload, json_payload

__all__ = ["ARROW", "forecast_answer", "forecast_facts", "wanted_format"]

ARROW = "application/vnd.apache.arrow.stream"

_TOLD = ("model_version", "code_version", "data_digest", "run_date", "cutoff", "issued_at", "parameters", "warning")


def wanted_format(accept: str) -> Literal["json", "arrow"]:
    """Return the format that a request's ``Accept`` header asks for."""
    return "arrow" if ARROW in accept.lower() else "json"


def forecast_facts(snapshot: Snapshot, table: ForecastTable) -> dict[str, Any]:
    """Return what a forecast rests on, with the run that it belongs to."""
    facts = table.facts
    return {
        "run": snapshot.run,
        "category": table.category,
        "model": table.model,
        "start": facts["edges"][0],
        "end": facts["edges"][-1],
        **{name: facts.get(name) for name in _TOLD},
    }


def forecast_answer(
    snapshot: Snapshot, table: ForecastTable, selection: Selection, form: Literal["json", "arrow"]
) -> Payload:
    """Make the answer for part of a forecast.

    Raises
    ------
    UnknownNameError
        If the selection names something that is not there.
    """
    rows = selection.rows(table.cells)
    every = selection == Selection()
    columns: dict[str, Any] = {
        "cell_id": table.cells.ids if every else [table.cells.ids[row] for row in rows],
        "neighbourhood": table.cells.neighbourhood if every else [table.cells.neighbourhood[row] for row in rows],
        "longitude": table.cells.longitude[rows],
        "latitude": table.cells.latitude[rows],
        "area_km2": table.cells.area_km2[rows],
        "expected": table.expected[rows],
        **{name: values[rows] for name, values in table.quantiles.items()},
    }
    facts = {
        **forecast_facts(snapshot, table),
        "cells": len(rows),
        "expected_total": float(np.sum(columns["expected"])),
    }
    if form == "json":
        return json_payload({**facts, "columns": {name: _plain(values) for name, values in columns.items()}})
    batch = pa.table({name: pa.array(values) for name, values in columns.items()})
    sink = pa.BufferOutputStream()
    told = batch.replace_schema_metadata({b"crimepatterns": orjson.dumps(facts, default=str)})
    with pa.ipc.new_stream(sink, told.schema) as writer:
        writer.write_table(told)
    body = sink.getvalue().to_pybytes()
    return Payload(body, gzip.compress(body, 6, mtime=0), hashlib.sha256(body).hexdigest()[:24], ARROW)


def _plain(values: Any) -> Any:
    """Round what is sent to people's programs: six digits after the point are more than a forecast bears."""
    return np.round(values, 6) if isinstance(values, np.ndarray) else values
