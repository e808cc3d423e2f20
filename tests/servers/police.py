"""data.police.uk as documented: archives, and the interface with its limit of crimes per answer."""

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from servers.fault_server import FaultServer, Received, Reply

__all__ = ["HEADER", "PolicePortal", "archive", "street_csv"]

HEADER = (
    "Crime ID,Month,Reported by,Falls within,Longitude,Latitude,Location,LSOA code,LSOA name,Crime type,"
    "Last outcome category,Context\n"
)
TYPES = {"Burglary": "burglary", "Anti-social behaviour": "anti-social-behaviour", "Vehicle crime": "vehicle-crime"}


def street_csv(month: str, force: str, rows: int, *, seed: int = 1, outcome: str = "Under investigation") -> bytes:
    """One file of an archive; the same seed gives the same crimes, `outcome` a revision of them."""
    rng = np.random.default_rng([seed, int(month.replace("-", ""))])
    lines = [HEADER]
    for i in range(rows):
        kind = list(TYPES)[rng.integers(3)]
        x, y = -1.25 + rng.integers(20) / 200, 54.5 + rng.integers(20) / 200
        name = hashlib.sha256(f"{month}{force}{i}".encode()).hexdigest()
        asb = kind.startswith("Anti")
        lines.append(
            f"{'' if asb else name},{month},{force.title()} Police,{force.title()} Police,{x:.6f},{y:.6f},"
            f"On or near High Street,E01012{i % 900:03d},Town 00{i % 9}A,{kind},{'' if asb else outcome},\n"
        )
    return "".join(lines).encode()


def archive(files: Mapping[tuple[str, str], bytes], **others: bytes) -> bytes:
    """An archive of (month, force) to content, with the folders and the other files that real ones have."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as packed:
        for (month, force), content in files.items():
            packed.writestr(f"{month}/{month}-{force}-street.csv", content)
            packed.writestr(f"{month}/{month}-{force}-outcomes.csv", b"Crime ID,Month,Outcome type\n1,2,3\n")
            packed.writestr(f"{month}/{month}-{force}-stop-and-search.csv", b"Type,Date\na,b\n")
        for name, content in others.items():
            packed.writestr(name.replace("__", "."), content)
    return written.getvalue()


@dataclass
class PolicePortal:
    """The interface over crimes that are given as its JSON objects, month by month."""

    server: FaultServer
    crimes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    updated: str = "2024-05-01"
    limit: int = 10_000

    def __post_init__(self) -> None:
        self.server.add("/api/crime-last-updated", lambda _: Reply.json({"date": self.updated}))
        self.server.add("/api/crimes-street-dates", lambda _: Reply.json(self._dates()))
        self.server.add("/api/crimes-street/all-crime", self._street)

    def fill(self, month: str, places: Sequence[tuple[float, float]], *, outcome: str | None = None) -> None:
        """Put crimes at longitudes and latitudes; numbers are given anew at each call, as the portal may do."""
        first = sum(map(len, self.crimes.values())) + 1_000
        self.crimes[month] = [
            {
                "category": list(TYPES.values())[i % 3],
                "location_type": "Force",
                "location": {
                    "latitude": f"{y:.6f}",
                    "street": {"id": 880_000 + i % 50, "name": "On or near High Street"},
                    "longitude": f"{x:.6f}",
                },
                "context": "",
                "outcome_status": None if outcome is None else {"category": outcome, "date": month},
                "persistent_id": "" if i % 3 == 1 else hashlib.sha256(f"{month}{i}".encode()).hexdigest(),
                "id": first + i,
                "location_subtype": "",
                "month": month,
            }
            for i, (x, y) in enumerate(places)
        ]

    def _dates(self) -> list[dict[str, Any]]:
        return [{"date": month, "stop-and-search": ["cleveland"]} for month in sorted(self.crimes, reverse=True)]

    def _street(self, request: Received) -> Reply:
        if len(str(request.query)) > 4_094 or "poly" not in request.query:
            return Reply(400, b"")
        corners = np.array([[float(part) for part in pair.split(",")] for pair in request.query["poly"].split(":")])
        (south, west), (north, east) = corners.min(axis=0), corners.max(axis=0)
        inside = [
            crime
            for crime in self.crimes.get(request.query["date"], [])
            if south <= float(crime["location"]["latitude"]) <= north
            and west <= float(crime["location"]["longitude"]) <= east
        ]
        return Reply(503, b"") if len(inside) > self.limit else Reply.json(inside)
