"""Settings of how work is run: in one process, on all cores, or on a cluster."""

import re
from contextlib import AbstractContextManager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from crimepatterns.config.values import Model, Positive, PositiveInt, expand_variables

if TYPE_CHECKING:
    from crimepatterns.domain.protocols import Executor

__all__ = ["ExecutionSettings", "TlsSettings", "open_executor"]


class TlsSettings(Model):
    """Certificates that let this process use a cluster, PEM files."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None

    @field_validator("ca_file", "cert_file", "key_file")
    @classmethod
    def _expand(cls, path: str | None) -> str | None:
        return None if path is None else expand_variables(path)

    @model_validator(mode="after")
    def _together(self) -> "TlsSettings":
        if None in (self.ca_file, self.cert_file, self.key_file) and self.given:
            raise ValueError("ca_file, cert_file and key_file belong together: give all three")
        return self

    @property
    def given(self) -> bool:
        """Whether there are certificates."""
        return any((self.ca_file, self.cert_file, self.key_file))


class ExecutionSettings(Model):
    """Where back-tests, training, counting and whole cities are computed; results are the same everywhere."""

    kind: Literal["auto", "serial", "joblib", "dask"] = "auto"
    workers: PositiveInt | None = None
    scheduler: str | None = None
    tls: TlsSettings = TlsSettings()
    allow_unencrypted: bool = False
    connect_timeout_s: Positive = 30.0
    threads_per_worker: PositiveInt = 1
    memory_limit: str | None = None
    dashboard_port: Annotated[int, Field(ge=1, le=65_535)] | None = None

    @field_validator("scheduler")
    @classmethod
    def _expand(cls, address: str | None) -> str | None:
        return None if address is None else expand_variables(address)

    @field_validator("memory_limit")
    @classmethod
    def _size(cls, text: str | None) -> str | None:
        if text is not None and not re.fullmatch(r"\d+(\.\d+)? ?[kMGT]i?B", text):
            raise ValueError(f"must be a size with its unit such as 4GiB or 500MB, got {text!r}")
        return text

    @model_validator(mode="after")
    def _reachable(self) -> "ExecutionSettings":
        if self.scheduler is None:
            if self.tls.given:
                raise ValueError("tls is for a scheduler elsewhere: name it in scheduler, such as tls://host:8786")
            return self
        if self.kind not in {"auto", "dask"}:
            raise ValueError(f"kind {self.kind} uses no scheduler: set kind to dask, or scheduler to null")
        address = urlsplit(self.scheduler)
        if address.scheme not in {"tls", "tcp"} or not address.hostname or not _port(self.scheduler):
            raise ValueError(f"scheduler must be like tls://host:8786, got {self.scheduler!r}")
        if address.scheme == "tls" and not self.tls.given:
            raise ValueError("a tls:// scheduler needs tls.ca_file, tls.cert_file and tls.key_file")
        if address.scheme == "tcp" and self.tls.given:
            raise ValueError("tls is given but scheduler begins with tcp://: write tls://")
        if address.scheme == "tcp" and not (self.allow_unencrypted or _is_this_machine(address.hostname)):
            raise ValueError(
                "a tcp:// scheduler on another machine lets anyone on the network run code here and there: use tls://, "
                "or set allow_unencrypted to true on a network that nobody else can reach"
            )
        return self


def open_executor(execution: ExecutionSettings, *, workers: int) -> "AbstractContextManager[Executor]":
    """Make the executor the settings ask for; ``with`` gives it and closes what it opened.

    Parameters
    ----------
    execution : ExecutionSettings
    workers : int
        Where ``execution.workers`` is null.
    """
    from crimepatterns.execution import TlsFiles, choose_executor

    return choose_executor(
        execution.kind,
        workers=execution.workers or workers,
        scheduler=execution.scheduler,
        tls=TlsFiles(**execution.tls.model_dump()) if execution.tls.given else None,
        threads_per_worker=execution.threads_per_worker,
        memory_limit=execution.memory_limit,
        dashboard_port=execution.dashboard_port,
        timeout_s=execution.connect_timeout_s,
    )


def _port(address: str) -> int | None:
    try:
        return urlsplit(address).port
    except ValueError:
        return None


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
