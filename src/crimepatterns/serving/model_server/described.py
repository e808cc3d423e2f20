"""What the server says about itself and its models."""

from typing import Any

from crimepatterns.serving.model_server.answers import forecast_facts
from crimepatterns.serving.model_server.current import Current
from crimepatterns.serving.model_server.horizons import horizon_of
from crimepatterns.serving.model_server.learners import Learner, Learners
from crimepatterns.serving.model_server.snapshot import Snapshot
from crimepatterns.serving.payloads import Payload, json_payload
from crimepatterns.version import __version__

__all__ = ["info_payload", "learner_payload", "learners_payload"]


def info_payload(current: Current) -> Payload:
    """Tell which run is served, by which models, and what was refused."""
    snapshot = current.snapshot
    return json_payload(
        {
            "city": current.settings.city,
            "title": current.settings.title,
            "version": __version__,
            "run": None if snapshot is None else snapshot.run,
            "categories": []
            if snapshot is None
            else [_category(snapshot, slug) for slug in sorted(snapshot.champions)],
            "models": _learners(current.learners),
            "refused_forecasts": None if current.problem is None else current.problem.reason,
            "reloads": current.reloads,
        }
    )


def learners_payload(learners: Learners) -> Payload:
    """Tell which stored learners are used."""
    return json_payload(_learners(learners))


def learner_payload(learner: Learner) -> Payload:
    """Tell everything about one learner: its features, metrics, settings and origin."""
    return json_payload(
        {
            **_short(learner),
            "features": list(learner.features),
            "config": dict(learner.config),
            "metrics": dict(learner.metrics),
            "manifest": dict(learner.manifest),
        }
    )


def _category(snapshot: Snapshot, slug: str) -> dict[str, Any]:
    table = snapshot.champions[slug]
    return {
        "slug": slug,
        "horizon_days": horizon_of(table),
        "cells": len(table.cells.ids),
        "expected_total": float(table.expected.sum()),
        "models": snapshot.models(slug),
        **forecast_facts(snapshot, table),
    }


def _learners(learners: Learners) -> dict[str, Any]:
    return {
        "state": learners.state,
        "loaded": [_short(one) for one in learners.by_name.values()],
        "refused": [{"name": one.name, "reason": one.reason, "serving": one.serving} for one in learners.refused],
    }


def _short(learner: Learner) -> dict[str, Any]:
    return {
        "name": learner.name,
        "version": learner.version,
        "category": learner.config["category"],
        "learner": learner.config["forecaster"],
        "trained_until": learner.config["trained_until"],
    }
