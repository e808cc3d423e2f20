"""Settings of a feed: which dataset of which portal, what identifies a record, and how politely it is asked for."""

from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, field_validator

from crimepatterns.config.values import Model, Positive, PositiveInt, Share
from crimepatterns.sources.http_redaction import is_secret_name

__all__ = ["FeedSettings", "check_feed"]


class FeedSettings(Model):
    """One or several datasets of a publisher, pulled one after another into the same city."""

    preset: str | None = None
    domain: str | None = None
    datasets: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    layers: str | None = None
    id_column: str | None = None
    update_column: str | None = None
    volatile_columns: tuple[str, ...] = ()
    where: str | None = None
    start: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    end: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    forces: tuple[str, ...] = ()
    area: tuple[float, float, float, float] | None = None
    database: str | None = None
    database_env: str | None = None
    table: str | None = None
    query: str | None = None
    geometry_column: str | None = None
    srid: PositiveInt = 4326
    page_size: PositiveInt | None = None
    token_env: str | None = None
    overlap_minutes: Annotated[float, Field(ge=0)] = 60.0
    reconcile_days: Annotated[float, Field(ge=0)] | None = 30.0
    max_withdrawn: Share = 0.2
    requests_per_second: Positive = 5.0
    timeout_s: Positive = 60.0
    retries: Annotated[int, Field(ge=0, le=20)] = 6
    allow_private: tuple[str, ...] = ()

    @field_validator("start", "end", mode="before")
    @classmethod
    def _day(cls, value: object) -> object:
        """YAML reads a bare day as a date."""
        return value if value is None or isinstance(value, str) else str(value)

    @field_validator("database")
    @classmethod
    def _without_password(cls, address: str | None) -> str | None:
        """Refuse secrets: settings are stored and shown."""
        try:
            parts = urlsplit(address or "")
            shown = bool(parts.password) or any(is_secret_name(name) for name, _ in parse_qsl(parts.query))
        except ValueError:
            raise ValueError("it is not the address of a database") from None
        if shown:
            raise ValueError(
                "it holds a password: put the whole address into an environment variable and name it in database_env"
            )
        return address

    @field_validator("urls")
    @classmethod
    def _without_secrets(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse secrets: settings are stored and shown."""
        for url in urls:
            parts = urlsplit(url)
            shown = [value for name, value in parse_qsl(parts.query) if is_secret_name(name) and "${" not in value]
            if shown or (parts.password and "${" not in parts.password):
                raise ValueError(
                    "an address holds a password or token: put it into an environment variable and write ${NAME}"
                )
        return urls

    @field_validator("area")
    @classmethod
    def _not_empty(cls, area: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if area is not None and not (-180 <= area[0] < area[2] <= 180 and -90 <= area[1] < area[3] <= 90):
            raise ValueError("expected [west, south, east, north] in degrees")
        return area


def check_feed(kind: str, feed: FeedSettings, id_column: str | None) -> None:
    """Make sure that a portal is named, and what identifies its records.

    Raises
    ------
    ValueError
        Saying what is missing.
    """
    if kind == "socrata" and (feed.domain is None or not feed.datasets):
        raise ValueError("source.feed needs a preset, or domain and datasets, such as data.example.org and [abcd-1234]")
    if kind == "arcgis" and not feed.urls:
        raise ValueError("source.feed needs a preset, or urls of layers such as .../FeatureServer/0")
    if kind == "sql" and (feed.table is None) == (feed.query is None):
        raise ValueError("source.feed needs either table or query, to say which records are wanted")
    if kind == "sql" and feed.database is None and feed.database_env is None:
        raise ValueError("source.feed needs database_env, the name of the environment variable with the address")
    if kind in {"socrata", "arcgis", "sql"} and feed.id_column is None:
        raise ValueError("source.feed.id_column must name the publisher's lasting id, or the layer's object id")
    if kind in {"socrata", "arcgis", "sql"} and feed.id_column != id_column:
        raise ValueError(
            f"columns.id ({id_column}) and source.feed.id_column ({feed.id_column}) must name the same column: later "
            "versions of a record replace the earlier ones by it"
        )
