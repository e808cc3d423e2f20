"""Data quality and limits: what the records are worth, what the product does not do, and the cards of its models."""

from typing import Any

from crimepatterns.errors import ArtefactError, UntrustedModelError
from crimepatterns.reports.honesty import check_title, honesty_headline
from crimepatterns.serving.briefing import status
from crimepatterns.serving.names import model_label
from crimepatterns.serving.pages.morning import records_line
from crimepatterns.serving.results import Results
from crimepatterns.store.model_stages import read_stages

__all__ = ["DOES_NOT", "data_page", "model_versions"]

DOES_NOT = (
    (
        "Forecast people",
        (
            "There is no name, description or identifier of anybody in the records it keeps; "
            "columns that look personal are dropped before the raw copy is stored."
        ),
    ),
    ("Say why", "A hot spot has more records than chance explains. It tells neither the cause nor who lives there."),
    ("See what is not reported", "Where few report, or few are recorded, little is seen, and little is forecast."),
    (
        "Forecast what police go and find",
        (
            "Drugs, prostitution, weapons and stops say where police looked. "
            "They are no targets unless somebody names them."
        ),
    ),
    (
        "Promise an incident",
        (
            "At the finest cells the chance of nothing is usually the largest number. "
            "It stands beside every expected count."
        ),
    ),
    (
        "Beat a count everywhere",
        (
            "Plain counts stand on every scoreboard; where a learner is not shown to be better, "
            "the count is served and the page says so."
        ),
    ),
)
"""What the product does not do, and what that means."""

_PRECISION = {"missing_coordinates", "snapped_points", "default_geocodes", "null_island", "outside_area",
              "coordinates_rounded", "boundary_points"}  # fmt: skip


def data_page(results: Results, *, with_records: bool) -> dict[str, Any]:
    """Return what the template needs.

    Parameters
    ----------
    results : Results
    with_records : bool
        Whether the reader may see what is wrong with the records, by category and place.
    """
    shared = {"status": status(results), "does_not": DOES_NOT, "with_records": with_records}
    if not with_records:
        return {**shared, "records": None, "cleaning": None, "findings": None, "honesty": None, "models": []}
    report = results.honesty_report()
    findings = [{**one, "name": check_title(one["check"])} for one in report.get("findings", [])]
    order = {"serious": 0, "warning": 1, "note": 2, "ok": 3}
    findings.sort(key=lambda one: order.get(one["severity"], 9))
    return {
        **shared,
        "records": records_line(results),
        "cleaning": results.cleaning_report() or None,
        "honesty": honesty_headline(report) if report else None,
        "findings": findings,
        "places": [one for one in findings if one["check"] in _PRECISION],
        "models": model_versions(results),
    }


def model_versions(results: Results) -> list[dict[str, Any]]:
    """Return the models of the city: name, version in use, candidate, and where its card is.

    A log of stages that was altered is told in ``problem``, not trusted.
    """
    found = []
    prefix = f"{results.layout.city}-"
    for home in sorted(results.layout.models.glob(f"{prefix}*")):
        if not home.is_dir():
            continue
        category, _, model = home.name.removeprefix(prefix).rpartition("-")
        latest = home / "latest.txt"
        told: dict[str, Any] = {
            "home": home.name,
            "category": category,
            "model": model_label(model),
            "latest": latest.read_text(encoding="utf-8").strip() if latest.exists() else "",
            "champion": None,
            "candidate": None,
            "problem": "",
        }
        try:
            stages = read_stages(home)
            told |= {"champion": stages.champion, "candidate": stages.candidate, "previous": stages.previous}
        except (UntrustedModelError, ArtefactError) as error:
            told["problem"] = str(error).replace(str(results.layout.root), "").lstrip("/")
        version = told["champion"] or told["latest"]
        told["card"] = bool(version) and (home / version / "model_card.md").is_file()
        told["version"] = version
        found.append(told)
    return found
