"""What a check found: one sentence, one piece of advice, numbers that prove it, and a flag for machines."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_args

__all__ = ["SEVERITIES", "Finding", "Severity", "by_share", "per_cent", "sound", "worst_first"]

Severity = Literal["ok", "note", "warning", "serious"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From harmless to grave: ``note`` is worth knowing, ``warning`` changes some results, ``serious`` most of them."""


@dataclass(frozen=True)
class Finding:
    """The answer of one check.

    Parameters
    ----------
    check : str
        Name of the check, such as ``midnight``.
    severity : {"ok", "note", "warning", "serious"}
        Anything but ``ok`` is an alarm.
    found : str
        One sentence: what there is in the records.
    advice : str
        One sentence: what to do about it; empty where nothing need be done.
    flag : str
        Name by which later stages know the defect, such as ``hours_unreliable``; it is raised if severity is not ok.
    affected : float
        Number of affected rows, estimated where a check cannot point at them.
    share : float
        `affected` as a share of the rows that the check looked at, 0 to 1.
    evidence : mapping
        JSON-able numbers behind the sentence.
    rule : mapping
        JSON-able rule that finds the affected rows again (see `crimepatterns.quality.leave_out`); empty where single
        rows cannot be told.
    """

    check: str
    severity: Severity
    found: str
    advice: str
    flag: str
    affected: float = 0.0
    share: float = 0.0
    evidence: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    rule: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    @property
    def alarm(self) -> bool:
        """Whether the check found something worth telling."""
        return self.severity != "ok"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        return {
            "check": self.check,
            "severity": self.severity,
            "found": self.found,
            "advice": self.advice,
            "flag": self.flag,
            "affected": round(float(self.affected), 1),
            "share": round(float(self.share), 6),
            "evidence": dict(self.evidence),
            "rule": dict(self.rule),
        }


def sound(check: str, found: str, *, flag: str, evidence: Mapping[str, Any] | None = None) -> Finding:
    """Return the finding of a check that has nothing to complain about."""
    return Finding(check, "ok", found, "", flag, evidence=MappingProxyType(dict(evidence or {})))


def by_share(share: float, *, warning: float = 0.005, serious: float = 0.05) -> Severity:
    """Grade a defect by the share of rows it touches: none is ok, a few are a note.

    Parameters
    ----------
    share : float
        0 to 1.
    warning, serious : float
        Shares from which on it is more than a note.
    """
    if share <= 0:
        return "ok"
    if share < warning:
        return "note"
    return "warning" if share < serious else "serious"


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings by severity, the gravest first; equal ones stay in their order."""
    return sorted(findings, key=lambda finding: -SEVERITIES.index(finding.severity))


def per_cent(share: float) -> str:
    """Write a share as per cent with as many digits as it needs."""
    value = 100.0 * share
    if value == 0 or value >= 9.95:
        return f"{value:.0f} %"
    return f"{value:.1f} %" if value >= 0.95 else f"{value:.2g} %"
