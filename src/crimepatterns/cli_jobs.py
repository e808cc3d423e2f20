"""The commands about long work: ``crimepatterns jobs list | show | start | cancel``."""

import getpass
from typing import TYPE_CHECKING, Annotated

import typer

from crimepatterns.cli_options import AsJson, Change, Config, settings_of
from crimepatterns.console import print_json, say

if TYPE_CHECKING:
    from crimepatterns.operations.jobs.records import Job

__all__ = ["jobs_app"]

jobs_app = typer.Typer(
    help=(
        "Look after long work that runs apart from the server: start it, see how far it is, cancel it.\n\n"
        "The page /status shows the same jobs."
    ),
    epilog="Example: crimepatterns jobs start evaluate",
    no_args_is_help=True,
)

JobId = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job; see jobs list.")]


@jobs_app.command("list", epilog="Example: crimepatterns jobs list --json")
def list_jobs(config: Config = None, change: Change = None, as_json: AsJson = False) -> None:
    """List the jobs at work and those that ended, the newest first."""
    from crimepatterns.operations.jobs.desk import JobDesk

    settings = settings_of(config, change)
    jobs = JobDesk(settings).jobs()
    if as_json:
        print_json({"city": settings.city, "jobs": [job.facts() for job in jobs]})
        return
    for job in jobs:
        say(_line(job))
    if not jobs:
        say("No job was started yet.")


@jobs_app.command(epilog="Example: crimepatterns jobs show 20261129-120000-evaluate-0a1b2c")
def show(job: JobId, config: Config = None, change: Change = None, as_json: AsJson = False) -> None:
    """Show how far a job is, and the end of its log."""
    from crimepatterns.operations.jobs.desk import JobDesk
    from crimepatterns.operations.jobs.records import last_words

    found = JobDesk(settings_of(config, change)).job(job)
    words = last_words(found.folder)
    if as_json:
        print_json({**found.facts(), "log": words})
        return
    say("\n".join([_line(found), *words]))


@jobs_app.command(epilog="Example: crimepatterns jobs start evaluate")
def start(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="daily, refresh, patterns, scan, evaluate or forecast.")],
    config: Config = None,
    change: Change = None,
    as_json: AsJson = False,
) -> None:
    """Start a job and return at once."""
    from crimepatterns.errors import ConfigError
    from crimepatterns.operations.jobs.desk import JobDesk
    from crimepatterns.operations.jobs.kinds import KINDS

    if kind not in KINDS or not KINDS[kind].offered:
        raise ConfigError(f"KIND must be one of {', '.join(one.name for one in KINDS.values() if one.offered)}.")
    job = JobDesk(settings_of(config, change)).start(kind, by=getpass.getuser())
    if as_json:
        print_json(job.facts())
        return
    say(f"{job.job_id} is at work: crimepatterns jobs show {job.job_id}")


@jobs_app.command(epilog="Example: crimepatterns jobs cancel 20261129-120000-evaluate-0a1b2c")
def cancel(job: JobId, config: Config = None, change: Change = None, as_json: AsJson = False) -> None:
    """End a job with all its processes; the last good result stands."""
    from crimepatterns.operations.jobs.desk import JobDesk

    ended = JobDesk(settings_of(config, change)).cancel(job, by=getpass.getuser())
    if as_json:
        print_json(ended.facts())
        return
    say(_line(ended))


def _line(job: "Job") -> str:
    far = f"{job.step}/{job.steps} {job.task}" if not job.over else job.sentence
    return f"{job.job_id:<38} {job.state:<10} {job.seconds:>9,.1f} s  {far}".rstrip()
