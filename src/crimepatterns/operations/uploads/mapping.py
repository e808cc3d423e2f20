"""What a person says about an uploaded file, and the city file that comes of it."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from crimepatterns.config import Settings, build_settings

__all__ = ["Mapping", "city_settings"]

Column = Annotated[str | None, Field(max_length=300)]


class Mapping(BaseModel):
    """Which column holds what; a column that the file does not have is found out when it is read.

    Parameters
    ----------
    title : str
        What people call the city.
    timezone : str
        IANA name of the zone in which times are written.
    order : {"", "day", "month"}
        Which comes first in dates such as 03/04/2025; empty where the values tell.
    crs : str
        Reference system of `x` and `y`, such as EPSG:32616.
    """

    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, Field(max_length=80)] = ""
    timezone: Annotated[str, Field(max_length=60, pattern=r"^[A-Za-z0-9_+/-]+$")] = "UTC"
    id: Column = None
    occurred_from: Column = None
    occurred_until: Column = None
    known_at: Column = None
    date: Column = None
    time: Column = None
    category: Column = None
    longitude: Column = None
    latitude: Column = None
    x: Column = None
    y: Column = None
    crs: Annotated[str, Field(max_length=40, pattern=r"^[A-Za-z]+:[0-9]+$")] = "EPSG:4326"
    swap: bool = False
    order: Literal["", "day", "month"] = ""

    @property
    def columns(self) -> dict[str, str]:
        """Setting to column, for those that are said."""
        named = (
            "id", "occurred_from", "occurred_until", "known_at", "date", "time", "category",
            "longitude", "latitude", "x", "y",
        )  # fmt: skip
        return {name: column for name in named if (column := getattr(self, name))}

    @property
    def projected(self) -> bool:
        """Whether places are metres or feet rather than degrees."""
        return bool(self.x and self.y) and not (self.longitude and self.latitude)

    @property
    def lacking(self) -> str:
        """What must be said before anything can be cleaned; empty where nothing lacks."""
        if not (self.occurred_from or self.date):
            return "Choose the column that says when it happened."
        if not ((self.longitude and self.latitude) or (self.x and self.y)):
            return "Choose the columns that say where it happened."
        return ""


def city_settings(home: Settings, city: str, path: Path, mapping: Mapping, formats: tuple[str, ...]) -> Settings:
    """Return the settings of the city that an uploaded file becomes.

    Parameters
    ----------
    home : Settings
        Of the server: who may see what, and where everything lies, are taken over.
    city : str
        Short name.
    path : Path
        The file as it is kept.
    mapping : Mapping
    formats : tuple of str
        How its times are written; see `find_time_formats`.

    Raises
    ------
    ConfigError
        If the mapping makes no city.
    """
    columns = mapping.columns
    for unused in ("x", "y") if not mapping.projected else ("longitude", "latitude"):
        columns.pop(unused, None)
    facts: dict[str, Any] = {
        "city": city,
        "title": " ".join(mapping.title.split()) or "Uploaded file",
        "timezone": mapping.timezone,
        "root": str(home.root),
        "workers": home.workers,
        "source": {"kind": "file", "paths": [str(path)], "origin": "Uploaded by the browser"},
        "columns": columns,
        "cleaning": {
            "time_format": list(formats),
            "coordinates_crs": mapping.crs if mapping.projected else "EPSG:4326",
            "swap_coordinates": mapping.swap,
        },
        "study_area": {"derive": "concave_hull"},
        "taxonomy": {} if mapping.category else {"fixed_category": "incident"},
        "security": home.security.model_dump(mode="json"),
        "disclosure": home.disclosure.model_dump(mode="json"),
    }
    return build_settings(facts, called="The mapping")
