"""Settings of a feed: which dataset of which portal, what identifies a record, and how politely it is asked for."""

from typing import Annotated

from pydantic import Field, field_validator

from crimepatterns.config.values import Model, Positive, PositiveInt, Share

__all__ = ["FeedSettings"]


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
    page_size: PositiveInt | None = None
    token_env: str | None = None
    overlap_minutes: Annotated[float, Field(ge=0)] = 60.0
    reconcile_days: Annotated[float, Field(ge=0)] | None = 30.0
    max_withdrawn: Share = 0.2
    requests_per_second: Positive = 5.0
    timeout_s: Positive = 60.0
    retries: Annotated[int, Field(ge=0, le=20)] = 6
    allow_private: tuple[str, ...] = ()

    @field_validator("start", mode="before")
    @classmethod
    def _day(cls, value: object) -> object:
        """YAML reads a bare day as a date."""
        return value if value is None or isinstance(value, str) else str(value)
