"""Gates: what is no worse passes, what is worse by more than the margin seldom does, and every refusal says why."""

from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest

from crimepatterns.domain.folds import rolling
from crimepatterns.evaluation.backtest import BacktestResult
from crimepatterns.evaluation.exposure import capped_cover, exposure_gates, most_reported_third
from crimepatterns.evaluation.promotion import (
    Gate,
    calibration_gates,
    data_gate,
    group_calibration,
    non_inferiority_gates,
    verdict_of,
)
from crimepatterns.evaluation.selection import Budget, select_cells

START = pd.Timestamp("2022-01-03", tz="Europe/Berlin")
BUDGET = Budget(area_share=0.2)


def result_of(grid, observed, **expected):
    origins = len(observed)
    folds = rolling(START, START + pd.DateOffset(days=7 * (origins + 1)), horizon_days=7, origins=origins)
    means = {name: np.broadcast_to(np.asarray(mean, dtype=float), observed.shape) for name, mean in expected.items()}
    none = {name: tuple({} for _ in folds) for name in means}
    return BacktestResult("theft", grid, folds, MappingProxyType(means), none, observed, observed, (0,) * origins)


@pytest.fixture
def truth(archive):
    return np.random.default_rng(3).gamma(0.5, 3.0, len(archive.grid))


def beside(result, model, **more):
    return non_inferiority_gates(
        result, model, "count_eb", called="count_eb", budget=BUDGET, catch_margin=0.05, deviance_margin=0.02, **more
    )


def test_the_same_forecast_is_no_worse_than_itself(archive, truth):
    observed = np.random.default_rng(0).poisson(truth, (13, len(truth)))
    gates = beside(result_of(archive.grid, observed, new=truth, count_eb=truth), "new")
    assert [gate.state for gate in gates] == ["passed", "passed"]
    assert [gate.figure for gate in gates] == [0.0, 0.0]
    assert "no more and no less" in gates[0].sentence


def test_what_loses_more_than_the_margin_seldom_passes(archive, truth):
    """A catch that is truly lower by a tenth is let pass in no more than 5 % of cases (the level of the bound)."""
    rng, areas = np.random.default_rng(5), archive.grid.area_km2
    order = np.argsort(-truth)
    worse = truth.copy()
    chosen = int(0.2 * len(truth))
    # Swap one chosen cell for an unchosen one until a tenth of the expected catch is lost.
    for inside, outside in zip(order[:chosen][::-1], order[chosen:], strict=False):
        worse[inside], worse[outside] = worse[outside], worse[inside]
        lost = (
            1 - (select_cells(worse, areas, BUDGET) * truth).sum() / (select_cells(truth, areas, BUDGET) * truth).sum()
        )
        if lost >= 0.1:
            break
    margin = float(lost) * 0.999
    passed = 0
    for _ in range(200):
        observed = rng.poisson(truth, (13, len(truth)))
        result = result_of(archive.grid, observed, new=worse, count_eb=truth)
        gate, _ = non_inferiority_gates(
            result, "new", "count_eb", called="count_eb", budget=BUDGET, catch_margin=margin, deviance_margin=0.02
        )
        passed += gate.state == "passed"
    assert passed <= 20  # 5 % of 200 and three standard errors


def test_with_few_origins_nothing_is_shown(archive, truth):
    observed = np.random.default_rng(0).poisson(truth, (6, len(truth)))
    for gate in beside(result_of(archive.grid, observed, new=truth, count_eb=truth), "new"):
        assert gate.state == "refused"
        assert "nothing is shown" in gate.sentence


def test_a_chance_of_zero_where_something_happened_is_refused(archive, truth):
    observed = np.random.default_rng(0).poisson(truth, (13, len(truth)))
    never = np.where(truth > np.median(truth), 0.0, truth)
    _, gate = beside(result_of(archive.grid, observed, new=never, count_eb=truth), "new")
    assert gate.state == "refused"
    assert "infinite" in gate.sentence


def test_wrong_in_one_quarter_is_found_there(archive, truth):
    grid = archive.grid
    observed = np.random.default_rng(1).poisson(truth, (26, len(truth)))
    ways = {"quarter": {name: name for name in ("NW", "NE", "SW", "SE")}}
    tilted = truth * np.where(grid.neighbourhood.astype(str) == "SE", 1.6, 1.0)
    result = result_of(grid, observed, good=truth, tilted=tilted, count_eb=truth)
    rows = group_calibration(result, "tilted", groups=ways).set_index("group")
    assert rows["observed"].sum() == observed.sum()
    assert rows.loc["SE", "upper"] < 0.8 < rows.loc["NW", "lower"]
    _, good = calibration_gates(result, "good", groups=ways, group_ratio=1.25)
    overall, by_area = calibration_gates(result, "tilted", groups=ways, group_ratio=1.25)
    assert good.state == "passed"
    assert by_area.state == "refused"
    assert "SE by quarter" in by_area.sentence
    assert overall.state == "refused"  # a whole quarter bends the overall groups too
    _, nowhere = calibration_gates(result, "good", groups={}, group_ratio=1.25)
    assert nowhere.state == "not applicable"


def test_exposure_by_hand_and_the_capped_map_beside_it(archive):
    """Everything in one quarter: amplified, to be signed for, and the cap spreads it out at a price."""
    grid = archive.grid
    where = grid.neighbourhood.astype(str)
    reported = np.where(where == "NW", 2, 1)
    ones = np.ones(len(grid), dtype=np.int64)
    observed = np.tile(np.where(where == "NW", 2, 1), (13, 1))
    bold, even = np.where(where == "NW", 2.0, 1.0), np.ones(len(grid))
    result = result_of(grid, observed, bold=bold, count_eb=even)
    third = most_reported_third(grid, reported)
    assert third is not None
    first, second = exposure_gates(
        result, "bold", third, reported=reported, budget=BUDGET, times_count=1.05, signed_above=1.5, cap=1.5
    )
    # NW has a quarter of the ground and is flagged to 80 %: 4 times the city; it has 2 / 1.25 of the city's rate.
    assert second.facts["amplification"] == pytest.approx(4 / 1.6)
    assert second.facts["amplification_count_eb"] == pytest.approx(1 / 1.6)
    assert (first.state, second.state) == ("refused", "needs a signature")
    assert first.figure == pytest.approx(4)
    assert first.bound == pytest.approx(4)
    # 1.5 times its share of the reports (0.4) of 20 cells are 12 cells in NW; 8 lie elsewhere, with half the hits each.
    assert second.facts["hits"] == pytest.approx(13 * 20 * 2)
    assert second.facts["hits_capped"] == pytest.approx(13 * (12 * 2 + 8))
    assert second.facts["price"] == pytest.approx(-8)
    cover = capped_cover(bold, grid, reported, budget=BUDGET, cap=1.5)
    assert cover.sum() == pytest.approx(20)
    assert cover[where == "NW"].sum() == pytest.approx(12)
    loose = capped_cover(bold + np.arange(len(grid)) * 1e-6, grid, ones, budget=BUDGET, cap=4.0)
    plain = select_cells(bold + np.arange(len(grid)) * 1e-6, grid.area_km2, BUDGET)
    np.testing.assert_allclose(loose, plain)


def test_records_in_doubt_are_refused_until_somebody_accepts_them():
    findings = {
        "gaps": {"severity": "serious", "found": "Nothing for 40 days."},
        "stale": {"severity": "note", "found": "Old."},
    }
    assert data_gate(False, {}).state == "refused"
    refused = data_gate(True, findings)
    assert (refused.state, refused.figure) == ("refused", 1)
    assert "Nothing for 40 days" in refused.sentence
    assert data_gate(True, findings, accepted=["gaps"]).state == "passed"
    assert data_gate(True, {"stale": findings["stale"]}).state == "passed"


def test_one_refusal_outweighs_everything_and_a_signature_holds_up():
    passed, refused = Gate("a", "passed", "Well."), Gate("b", "refused", "Not shown.")
    unsigned, absent = Gate("c", "needs a signature", "Why?"), Gate("d", "not applicable", "Nobody.")
    assert verdict_of([passed, absent]).state == "passed"
    assert verdict_of([passed, absent]).sentence == "passed all 1 gates"
    assert verdict_of([passed, unsigned]).state == "needs a signature"
    assert verdict_of([unsigned, refused, passed]).state == "refused"
    assert verdict_of([refused]).to_json()["gates"][0]["figure"] is None
