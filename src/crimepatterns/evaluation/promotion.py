"""Whether a candidate may take the place of what is served: gates that each leave a figure, a bound and a sentence.

A gate refuses what is not shown to be good enough; only calibration and exposure are turned round, since nobody can
show that every group of places is exactly right: there a candidate is refused on what is shown to be wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd

from crimepatterns.evaluation.backtest import BacktestResult
from crimepatterns.evaluation.calibration_gate import gate_of
from crimepatterns.evaluation.champion import primary_hits
from crimepatterns.evaluation.comparison import MIN_ORIGINS, pooled_ratio
from crimepatterns.evaluation.non_inferiority import no_worse_than
from crimepatterns.evaluation.scoring_rules import poisson_deviance
from crimepatterns.evaluation.selection import Budget

__all__ = [
    "Gate",
    "GateState",
    "GateVerdict",
    "calibration_gates",
    "data_gate",
    "non_inferiority_gates",
    "verdict_of",
]

GateState = Literal["passed", "refused", "needs a signature", "not applicable"]


@dataclass(frozen=True)
class Gate:
    """What one gate found.

    Parameters
    ----------
    name : str
    state : {"passed", "refused", "needs a signature", "not applicable"}
    sentence : str
    figure : float or None
        What was measured; None where the gate weighs no number.
    bound : float or None
        Its one-sided 95 % bound on the bad side.
    margin : float or None
        What was allowed.
    facts : mapping
        More numbers, JSON-able.
    """

    name: str
    state: GateState
    sentence: str
    figure: float | None = None
    bound: float | None = None
    margin: float | None = None
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values; what is not a number is None."""
        numbers = {key: _number(getattr(self, key)) for key in ("figure", "bound", "margin")}
        return {"name": self.name, "state": self.state, "sentence": self.sentence, **numbers, "facts": dict(self.facts)}


@dataclass(frozen=True)
class GateVerdict:
    """All gates together.

    Parameters
    ----------
    state : {"passed", "refused", "needs a signature"}
    sentence : str
    gates : tuple of Gate
    """

    state: GateState
    sentence: str
    gates: tuple[Gate, ...] = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"state": self.state, "sentence": self.sentence, "gates": [gate.to_json() for gate in self.gates]}


def verdict_of(gates: Sequence[Gate]) -> GateVerdict:
    """Sum gates up: one refusal refuses, and one missing signature holds up.

    Examples
    --------
    >>> verdict_of([Gate("a", "passed", "Well."), Gate("b", "refused", "Not shown.")]).sentence
    'refused by b: Not shown.'
    """
    refused = [gate for gate in gates if gate.state == "refused"]
    unsigned = [gate for gate in gates if gate.state == "needs a signature"]
    if refused:
        names = ", ".join(gate.name for gate in (*refused, *unsigned))
        return GateVerdict("refused", f"refused by {names}: {refused[0].sentence}", tuple(gates))
    if unsigned:
        return GateVerdict("needs a signature", f"needs a signature: {unsigned[0].sentence}", tuple(gates))
    count = sum(gate.state == "passed" for gate in gates)
    return GateVerdict("passed", f"passed all {count} gates", tuple(gates))


def data_gate(checked: bool, findings: Mapping[str, Mapping[str, Any]], *, accepted: Sequence[str] = ()) -> Gate:
    """Refuse a candidate whose records are in serious doubt, or were never doubted.

    Parameters
    ----------
    checked : bool
        Whether there is a data honesty report.
    findings : mapping of str to mapping
        Its raised flags, each with ``severity`` and ``found``.
    accepted : sequence of str
        Serious flags that somebody has looked into.
    """
    if not checked:
        return Gate("data quality", "refused", "The records were never doubted: run `crimepatterns check`.")
    serious = {name: str(facts["found"]) for name, facts in findings.items() if facts["severity"] == "serious"}
    open_ = {name: found for name, found in serious.items() if name not in accepted}
    facts = {"serious": sorted(serious), "accepted": sorted(set(serious) - set(open_))}
    if open_:
        name, found = next(iter(open_.items()))
        more = f" And {len(open_) - 1} more." if len(open_) > 1 else ""
        told = f"{found}{more} ({name}: see the data honesty report; gates.accepted_findings lets it pass.)"
        return Gate("data quality", "refused", told, float(len(open_)), None, 0.0, facts)
    told = f", {len(serious)} accepted" if serious else ""
    return Gate("data quality", "passed", f"No serious finding in the records is open{told}.", 0.0, None, 0.0, facts)


def non_inferiority_gates(
    result: BacktestResult,
    model: str,
    other: str,
    *,
    called: str,
    budget: Budget,
    catch_margin: float,
    deviance_margin: float,
    least_origins: int = MIN_ORIGINS,
) -> tuple[Gate, Gate]:
    """Ask whether a candidate is shown to be no worse than another model, in its catch and in its deviance.

    Parameters
    ----------
    result : BacktestResult
        With both of them.
    model, other : str
    called : str
        Name of the other one in sentences.
    budget : Budget
        Of the catch.
    catch_margin, deviance_margin : float
        Largest loss that is let pass, relative to the other one.
    least_origins : int
        With fewer, nothing is shown.
    """
    catch_name, deviance_name = f"catch beside {called}", f"deviance beside {called}"
    few = len(result.folds) < max(least_origins, MIN_ORIGINS)
    if few:
        told = f"{len(result.folds)} past periods are fewer than {max(least_origins, MIN_ORIGINS)}: nothing is shown."
        return Gate(catch_name, "refused", told), Gate(deviance_name, "refused", told)
    hits, theirs = primary_hits(result, model, budget)[0], primary_hits(result, other, budget)[0]
    found = no_worse_than(hits, theirs, margin=catch_margin)
    catch = _gate(
        catch_name,
        found.difference,
        found.lower,
        -catch_margin,
        f"At {budget.label}, over {len(hits)} past periods, it catches {_more(found.difference)} than {called} "
        f"({hits.sum():.1f} and {theirs.sum():.1f} incidents)",
    )
    ours, base = (poisson_deviance(result.expected[name], result.observed).sum(axis=1) for name in (model, other))
    if not np.isfinite(ours).all():
        told = "It gave no chance to incidents that happened, so its deviance is infinite."
        return catch, Gate(deviance_name, "refused", told, None, None, deviance_margin)
    excess = pooled_ratio(ours - base, base, confidence=0.9)
    deviance = _gate(
        deviance_name,
        -excess.value,
        -excess.upper,
        -deviance_margin,
        f"Over {len(hits)} past periods its deviance is {_more(excess.value)} than that of {called}",
    )
    return catch, deviance


def calibration_gates(
    result: BacktestResult,
    model: str,
    *,
    reference: str = "count_eb",
    groups: Mapping[str, Mapping[str, str]],
    group_ratio: float,
) -> tuple[Gate, Gate]:
    """Ask whether expected counts hold overall, and in every group of neighbourhoods.

    A group fails where the whole interval of observed / expected lies outside ``1 / group_ratio`` to ``group_ratio``;
    intervals are wider the more groups there are (Bonferroni).

    Parameters
    ----------
    result : BacktestResult
    model, reference : str
    groups : mapping of str to mapping of str to str
        Ways of grouping: group of each neighbourhood.
    group_ratio : float
    """
    found = gate_of(result, model, reference=reference)
    state: GateState = "passed" if found.verdict == "calibrated" else "refused"
    overall = Gate("calibration", state, f"Its expected counts are {found.sentence}.", facts={**found.to_json()})
    rows = group_calibration(result, model, groups=groups)
    if rows.empty:
        told = "The study area has no named neighbourhoods to be grouped."
        return overall, Gate("calibration by area", "not applicable", told)
    wrong = rows.loc[(rows["upper"] < 1 / group_ratio) | (rows["lower"] > group_ratio)]
    worst = rows.loc[np.abs(np.log(rows["ratio"].clip(lower=1e-9))).idxmax()]
    told = (
        f"The worst of {len(rows)} groups of neighbourhoods ({worst['group']} by {worst['by']}) saw "
        f"{worst['ratio']:.2f} times what was expected ({worst['lower']:.2f} to {worst['upper']:.2f}; "
        f"{1 / group_ratio:.2f} to {group_ratio:.2f} is allowed)"
    )
    told += f"; {len(wrong)} are shown to lie outside." if len(wrong) else "; none is shown to lie outside."
    bound = float(worst["lower"] if worst["ratio"] > 1 else worst["upper"])
    by_area = Gate(
        "calibration by area",
        "refused" if len(wrong) else "passed",
        told,
        float(worst["ratio"]),
        bound,
        group_ratio,
        {"groups": rows.round(4).to_dict("records")},
    )
    return overall, by_area


def group_calibration(
    result: BacktestResult, model: str, *, groups: Mapping[str, Mapping[str, str]], level: float = 0.05
) -> pd.DataFrame:
    """Compare observed with expected in groups of neighbourhoods; groups that expect nothing are left out.

    Returns
    -------
    DataFrame
        ``by``, ``group``, ``expected``, ``observed``, ``ratio``, ``lower`` and ``upper``.
    """
    rows = []
    cells = result.grid.neighbourhood.astype(str)
    pairs = [(by, name) for by, members in groups.items() for name in sorted(set(members.values()))]
    for by, name in pairs:
        inside = np.array([groups[by].get(place) == name for place in cells])
        expected, observed = result.expected[model][:, inside].sum(axis=1), result.observed[:, inside].sum(axis=1)
        if expected.sum() <= 0:
            continue
        found = pooled_ratio(observed, expected, confidence=1 - level / len(pairs))
        rows.append((by, name, expected.sum(), int(observed.sum()), found.value, found.lower, found.upper))
    return pd.DataFrame(rows, columns=["by", "group", "expected", "observed", "ratio", "lower", "upper"])


def _gate(name: str, figure: float, bound: float, margin: float, told: str) -> Gate:
    """Pass where the bound shows that the figure is above the margin; all three are signed, bad is negative."""
    if not np.isfinite(figure):
        return Gate(name, "refused", f"{told}: nothing to compare.", None, None, margin)
    passed = bool(np.isfinite(bound) and bound > margin)
    shown = "is shown" if passed else "is not shown"
    text = f"{told}; that it loses no more than {abs(margin) * 100:g} % {shown} (bound {bound * 100:+.1f} %)."
    return Gate(name, "passed" if passed else "refused", text, figure, bound, margin)


def _more(difference: float) -> str:
    if abs(difference) < 5e-5:
        return "no more and no less"
    return f"{abs(difference) * 100:.1f} % {'more' if difference > 0 else 'less'}"


def _number(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 6)
