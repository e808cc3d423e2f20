"""How often monitoring alarms without a change, and how soon it sees one: drift by months, retirement by weeks.

    python benchmarks/monitoring.py                      # both, as in docs/methods/drift.md and retirement.md (minutes)
    python benchmarks/monitoring.py drift --months 20    # a short look
    python benchmarks/monitoring.py retirement --cities 10 --picture docs/methods/retirement.png

Drift: eight weeks after a record of years, with twelve features beside the volume, half of the numbers alike within
weeks, and a season of the year. Retirement: a city of 40 hot places; its champion knows the true rates but for an error
of 20 % per cell, the baseline is the shrunk count, weeks vary by 10 % beyond chance, outcomes come two weeks late.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from crimepatterns.evaluation.selection import Budget, select_cells
from crimepatterns.monitoring.drift import FEATURE_LEVEL, Feature, Shift, alarms, compare
from crimepatterns.monitoring.evidence import Outcome
from crimepatterns.monitoring.retirement import Retirement
from crimepatterns.monitoring.volume import VOLUME_LEVEL, volume_break

Floats = NDArray[np.float64]
RECENT, MONTH, YEAR = 8, 4, 52
CELLS, HOT, DELAY = 800, 40, 2


# -- drift -------------------------------------------------------------------------------------------------------------


def records(rng: np.random.Generator, weeks: int, mean: float, *, shift: float = 0.0) -> tuple[Floats, list[Feature]]:
    """Invent weekly counts and records; `shift` moves the first feature for the last eight weeks."""
    time = np.arange(weeks)
    counts = rng.poisson(mean * np.exp(0.15 * np.sin(2 * np.pi * time / 52.18)))
    week = np.repeat(time, counts)
    features = []
    for number in range(8):
        values = rng.normal(size=len(week)) + (rng.normal(0, 0.15, weeks)[week] if number % 2 else 0.0)
        values = values + (shift * (week >= weeks - RECENT) if number == 0 else 0.0)
        features.append(Feature("numbers", str(number), values, week))
    for kinds in (4, 6, 7, 12):
        shares = rng.dirichlet(np.full(kinds, 5.0))
        labels = np.array([f"kind {i}" for i in range(kinds)])[rng.choice(kinds, len(week), p=shares)]
        features.append(Feature("labels", str(kinds), labels, week))
    return counts, features


def looked_at(counts: Floats, features: list[Feature], until: int) -> list[Shift]:
    """Look once, as `crimepatterns monitor` does at the end of a month."""
    since = until - RECENT
    shifts = []
    for one in features:
        inside = (one.week >= since - YEAR) & (one.week < until)
        shifts.append(compare(Feature(one.group, one.name, one.records[inside], one.week[inside]), since=since))
    return [*alarms([volume_break("all", counts[:until], recent=RECENT)], level=VOLUME_LEVEL), *alarms(shifts)]


def drift(months: int, mean: float, years: int, seed: int = 0) -> None:
    """Print the share of months with any alarm, and the share of changes found within two months."""
    before = years * YEAR
    quiet = [
        any(
            one.alarm
            for one in looked_at(*records(np.random.default_rng([1, i, seed]), before + RECENT, mean), before + RECENT)
        )
        for i in range(months)
    ]
    found = {"shift by 0.3 standard deviations": 0, "20 % more": 0, "20 % fewer": 0}
    looks = (before + MONTH, before + RECENT)
    for i in range(months):
        counts, features = records(np.random.default_rng([2, i, seed]), before + RECENT, mean, shift=0.3)
        found["shift by 0.3 standard deviations"] += any(
            next(one for one in looked_at(counts, features, look) if one.name == "0").alarm for look in looks
        )
        for name, factor in (("20 % more", 1.2), ("20 % fewer", 0.8)):
            rng = np.random.default_rng([3, i, seed])
            time = np.arange(before + RECENT)
            level = mean * np.exp(0.15 * np.sin(2 * np.pi * time / 52.18)) * np.where(time >= before, factor, 1.0)
            drawn = rng.poisson(level)
            found[name] += any(looked_at(drawn, [], look)[0].alarm for look in looks)
    print(f"{mean:.0f} a week, {years} years before, {months} months")
    print(f"  any alarm in a month without a change  {np.mean(quiet) * 100:5.1f} %")
    best = reachable(mean, years)
    for name, count in found.items():
        known, told = best[name]
        print(f"  {name:<37}{count / months * 100:5.1f} % found within two months; by the best test at that level "
              f"{told * 100:.1f} %, {known * 100:.1f} % if it knew what is usual")  # fmt: skip


def reachable(mean: float, years: int, draws: int = 200_000) -> dict[str, tuple[float, float]]:
    """Share of the same changes found by tests that nobody has, at the levels of one series and one feature of twelve.

    Where all of the last eight weeks have changed, the most powerful test (Neyman and Pearson) adds them up. It is told
    the exact shape of everything, so that only chance is left.

    Returns
    -------
    dict
        By change: the share where what is usual is known, and where it has to be estimated from the record.
    """
    rng, before = np.random.default_rng([6, int(mean)]), years * YEAR
    time = 2 * np.pi * np.arange(before + RECENT) / 52.18
    level = mean * np.exp(0.15 * np.sin(time))
    blocks = [float(level[before + start : before + start + MONTH].sum()) for start in (-MONTH, 0, MONTH)]
    columns = np.column_stack([np.ones_like(time), np.cos(time), np.sin(time)])
    information = columns[:before].T @ (columns[:before] * level[:before, None])
    slope = level[before:] @ columns[before:] / level[before:].sum()
    doubt = float(slope @ np.linalg.solve(information, slope))
    best = {
        name: reachable_break(rng, blocks, factor, VOLUME_LEVEL * share, doubt, draws)
        for name, factor, share in (("20 % more", 1.2, 2 / 3), ("20 % fewer", 0.8, 1 / 3))
    }
    best["shift by 0.3 standard deviations"] = reachable_shift(rng, blocks, 0.3, FEATURE_LEVEL / 12, YEAR * mean, draws)
    return best


def reachable_break(
    rng: np.random.Generator, blocks: list[float], factor: float, alpha: float, doubt: float, draws: int
) -> tuple[float, float]:
    """Share of breaks found; `blocks` are usual numbers of four weeks, `doubt` the variance of their logarithm."""
    counts = [rng.poisson(block * by, draws) for block, by in zip(blocks, (1, factor, factor), strict=True)]
    wrong = np.exp(rng.normal(0, np.sqrt(doubt), draws))
    known, told = np.zeros(draws, dtype=bool), np.zeros(draws, dtype=bool)
    for look in (0, 1):
        usual, observed = blocks[look] + blocks[look + 1], counts[look] + counts[look + 1]
        chance = stats.poisson(usual)
        tail = chance.sf(observed) if factor > 1 else chance.cdf(observed - 1)
        known |= tail + rng.random(draws) * chance.pmf(observed) <= alpha
        z = 2 * (np.sqrt(observed + 0.375) - np.sqrt(usual * wrong + 0.125)) / np.sqrt(1 + usual * doubt)
        told |= z * np.sign(factor - 1) >= stats.norm.isf(alpha)
    return float(known.mean()), float(told.mean())


def reachable_shift(
    rng: np.random.Generator, blocks: list[float], shift: float, alpha: float, old: float, draws: int
) -> tuple[float, float]:
    """Share of shifts found of a normal feature; `old` is the number of records before."""
    numbers = [rng.poisson(block, draws) for block in blocks]
    sums = [rng.normal(shift * n * moved, np.sqrt(n)) for n, moved in zip(numbers, (0, 1, 1), strict=True)]
    wrong = rng.normal(0, 1 / np.sqrt(old), draws)
    known, told = np.zeros(draws, dtype=bool), np.zeros(draws, dtype=bool)
    for look in (0, 1):
        n, total = numbers[look] + numbers[look + 1], sums[look] + sums[look + 1]
        known |= np.abs(total / np.sqrt(n)) >= stats.norm.isf(alpha / 2)
        told |= np.abs(total / n - wrong) / np.sqrt(1 / n + 1 / old) >= stats.norm.isf(alpha / 2)
    return float(known.mean()), float(told.mean())


# -- retirement --------------------------------------------------------------------------------------------------------


def outcome(champion: Floats, baseline: Floats, observed: Floats, budget: Budget) -> Outcome:
    """Judge one week as `monitoring_run.judging` does."""
    areas = np.full(len(observed), 0.0625)
    ours, theirs = select_cells(champion, areas, budget), select_cells(baseline, areas, budget)
    both = np.minimum(ours, theirs)
    order = np.argsort(-champion)
    hot = np.zeros(len(champion), dtype=bool)
    hot[order[: int(np.argmax(np.cumsum(champion[order]) >= champion.sum() / 2)) + 1]] = True
    return Outcome(
        expected_hot=float(champion[hot].sum()),
        expected_rest=float(champion[~hot].sum()),
        observed_hot=float(observed[hot].sum()),
        observed_rest=float(observed[~hot].sum()),
        caught_both=float(both @ observed),
        caught_champion=float((ours - both) @ observed),
        caught_baseline=float((theirs - both) @ observed),
    )


def story(
    seed: int, mean: float, weeks: int, breaks: int | None, *, never: bool = False
) -> tuple[int | None, list[float], list[Outcome]]:
    """Follow a champion until its fallback, or beyond it where it is `never` retired.

    Returns
    -------
    week of the fallback, if any; the evidence and the outcome of each week
    """
    rng = np.random.default_rng([4, seed])
    ground = rng.gamma(0.5, 1.0, CELLS)
    ground *= 0.5 * mean / ground.sum()
    hot = rng.choice(CELLS, HOT, replace=False)
    extra = rng.gamma(4.0, 1.0, HOT)
    extra *= 0.5 * mean / extra.sum()
    rates = ground.copy()
    rates[hot] += extra
    counts, known = rng.poisson(rates * 104), 104
    champion = rates * np.exp(rng.normal(0, 0.2, CELLS))
    champion *= rates.sum() / champion.sum()
    state, strengths = Retirement(52.18), []
    for week in range(weeks):
        if week == breaks:
            gone = rng.choice(HOT, HOT // 2, replace=False)
            new = rng.choice(np.setdiff1d(np.arange(CELLS), hot), HOT // 2, replace=False)
            rates = rates.copy()
            rates[hot[gone]] -= extra[gone]
            rates[new] += extra[gone]
        observed = rng.poisson(rates * rng.gamma(100, 0.01)).astype(float)
        usual = counts.sum() / CELLS / known
        baseline = (counts + 0.5) / (known + 0.5 / usual)
        state = state.after(str(week), outcome(champion, baseline, observed, Budget(area_share=0.02)))
        strengths.append(state.worse.mean / state.threshold)
        counts, known = counts + observed, known + 1
        if state.retired and not never:
            return week, strengths, list(state.outcomes)
    return None, strengths, list(state.outcomes)


def retirement(cities: int, mean: float) -> list[list[float]]:
    """Print false fallbacks in a year, and how soon a break is told; return the evidence around the break."""
    false = sum(story(i, mean, 52, None)[0] is not None for i in range(cities))
    paths, soon, early = [], 0, 0
    for i in range(cities):
        breaks = 10 + i % 40
        fell, strengths, _ = story(1000 + i, mean, breaks + 26, breaks)
        early += fell is not None and fell < breaks
        soon += fell is not None and breaks <= fell <= breaks + 5 - DELAY
        paths.append(strengths[breaks - 8 :])
    print(f"{mean:.0f} a week, {cities} cities: {false} false fallbacks in a year each; half the hot places move: "
          f"fallback within six weeks in {soon} ({early} before the break); by a test that knows the break "
          f"{ceiling(cities, mean, 0.05) * cities:.0f}")  # fmt: skip
    return paths


def ceiling(cities: int, mean: float, alpha: float) -> float:
    """Share of the same breaks told in time by a test that nobody has: it knows how far the hot share will fall.

    A CUSUM of the likelihood ratio against the bound of 0.8 is the quickest test there is of a known change at an
    unknown time (Moustakides 1986); its threshold is found on invented years at that bound, so that it wastes nothing.
    """
    told = []
    for i in range(cities):
        breaks = 10 + i % 40
        outcomes = story(1000 + i, mean, breaks + 6 - DELAY, breaks, never=True)[2]
        told.append((breaks, outcomes))
    after = [one for breaks, outcomes in told for one in outcomes[breaks:]]
    share = float(np.mean([one.hot_share for one in after]))
    fallen = sum(one.observed_hot for one in after) / sum(one.observed for one in after)

    def ratio(hot: Floats, number: Floats) -> Floats:
        return hot * np.log(fallen / (0.8 * share)) + (number - hot) * np.log((1 - fallen) / (1 - 0.8 * share))

    rng = np.random.default_rng([5, int(mean)])
    number = rng.poisson(mean * rng.gamma(100, 0.01, (20_000, 52))).astype(float)
    steps = ratio(rng.binomial(number.astype(int), 0.8 * share).astype(float), number)
    height, highest = np.zeros(len(steps)), np.zeros(len(steps))
    for week in range(52):
        height = np.maximum(height, 0) + steps[:, week]
        highest = np.maximum(highest, height)
    threshold, found = float(np.quantile(highest, 1 - alpha)), 0
    for breaks, outcomes in told:
        level, heights = 0.0, []
        for one in outcomes:
            level = max(level, 0.0) + float(ratio(np.float64(one.observed_hot), np.float64(one.observed)))
            heights.append(level)
        found += max(heights[breaks:]) >= threshold
    return found / cities


def draw(paths: list[list[float]], mean: float, path: Path) -> None:
    """Draw the evidence around the break, one line per city."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
    for one in paths:
        weeks = np.arange(len(one)) - 8
        axes.plot(weeks, np.maximum(one, 1e-5), color="#1f4a86", alpha=0.25, linewidth=1)
        axes.plot(weeks[-1], max(one[-1], 1e-5), "o", color="#a84300", markersize=3.5, zorder=3)
    axes.axhline(1, color="#16191f", linewidth=1)
    axes.text(-7.8, 1.4, "the champion is retired", fontsize=9, color="#16191f")
    axes.axvline(-0.5, color="#565d68", linewidth=1, linestyle="--")
    axes.text(-0.7, 30, "half of the hot places move", fontsize=9, color="#565d68", ha="right")
    axes.set_yscale("log")
    axes.set_ylim(1e-5, 1e4)
    axes.set_xlim(-8, 14)
    axes.set_xticks(range(-8, 15, 2))
    axes.set_xlabel("outcomes since the break, weeks")
    axes.set_ylabel("evidence, 1 retires")
    axes.set_title(f"{len(paths)} invented cities, {mean:.0f} incidents a week", loc="left", fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=("drift", "retirement"))
    parser.add_argument("--months", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="other months of drift than those of the docs")
    parser.add_argument("--cities", type=int, default=100)
    parser.add_argument("--mean", type=float, nargs="*", help="incidents a week", default=[40.0, 100.0, 150.0, 200.0])
    parser.add_argument("--picture", type=Path, help="of the cities with the middle one")
    chosen = parser.parse_args()
    if chosen.part != "retirement":
        for mean in chosen.mean:
            drift(chosen.months, mean, 3, chosen.seed)
    if chosen.part != "drift":
        for mean in chosen.mean:
            paths = retirement(chosen.cities, mean)
            if chosen.picture is not None and mean == 100.0:
                draw(paths, mean, chosen.picture)


if __name__ == "__main__":
    main()
