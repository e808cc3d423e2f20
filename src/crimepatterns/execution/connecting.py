"""Start a Dask cluster on this machine, or reach one by its scheduler's address, and see that its workers fit.

Workers run whatever the scheduler sends them. Both ways therefore use TLS with certificates on both sides: a cluster on
this machine has its own, made for this one run and kept in memory; for one elsewhere the files are given.
"""

import logging
import platform
from dataclasses import dataclass
from importlib.metadata import version as library_version
from pathlib import Path
from typing import Any

from crimepatterns.errors import ExecutionError
from crimepatterns.version import __version__

__all__ = ["TlsFiles", "check_workers", "connect", "releases", "start_cluster"]

_LIBRARIES = ("numpy", "scipy", "pandas", "scikit-learn", "pyarrow")
"""Libraries whose release may change the last bits of a result."""

_PAGES = ("distributed.scheduler.http.routes", "distributed.worker.http.routes")


@dataclass(frozen=True)
class TlsFiles:
    """Certificates in PEM files.

    Parameters
    ----------
    ca_file : str
        Certificate of the authority that signed those of scheduler, workers and clients; it must sign for nothing
        else, since whoever holds a certificate of it may run code on the cluster.
    cert_file, key_file : str
        This client's own certificate and private key.
    """

    ca_file: str
    cert_file: str
    key_file: str


def start_cluster(
    *, workers: int, threads_per_worker: int, memory_limit: str | None, dashboard_port: int | None
) -> Any:
    """Start a scheduler and worker processes on 127.0.0.1; return the ``LocalCluster``.

    Parameters
    ----------
    workers, threads_per_worker : int
    memory_limit : str or None
        Per worker, such as ``4GiB``; None shares out the memory there is.
    dashboard_port : int or None
        Of Dask's status page, on 127.0.0.1; None for no page.

    Raises
    ------
    ExecutionError
        If Dask is not installed or the processes do not start.
    """
    distributed = _distributed()
    import dask

    page = dashboard_port is not None
    # Dask opens ports for web pages in any case: without a page they are any free ports and answer nothing.
    quiet: dict[str, Any] = {} if page else {"distributed.worker.profile.enabled": False} | {p: [] for p in _PAGES}
    try:
        with dask.config.set(quiet):
            return distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=threads_per_worker,
                processes=True,
                memory_limit="auto" if memory_limit is None else memory_limit,
                host="127.0.0.1",
                security=distributed.Security.temporary(),
                scheduler_kwargs={"dashboard": page, "dashboard_address": f"127.0.0.1:{dashboard_port or 0}"},
                config=quiet,
                silence_logs=logging.CRITICAL,
            )
    except ImportError as error:
        raise _extra_missing(error) from error
    except (OSError, RuntimeError, ValueError) as error:
        raise ExecutionError(
            f"{workers} worker processes could not be started ({_told(error)}): a script of your own must start work "
            'below `if __name__ == "__main__":`; else set execution.kind: joblib or serial.'
        ) from error


def connect(address: str, *, tls: TlsFiles | None, timeout_s: float) -> Any:
    """Reach a scheduler; return the ``Client``.

    Parameters
    ----------
    address : str
        Such as ``tls://host:8786``; ``tcp://`` is neither encrypted nor does it ask who is there.
    tls : TlsFiles or None
    timeout_s : float

    Raises
    ------
    ExecutionError
        If Dask is not installed, a certificate file is missing, or no scheduler answers.
    """
    distributed = _distributed()
    security = None
    if tls is not None:
        for path in (tls.ca_file, tls.cert_file, tls.key_file):
            if not Path(path).is_file():
                raise ExecutionError(f"Certificate file {path} is not there: see execution.tls in the settings.")
        security = distributed.Security(
            tls_ca_file=tls.ca_file,
            tls_client_cert=tls.cert_file,
            tls_client_key=tls.key_file,
            require_encryption=True,
        )
    try:
        return distributed.Client(address, security=security, timeout=timeout_s, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ExecutionError(
            f"No Dask scheduler answers at {address} within {timeout_s:g} s ({_told(error)}): start it with `dask "
            "scheduler` and its workers with `dask worker`, and compare execution.scheduler and execution.tls; "
            "docs/cluster.md shows how."
        ) from error


def check_workers(client: Any, *, timeout_s: float) -> int:
    """See that there are workers, all with the same releases as here; return how many tasks they run at a time.

    Raises
    ------
    ExecutionError
        If there is no worker within the time, or one has other releases of this product or of the libraries whose
        numbers it uses.
    """
    try:
        client.wait_for_workers(1, timeout=timeout_s)
    except TimeoutError as error:
        raise ExecutionError(
            f"The scheduler at {client.scheduler.address} has had no worker for {timeout_s:g} s: start some with "
            "`dask worker`, see docs/cluster.md."
        ) from error
    here = releases()
    for worker, there in client.run(releases, on_error="return").items():
        if isinstance(there, ModuleNotFoundError):
            raise ExecutionError(f"Worker {worker} lacks a package ({there}): install the same lock there as here.")
        if isinstance(there, BaseException):
            raise ExecutionError(f"Worker {worker} does not answer ({_told(there)}): start it again.")
        other = sorted(name for name in here if there.get(name) != here[name])
        if other:
            found = ", ".join(f"{name} {there.get(name, 'none')}" for name in other)
            wanted = ", ".join(f"{name} {here[name]}" for name in other)
            raise ExecutionError(
                f"Worker {worker} has {found}; this process has {wanted}. Install the same release and lock on every "
                "machine, and start the workers again."
            )
    return sum(client.nthreads().values())


def releases() -> dict[str, str]:
    """Tell the releases of this product, of Python and of the libraries whose numbers results depend on."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"crimepatterns": __version__, "python": python, **{name: library_version(name) for name in _LIBRARIES}}


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise _extra_missing(error) from error
    return distributed


def _extra_missing(error: ImportError) -> ExecutionError:
    return ExecutionError(
        f"A cluster needs packages that are not installed ({error}): `pip install 'crimepatterns[cluster]'`."
    )


def _told(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
