"""Speak MLflow's documented REST API, so that logging to a server needs no MLflow here.

Server and credentials are told the way MLflow's own client is told: ``MLFLOW_TRACKING_TOKEN``, or
``MLFLOW_TRACKING_USERNAME`` and ``MLFLOW_TRACKING_PASSWORD``. Files go through the server (``--serve-artifacts``, its
default), which keeps them where it likes.
"""

import json
import math
import os
import time
from collections.abc import Mapping
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

from crimepatterns.errors import ConfigError, TrackingError
from crimepatterns.version import __version__

__all__ = ["MlflowServer"]

_API = "/api/2.0/mlflow"
_FILES = "/api/2.0/mlflow-artifacts/artifacts"
_TIMEOUT_S = 30.0
_BATCH, _LONGEST = 100, 500
"""Entries of one request, and characters of one value, that every version of the server takes."""
_ABSENT = frozenset({"RESOURCE_DOES_NOT_EXIST"})
_THERE = frozenset({"RESOURCE_ALREADY_EXISTS"})


class MlflowServer:
    """A connection to a tracking server; use it in a ``with`` block.

    Parameters
    ----------
    address : str
        Such as ``http://127.0.0.1:5000``.

    Raises
    ------
    ConfigError
        If credentials would cross a network unencrypted.
    """

    def __init__(self, address: str) -> None:
        headers, auth = _credentials(address)
        headers["User-Agent"] = f"crimepatterns/{__version__}"
        self._address = address
        # Redirects are not followed: credentials belong to this server alone.
        self._client = httpx.Client(base_url=address, headers=headers, auth=auth, timeout=_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def experiment(self, name: str) -> str:
        """Return the id of an experiment, made if it is not there."""
        found = self._ask("GET", "experiments/get-by-name", {"experiment_name": name}, allowed=_ABSENT)
        if found is None:
            found = {"experiment": self._ask("POST", "experiments/create", {"name": name})}
        return str(found["experiment"]["experiment_id"])

    def find_run(self, experiment: str, tag: str, value: str) -> Mapping[str, Any] | None:
        """Return the finished run whose tag has a value, or None."""
        wanted = f"tags.`{tag}` = '{value}' and attributes.status = 'FINISHED'"
        question = {"experiment_ids": [experiment], "filter": wanted, "max_results": 1}
        runs = (self._ask("POST", "runs/search", question) or {}).get("runs", [])
        return dict(runs[0]["info"]) if runs else None

    def log_run(
        self,
        experiment: str,
        name: str,
        *,
        tags: Mapping[str, str],
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        files: Mapping[str, bytes],
    ) -> Mapping[str, Any]:
        """Log one run whole; it is marked as failed where its files do not arrive.

        Parameters
        ----------
        experiment : str
            Its id.
        name : str
        tags, params, metrics : mapping
            Metrics that are not finite are left out: MLflow has no place for them.
        files : mapping of str to bytes
            Content by path within the run.

        Returns
        -------
        mapping
            ``run_id``, ``artifact_uri`` and what else the server says of it.
        """
        now = _now()
        told = [{"key": key, "value": value[:_LONGEST]} for key, value in tags.items()]
        made = {"experiment_id": experiment, "run_name": name, "start_time": now, "tags": told}
        info: dict[str, Any] = (self._ask("POST", "runs/create", made) or {})["run"]["info"]
        status = "FAILED"
        try:
            pairs = [{"key": key, "value": _text(value)[:_LONGEST]} for key, value in params.items()]
            for start in range(0, len(pairs), _BATCH):
                self._ask("POST", "runs/log-batch", {"run_id": info["run_id"], "params": pairs[start : start + _BATCH]})
            rows = [
                {"key": key, "value": value, "timestamp": now, "step": 0}
                for key, value in metrics.items()
                if math.isfinite(value)
            ]
            for start in range(0, len(rows), _BATCH):
                self._ask("POST", "runs/log-batch", {"run_id": info["run_id"], "metrics": rows[start : start + _BATCH]})
            for path, content in files.items():
                self._put(str(info["artifact_uri"]), path, content)
            status = "FINISHED"
        finally:
            self._ask("POST", "runs/update", {"run_id": info["run_id"], "status": status, "end_time": _now()})
        return info

    def register(self, name: str, run: Mapping[str, Any], *, tags: Mapping[str, str]) -> str:
        """Enter the model of a run into the registry and return its number there."""
        self._ask("POST", "registered-models/create", {"name": name}, allowed=_THERE)
        told = [{"key": key, "value": value[:_LONGEST]} for key, value in tags.items()]
        made = {"name": name, "source": run["artifact_uri"], "run_id": run["run_id"], "tags": told}
        return str((self._ask("POST", "model-versions/create", made) or {})["model_version"]["version"])

    def registered(self, name: str, tag: str) -> dict[str, str]:
        """Return the number in the registry by the value of a tag; empty where the model is not there."""
        question = {"filter": f"name = '{name}'", "max_results": "1000"}
        found = self._ask("GET", "model-versions/search", question, allowed=_ABSENT) or {}
        tags = {
            str(one["version"]): {pair["key"]: pair["value"] for pair in one.get("tags", ())}
            for one in found.get("model_versions", ())
        }
        return {told[tag]: number for number, told in tags.items() if tag in told}

    def point(self, name: str, alias: str, number: str | None) -> None:
        """Let an alias such as ``champion`` mean a version; None takes it away."""
        if number is None:
            self._ask("DELETE", "registered-models/alias", {"name": name, "alias": alias}, allowed=_ABSENT)
        else:
            self._ask("POST", "registered-models/alias", {"name": name, "alias": alias, "version": number})

    def _put(self, artifact_uri: str, path: str, content: bytes) -> None:
        place = urlsplit(artifact_uri)
        if place.scheme != "mlflow-artifacts":
            raise TrackingError(
                f"The MLflow server keeps files at {place.scheme}: itself and does not take them: start it with "
                "--serve-artifacts and --artifacts-destination."
            )
        self._send("PUT", f"{_FILES}/{quote(place.path.strip('/') + '/' + path)}", content=content)

    def _ask(
        self, method: str, call: str, told: Mapping[str, Any], *, allowed: frozenset[str] = frozenset()
    ) -> dict[str, Any] | None:
        """Ask the API; None where the answer is an error that the caller allows for."""
        where: dict[str, Any] = {"params": told} if method == "GET" else {"json": told}
        answer = self._send(method, f"{_API}/{call}", allowed=allowed, **where)
        if answer is None:
            return None
        try:
            return dict(answer.json())
        except (ValueError, TypeError) as error:
            raise TrackingError(
                f"{self._address} does not answer like an MLflow server: check tracking.mlflow."
            ) from error

    def _send(
        self, method: str, path: str, *, allowed: frozenset[str] = frozenset(), **what: Any
    ) -> httpx.Response | None:
        try:
            answer = self._client.request(method, path, **what)
        except httpx.HTTPError as error:
            raise TrackingError(
                f"The MLflow server at {self._address} cannot be reached ({type(error).__name__})."
            ) from error
        if answer.is_success:
            return answer
        code, message = _complaint(answer)
        if code in allowed:
            return None
        call = path.rsplit("/", 2)[-1]
        raise TrackingError(
            f"The MLflow server at {self._address} refused {call} ({answer.status_code} {code}): {message}"
        )


def _credentials(address: str) -> tuple[dict[str, str], tuple[str, str] | None]:
    token = os.environ.get("MLFLOW_TRACKING_TOKEN", "")
    user, password = (os.environ.get(f"MLFLOW_TRACKING_{name}", "") for name in ("USERNAME", "PASSWORD"))
    parts = urlsplit(address)
    if (token or password) and parts.scheme != "https" and not _loopback(parts.hostname or ""):
        raise ConfigError(f"Credentials for {address} would cross the network unencrypted: use https.")
    return ({"Authorization": f"Bearer {token}"} if token else {}), ((user, password) if user and not token else None)


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _complaint(answer: httpx.Response) -> tuple[str, str]:
    try:
        told = answer.json()
        return str(told["error_code"]), " ".join(str(told.get("message", "")).split())[:300]
    except (ValueError, TypeError, KeyError):
        return "", " ".join(answer.text.split())[:100]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def _now() -> int:
    return int(time.time() * 1000)
