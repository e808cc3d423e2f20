"""Erase expunged records from everything that is kept of a city."""

import shutil
from collections.abc import Sequence
from typing import Any

from crimepatterns import data_processing
from crimepatterns.config import Settings
from crimepatterns.operations.locking import city_lock
from crimepatterns.store.card_decisions import erase_members
from crimepatterns.store.layout import Layout

__all__ = ["forget_everywhere"]


def forget_everywhere(settings: Settings, ids: Sequence[str]) -> dict[str, Any]:
    """Erase records from raw copies, incidents, rejected rows and card decisions, and drop results made of them.

    Stage manifests and results are removed, so that the next run makes them again without the records. Stored models
    hold no incidents and are kept; the next `train` replaces them.
    """
    layout = Layout(settings.root, settings.city)
    with city_lock(layout.results):
        summary = data_processing.forget(settings, list(ids))
        summary["card_decisions"] = erase_members(layout.card_decisions, ids)
        for folder in (
            layout.stages,
            layout.patterns,
            layout.bulletins,
            layout.forecasts,
            layout.evaluation,
            layout.plan,
            layout.figures,
        ):
            shutil.rmtree(folder, ignore_errors=True)
    return summary
