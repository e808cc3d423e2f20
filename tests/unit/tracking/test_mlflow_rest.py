"""Speaking to an MLflow server: what it refuses, what it is not, and what it must never be sent.

That a real server understands all of it is shown by `make test-mlflow` (tools/test_mlflow.sh).
"""

from typing import Any

import pytest
from pydantic import ValidationError

from crimepatterns.config.tracking import TrackingSettings
from crimepatterns.errors import ConfigError, TrackingError
from crimepatterns.tracking.mlflow_rest import MlflowServer
from free_port import free_port
from servers.fault_server import Fault, Reply

API = "/api/2.0/mlflow"
CREDENTIALS = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)


def test_a_server_that_is_not_there_is_named() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with MlflowServer(address) as server, pytest.raises(TrackingError, match="cannot be reached"):
        server.experiment("city")


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(200, b"<html>Hello</html>"), "does not answer like an MLflow server"),
        (Reply(302, b"", {"Location": "http://127.0.0.1:9/"}), "refused get-by-name .302"),
        (Reply(404, b"nothing here"), "nothing here"),
        (
            Reply.json({"error_code": "PERMISSION_DENIED", "message": "No\nway."}, status=403),
            "PERMISSION_DENIED.: No way",
        ),
    ],
)
def test_what_is_no_mlflow_server_is_told(fault_server: Any, reply: Reply, said: str) -> None:
    fault_server.add(f"{API}/experiments/get-by-name", lambda _: reply)
    with MlflowServer(fault_server.url("")) as server, pytest.raises(TrackingError, match=said):
        server.experiment("city")


def test_an_experiment_that_is_not_there_is_made(fault_server: Any) -> None:
    absent = Reply.json({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none"}, status=404)
    fault_server.add(f"{API}/experiments/get-by-name", lambda _: absent)
    fault_server.add(f"{API}/experiments/create", lambda _: Reply.json({"experiment_id": "7"}))
    with MlflowServer(fault_server.url("")) as server:
        assert server.experiment("city") == "7"
    assert b'"city"' in fault_server.requests[-1].body


def test_a_run_whose_files_do_not_arrive_is_marked_as_failed(fault_server: Any) -> None:
    made = {"run": {"info": {"run_id": "r", "artifact_uri": "s3://bucket/r/artifacts"}}}
    fault_server.add(f"{API}/runs/create", lambda _: Reply.json(made))
    for call in ("log-batch", "update"):
        fault_server.add(f"{API}/runs/{call}", lambda _: Reply.json({}))
    with MlflowServer(fault_server.url("")) as server, pytest.raises(TrackingError, match="--serve-artifacts"):
        server.log_run("1", "run", tags={}, params={"a": 1}, metrics={"b": float("nan"), "c": 1.0}, files={"f": b"x"})
    bodies = [one.body for one in fault_server.requests]
    assert b'"FAILED"' in bodies[-1]
    assert not [body for body in bodies if b"NaN" in body]


def test_a_connection_that_breaks_is_told(fault_server: Any) -> None:
    fault_server.add(f"{API}/experiments/get-by-name", lambda _: Reply.json({"experiment": {"experiment_id": "1"}}))
    fault_server.faults.append(Fault(hang_up=True))
    with MlflowServer(fault_server.url("")) as server:
        with pytest.raises(TrackingError, match="cannot be reached"):
            server.experiment("city")
        assert server.experiment("city") == "1"


def test_credentials_go_to_this_machine_or_over_tls_only(fault_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    with pytest.raises(ConfigError, match="use https"):
        MlflowServer("http://mlflow.example.org")
    fault_server.add(f"{API}/experiments/get-by-name", lambda _: Reply(403, b"no"))
    with MlflowServer(fault_server.url("")) as server, pytest.raises(TrackingError) as told:
        server.experiment("city")
    assert fault_server.requests[-1].headers["authorization"] == "Bearer secret"
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("address", ["file:///mlruns", "mlruns", "http://", "http://user:pass@host"])
def test_an_address_that_cannot_be_used_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match=r"tracking\.mlflow must"):
        TrackingSettings(mlflow=address)
    assert TrackingSettings(mlflow="http://127.0.0.1:5000/").mlflow == "http://127.0.0.1:5000"
