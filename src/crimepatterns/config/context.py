"""Settings of context: places, lines, areas and tables beside the incidents, each with its knowledge date."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from crimepatterns.config.values import Model, Positive, expand_variables
from crimepatterns.domain.audit_names import refuse_audit_columns
from crimepatterns.errors import AuditColumnError

__all__ = ["ContextSettings", "check_context"]

Measure = Literal["distance", "density", "count", "length", "share", "area_mean", "total"]

_SUITS = {
    "point": {"distance", "density", "count", "total"},
    "line": {"distance", "length"},
    "polygon": {"distance", "share", "area_mean", "total"},
    "table": {"distance", "density", "count", "area_mean", "total"},
}


class ContextSettings(Model):
    """One layer of places, lines, areas, or a table with the key of a place or area."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    kind: Literal["point", "line", "polygon", "table"]
    paths: Annotated[tuple[str, ...], Field(min_length=1)]
    role: Literal["feature", "audit"] = "feature"
    how: tuple[Measure, ...] = ()
    known_from: str
    valid_from: str | None = None
    valid_until: str | None = None
    time_format: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    key: str | None = None
    places: str | None = None
    places_key: str | None = None
    x: str | None = None
    y: str | None = None
    wkt: str | None = None
    crs: str = "EPSG:4326"
    only: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    bandwidth_m: Positive = 500.0
    measure_from: Literal["centre", "cell"] = "centre"
    format: Literal["csv", "parquet", "excel", "vector"] | None = None
    delimiter: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    origin: str = ""
    licence: str = ""
    keep_columns: tuple[str, ...] = ()

    @field_validator("paths")
    @classmethod
    def _expand(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(expand_variables(path) for path in paths)

    @field_validator("places")
    @classmethod
    def _expand_one(cls, path: str | None) -> str | None:
        return None if path is None else expand_variables(path)

    @field_validator("how", "columns", "keep_columns", "time_format", mode="before")
    @classmethod
    def _many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("known_from", mode="before")
    @classmethod
    def _day(cls, value: object) -> object:
        """YAML reads a bare day as a date."""
        return value if value is None or isinstance(value, str) else str(value)

    @property
    def known_by(self) -> Literal["always", "date", "column"]:
        """What kind of knowledge date `known_from` gives."""
        if self.known_from == "always":
            return "always"
        return "date" if re.fullmatch(r"\d{4}-\d{2}-\d{2}", self.known_from) else "column"

    @model_validator(mode="after")
    def _possible(self) -> "ContextSettings":
        if self.role == "audit":
            if self.how:
                raise ValueError(f"{self.name} has role audit: it is never joined to cells, leave how out")
        else:
            _refuse_people(self)
            unsuited = [one for one in self.how if one not in _SUITS[self.kind]]
            if unsuited:
                raise ValueError(
                    f"{self.name}: {unsuited} does not suit kind {self.kind}, {sorted(_SUITS[self.kind])} do"
                )
            if not self.how:
                raise ValueError(f"{self.name}: how must say how it is joined, {sorted(_SUITS[self.kind])}")
        if set(self.how) & {"area_mean", "total"} and not self.columns:
            raise ValueError(f"{self.name}: area_mean and total need columns with numbers")
        if self.kind == "table" and self.key is None:
            raise ValueError(f"{self.name}: a table needs key, the column that names its place or area")
        if (self.places is None) != (self.places_key is None):
            raise ValueError(f"{self.name}: places and places_key go together")
        if self.places is not None and self.kind != "table":
            raise ValueError(f"{self.name}: places belongs to kind table")
        if (self.x is None) != (self.y is None):
            raise ValueError(f"{self.name}: x and y go together")
        return self


def check_context(layers: Sequence[ContextSettings]) -> None:
    """Refuse layers that share a name, and a column that one layer of a file audits and another one uses.

    Raises
    ------
    ValueError
        For the settings to report.
    """
    names = [layer.name for layer in layers]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"context names {repeated} repeat: each layer needs a name of its own")
    audited = {
        (Path(path).name.lower(), column.lower()): layer.name
        for layer in layers
        if layer.role == "audit"
        for path in layer.paths
        for column in layer.columns
    }
    for layer in (one for one in layers if one.role == "feature"):
        used = {
            (Path(path).name.lower(), name.lower()) for path in layer.paths for name in (*layer.columns, *layer.only)
        }
        for file, column in sorted(used & set(audited)):
            raise ValueError(
                f"context {layer.name} uses {column!r} of {file}, which {audited[file, column]} gives the role audit: "
                "such a column serves to audit a map, never to draw it"
            )


def _refuse_people(layer: ContextSettings) -> None:
    try:
        refuse_audit_columns([layer.name, *layer.columns, *layer.only], purpose="context for features")
    except AuditColumnError as error:
        raise ValueError(f"{layer.name}: {error}") from error
