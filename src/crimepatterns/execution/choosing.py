"""Which executor the settings ask for."""

from typing import Literal

from crimepatterns.execution.cluster import DaskExecutor
from crimepatterns.execution.connecting import TlsFiles
from crimepatterns.execution.processes import JoblibExecutor
from crimepatterns.execution.serial import SerialExecutor

__all__ = ["choose_executor"]


def choose_executor(
    kind: Literal["auto", "serial", "joblib", "dask"] = "auto",
    *,
    workers: int = 1,
    scheduler: str | None = None,
    tls: TlsFiles | None = None,
    threads_per_worker: int = 1,
    memory_limit: str | None = None,
    dashboard_port: int | None = None,
    timeout_s: float = 30.0,
) -> SerialExecutor | JoblibExecutor | DaskExecutor:
    """Choose how work is run; use the answer in a ``with`` block, which closes what it opened.

    Parameters
    ----------
    kind : {'auto', 'serial', 'joblib', 'dask'}
        ``auto`` is a cluster where a scheduler is named, this process for one worker, else processes of this machine.
    workers : int
        Processes of this machine; a scheduler brings its own.
    scheduler : str, optional
        Address of a Dask scheduler; without it ``dask`` starts a cluster on this machine.
    tls : TlsFiles, optional
        For a scheduler whose address begins with ``tls://``.
    threads_per_worker, memory_limit, dashboard_port
        Of a cluster on this machine; see `DaskExecutor`.
    timeout_s : float
        How long to wait for a scheduler and its workers.

    Examples
    --------
    >>> with choose_executor(workers=1) as executor:
    ...     list(executor.map(abs, [-2, 1]))
    [2, 1]
    """
    if kind == "dask" or (kind == "auto" and scheduler is not None):
        return DaskExecutor(
            scheduler=scheduler,
            tls=tls,
            workers=workers,
            threads_per_worker=threads_per_worker,
            memory_limit=memory_limit,
            dashboard_port=dashboard_port,
            timeout_s=timeout_s,
        )
    if kind == "serial" or workers == 1:
        return SerialExecutor()
    return JoblibExecutor(workers)
