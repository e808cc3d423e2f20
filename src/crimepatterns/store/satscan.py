"""Case, coordinates and population files in the format of SaTScan, so that its answer can be set beside ours.

Each is plain text, one record per line, fields parted by blanks, no header:

=============  ==========================================================
file           fields
=============  ==========================================================
``NAME.cas``   place id, number of cases, date (``YYYY/MM/DD``)
``NAME.geo``   place id, x, y (metres, Cartesian coordinates)
``NAME.pop``   place id, date (``YYYY/MM/DD``) or year, population
``NAME.prm``   settings, ``Key=value`` in sections
=============  ==========================================================
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from crimepatterns.errors import ArtefactError, SchemaError
from crimepatterns.store.atomic import write_text

__all__ = ["SatscanFiles", "SatscanSettings", "read_satscan", "satscan_cases", "write_satscan"]

_CASES = ("place", "cases", "date")
_COORDINATES = ("place", "x", "y")
_POPULATION = ("place", "date", "population")


@dataclass(frozen=True)
class SatscanSettings:
    """How SaTScan is to scan; written to the settings file.

    Parameters
    ----------
    start, end : date-like
        First and last day of the record, both included.
    prospective : bool
    max_radius_m : float
    max_days : int
    replicates : int
    max_share : float
        Largest circle as a share of the cases, at most 0.5.
    """

    start: pd.Timestamp
    end: pd.Timestamp
    prospective: bool = True
    max_radius_m: float = 1_000.0
    max_days: int = 28
    replicates: int = 999
    max_share: float = 0.5


@dataclass(frozen=True, eq=False)
class SatscanFiles:
    """What the files of one analysis hold.

    Parameters
    ----------
    cases : DataFrame
        ``place`` (str), ``cases`` (int), ``date`` (naive Timestamp, midnight).
    coordinates : DataFrame
        ``place``, ``x``, ``y`` (metres).
    population : DataFrame, optional
        ``place``, ``date``, ``population``; makes it a Poisson scan.
    """

    cases: pd.DataFrame = field(repr=False)
    coordinates: pd.DataFrame = field(repr=False)
    population: pd.DataFrame | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for title, table, names in (
            ("cases", self.cases, _CASES),
            ("coordinates", self.coordinates, _COORDINATES),
            ("population", self.population, _POPULATION),
        ):
            if table is not None and list(table.columns) != list(names):
                raise SchemaError(f"SaTScan {title} need the columns {list(names)}, found {list(table.columns)}.")
        if self.coordinates["place"].duplicated().any():
            raise SchemaError("SaTScan coordinates: each place must stand once.")
        for table in (self.cases, self.population):
            lost = set() if table is None else set(table["place"]) - set(self.coordinates["place"])
            if lost:
                raise SchemaError(f"SaTScan files: {len(lost)} places have no coordinates, such as {min(lost)!r}.")


def satscan_cases(x: np.ndarray, y: np.ndarray, days: pd.Series, *, cell_m: float | None = 100.0) -> SatscanFiles:
    """Sort points into places and count them by day, as the permutation scan does.

    Parameters
    ----------
    x, y : ndarray of float, shape (n,)
        Metres.
    days : Series of Timestamp, shape (n,)
        Civil time; its time zone is dropped.
    cell_m : float or None
        Side of the cells, metres; None keeps every distinct place.
    """
    xy = np.column_stack([np.asarray(x, dtype=float), np.asarray(y, dtype=float)])
    if cell_m is not None:
        xy = (np.floor(xy / cell_m) + 0.5) * cell_m
    places, number = np.unique(xy, axis=0, return_inverse=True)
    names = np.array([f"p{i}" for i in range(len(places))], dtype=object)
    naive = days.dt.tz_localize(None) if days.dt.tz is not None else days
    table = pd.DataFrame({"place": names[number.ravel()], "date": naive.dt.normalize().to_numpy()})
    cases = table.groupby(["place", "date"], sort=True).size().rename("cases").reset_index()[list(_CASES)]
    return SatscanFiles(cases, pd.DataFrame({"place": names, "x": places[:, 0], "y": places[:, 1]}))


def write_satscan(folder: Path, name: str, files: SatscanFiles, settings: SatscanSettings | None = None) -> list[Path]:
    """Write the files of one analysis, each whole or not at all.

    Parameters
    ----------
    folder : Path
    name : str
        Of the files, without extension.
    files : SatscanFiles
    settings : SatscanSettings, optional
        Also written as ``NAME.prm``, ready to run.

    Returns
    -------
    list of Path

    Raises
    ------
    SchemaError
        If a place id is empty or has blanks or quotation marks, which would shift the fields.
    """
    ids = files.coordinates["place"].astype(str)
    strange = ids[ids.str.contains(r"[\s\"';]", regex=True) | (ids == "")]
    if len(strange):
        raise SchemaError(f"SaTScan place ids must have no blanks or quotation marks, got {strange.iloc[0]!r}.")
    texts = {"cas": _lines(files.cases), "geo": _lines(files.coordinates)}
    if files.population is not None:
        texts["pop"] = _lines(files.population)
    if settings is not None:
        texts["prm"] = _settings_text(name, settings, poisson=files.population is not None)
    written = []
    for extension, text in texts.items():
        path = folder / f"{name}.{extension}"
        write_text(path, text)
        written.append(path)
    return written


def read_satscan(folder: Path, name: str) -> SatscanFiles:
    """Read the files of one analysis; the population file may be absent.

    Raises
    ------
    ArtefactError
        If a file is absent or a line has too few fields or a wrong one; the line is named.
    """
    population = folder / f"{name}.pop"
    return SatscanFiles(
        _read(folder / f"{name}.cas", _CASES),
        _read(folder / f"{name}.geo", _COORDINATES),
        _read(population, _POPULATION) if population.exists() else None,
    )


def _lines(table: pd.DataFrame) -> str:
    return "".join(" ".join(_text(value) for value in row) + "\n" for row in table.itertuples(index=False))


def _text(value: object) -> str:
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y/%m/%d}"
    # The shortest text from which the very same number is read back.
    return repr(float(value)) if isinstance(value, float) else str(value)


def _read(path: Path, names: tuple[str, ...]) -> pd.DataFrame:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ArtefactError(f"{path} cannot be read ({error}): give the folder and name of SaTScan files.") from error
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        # Further fields are covariates, which the scan does not use.
        fields = [part.strip('"') for part in line.split()][: len(names)]
        try:
            rows.append([_value(kind, part) for kind, part in zip(names, fields, strict=True)])
        except ValueError as error:
            raise ArtefactError(
                f"{path}, line {number}: expected {' '.join(names)}, found {line.strip()!r}."
            ) from error
    table = pd.DataFrame(rows, columns=list(names))
    if "date" in names:
        table["date"] = pd.to_datetime(table["date"]).dt.as_unit("us")
    return table


def _value(kind: str, text: str) -> object:
    if kind == "place":
        return text
    if kind == "cases":
        return int(text)
    if kind == "date":
        parts = [int(part) for part in text.replace("-", "/").split("/")]
        # SaTScan takes a year alone as its first of July, and a month alone as its middle.
        year, month, day = (*parts, 7, 1) if len(parts) == 1 else (*parts, 15)[:3]
        return pd.Timestamp(year, month, day)
    return float(text)


def _settings_text(name: str, settings: SatscanSettings, *, poisson: bool) -> str:
    start, end = (f"{moment.year}/{moment.month}/{moment.day}" for moment in (settings.start, settings.end))
    sections: Mapping[str, Mapping[str, object]] = {
        "Input": {
            "CaseFile": f"{name}.cas", "PopulationFile": f"{name}.pop" if poisson else "", "PrecisionCaseTimes": 3,
            "StartDate": start, "EndDate": end, "CoordinatesFile": f"{name}.geo", "CoordinatesType": 0,
        },
        "Analysis": {
            "AnalysisType": 4 if settings.prospective else 3, "ModelType": 0 if poisson else 2, "ScanAreas": 1,
            "TimeAggregationUnits": 3, "TimeAggregationLength": 1,
        },
        "Output": {"ResultsFile": f"{name}.txt"},
        "Spatial Window": {
            "MaxSpatialSizeInPopulationAtRisk": f"{settings.max_share * 100:g}", "UseDistanceFromCenterOption": "y",
            "MaxSpatialSizeInDistanceFromCenter": f"{settings.max_radius_m:g}", "SpatialWindowShapeType": 0,
        },
        "Temporal Window": {"MaxTemporalSizeInterpretation": 1, "MaxTemporalSize": settings.max_days},
        "Inference": {
            "MonteCarloReps": settings.replicates, "AdjustForEarlierAnalyses": "n", "ProspectiveStartDate": end,
        },
        "Spatial Output": {"CriteriaForReportingSecondaryClusters": 0, "ReportGiniClusters": "n"},
    }  # fmt: skip
    parts = [
        f"[{title}]\n" + "".join(f"{key}={value}\n" for key, value in entries.items())
        for title, entries in sections.items()
    ]
    return "\n".join(parts)
