"""Stage: judge waiting versions of models on past weeks, and serve those that pass every gate."""

from collections.abc import Mapping
from typing import Any

from crimepatterns.city import City
from crimepatterns.config import Settings
from crimepatterns.domain.protocols import Progress, silent
from crimepatterns.errors import ModelError
from crimepatterns.forecasts.registry import LEARNERS
from crimepatterns.gate_run.judging import Contender, GateWork
from crimepatterns.interval_history import audit_columns
from crimepatterns.store.gate_records import current_record, keep_record
from crimepatterns.store.layout import slug
from crimepatterns.store.model_stages import read_stages
from crimepatterns.store.models import find_version, load_model

__all__ = ["gate"]


def gate(
    settings: Settings, *, name: str | None = None, again: bool = False, progress: Progress = silent
) -> dict[str, Any]:
    """Judge every waiting version that was not judged yet, and serve those that pass (``gates.automatic``).

    A version is judged once beside the version that is served: asked again every day, chance would let it pass one day.

    Parameters
    ----------
    settings : Settings
    name : str, optional
        Judge this model's candidate only.
    again : bool
        Judge candidates once more.
    progress : Progress

    Returns
    -------
    dict
        ``judged`` (how many), ``models`` (record and ``promoted`` by model), ``waiting`` (state of those judged
        earlier), ``sentence`` and ``outputs``.

    Raises
    ------
    ModelError
        If there is no such model, or it has no candidate.
    UntrustedModelError
        If a version, a log or a record was altered.
    NotApplicableError
        If the data are too short to judge.
    """
    city = City(settings)
    waiting, earlier = _waiting(city, name, again=again)
    found: dict[str, Any] = {}
    audit = audit_columns(city) if waiting else {}
    for step, (category, contenders) in enumerate(waiting.items()):
        progress(f"Judging candidates for {category}", step, len(waiting))
        work = GateWork(city, category, tuple(contenders), audit)
        for contender in contenders:
            verdict = work.judge(contender)
            served = verdict.state == "passed" and settings.gates.automatic
            record = work.record(contender, verdict)
            keep_record(contender.home, record, served=served, reason=f"gates: {verdict.sentence}")
            found[contender.home.name] = {**record, "promoted": served}
    progress("Judging candidates", len(waiting), len(waiting))
    return {
        "judged": len(found),
        "models": found,
        "waiting": earlier,
        "sentence": _sentence(found, earlier),
        "outputs": [str((city.layout.models / one / "gates.jsonl").relative_to(settings.root)) for one in found],
    }


def _waiting(
    city: City, name: str | None, *, again: bool
) -> tuple[dict[str, list[Contender]], dict[str, dict[str, Any]]]:
    """Find what is to be judged, by category, and what was judged before and still waits."""
    found: dict[str, list[Contender]] = {}
    earlier: dict[str, dict[str, Any]] = {}
    models = city.layout.models
    pairs = [(category, learner) for category in city.targets for learner in sorted(LEARNERS)]
    homes = {f"{city.settings.city}-{slug(category)}-{learner}": category for category, learner in pairs}
    if name is not None and (name not in homes or read_stages(models / name).candidate is None):
        raise ModelError(f"Model {name} has no candidate: see `crimepatterns model list`.")
    for title, category in homes.items():
        home = models / title
        stages = read_stages(home)
        if stages.candidate is None or stages.champion is None or name not in (None, title):
            continue
        before = None if again else current_record(home, stages.candidate)
        if before is not None:
            earlier[title] = {key: before[key] for key in ("version", "state", "sentence", "at")}
            continue
        pair = [load_model(find_version(models, title, one)) for one in (stages.candidate, stages.champion)]
        found.setdefault(category, []).append(Contender(home, pair[0], pair[1]))
    return found, earlier


def _sentence(found: Mapping[str, Mapping[str, Any]], earlier: Mapping[str, Mapping[str, Any]]) -> str:
    told = [f"{name} {facts['version']}: {facts['sentence']}" for name, facts in found.items()]
    still = [f"{name} {facts['version']}" for name, facts in earlier.items()]
    waits = f" Judged earlier and still waiting: {', '.join(still)}." if still else ""
    if not told:
        return f"No new candidate waits.{waits}"
    promoted = sum(bool(facts["promoted"]) for facts in found.values())
    return f"{len(told)} judged, {promoted} promoted. {' '.join(told)}{waits}"
