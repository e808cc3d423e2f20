"""The synthetic rows: gzipped CSV files, each of a span of its own, with planted defects, and the day after all."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

ROWS_PER_FILE, CELL_M, DAYS = 2_500_000, 500.0, 1096
CRS, ZONE, START = "EPSG:32616", "America/Chicago", "2021-01-01"
BOX = (440_000.0, 4_630_000.0, 460_000.0, 4_650_000.0)
LABELS = {
    "THEFT": "theft", "BATTERY": "assault", "ASSAULT": "assault", "BURGLARY": "burglary", "ROBBERY": "robbery",
    "MOTOR VEHICLE THEFT": "vehicle_theft", "CRIMINAL DAMAGE": "damage", "NARCOTICS": "drugs",
}  # fmt: skip
COLUMNS = {"id": "case_number", "occurred_from": "occurred", "known_at": "reported", "category": "offense"}
COLUMNS |= {"longitude": "longitude", "latitude": "latitude"}


def generate(data: Path, rows: int) -> None:
    """Write the files, one of the day after, and the boundary."""
    import geopandas as gpd
    import shapely

    (data / "raw").mkdir(parents=True)
    gpd.GeoDataFrame({"name": ["Bench"]}, geometry=[shapely.box(*BOX)], crs=CRS).to_file(data / "area.gpkg")
    write = partial(write_file, data, rows)
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(write, range(files_of(rows) + 1)))


def files_of(rows: int) -> int:
    """Return the number of files: 20 for 50 million rows."""
    return max(1, round(rows / ROWS_PER_FILE))


def write_file(data: Path, rows: int, number: int) -> None:
    """Write one file: a span of days of its own, in order of time; the last number is the day after all."""
    import gzip

    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as pacsv
    import pyproj

    files = files_of(rows)
    rng, per_file, last = np.random.default_rng([7, number]), rows // files, number == files
    n = max(1, rows // DAYS) if last else per_file
    path = data / "next-day.csv.gz" if last else data / "raw" / f"part-{number:02d}.csv.gz"
    first_day, days = (DAYS, 1) if last else (number * DAYS // files, DAYS / files)
    addresses = np.random.default_rng(7).uniform(BOX[:2], BOX[2:], (200_000, 2))
    longitude, latitude = pyproj.Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform(*addresses.T)
    offenses = pa.array([*LABELS, "MISSING PERSON"])
    weights = np.array([30, 20, 15, 10, 8, 7, 6, 3.9, 0.1]) / 100
    header = True
    with gzip.open(path, "wb", compresslevel=1) as packed:
        for start in range(0, n, 500_000):
            size = min(500_000, n - start)
            second = np.sort(rng.uniform(start / n, (start + size) / n, size)) * days * 86_400
            begun = np.datetime64(START, "s") + first_day * 86_400 + second.astype(np.int64) // 60 * 60
            told = begun + rng.exponential(2 * 86_400, size).astype(np.int64) // 60 * 60
            place = (200_000 * rng.random(size) ** 3).astype(np.int64)
            ids = pc.binary_join_element_wise(
                "HY", pc.utf8_lpad(pa.array(np.arange(size) + start + number * per_file).cast(pa.string()), 8, "0"), ""
            )
            columns = {
                "case_number": ids,
                "occurred": texts(begun),
                "reported": texts(told),
                "offense": offenses.take(pa.array(rng.choice(9, size, p=weights))),
                "district": pa.array(rng.integers(1, 26, size).astype(np.int8)).cast(pa.string()),
                "longitude": decimals(longitude[place]),
                "latitude": decimals(latitude[place]),
            }
            table = pa.table(spoilt(columns, rng, size))
            options = pacsv.WriteOptions(include_header=header, quoting_style="needed")
            pacsv.write_csv(table, packed, options)
            header = False


def spoilt(columns: dict[str, Any], rng: Any, size: int) -> dict[str, Any]:
    """Plant defects: values that cannot be, and rows and ids that repeat those just before."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    again = np.arange(size)
    repeats = np.flatnonzero(rng.random(size) < 0.01)
    again[repeats] = np.maximum(repeats - rng.integers(1, 50, len(repeats)), 0)
    rows = {name: column.take(pa.array(again)) for name, column in columns.items()}
    same_id = np.arange(size)
    chosen = np.flatnonzero(rng.random(size) < 0.002)
    same_id[chosen] = np.maximum(chosen - 1, 0)
    rows["case_number"] = rows["case_number"].take(pa.array(same_id))

    def put(name: str, value: str | None, mask: Any) -> None:
        rows[name] = pc.if_else(pa.array(mask), pa.scalar(value, pa.string()), rows[name])

    put("occurred", "2022-02-30 10:00:00", rng.random(size) < 0.0005)
    put("occurred", "2999-01-01 00:00:00", rng.random(size) < 0.0003)
    for value, share in ((None, 0.01), ("0", 0.003)):
        gone = rng.random(size) < share
        put("longitude", value, gone)
        put("latitude", value, gone)
    put("latitude", "12.5", rng.random(size) < 0.001)
    return rows


def texts(moments: Any) -> Any:
    """Write moments as ``2021-01-31 13:45:00``."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.strftime(pa.array(moments), "%Y-%m-%d %H:%M:%S")


def decimals(values: Any) -> Any:
    """Write coordinates with six decimals."""
    import numpy as np
    import pyarrow as pa

    return pa.array(np.round(values, 6)).cast(pa.string())
