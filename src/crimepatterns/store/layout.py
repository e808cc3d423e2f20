"""Where everything of one city lies on disk."""

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Layout", "slug"]


@dataclass(frozen=True)
class Layout:
    """Paths of one city below a root folder; nothing is created by asking for a path.

    Parameters
    ----------
    root : Path
        The project folder.
    city : str
        The city's short name.
    """

    root: Path
    city: str

    @property
    def raw(self) -> Path:
        """Immutable raw copies with MANIFEST.json."""
        return self.root / "data" / "raw" / self.city

    @property
    def processed(self) -> Path:
        """Link to the current version of everything that cleaning makes; it can be rebuilt from `raw`."""
        return self.root / "data" / "processed" / self.city

    @property
    def incidents(self) -> Path:
        """GeoParquet, ``year=YYYY/month=MM/part-N.parquet``."""
        return self.processed / "incidents"

    @property
    def rejected(self) -> Path:
        """Folder of Parquet files that reads as one table of dropped rows, each with its reason."""
        return self.processed / "rejected.parquet"

    @property
    def study_area(self) -> Path:
        """GeoParquet with the boundary and the neighbourhoods."""
        return self.processed / "study_area.parquet"

    @property
    def cleaning_report(self) -> Path:
        """JSON; the readable page lies beside it as ``.html``."""
        return self.processed / "cleaning_report.json"

    @property
    def raw_context(self) -> Path:
        """Immutable raw copies of context files: ``<layer>/MANIFEST.json``."""
        return self.raw / "context"

    @property
    def context(self) -> Path:
        """Context layers, ``layers/<name>.parquet`` and ``audit/<name>.parquet``, apart from what cleaning replaces."""
        return self.root / "data" / "processed" / f"{self.city}.context"

    @property
    def results(self) -> Path:
        """Everything the later stages make."""
        return self.root / "results" / self.city

    @property
    def patterns(self) -> Path:
        """Surfaces and clusters: ``<category>/<method>.parquet``."""
        return self.results / "patterns"

    @property
    def card_decisions(self) -> Path:
        """What analysts decided about pattern cards, a line each; apart from results: nothing can make it again."""
        return self.root / "data" / "decisions" / self.city / "cards.jsonl"

    @property
    def saved_views(self) -> Path:
        """Addresses that analysts keep by name; apart from results: nothing can make them again."""
        return self.root / "data" / "views" / self.city / "views.json"

    @property
    def uploads(self) -> Path:
        """Files that were uploaded, ``<upload>/`` each with what is known of it and its city file."""
        return self.root / "data" / "uploads"

    @property
    def issued(self) -> Path:
        """Forecasts as they were issued, and what came of them; apart from results: nothing can make them again."""
        return self.root / "data" / "issued" / self.city

    @property
    def monitoring(self) -> Path:
        """What `crimepatterns monitor` found, ``report.json``, and who is served, ``retirement.json``."""
        return self.results / "monitoring"

    @property
    def bulletins(self) -> Path:
        """Bulletins of pattern cards: ``<card>.html`` and ``<card>.pdf``."""
        return self.results / "bulletins"

    @property
    def forecasts(self) -> Path:
        """``<category>.parquet``."""
        return self.results / "forecasts"

    @property
    def forecast_manifests(self) -> Path:
        """Manifest of every forecast run, from which it can be made again."""
        return self.results / "forecast_manifests"

    @property
    def lineage(self) -> Path:
        """What forecasts rest on, down to the raw copies: ``<cutoff>-made-<run date>.json``."""
        return self.results / "lineage"

    @property
    def replays(self) -> Path:
        """Forecasts made again from a manifest: ``<cutoff>-made-<run date>/``."""
        return self.results / "replays"

    @property
    def evaluation(self) -> Path:
        """``scorecard-<span>/``."""
        return self.results / "evaluation"

    @property
    def tuning(self) -> Path:
        """Searches for learners' settings, ``studies.sqlite``, and what they found, ``settings.json``."""
        return self.results / "tuning"

    @property
    def plan(self) -> Path:
        """Patrol plan as CSV, GeoJSON and printable page."""
        return self.results / "plan"

    @property
    def grid_choice(self) -> Path:
        """The chosen grid, ``choice.json``, and all that was tried, ``tried.csv``."""
        return self.results / "grid_choice"

    @property
    def challenge(self) -> Path:
        """Maps under the rules of a challenge: ``<rules>/<category>_<horizon>_<area>.gpkg``."""
        return self.results / "challenge"

    @property
    def quality(self) -> Path:
        """The data honesty report: ``honesty.json`` with its flags, ``honesty.html`` and its pictures."""
        return self.results / "quality"

    @property
    def figures(self) -> Path:
        """PNG figures."""
        return self.results / "figures"

    @property
    def daily(self) -> Path:
        """Reports of `crimepatterns daily`: ``latest.json`` and one per day."""
        return self.results / "daily"

    @property
    def jobs(self) -> Path:
        """Long work that was started from the page: ``<job>/`` with its state and its log."""
        return self.results / "jobs"

    @property
    def stages(self) -> Path:
        """One JSON manifest per finished stage: inputs, settings, outputs and digests."""
        return self.results / "stages"

    @property
    def models(self) -> Path:
        """``<name>/<version>/``."""
        return self.root / "models"

    @property
    def ledger(self) -> Path:
        """Append-only record of every opening of the judge span."""
        return self.root / "ledger" / f"{self.city}.jsonl"


def slug(name: str) -> str:
    """Turn a category or model name into a safe file name: lower case, anything else than a-z and 0-9 becomes ``_``."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "_"
