"""What moving places and leaving rows out does to hot spots."""

import numpy as np
import pytest

from crimepatterns.domain.grid import Grid
from crimepatterns.quality.consequences import move_places, peak_shift, rank_stability, stability_finding
from crimepatterns.quality.honesty import check_record, jitter_radius, run_check
from crimepatterns.sources.planted_defects import PLANTS


@pytest.fixture(scope="module")
def grid(clean) -> Grid:
    return Grid.square(clean.area, cell_size_m=250)


def stability(clean, grid, *, radius_m: float, suspicious=None, seed: int = 1):
    marks = np.zeros(len(clean), dtype=bool) if suspicious is None else suspicious
    return rank_stability(
        clean,
        grid,
        category="all",
        radius_m=radius_m,
        suspicious=marks,
        suspicious_what="planted",
        rng=np.random.default_rng(seed),
        repetitions=4,
    )


def by_name(result):
    return {one.name: one for one in result.scenarios}


def test_the_wider_the_jitter_the_less_stays_on_top(clean, grid) -> None:
    near, far = (by_name(stability(clean, grid, radius_m=radius))["jitter"] for radius in (20.0, 400.0))
    assert 0.9 < near.overlap[0] <= 1
    assert far.overlap[0] < 0.85 < near.overlap[0]
    assert far.appear + far.vanish > near.appear + near.vanish
    assert far.rank_correlation < near.rank_correlation <= 1


def test_exact_places_without_suspects_only_meet_luck(clean, grid) -> None:
    result = stability(clean, grid, radius_m=0.01)
    assert list(by_name(result)) == ["luck"]
    assert stability_finding([result]).severity == "ok"


def test_a_default_point_is_seen_to_draw_the_map(clean, grid, subject_of) -> None:
    planted = PLANTS["default point, areas named"][1](clean, 0.05, np.random.default_rng(3))
    report = check_record(subject_of(planted), grid=grid, categories=["theft"])
    without = by_name(report.stability[0])["without"]
    assert "default geocodes" in without.what
    assert without.overlap[0] < 0.9
    assert {one.category for one in report.stability} == {"all", "theft"}
    assert report.finding("hot_spots").evidence["categories"]["all"]["incidents"] > 1_000


def test_the_same_numbers_give_the_same_answer(clean, grid) -> None:
    first, second = (stability(clean, grid, radius_m=50.0, seed=9) for _ in range(2))
    assert first.scenarios == second.scenarios


def test_incidents_of_one_place_move_together() -> None:
    xy = np.array([[0.0, 0.0], [100.0, 0.0], [0.0, 0.0]])
    moved = move_places(xy, np.array([0, 1, 0]), 25.0, np.random.default_rng(2))
    assert (moved[0] == moved[2]).all()
    assert not (moved[0] == moved[1]).all()
    assert np.hypot(*(moved - xy).T).max() <= 25.0


def test_snapped_places_are_moved_half_a_mesh(clean, subject_of) -> None:
    whole = PLANTS["lattice of 100 m"][1](clean, 1.0, np.random.default_rng(3))
    subject = subject_of(whole)
    findings = [run_check(name, subject) for name in ("coordinate_precision", "snapped_points")]
    assert findings[1].evidence["lattice"]["share"] > 0.99
    assert jitter_radius(findings) == pytest.approx(50, rel=0.2)
    exact = subject_of(clean)
    assert jitter_radius([run_check(name, exact) for name in ("coordinate_precision", "snapped_points")]) < 0.1


def test_filled_in_midnights_move_the_peak(clean) -> None:
    moved = PLANTS["midnight"][1](clean, 0.3, np.random.default_rng(3))
    filled = (moved.table["occurred_from"].dt.hour == 0).to_numpy() & (
        moved.table["occurred_from"].dt.minute == 0
    ).to_numpy()
    told = peak_shift(moved, filled)
    assert told["peak_hours"] != told["peak_hours_without"]
    assert peak_shift(moved, np.zeros(len(moved), dtype=bool)) == {}


def test_the_report_says_where_the_peak_goes(clean, subject_of) -> None:
    moved = PLANTS["midnight"][1](clean, 0.3, np.random.default_rng(3))
    finding = run_check("hours_unreliable", subject_of(moved))
    assert finding.severity == "warning"
    assert finding.evidence["peak_hours"] != finding.evidence["peak_hours_without"]
    assert f"the busiest hours are {finding.evidence['peak_hours_without']}" in finding.found
    assert "peak_hours" not in run_check("hours_unreliable", subject_of(clean)).evidence
