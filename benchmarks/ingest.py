"""Ingest, clean and count millions of rows: this product beside vectorised pandas and one DuckDB script.

All three copy the CSV of the synthetic city (with its planted defects) with its sha256, read it, refuse the same rows,
project, remove duplicates, write incidents partitioned by year and month and a table of rejected rows, and count
incidents by category, 250-m cell and week. Each runs in its own process.

What is not the same, in the peers' favour: the product also reads the file once before it accepts the copy, keeps a
text of every rejected row, and makes the cleaning report; DuckDB, which has no reference systems, uses the series of
Krueger for UTM and tests the bounding box instead of the polygon.

Run: python benchmarks/ingest.py --rows 1000000
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CITY = {"years": 3, "seed": 11}
CELL_M = 250.0
MAPPED = ["Case Number", "Occurred From", "Occurred Until", "Reported", "Offense", "Offense Description", "Discovery"]
MAPPED += ["Longitude", "Latitude", "Neighborhood", "Premise"]
GOAL_PANDAS_SPEED, GOAL_PANDAS_MEMORY, GOAL_DUCKDB_SPEED = 3.0, 1 / 3, 3.0


def main() -> None:
    """Measure every contender in its own process and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="incidents in the synthetic city")
    parser.add_argument("--folder", type=Path, help="keep the CSV here and use it again")
    parser.add_argument("--contender", choices=[*CONTENDERS, "generate"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender is not None:
        run = generate if arguments.contender == "generate" else CONTENDERS[arguments.contender]
        print(json.dumps(run(arguments.folder, arguments.rows)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / f"incidents-{arguments.rows}.csv").exists():
            measure("generate", folder, arguments.rows)
        report({name: measure(name, folder, arguments.rows) for name in CONTENDERS})


def measure(contender: str, folder: Path, rows: int) -> dict[str, Any]:
    """Run one contender in a fresh process; return its answer with wall and CPU seconds and peak memory."""
    command = [sys.executable, __file__, "--contender", contender, "--folder", str(folder), "--rows", str(rows)]
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        answer = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{contender} failed")
    facts: dict[str, Any] = json.loads(answer.splitlines()[-1])
    cpu = usage.ru_utime + usage.ru_stime
    return facts | {"wall": time.monotonic() - began, "cpu": cpu, "peak_mb": usage.ru_maxrss / 1024}


def report(results: dict[str, dict[str, Any]]) -> None:
    """Print the table and say which goals are met."""
    own, pandas, duckdb = results["crimepatterns"], results["pandas"], results["duckdb"]
    print(f"{'':16}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}{'kept':>12}{'counted':>12}")
    for name, facts in results.items():
        numbers = f"{facts['wall']:9.1f}{facts['cpu']:9.1f}{facts['peak_mb']:9.0f}"
        print(f"{name:16}{numbers}{facts['kept']:12,}{facts['counted']:12,}")
    assert own["kept"] == pandas["kept"], "kept rows differ from pandas"
    assert own["counted"] == pandas["counted"], "counts differ from pandas"
    assert 0 <= duckdb["kept"] - own["kept"] <= 1e-3 * own["kept"], "kept rows differ from DuckDB beyond its box test"
    for kind in ("wall", "cpu"):
        faster, slower = pandas[kind] / own[kind], own[kind] / duckdb[kind]
        print(f"{kind}: {faster:.2f} times faster than pandas (goal 3: {_met(faster >= GOAL_PANDAS_SPEED)}), ", end="")
        print(f"{slower:.2f} times the time of DuckDB (goal at most 3: {_met(slower <= GOAL_DUCKDB_SPEED)})")
    memory = own["peak_mb"] / pandas["peak_mb"]
    print(f"memory: {memory:.2f} of pandas (goal at most 0.33: {_met(memory <= GOAL_PANDAS_MEMORY)})")


def generate(folder: Path, rows: int) -> dict[str, Any]:
    """Write the CSV of the synthetic city, its boundary and its mapping."""
    import geopandas as gpd
    import pyarrow.csv as pacsv

    from crimepatterns.sources.synthetic import SyntheticCity

    city = SyntheticCity(incidents=rows, **CITY)
    area = city.area
    gpd.GeoDataFrame({"name": [area.name]}, geometry=[area.polygon], crs=area.crs).to_file(folder / "area.gpkg")
    facts = {"columns": dict(city.columns), "mapping": dict(city.taxonomy), "crs": area.crs, "timezone": area.timezone}
    (folder / "city.json").write_text(json.dumps(facts))
    target, written = folder / f"incidents-{rows}.csv", 0
    table = city.fetch()
    batches = iter(table.batches)
    first = next(batches)
    with pacsv.CSVWriter(target, first.schema) as writer:
        for batch in (first, *batches):
            writer.write_batch(batch)
            written += batch.num_rows
    return {"rows": written}


def run_crimepatterns(folder: Path, rows: int) -> dict[str, Any]:
    """Ingest, clean and count with this product."""
    import pandas as pd

    from crimepatterns.config import load_settings
    from crimepatterns.data_processing import clean, ingest
    from crimepatterns.domain.grid import Grid
    from crimepatterns.domain.periods import Periods
    from crimepatterns.store.areas import read_study_area
    from crimepatterns.store.cell_counts import count_cells
    from crimepatterns.store.layout import Layout

    facts = json.loads((folder / "city.json").read_text())
    with tempfile.TemporaryDirectory(dir=folder) as root:
        changes = {
            "city": "bench",
            "root": root,
            "crs": facts["crs"],
            "timezone": facts["timezone"],
            "source": {"kind": "file", "paths": [str(folder / f"incidents-{rows}.csv")]},
            "columns": facts["columns"],
            "taxonomy": {"mapping": facts["mapping"]},
            "study_area": {"boundary": str(folder / "area.gpkg")},
        }
        settings = load_settings(overrides=changes)
        ingest(settings)
        summary = clean(settings)
        layout = Layout(settings.root, settings.city)
        area = read_study_area(layout.study_area)
        grid = Grid.square(area, cell_size_m=CELL_M)
        start = pd.Timestamp(summary["first"][:10], tz=area.timezone)
        weeks = (pd.Timestamp(summary["last"]) - start.tz_localize(None)).days // 7 + 1
        periods = Periods.starting_at(start, days=7, count=weeks)
        panel = count_cells(layout.incidents, grid, periods, categories=sorted(summary["categories"]))
    return {"kept": summary["kept"], "counted": int((panel.counts > 0).sum())}


def raw_copy(folder: Path, rows: int) -> str:
    """Copy the file as ingestion does, and return its sha256."""
    target = folder / "copy.csv"
    shutil.copyfile(folder / f"incidents-{rows}.csv", target)
    with target.open("rb") as copy:
        digest = hashlib.file_digest(copy, "sha256").hexdigest()
    target.unlink()
    return digest


def run_pandas(folder: Path, rows: int) -> dict[str, Any]:
    """Do the same with vectorised pandas, GeoPandas' reader and shapely."""
    import geopandas as gpd
    import numpy as np
    import pandas as pd
    import pyproj
    import shapely

    raw_copy(folder, rows)
    facts = json.loads((folder / "city.json").read_text())
    polygon = gpd.read_file(folder / "area.gpkg").geometry.iloc[0]
    table = pd.read_csv(folder / f"incidents-{rows}.csv", engine="pyarrow")
    for name in ("Occurred From", "Occurred Until", "Reported"):
        moments = pd.to_datetime(table[name], errors="coerce", format="ISO8601")
        first = np.ones(len(table), dtype=bool)
        table[f"{name} at"] = moments.dt.tz_localize(facts["timezone"], nonexistent="shift_forward", ambiguous=first)
    begun = table["Occurred From at"]
    x, y = pyproj.Transformer.from_crs("EPSG:4326", facts["crs"], always_xy=True).transform(
        table["Longitude"].to_numpy(), table["Latitude"].to_numpy()
    )
    table["x"], table["y"] = x, y
    shapely.prepare(polygon)
    table["category"] = table["Offense"].map(facts["mapping"])
    ended = table["Occurred Until at"].fillna(begun)
    latest = pd.Timestamp.now(tz=facts["timezone"]).normalize() + pd.Timedelta(days=1)
    checks = [
        ("time", begun.isna() | (begun < pd.Timestamp("1990-01-01", tz=facts["timezone"])) | (begun >= latest)),
        ("interval", ended < begun),
        ("category", table["category"].isna()),
        ("coordinates", ~(np.isfinite(x) & np.isfinite(y))),
        ("outside", pd.Series(~shapely.intersects_xy(polygon, x, y))),
        ("duplicate", None),
        ("id", None),
    ]
    table["reason"] = ""
    for reason, failed in checks:
        free = table["reason"] == ""
        if failed is None:
            subset = MAPPED if reason == "duplicate" else ["Case Number"]
            good = table.loc[free]
            table.loc[good.index[good.duplicated(subset)], "reason"] = reason
        else:
            table.loc[free & failed, "reason"] = reason
    kept = table.loc[table["reason"] == ""].copy()
    kept["occurred_until"] = kept["Occurred Until at"].fillna(kept["Occurred From at"])
    kept["known_at"] = kept[["Occurred From at", "Reported at"]].max(axis=1)
    kept["year"], kept["month"] = kept["Occurred From at"].dt.year, kept["Occurred From at"].dt.month
    kept["geometry"] = shapely.to_wkb(shapely.points(kept["x"], kept["y"]))
    with tempfile.TemporaryDirectory(dir=folder) as root:
        kept.drop(columns=["reason", "Occurred From", "Occurred Until", "Reported"]).to_parquet(
            Path(root) / "incidents", partition_cols=["year", "month"], index=False
        )
        table.loc[table["reason"] != "", [*MAPPED, "reason"]].to_parquet(Path(root) / "rejected.parquet", index=False)
    wall = kept["Occurred From at"].dt.tz_localize(None)
    week = (wall - wall.min().normalize()).dt.days // 7
    cells = [kept["category"], np.floor(kept["x"] / CELL_M), np.floor(kept["y"] / CELL_M), week]
    counts = kept.groupby(cells, observed=True).size()
    return {"kept": len(kept), "counted": len(counts)}


def run_duckdb(folder: Path, rows: int) -> dict[str, Any]:
    """Do the same with one DuckDB script."""
    import duckdb
    import pyogrio

    raw_copy(folder, rows)
    facts = json.loads((folder / "city.json").read_text())
    west, south, east, north = pyogrio.read_info(folder / "area.gpkg")["total_bounds"]
    meridian = (int(facts["crs"][-2:]) - 1) * 6 - 177
    labels = ", ".join(f"('{label}', '{category}')" for label, category in facts["mapping"].items())
    mapped = ", ".join(f'"{name}"' for name in MAPPED)
    zone = facts["timezone"]
    with tempfile.TemporaryDirectory(dir=folder) as root:
        connection = duckdb.connect(config={"temp_directory": root})
        connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = true")
        connection.execute(f"""
            CREATE TEMP TABLE checked AS
            WITH raw AS (
                SELECT *, row_number() OVER () AS line
                FROM read_csv('{folder}/incidents-{rows}.csv', all_varchar = true, header = true)),
            typed AS (
                SELECT raw.*, try_cast("Occurred From" AS TIMESTAMP) AS wall,
                       wall AT TIME ZONE '{zone}' AS occurred_from,
                       coalesce(try_cast("Occurred Until" AS TIMESTAMP) AT TIME ZONE '{zone}', occurred_from)
                       AS occurred_until,
                       greatest(try_cast("Reported" AS TIMESTAMP) AT TIME ZONE '{zone}', occurred_from) AS known_at,
                       try_cast("Longitude" AS DOUBLE) AS lon, try_cast("Latitude" AS DOUBLE) AS lat, label.category
                FROM raw LEFT JOIN (VALUES {labels}) AS label(name, category) ON raw."Offense" = label.name),
            placed AS (SELECT *, {utm_sql("lon", "lat", meridian)} FROM typed),
            judged AS (
                SELECT *, CASE WHEN wall IS NULL OR wall < '1990-01-01' OR wall >= current_date + 1 THEN 'time'
                               WHEN occurred_until < occurred_from THEN 'interval'
                               WHEN category IS NULL THEN 'category'
                               WHEN x IS NULL OR NOT isfinite(x) OR NOT isfinite(y) THEN 'coordinates'
                               WHEN x NOT BETWEEN {west} AND {east} OR y NOT BETWEEN {south} AND {north} THEN 'outside'
                               END AS fault
                FROM placed)
            SELECT *, CASE WHEN fault IS NOT NULL THEN fault
                      WHEN row_number() OVER (PARTITION BY {mapped}, fault ORDER BY line) > 1 THEN 'duplicate'
                      WHEN row_number() OVER (PARTITION BY "Case Number", fault ORDER BY line) > 1 THEN 'id'
                      END AS reason
            FROM judged""")
        connection.execute(f"""
            COPY (SELECT "Case Number" AS id, occurred_from, occurred_until, known_at, category, "Offense Description",
                         "Discovery", "Neighborhood", "Premise", x, y, year(wall) AS year, month(wall) AS month
                  FROM checked WHERE reason IS NULL)
            TO '{root}/incidents' (FORMAT parquet, PARTITION_BY (year, month));
            COPY (SELECT {mapped}, reason FROM checked WHERE reason IS NOT NULL)
            TO '{root}/rejected.parquet' (FORMAT parquet)""")
        counted = connection.execute(f"""
            SELECT count(*) FROM (
                SELECT category, floor(x / {CELL_M}), floor(y / {CELL_M}),
                       date_diff('day', (SELECT min(wall)::DATE FROM checked WHERE reason IS NULL), wall::DATE) // 7
                FROM checked WHERE reason IS NULL GROUP BY ALL)""").fetchone()
        kept = connection.execute("SELECT count(*) FROM checked WHERE reason IS NULL").fetchone()
        connection.close()
    return {"kept": kept[0], "counted": counted[0]}


def utm_sql(lon: str, lat: str, meridian: int) -> str:
    """Write the UTM projection as SQL: the series of Krueger to third order, exact to well under a millimetre here.

    Source: Karney 2011, Transverse Mercator with an accuracy of a few nanometers, doi:10.1007/s00190-011-0445-3.
    """
    n = (1 / 298.257223563) / (2 - 1 / 298.257223563)
    radius = 6378137.0 / (1 + n) * (1 + n**2 / 4 + n**4 / 64)
    alpha = (
        n / 2 - 2 / 3 * n**2 + 5 / 16 * n**3,
        13 / 48 * n**2 - 3 / 5 * n**3,
        61 / 240 * n**3,
    )
    eccentricity = 2 * n**0.5 / (1 + n)
    series_x = " + ".join(f"{a!r} * cos({2 * k} * xi) * sinh({2 * k} * eta)" for k, a in enumerate(alpha, start=1))
    series_y = " + ".join(f"{a!r} * sin({2 * k} * xi) * cosh({2 * k} * eta)" for k, a in enumerate(alpha, start=1))
    return f"""
        sin(radians({lat})) AS s, sinh(atanh(s) - {eccentricity!r} * atanh({eccentricity!r} * s)) AS t,
        radians({lon} - {meridian}) AS l, atan2(t, cos(l)) AS xi, atanh(sin(l) / sqrt(1 + t * t)) AS eta,
        500000 + {0.9996 * radius!r} * (eta + {series_x}) AS x,
        {0.9996 * radius!r} * (xi + {series_y}) AS y"""


def _met(reached: bool) -> str:
    return "met" if reached else "not met"


CONTENDERS = {"crimepatterns": run_crimepatterns, "pandas": run_pandas, "duckdb": run_duckdb}

if __name__ == "__main__":
    main()
