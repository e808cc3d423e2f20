"""What cleaning had to refuse: rows without a place, a time or a category, on null island, outside, or twice."""

from collections.abc import Iterable
from typing import Any

from crimepatterns.cleaning.schema import REASONS, Reason
from crimepatterns.quality.findings import Finding, by_share, per_cent, sound
from crimepatterns.quality.record import Intake

__all__ = ["exact_duplicates", "missing_coordinates", "null_island", "outside_area", "unusable_rows"]

_LEAST_LABEL_ROWS = 20
_TOP_LABELS = 5


def missing_coordinates(intake: Intake) -> Finding:
    """Tell how many rows have no usable place, and whether some labels lack it more often than others."""
    reasons = (Reason.COORDINATES_MISSING, Reason.COORDINATES_UNREADABLE, Reason.COORDINATES_NOT_FINITE)
    return _refused(
        intake,
        "missing_coordinates",
        reasons,
        found="{share} of the rows ({rows:,}) have no usable coordinates{label}.",
        clean="Every row has coordinates.",
        advice="Maps leave them out: check whether some kinds of incident are hidden by design, and geocode the rest.",
    )


def null_island(intake: Intake) -> Finding:
    """Tell how many rows lie at the zero point of the coordinates or at an impossible place."""
    return _refused(
        intake,
        "null_island",
        (Reason.COORDINATES_ZERO, Reason.COORDINATES_IMPOSSIBLE),
        found="{share} of the rows ({rows:,}) lie at zero coordinates (null island) or at an impossible place{label}.",
        clean="No row lies at zero or impossible coordinates.",
        advice="They are left out; tell the publisher that unknown places are written as zero.",
    )


def outside_area(intake: Intake) -> Finding:
    """Tell how many rows lie outside the study area."""
    return _refused(
        intake,
        "outside_area",
        (Reason.OUTSIDE_AREA,),
        found="{share} of the rows ({rows:,}) lie outside the study area{label}.",
        clean="No row lies outside the study area.",
        advice="Check the boundary, the reference system and whether x and y are swapped; wrong geocodes end up here.",
    )


def unusable_rows(intake: Intake) -> Finding:
    """Tell how many rows have no usable time or category, or cannot be read at all."""
    reasons = (
        Reason.UNREADABLE,
        Reason.TIME_MISSING,
        Reason.TIME_UNREADABLE,
        Reason.TIME_ANCIENT,
        Reason.TIME_FUTURE,
        Reason.INTERVAL_REVERSED,
        Reason.CATEGORY_MISSING,
        Reason.CATEGORY_UNMAPPED,
    )
    return _refused(
        intake,
        "unusable_rows",
        reasons,
        found="{share} of the rows ({rows:,}) have no usable time or category{label}; most often: {reason}.",
        clean="Every row has a usable time and category.",
        advice="See the rejected rows; dates in the past or future are often typing errors of the year.",
    )


def exact_duplicates(intake: Intake, *, dated: bool) -> Finding:
    """Tell how many rows repeat an earlier one, and whether they were taken out."""
    words = (REASONS[Reason.DUPLICATE], REASONS[Reason.ID_REPEATED])
    rows = sum(intake.rejected.get(word, 0) for word in words)
    share = rows / max(intake.rows_in, 1)
    evidence: dict[str, Any] = {word: intake.rejected.get(word, 0) for word in words}
    if not dated:
        return sound(
            "exact_duplicates",
            "Equal rows are not judged: where only the month is known, different incidents look the same.",
            flag="exact_duplicates",
            evidence=evidence,
        )
    if not rows:
        return sound("exact_duplicates", "No row repeats an earlier one.", flag="exact_duplicates", evidence=evidence)
    told = "equal an earlier row in every mapped column" if evidence[words[0]] >= evidence[words[1]] else "repeat an id"
    return Finding(
        "exact_duplicates",
        by_share(share),
        f"{per_cent(share)} of the rows ({rows:,}) {told}.",
        "They were taken out; where a row stands for a victim, not an event, set cleaning.drop_duplicates to false."
        if intake.own_ids
        else "They were taken out; the file has no id column, so that two real incidents may look the same.",
        "exact_duplicates",
        affected=rows,
        share=share,
        evidence=evidence,
    )


def _refused(intake: Intake, check: str, reasons: Iterable[Reason], *, found: str, clean: str, advice: str) -> Finding:
    words = [REASONS[reason] for reason in reasons]
    counts = {word: intake.rejected[word] for word in words if intake.rejected.get(word)}
    rows = sum(counts.values())
    share = rows / max(intake.rows_in, 1)
    if not rows:
        return sound(check, clean, flag=check)
    labels = _by_label(intake, words)
    most = max(counts, key=lambda word: counts[word])
    uneven = ""
    if labels:
        name, of_label = next(iter(labels.items()))
        if of_label >= 2 * share and of_label * intake.rows_by_label[name] >= _LEAST_LABEL_ROWS:
            uneven = f", but {per_cent(of_label)} of {name}"
    return Finding(
        check,
        by_share(share),
        found.format(share=per_cent(share), rows=rows, label=uneven, reason=most),
        advice,
        check,
        affected=rows,
        share=share,
        evidence={"reasons": counts, "share_by_label": {name: round(value, 4) for name, value in labels.items()}},
    )


def _by_label(intake: Intake, words: list[str]) -> dict[str, float]:
    """Share refused of the labels that suffer most."""
    refused: dict[str, int] = {}
    for word in words:
        for label, count in intake.refused_by_label.get(word, {}).items():
            refused[label] = refused.get(label, 0) + count
    shares = {
        label: count / intake.rows_by_label[label]
        for label, count in refused.items()
        if intake.rows_by_label.get(label, 0) >= _LEAST_LABEL_ROWS
    }
    return dict(sorted(shares.items(), key=lambda item: -item[1])[:_TOP_LABELS])
