"""Pictures of a scorecard show its numbers, and call nothing a win that is not shown."""

import numpy as np
import pandas as pd
import pytest

from crimepatterns.domain.scorecard import Scorecard
from crimepatterns.errors import PatternError
from crimepatterns.visuals.static import calibration_plot, hit_rate_curve, importance_figure, scoreboard

MODELS = ["count", "recent_count", "count_eb", "kde", "seasonal", "random_forest", "gradient_boosting"]
BASELINES = frozenset(MODELS[:5])
VALUES = {"pai": 12.0, "pei": 0.6, "deviance_skill": -0.02, "calibration_ratio": 1.05}


@pytest.fixture(scope="module")
def scorecard() -> Scorecard:
    rng = np.random.default_rng(3)
    summary = [
        ("theft", model, metric, "" if metric in {"deviance_skill", "calibration_ratio"} else "2 % of area", value, 13)
        for metric, middle in VALUES.items()
        for model in MODELS
        for value in [np.nan if (metric, model) == ("deviance_skill", "count") else middle * (1 + rng.normal(0, 0.05))]
    ]
    table = pd.DataFrame(summary, columns=["category", "model", "metric", "budget", "value", "origins"])
    table["lower"], table["upper"] = (
        table["value"] - 0.1 * table["value"].abs(),
        table["value"] + 0.1 * table["value"].abs(),
    )
    table = table.assign(unit="", direction="higher", reference="")
    compared = [
        ("theft", model, "count_eb", metric, "2 % of area", 0.0, -1.0, 1.0, verdict, 0.1)
        for metric in ("pei", "deviance")
        for model, verdict in (("kde", "worse"), ("random_forest", "not shown"), ("gradient_boosting", "better"))
    ]
    columns = ["category", "model", "baseline", "metric", "budget", "difference", "lower", "upper", "verdict"]
    columns += ["smallest_detectable"]
    cutoffs = pd.date_range("2024-01-01", periods=13, freq="7D", tz="America/Chicago")
    folds = pd.DataFrame(
        {"category": "theft", "model": "count", "metric": "pai", "budget": "2 % of area", "cutoff": cutoffs}
    )
    groups = pd.DataFrame({"group": range(1, 11), "ratio": [0.8 + g / 25 for g in range(1, 11)]})
    calibration = pd.concat([groups.assign(category="theft", model=model) for model in MODELS], ignore_index=True)
    calibration = calibration.assign(
        expected=50.0, lower=0.9 * calibration["ratio"], upper=1.1 * calibration["ratio"], cells=9
    )
    return Scorecard(
        "select",
        folds.assign(numerator=1.0, denominator=1.0, value=1.0),
        table,
        pd.DataFrame(compared, columns=columns),
        calibration,
        pd.DataFrame(),
        {"primary": "2 % of area", "as_of": "As-of by assumption."},
    )


def test_the_scoreboard_shows_every_model_and_verdict(scorecard: Scorecard, assert_legible) -> None:
    figure = scoreboard(scorecard, category="theft", city="Elltown", baselines=BASELINES, run_date="2024-05-01")
    words = assert_legible(figure)
    joined = " ".join(" ".join(words).split())
    assert "Forecasts of theft in Elltown beside their baselines" in joined
    assert "forecasts issued 1 Jan 2024 to 25 Mar 2024" in joined
    assert "As-of by assumption." in joined
    assert {"PAI", "PEI", "Deviance skill", "Observed / expected"} <= set(words)
    assert {"Gradient boosting", "Shrunk count", "Kernel density"} <= set(words)
    assert words.count("better") == words.count("worse") == words.count("not shown") == 2
    assert words.count("not scored") == 1


def test_values_and_intervals_are_drawn_as_they_are(scorecard: Scorecard) -> None:
    figure = scoreboard(scorecard, category="theft", city="Elltown", baselines=BASELINES)
    summary = scorecard.summary.set_index(["metric", "model"])
    panel = next(axes for axes in figure.axes if axes.get_title(loc="left") == "PAI")
    points = sorted(float(line.get_xdata()[0]) for line in panel.lines if line.get_marker() == "o")
    assert points == pytest.approx(sorted(summary.loc["pai", "value"]))
    order = [float(line.get_xdata()[0]) for line in panel.lines if line.get_marker() == "o"]
    assert order == sorted(order), "the best model stands on top"


def test_an_unknown_category_is_told(scorecard: Scorecard) -> None:
    with pytest.raises(PatternError, match="was not scored; the scorecard has"):
        scoreboard(scorecard, category="arson", city="Elltown", baselines=BASELINES)
    with pytest.raises(PatternError, match="No calibration of arson"):
        calibration_plot(scorecard, category="arson", city="Elltown")


def test_the_curve_has_a_line_per_model_and_one_for_chance(assert_legible) -> None:
    shares = np.array([0, 0.01, 0.02, 0.05, 0.1, 0.2])
    curve = pd.concat(
        [pd.DataFrame({"model": m, "area_share": shares, "hit_rate": shares**0.5}) for m in MODELS], ignore_index=True
    )
    figure = hit_rate_curve(curve, category="theft", city="Elltown", baselines=BASELINES)
    words = assert_legible(figure)
    assert {"chance", "Random forest", "Recent count"} <= set(words)
    large = figure.axes[0]
    assert len(large.lines) == len(MODELS) + 1
    np.testing.assert_allclose(large.lines[1].get_ydata(), shares**0.5)
    assert sum(line.get_linestyle() == "--" for line in large.lines) == len(BASELINES)
    with pytest.raises(PatternError, match="No hit-rate curve"):
        hit_rate_curve(curve.iloc[:0], category="theft", city="Elltown", baselines=BASELINES)


@pytest.mark.parametrize("models", [None, ["count"], MODELS[:4]])
def test_calibration_has_a_panel_per_model(scorecard: Scorecard, assert_legible, models: list[str] | None) -> None:
    figure = calibration_plot(scorecard, category="theft", city="Elltown", models=models)
    assert_legible(figure)
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert len(panels) == len(models or MODELS)
    np.testing.assert_allclose(panels[0].lines[1].get_ydata(), 0.8 + np.arange(1, 11) / 25)


def test_importance_is_drawn_from_the_most_important_down(assert_legible) -> None:
    table = pd.DataFrame(
        {"feature": [f"feature_{i}" for i in range(30)], "importance": np.linspace(0, 1, 30), "spread": 0.1}
    )
    words = assert_legible(importance_figure(table, title="Importance", shown=5))
    assert {f"feature {i}" for i in range(25, 30)} <= set(words)
    assert "feature 24" not in words
