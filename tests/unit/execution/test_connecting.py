"""A real scheduler and real workers, started as the guide says; clear words where certificates or releases lack."""

import datetime as dt
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.unit.execution import work

from crimepatterns.config import load_settings, open_executor
from crimepatterns.errors import ExecutionError
from crimepatterns.execution import DaskExecutor, TlsFiles
from crimepatterns.version import __version__

DAY = dt.timedelta(days=1)


def certificates(folder: Path) -> TlsFiles:
    """Make an authority, and one certificate that it signed."""
    folder.mkdir()
    authority, node = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority of the test")])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node of the test")])
    now = dt.datetime.now(dt.UTC)
    for name, owner, key, is_authority in (("ca", issuer, authority, True), ("node", subject, node, False)):
        builder = x509.CertificateBuilder(issuer, owner, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - DAY).not_valid_after(now + DAY)
        signed = builder.add_extension(x509.BasicConstraints(is_authority, None), critical=True).sign(
            authority, hashes.SHA256()
        )
        (folder / f"{name}.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    (folder / "node.key").write_bytes(
        node.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return TlsFiles(*(str(folder / name) for name in ("ca.pem", "node.pem", "node.key")))


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Dask process until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "dask", *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def scheduler(folder: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start a scheduler on any free port of this machine; give its address."""
    told = folder / "scheduler.json"
    told.unlink(missing_ok=True)
    fixed = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--dashboard-address", "127.0.0.1:0")
    with running("scheduler", *fixed, "--scheduler-file", str(told), *options) as process:
        address: list[str] = []

        def written() -> bool:
            if told.exists() and told.read_text().endswith("}"):
                address.append(json.loads(told.read_text())["address"])
            return bool(address)

        wait_for(written)
        yield address[0], process


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def tls_options(files: TlsFiles) -> tuple[str, ...]:
    return ("--tls-ca-file", files.ca_file, "--tls-cert", files.cert_file, "--tls-key", files.key_file)


WORKER = ("--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0")


@pytest.mark.slow
def test_a_cluster_elsewhere_is_used_over_tls_and_refuses_strangers(tmp_path):
    files, other = certificates(tmp_path / "tls"), certificates(tmp_path / "other")
    options = tls_options(files)
    with (
        scheduler(tmp_path, *options) as (address, _),
        running("worker", address, "--nworkers", "2", "--local-directory", str(tmp_path), *WORKER, *options),
    ):
        assert address.startswith("tls://")
        settings = load_settings(
            overrides={"execution": {"scheduler": address, "tls": {k: getattr(files, k) for k in files.__match_args__}}}
        )
        with open_executor(settings.execution, workers=settings.workers) as executor:
            assert isinstance(executor, DaskExecutor)
            assert list(executor.map(work.square, range(6))) == [0, 1, 4, 9, 16, 25]
        with pytest.raises(ExecutionError, match="No Dask scheduler answers"):
            DaskExecutor(scheduler=address, tls=other, timeout_s=2).__enter__()
        with pytest.raises(ExecutionError, match="No Dask scheduler answers"):
            DaskExecutor(scheduler=address.replace("tls://", "tcp://"), timeout_s=2).__enter__()


@pytest.mark.slow
def test_workers_must_be_there_and_of_the_same_release_and_the_scheduler_must_stay(tmp_path):
    shim = tmp_path / "older.py"
    shim.write_text("import crimepatterns.version as version\nversion.__version__ = '0.0.1'\n")
    with scheduler(tmp_path) as (address, process):
        with pytest.raises(ExecutionError, match=r"has had no worker for 0\.5 s"):
            DaskExecutor(scheduler=address, timeout_s=0.5).__enter__()
        place = ("--local-directory", str(tmp_path))
        with running("worker", address, *WORKER, *place, "--no-nanny", "--preload", str(shim)):
            expected = rf"has crimepatterns 0\.0\.1; this process has crimepatterns {__version__}"
            with pytest.raises(ExecutionError, match=expected):
                DaskExecutor(scheduler=address).__enter__()
        with (
            running("worker", address, *WORKER, *place, "--no-nanny") as worker,
            DaskExecutor(scheduler=address, patience_s=1.0) as executor,
        ):
            results = executor.map(work.process, range(200))
            next(results)
            worker.kill()
            with pytest.raises(ExecutionError, match="All workers are gone, and none has come back for 1 s"):
                list(results)
        with running("worker", address, *WORKER, *place), DaskExecutor(scheduler=address) as executor:
            results = executor.map(work.process, range(200))
            next(results)
            process.kill()
            with pytest.raises(ExecutionError, match="connection to the scheduler broke"):
                list(results)


def test_a_scheduler_that_does_not_answer_is_told():
    with pytest.raises(ExecutionError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9 within 0\.5 s"):
        DaskExecutor(scheduler="tcp://127.0.0.1:9", timeout_s=0.5).__enter__()


def test_a_missing_certificate_is_told(tmp_path):
    absent = TlsFiles(*(str(tmp_path / name) for name in ("ca.pem", "node.pem", "node.key")))
    with pytest.raises(ExecutionError, match=r"ca\.pem is not there"):
        DaskExecutor(scheduler="tls://127.0.0.1:9", tls=absent).__enter__()
