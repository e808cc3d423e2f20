"""The model card: what a trained model is for, how good it is, and where it must not be used."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["gates_chapter", "model_card"]

_SCORES = (
    ("log_loss", "Log loss (nats)", "lower"),
    ("brier", "Brier score", "lower"),
    ("roc_auc", "ROC-AUC", "higher"),
    ("accuracy", "Accuracy", "higher"),
    ("precision", "Precision", "higher"),
    ("recall", "Recall", "higher"),
    ("f1", "F1", "higher"),
    ("expected_over_observed", "Expected / observed", "1"),
)

_KINDS = {
    "random_forest": "a random forest (scikit-learn RandomForestClassifier)",
    "gradient_boosting": "gradient boosting in its histogram form (scikit-learn HistGradientBoostingClassifier), "
    "the product's complex model",
    "random_forest_regressor": "a random forest of log(1 + count) (scikit-learn RandomForestRegressor)",
    "poisson_boosting": "gradient boosting of counts that corrects the shrunk count (scikit-learn "
    "HistGradientBoostingRegressor with Poisson loss)",
}
_OF_COUNTS = frozenset({"random_forest_regressor", "poisson_boosting"})


def model_card(
    *,
    title: str,
    config: Mapping[str, Any],
    metrics: Mapping[str, Any],
    manifest: Mapping[str, Any],
    importance: Sequence[tuple[str, float, float]],
) -> str:
    """Write the card of one model as Markdown.

    Parameters
    ----------
    title : str
        Name of the city.
    config, metrics, manifest : mapping
        As they are stored beside the card.
    importance : sequence of (feature, rise of the log loss, spread)
        The most important first.

    Returns
    -------
    str
    """
    parts = [
        _heading(title, config, manifest),
        *([f"**{config['warning']}**"] if config.get("warning") else []),
        _USE,
        _data(config, manifest),
        _scores(metrics),
        _important(importance),
        _LIMITS,
        _how_to_repeat(config, manifest),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def gates_chapter(records: Sequence[Mapping[str, Any]]) -> str:
    """Write what the gates said of a version as a chapter of its card, the latest last.

    Parameters
    ----------
    records : sequence of mapping
        Of `crimepatterns.store.gate_records.read_records`; empty where they were not asked.
    """
    if not records:
        return (
            "## What the gates said\n\nThey were not asked: it was the first version of its model, or the first for "
            "its grid and horizon, or nobody has judged it yet.\n"
        )
    return "## What the gates said\n\n" + "\n".join(_judged(record) for record in records)


def _judged(record: Mapping[str, Any]) -> str:
    lines = [
        f"| {gate['name']} | {gate['state']} | {_told(gate['figure'])} | {_told(gate['bound'])} | "
        f"{_told(gate['margin'])} | {gate['sentence']} |"
        for gate in record["gates"]
    ]
    return (
        f"On {record['at'][:10]}, beside version {record['beside']}, over {record['origins']} past periods from "
        f"{record['first_cutoff'][:10]} to {record['last_end'][:10]}: **{record['state']}**.\n\n"
        "| gate | said | figure | bound | margin | in words |\n|---|---|---|---|---|---|\n" + "\n".join(lines) + "\n"
    )


def _told(number: float | None) -> str:
    return "" if number is None else f"{number:.3g}"


_USE = """
## What it is for

It says how many incidents of this category to expect in each cell over the next period, so that an analyst can compare
places and plan work there. Its forecast stands beside plain counts on the scoreboard: use it only where it is shown to
be better, or at least as good.

**Not for persons.** It knows places and times, never people. Do not use it to suspect, stop, rate or list anybody, nor
as a ground for any decision about a person. Do not use it in another city, for another category, on another grid, or
for offences that mostly come to light through police activity.
"""

_LIMITS = """
## Limits

- It learns from incidents that were reported and recorded. Where people report less, it expects less.
- It forecasts counts per cell, not single incidents: most cells see none, and even the first places see none in many
  periods.
- The newest periods may be incomplete because incidents are reported late; it learned from the periods as they are
  known now.
- Features that say nearly the same share their importance; a small bar does not mean that a fact is without meaning.
- Patrols sent by its forecasts may change what is reported. Compare its map with plain counts by neighbourhood before
  acting on it.
"""


def _heading(title: str, config: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    kind = _KINDS.get(str(config["forecaster"]), str(config["forecaster"]))
    if config["forecaster"] in _OF_COUNTS:
        gives = (
            f"the number of incidents to expect within {config['horizon_days']} days; the chance of at least one is "
            "1 - exp(-number)."
        )
    else:
        gives = (
            f"its chance of at least one incident within {config['horizon_days']} days; the expected number is "
            "-log(1 - chance)."
        )
    return (
        f"# {title}: {config['category']}, {config['forecaster']}\n\n"
        f"Version {manifest['version']}. This is {kind}. It gives each cell {gives}"
    )


def _data(config: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    grid, facts = config["grid"], config["facts"]
    size = "given polygons" if grid["kind"] == "polygon" else f"{grid['kind']} cells of {grid['cell_size_m']:g} m"
    return (
        "## What it learned from\n\n"
        f"{manifest['incidents']:,} incidents of {title_of(manifest)} known until {config['trained_until'][:10]} "
        f"(digest {manifest['data_digest']}), counted on {manifest['cells']:,} {size}. It was fitted on "
        f"{facts['rows']:,} cells and periods from {facts['learned_periods']} periods and calibrated on the "
        f"{facts['calibration_periods']} periods after them. It sees {len(config['features'])} features: past counts "
        "of the cell, its neighbours, its neighbourhood and other reported categories, the time since the last "
        f"incident, the season and the cell's area{_context(facts)}. "
        "Columns about race, ethnicity, religion, nationality or income are "
        "refused."
    )


def _context(facts: Mapping[str, Any]) -> str:
    names = facts.get("context", ())
    return f"; and as context, as it was known, {', '.join(names)}" if names else ""


def title_of(manifest: Mapping[str, Any]) -> str:
    """Name the categories in the data."""
    names = list(manifest["categories"])
    return names[0] if len(names) == 1 else f"{len(names)} categories"


def _scores(metrics: Mapping[str, Any]) -> str:
    own, counts = metrics["held_out"]["model"], metrics["held_out"]["count_eb"]
    lines = [f"| {label} | {own[key]:.4f} | {counts[key]:.4f} | {better} |" for key, label, better in _SCORES]
    return (
        "## How good it is\n\n"
        f"A model with the same settings, fitted before {metrics['held_out']['first_cutoff'][:10]}, on the "
        f"{metrics['held_out']['origins']} periods after it, all inside the fit span (the periods on which models are "
        "chosen and judged were not looked at). Beside it the shrunk count `count_eb` on the same cells:\n\n"
        "| score | this model | count_eb | better |\n|---|---|---|---|\n" + "\n".join(lines) + "\n\n"
        f"{_verdict(own, counts)}"
        f"{own['share_positive'] * 100:.1f} % of cells and periods saw an incident, so always saying no is right in "
        f"{own['majority_accuracy']:.4f}: read accuracy beside that number. The scoreboard of the city holds hit rate, "
        "PAI, PEI and the comparison with every baseline."
    )


def _verdict(own: Mapping[str, float], counts: Mapping[str, float]) -> str:
    """Say plainly where the model was no better than the count it stands beside."""
    if own["log_loss"] < counts["log_loss"]:
        return ""
    return "**The count suffices here**: on these periods the model's chances were no better than those of the count. "


def _important(importance: Sequence[tuple[str, float, float]]) -> str:
    lines = [f"| {name} | {rise:.5f} | {spread:.5f} |" for name, rise, spread in importance[:10]]
    return (
        "## What it leans on\n\n"
        "Rise of the log loss on held-out periods when one feature is shuffled (see feature_importance.png):\n\n"
        "| feature | rise | spread |\n|---|---|---|\n" + "\n".join(lines) + "\n\n"
        "How many incidents it expects on average as one of the first six takes other values, all else left as it is: "
        "partial_dependence.png. Where features go together it shows cells that do not exist."
    )


def _how_to_repeat(config: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{key} = {value}" for key, value in config["facts"]["settings"].items())
    libraries = ", ".join(f"{name} {version}" for name, version in manifest["libraries"].items())
    return (
        "## How to make it again\n\n"
        f"`crimepatterns train` with seed {manifest['seed']}, code version {manifest['code_version']}, settings "
        f"{settings}; {libraries}. manifest.json holds the digests of every file."
    )
