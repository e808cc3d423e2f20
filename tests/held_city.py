"""A city whose records arrive only when the test lets them: work that lasts exactly as long as it should."""

import threading
from pathlib import Path

import yaml

from servers import FaultServer, Received, Reply

CITY = "harbour"
HEADER = "id,when,what,lon,lat\n"
ROWS = "".join(
    f"{i},2025-{1 + i % 9:02d}-{1 + i % 28:02d} {i % 24:02d}:15,theft,{-87.70 + (i % 17) * 0.004:.4f},"
    f"{41.80 + (i % 13) * 0.004:.4f}\n"
    for i in range(400)
)


class HeldFile:
    """A file on the web that arrives only when the test lets it: work that lasts exactly as long as it should."""

    def __init__(self, server: FaultServer) -> None:
        self.asked, self.released = threading.Event(), threading.Event()
        server.add("/records.csv", self._answer)

    def _answer(self, _: Received) -> Reply:
        self.asked.set()
        self.released.wait(60)
        return Reply(200, (HEADER + ROWS).encode(), {"Content-Type": "text/csv"})


def held_city(root: Path, server: FaultServer) -> Path:
    """Write the configuration of a city whose records are the held file; return its path."""
    feed = {"urls": [server.url("/records.csv")], "allow_private": [server.host], "timeout_s": 60}
    settings = {
        "city": CITY,
        "title": "Harbour",
        "timezone": "America/Chicago",
        "root": str(root),
        "source": {"kind": "url", "feed": feed},
        "columns": {"id": "id", "occurred_from": "when", "category": "what", "longitude": "lon", "latitude": "lat"},
        "study_area": {"derive": "concave_hull"},
    }
    path = root / "harbour.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path
