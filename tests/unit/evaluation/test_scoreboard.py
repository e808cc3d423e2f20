"""The scoreboard and the champion: claims only what is shown, and prefers what is simple."""

import numpy as np
import pytest

from crimepatterns.domain.folds import rolling
from crimepatterns.evaluation.backtest import backtest
from crimepatterns.evaluation.champion import choose_champion
from crimepatterns.evaluation.hotspot_metrics import catch, pei
from crimepatterns.evaluation.scoreboard import assemble_scorecard, best_baselines, curves
from crimepatterns.evaluation.scores import METRICS
from crimepatterns.evaluation.selection import Budget
from crimepatterns.reports.scoreboard import scoreboard_html, scoreboard_text, verdict_sentences

PRIMARY = Budget(area_share=0.05)
BUDGETS = (Budget(area_share=0.02), PRIMARY, Budget(places=5))


@pytest.fixture(scope="module")
def result(archive, forecasters):
    folds = rolling(archive.start, archive.end, horizon_days=7, origins=13)
    return backtest(archive, folds, forecasters, category="theft", refit_every=13, seed=5, refit_always=("count",))


@pytest.fixture(scope="module")
def scorecard(result):
    return assemble_scorecard(
        [result], span="select", budgets=BUDGETS, primary=PRIMARY, baselines=["count", "count_eb"],
        classifiers=["noisy"], simulations=30, truths={"theft": result.expected["count_eb"]},
        notes={"as_of": "As-of by assumption."},
    )  # fmt: skip


def pick(scorecard, metric, model, budget=""):
    rows = scorecard.summary
    return rows.loc[(rows["metric"] == metric) & (rows["model"] == model) & (rows["budget"] == budget)].iloc[0]


def test_pooled_pei_is_the_sum_of_catches(scorecard, result):
    areas = result.grid.area_km2
    parts = [catch(e, o, areas, PRIMARY) for e, o in zip(result.expected["count"], result.observed, strict=True)]
    row = pick(scorecard, "pei", "count", "5 % of area")
    assert row["value"] == pytest.approx(pei(sum(parts[1:], parts[0])))
    assert row["lower"] < row["value"] < row["upper"]
    assert row["origins"] == 13


def test_every_row_says_unit_and_direction(scorecard):
    assert set(scorecard.summary["metric"]) <= set(METRICS)
    assert not scorecard.summary[["unit", "direction", "reference"]].isna().to_numpy().any()


def test_raw_counts_are_ranked_not_scored(scorecard):
    scored = scorecard.summary.loc[scorecard.summary["metric"] == "deviance", "model"]
    assert "count" not in set(scored)
    assert scorecard.notes["not_scored"]["theft"]["count"] > 0


def test_the_reference_has_no_skill_over_itself_and_a_noisy_map_has_less(scorecard):
    assert pick(scorecard, "deviance_skill", "count_eb")["value"] == 0
    assert pick(scorecard, "deviance_skill", "noisy")["upper"] < 0


def test_a_worse_model_is_called_worse_and_equals_are_not_shown(scorecard):
    rows = scorecard.comparisons.set_index(["model", "metric"])
    assert rows.loc[("noisy", "deviance"), "verdict"] == "worse"
    assert rows.loc[("noisy", "deviance"), "baseline"] == "count_eb"
    peers = scorecard.comparisons.loc[scorecard.comparisons["metric"] == "pei"].set_index("model")
    assert "better" not in set(peers["verdict"])
    assert (rows["p_adjusted"] >= rows["p_value"]).all()


def test_calibration_and_equity_stand_in_every_card(scorecard):
    assert set(scorecard.calibration["model"]) == set(scorecard.equity["model"]) == {"count", "count_eb", "noisy"}
    exposure = scorecard.equity.groupby("model")["exposure"].sum()
    assert exposure.to_numpy() == pytest.approx(1)


def test_share_of_the_true_ceiling(scorecard):
    label = PRIMARY.label
    assert pick(scorecard, "ceiling_share", "count_eb", label)["value"] == pytest.approx(1)
    assert pick(scorecard, "ceiling_share", "noisy", label)["value"] < 1


def test_saturated_budgets_lose_the_name_pei(result):
    wide = assemble_scorecard(
        [result], span="select", budgets=[Budget(area_share=0.6)], primary=Budget(area_share=0.6),
        baselines=["count"], simulations=2,
    )  # fmt: skip
    metrics = set(wide.summary["metric"])
    assert "hit_rate_saturated" in metrics
    assert "pei" not in metrics
    # The only baseline gave no chance to what happened, so there is no deviance to compare with.
    assert set(wide.comparisons["metric"]) == {"hit_rate"}


def test_few_origins_are_described(result):
    from dataclasses import replace

    short = replace(
        result, folds=result.folds[:5], observed=result.observed[:5], before=result.before[:5],
        expected={k: v[:5] for k, v in result.expected.items()},
        quantiles={k: v[:5] for k, v in result.quantiles.items()}, outside=result.outside[:5],
    )  # fmt: skip
    card = assemble_scorecard([short], span="select", budgets=BUDGETS, primary=PRIMARY, baselines=["count_eb"],
                              simulations=2)  # fmt: skip
    assert "described, not claimed" in card.notes["claims"]
    assert set(card.comparisons["verdict"]) == {"not shown"}
    assert choose_champion(short, order=short.models, budget=PRIMARY).model == "count_eb"


def test_ties_go_to_the_simpler_model(result):
    assert choose_champion(result, order=("count", "count_eb", "noisy"), budget=PRIMARY).model == "count_eb"


def test_a_model_that_is_shown_better_wins(result):
    chosen = choose_champion(result, order=("noisy", "count_eb"), budget=PRIMARY, reference="noisy")
    assert chosen.model == "count_eb"
    assert "Shown better than noisy" in chosen.reason


def test_the_count_suffices_only_where_more_was_tried_and_nothing_is_shown_better(result):
    from crimepatterns.reports.scoreboard import scoreboard_html, scoreboard_text

    counts = {"count", "count_eb"}
    chosen = choose_champion(result, order=("count", "count_eb", "noisy"), budget=PRIMARY, counts=counts)
    assert chosen.verdict.startswith("The count suffices here: over ")
    assert "1 other model is not shown to be better than count_eb for theft." in chosen.verdict
    alone = choose_champion(result, order=("count", "count_eb"), budget=PRIMARY, counts=counts)
    assert alone.verdict == "", "nothing but counts was tried"
    beaten = choose_champion(result, order=("noisy", "count_eb"), budget=PRIMARY, reference="noisy", counts={"noisy"})
    assert beaten.verdict == "", "a model is shown to be better"
    card = assemble_scorecard(
        [result], span="select", budgets=BUDGETS, primary=PRIMARY, baselines=["count_eb"], simulations=2,
        notes={"suffices": {"theft": chosen.verdict}},
    )  # fmt: skip
    assert chosen.verdict in scoreboard_text(card)
    assert chosen.verdict in scoreboard_html(card)


def test_baselines_of_an_earlier_span_stay(result):
    found = best_baselines(result, baselines=["count", "count_eb"], primary=PRIMARY)
    assert found["deviance"] == "count_eb"
    fixed = {"theft": {"catch": "noisy", "deviance": "noisy"}}
    card = assemble_scorecard(
        [result], span="judge", budgets=BUDGETS, primary=PRIMARY, baselines=["count", "count_eb"],
        fixed_baselines=fixed, simulations=2,
    )  # fmt: skip
    assert set(card.comparisons["baseline"]) == {"noisy"}


def test_curve_of_every_model(result):
    table = curves([result])
    assert set(table["model"]) == set(result.models)
    assert table.groupby("model")["hit_rate"].apply(lambda s: s.is_monotonic_increasing).all()


def test_text_page_and_sentences_agree(scorecard):
    text, page = scoreboard_text(scorecard), scoreboard_html(scorecard)
    sentences = verdict_sentences(scorecard)
    assert all(sentence in text for sentence in sentences)
    assert any("is worse than count_eb in deviance" in sentence for sentence in sentences)
    assert any("is not shown to differ" in sentence and "smallest detectable" in sentence for sentence in sentences)
    assert "As-of by assumption." in text
    assert page.count("<tr>") == 1 + 3
    assert "ranked, not scored" in page


def test_the_page_escapes_what_it_prints(scorecard):
    from dataclasses import replace

    evil = replace(scorecard, summary=scorecard.summary.assign(category="<script>"))
    assert "<script>" not in scoreboard_html(evil)
    assert np.isfinite(len(scoreboard_html(evil)))
