"""Settings of pattern cards: which columns tell how, where and against what, and how strictly cards are chosen."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from crimepatterns.config.values import Model, PositiveInt, Share

__all__ = ["CardSettings"]

_Type = Literal["series", "spree", "hot prey", "hot product", "hot spot", "hot place", "hot setting"]


class CardSettings(Model):
    """The search for pattern cards; columns are those of the raw file, listed under ``columns.extra``."""

    days: Annotated[int, Field(ge=7)] = 182
    types: Annotated[tuple[_Type, ...], Field(min_length=1)] = (
        "series",
        "spree",
        "hot prey",
        "hot product",
        "hot spot",
        "hot place",
        "hot setting",
    )
    method: str | None = None
    premise: str | None = None
    property: str | None = None
    business: str | None = None
    relationship: str | None = None
    strangers: tuple[str, ...] = ("stranger",)
    text: str | None = None
    vocabulary: tuple[str, ...] = ()
    least_events: Annotated[int, Field(ge=2)] = 3
    level: Share = 0.02
    replicates: PositiveInt = 199
    season_days: PositiveInt = 91
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _possible(self) -> "CardSettings":
        if self.replicates + 1 < 1 / self.level:
            raise ValueError(f"a level of {self.level} needs at least {round(1 / self.level)} replicates")
        if (self.text is None) != (not self.vocabulary):
            raise ValueError("free text needs both text (the column) and vocabulary (the words to look for)")
        return self
