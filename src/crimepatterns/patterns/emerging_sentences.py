"""What the histories of hot spots say, in one sentence of plain English."""

from collections import Counter

from crimepatterns.patterns.emerging import EmergingHotSpots
from crimepatterns.patterns.emerging_classes import EMERGING_CLASSES

__all__ = ["emerging_sentence"]


def emerging_sentence(found: EmergingHotSpots) -> str:
    """Say how many cells are hot spots of which history; cold spots are left out."""
    counted = Counter(str(name) for name in found.classes)
    parts = [
        f"{counted[f'{name} hot spot']:,} {name}" for name in EMERGING_CLASSES if counted.get(f"{name} hot spot", 0)
    ]
    steps = f"over {len(found.periods)} steps"
    if not parts:
        return f"No cell has a history of a hot spot {steps} that chance does not explain."
    total = sum(counted[f"{name} hot spot"] for name in EMERGING_CLASSES)
    kind = "cell is a hot spot" if total == 1 else "cells are hot spots"
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"{total:,} {kind} {steps}: {listed}."
