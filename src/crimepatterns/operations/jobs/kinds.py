"""What may run as a job: a fixed list of commands, none of which takes a word from a request."""

from dataclasses import dataclass

__all__ = ["KINDS", "JobKind", "Step"]


@dataclass(frozen=True)
class Step:
    """One command of a job.

    Parameters
    ----------
    name : str
        What it does, for people.
    arguments : tuple of str
        After ``crimepatterns``; the city file is added.
    optional : bool
        Whether the job goes on where it fails: few records carry less than many.
    """

    name: str
    arguments: tuple[str, ...]
    optional: bool = False


@dataclass(frozen=True)
class JobKind:
    """One kind of long work.

    Parameters
    ----------
    name : str
        In addresses and files.
    title, about : str
        For people.
    steps : tuple of Step
        One after another; the first that fails ends the job.
    result : str
        Page on which its result is read.
    offered : bool
        Whether anybody may ask for it by its name; others belong to a page of their own.
    """

    name: str
    title: str
    about: str
    steps: tuple[Step, ...]
    result: str
    offered: bool = True


def _commands(**named: str) -> tuple[Step, ...]:
    return tuple(Step(name.replace("_", " "), tuple(text.split())) for name, text in named.items())


KINDS = {
    one.name: one
    for one in (
        JobKind("daily", "Morning's work", "Fetch, clean, doubt, forecast and plan; what is unchanged is skipped.",
                _commands(Morning="daily"), "/"),
        JobKind("refresh", "New records", "Fetch and clean the records again, and doubt them.",
                _commands(Fetch="ingest", Clean="clean", Doubt="check"), "/data"),
        JobKind("patterns", "Patterns", "All hot spots, clusters and repeats of the last year.",
                _commands(Patterns="patterns"), "/patterns"),
        JobKind("scan", "Scan", "Space-time clusters by scan statistic alone; other patterns stay as they are.",
                _commands(Scan="patterns --method scan"), "/patterns"),
        JobKind("evaluate", "Back-test", "Replay past weeks and score every model beside the baselines.",
                _commands(Replay="evaluate"), "/forecast#score"),
        JobKind("forecast", "Forecast", "The next period by every model, and the patrol plan from it.",
                _commands(Forecast="forecast", Plan="plan"), "/forecast"),
        JobKind("upload", "Upload", "Make a city of an uploaded file.",
                (*_commands(Copy="ingest", Clean="clean"), Step("Doubt", ("check",), optional=True),
                 Step("Find patterns", ("patterns",), optional=True)),
                "/upload", offered=False),
    )
}  # fmt: skip
"""By name."""
