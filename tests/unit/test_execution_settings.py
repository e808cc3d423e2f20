"""Where work is computed is one switch; what cannot work is refused before anything runs."""

import pytest

from crimepatterns.config import load_settings, open_executor
from crimepatterns.errors import ConfigError
from crimepatterns.execution import DaskExecutor, JoblibExecutor, SerialExecutor

TLS = {"ca_file": "ca.pem", "cert_file": "node.pem", "key_file": "node.key"}


def test_the_number_of_workers_of_old_keeps_working():
    for workers, expected in ((1, SerialExecutor()), (3, JoblibExecutor(3))):
        settings = load_settings(overrides={"workers": workers})
        assert open_executor(settings.execution, workers=settings.workers) == expected


def test_one_switch_changes_the_engine(monkeypatch):
    monkeypatch.setenv("SCHEDULER_HOST", "cluster.example")
    for chosen in (
        {"kind": "dask", "workers": 4, "memory_limit": "1.5GiB"},
        {"scheduler": "tls://${SCHEDULER_HOST}:8786", "tls": TLS},
        {"scheduler": "tcp://127.0.0.1:8786"},
        {"scheduler": "tcp://cluster.example:8786", "allow_unencrypted": True},
    ):
        execution = load_settings(overrides={"execution": chosen}).execution
        assert isinstance(open_executor(execution, workers=2), DaskExecutor)
    assert load_settings(overrides={"execution": {"scheduler": "tls://${SCHEDULER_HOST}:1", "tls": TLS}}).execution.tls


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"kind": "spark"}, "kind"),
        ({"scheduler": "tls://host:8786"}, "needs tls.ca_file"),
        ({"scheduler": "tcp://host:8786", "tls": TLS}, "write tls://"),
        ({"scheduler": "tcp://10.0.0.5:8786"}, "allow_unencrypted"),
        ({"scheduler": "host:8786"}, "like tls://host:8786"),
        ({"scheduler": "tls://host", "tls": TLS}, "like tls://host:8786"),
        ({"scheduler": "tls://host:99999", "tls": TLS}, "like tls://host:8786"),
        ({"scheduler": "tcp://127.0.0.1:8786", "kind": "joblib"}, "uses no scheduler"),
        ({"tls": TLS}, "name it in scheduler"),
        ({"scheduler": "tls://host:8786", "tls": {"ca_file": "ca.pem"}}, "give all three"),
        ({"memory_limit": "4"}, "4GiB"),
        ({"workers": 0}, "workers"),
    ],
)
def test_what_cannot_work_is_refused(chosen, message):
    with pytest.raises(ConfigError, match=message):
        load_settings(overrides={"execution": chosen})
