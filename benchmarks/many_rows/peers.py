"""The same work by vectorised pandas and by one DuckDB script."""

import tempfile
from pathlib import Path
from typing import Any

from ingest import utm_sql
from many_rows.rows import BOX, CELL_M, COLUMNS, CRS, LABELS, START, ZONE
from many_rows.watch import Watch

__all__ = ["run_duckdb", "run_pandas"]


def run_pandas(data: Path) -> dict[str, Any]:
    """Do the same with vectorised pandas and shapely."""
    import numpy as np
    import pandas as pd
    import pyproj
    import shapely

    watch = Watch()
    text = {"occurred": "str", "reported": "str"}
    parts = [pd.read_csv(path, engine="pyarrow", dtype=text) for path in sorted((data / "raw").glob("*.csv.gz"))]
    table = pd.concat(parts, ignore_index=True)
    del parts
    for name in ("occurred", "reported"):
        moments = pd.to_datetime(table[name], errors="coerce", format="ISO8601")
        first = np.ones(len(table), dtype=bool)
        table[f"{name} at"] = moments.dt.tz_localize(ZONE, nonexistent="shift_forward", ambiguous=first)
    begun = table["occurred at"]
    x, y = pyproj.Transformer.from_crs("EPSG:4326", CRS, always_xy=True).transform(
        table["longitude"].to_numpy(), table["latitude"].to_numpy()
    )
    table["x"], table["y"] = x, y
    table["category"] = table["offense"].map(LABELS)
    latest = pd.Timestamp.now(tz=ZONE).normalize() + pd.Timedelta(days=1)
    inside = shapely.intersects_xy(shapely.box(*BOX), x, y)
    reason = pd.Series("", index=table.index)
    for name, failed in (
        ("time", begun.isna() | (begun < pd.Timestamp("1990-01-01", tz=ZONE)) | (begun >= latest)),
        ("category", table["category"].isna()),
        ("coordinates", ~(np.isfinite(x) & np.isfinite(y))),
        ("outside", pd.Series(~inside)),
    ):
        reason[(reason == "") & failed] = name
    mapped = list(COLUMNS.values())
    for name, subset in (("duplicate", mapped), ("id", ["case_number"])):
        good = table.loc[reason == "", subset]
        reason[good.index[good.duplicated()]] = name
    kept = table.loc[
        reason == "", ["case_number", "category", "offense", "x", "y", "occurred at", "reported at"]
    ].copy()
    kept["known_at"] = kept[["occurred at", "reported at"]].max(axis=1)
    kept["year"], kept["month"] = kept["occurred at"].dt.year, kept["occurred at"].dt.month
    kept["geometry"] = shapely.to_wkb(shapely.points(kept["x"], kept["y"]))
    with tempfile.TemporaryDirectory(dir=data) as root:
        kept.drop(columns="reported at").to_parquet(
            Path(root) / "incidents", partition_cols=["year", "month"], index=False
        )
        table.loc[reason != "", mapped].assign(reason=reason[reason != ""]).to_parquet(Path(root) / "rejected.parquet")
    day = (kept["occurred at"].dt.tz_localize(None) - pd.Timestamp(START)).dt.days
    cells = [kept["category"], ((kept["x"] - BOX[0]) // CELL_M), ((kept["y"] - BOX[1]) // CELL_M), day]
    counted = len(kept.groupby(cells, observed=True).size())
    work, cpu = watch.stop()
    return {"work": work, "work_cpu": cpu, "kept": len(kept), "counted": counted}


def run_duckdb(data: Path) -> dict[str, Any]:
    """Do the same with one DuckDB script."""
    import duckdb

    watch = Watch()
    mapped = ", ".join(COLUMNS.values())
    labels = ", ".join(f"('{label}', '{category}')" for label, category in LABELS.items())
    west, south, east, north = BOX
    with tempfile.TemporaryDirectory(dir=data) as root:
        connection = duckdb.connect(config={"temp_directory": root, "threads": 2, "memory_limit": "8GB"})
        connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = true")
        connection.execute(f"""
            CREATE TEMP TABLE checked AS
            WITH raw AS (
                SELECT *, row_number() OVER () AS line
                FROM read_csv('{data}/raw/*.csv.gz', all_varchar = true, header = true)),
            typed AS (
                SELECT raw.*, try_cast(occurred AS TIMESTAMP) AS wall, wall AT TIME ZONE '{ZONE}' AS occurred_from,
                       greatest(try_cast(reported AS TIMESTAMP) AT TIME ZONE '{ZONE}', occurred_from) AS known_at,
                       try_cast(longitude AS DOUBLE) AS lon, try_cast(latitude AS DOUBLE) AS lat, label.category
                FROM raw LEFT JOIN (VALUES {labels}) AS label(name, category) ON raw.offense = label.name),
            placed AS (SELECT *, {utm_sql("lon", "lat", -87)} FROM typed),
            judged AS (
                SELECT *, CASE WHEN wall IS NULL OR wall < '1990-01-01' OR wall >= current_date + 1 THEN 'time'
                               WHEN category IS NULL THEN 'category'
                               WHEN x IS NULL OR NOT isfinite(x) OR NOT isfinite(y) THEN 'coordinates'
                               WHEN x NOT BETWEEN {west} AND {east} OR y NOT BETWEEN {south} AND {north} THEN 'outside'
                               END AS fault
                FROM placed)
            SELECT *, CASE WHEN fault IS NOT NULL THEN fault
                      WHEN row_number() OVER (PARTITION BY {mapped}, fault ORDER BY line) > 1 THEN 'duplicate'
                      WHEN row_number() OVER (PARTITION BY case_number, fault ORDER BY line) > 1 THEN 'id'
                      END AS reason
            FROM judged""")
        connection.execute(f"""
            COPY (SELECT case_number AS id, occurred_from, known_at, category, offense, x, y,
                         year(wall) AS year, month(wall) AS month FROM checked WHERE reason IS NULL)
            TO '{root}/incidents' (FORMAT parquet, PARTITION_BY (year, month));
            COPY (SELECT {mapped}, reason FROM checked WHERE reason IS NOT NULL)
            TO '{root}/rejected.parquet' (FORMAT parquet)""")
        cells = f"category, floor((x - {west}) / {CELL_M}), floor((y - {south}) / {CELL_M}), wall::DATE"
        counted = connection.execute(
            f"SELECT count(*) FROM (SELECT {cells} FROM checked WHERE reason IS NULL GROUP BY ALL)"
        ).fetchone()
        kept = connection.execute("SELECT count(*) FROM checked WHERE reason IS NULL").fetchone()
        connection.close()
    work, cpu = watch.stop()
    return {"work": work, "work_cpu": cpu, "kept": kept[0], "counted": counted[0]}
