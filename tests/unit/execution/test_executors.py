"""Every executor gives what a plain loop gives, in the order of the items."""

import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest
from tests.unit.execution import work

from crimepatterns.errors import ExecutionError, SourceError
from crimepatterns.execution import DaskExecutor, JoblibExecutor, SerialExecutor, choose_executor


@pytest.fixture(params=["serial", "joblib", "dask"])
def executor(request):
    if request.param == "dask":
        return request.getfixturevalue("cluster")
    return SerialExecutor() if request.param == "serial" else JoblibExecutor(2)


def test_results_come_in_the_order_of_the_items(executor):
    assert list(executor.map(work.slower_first, range(12))) == list(range(12))
    assert list(executor.map(work.square, [])) == []
    assert executor.workers == (1 if isinstance(executor, SerialExecutor) else 2)


def test_whatever_an_item_is_it_arrives_unchanged(executor):
    items = [(len, "abc"), {"a": [1, (2, 3)]}, "work-1", None, [{"b": {4}}]]
    assert list(executor.map(work.echo, items)) == items


def test_an_error_of_the_function_ends_the_run_as_it_is(executor):
    found = []
    with pytest.raises(SourceError, match="three is refused"):
        found.extend(executor.map(work.refuse_three, range(9)))
    assert found == [0, 1, 2][: len(found)]


def test_work_is_done_by_several_processes(cluster):
    pids = set(cluster.map(work.process, range(12)))
    assert len(pids) == 2
    assert psutil.Process().pid not in pids


def test_what_the_function_carries_travels_once_not_with_every_item(cluster, tmp_path):
    log = tmp_path / "log"
    function = work.Counted(log, bytes(1_000_000))
    assert list(cluster.map(function, range(40))) == [1_000_000 + i for i in range(40)]
    # Once from here, and once or twice where one worker hands it to the other.
    assert len(log.read_text().splitlines()) <= 4


def test_only_a_few_items_are_in_flight_and_the_rest_is_withdrawn(cluster, tmp_path):
    results = cluster.map(partial(work.leave_a_mark, tmp_path), range(500))
    assert next(results) == 0
    results.close()
    begun = len(list(tmp_path.iterdir()))
    assert begun < 20
    list(cluster.map(work.square, range(4)))
    assert len(list(tmp_path.iterdir())) < 20


def test_a_dead_worker_is_replaced_and_its_items_run_again(cluster, tmp_path):
    found = list(cluster.map(partial(work.die_once, tmp_path), range(20)))
    assert (tmp_path / "died").exists()
    assert found == [i * i for i in range(20)]


@pytest.mark.slow
def test_work_goes_on_when_the_only_worker_dies_and_with_it_the_function(tmp_path):
    with DaskExecutor(workers=1) as executor:
        found = list(executor.map(partial(work.die_once, tmp_path), range(12)))
    assert (tmp_path / "died").exists()
    assert found == [i * i for i in range(12)]


@pytest.mark.slow
def test_an_item_that_kills_every_worker_is_told_or_replaced():
    with DaskExecutor(workers=2) as executor:
        assert list(executor.map(work.die_at_two, range(9), lost=lambda item: -item)) == [0, 1, -2, *range(3, 9)]
        with pytest.raises(ExecutionError, match="died again and again"):
            list(executor.map(work.die_at_two, [1, 2, 3]))


def test_a_dead_process_of_this_machine_is_told_or_replaced():
    executor = JoblibExecutor(2)
    with pytest.raises(ExecutionError, match=r"execution\.workers"):
        list(executor.map(work.die_at_two, range(3)))
    found = list(executor.map(work.die_at_two, range(3), lost=lambda item: -1 - item))
    assert len(found) == 3
    assert found[2] == -3


def test_a_local_cluster_listens_on_this_machine_only_answers_no_web_request_and_ends():
    import urllib.error
    import urllib.request

    def open_ports():
        own = psutil.Process()
        family = [own, *own.children(recursive=True)]
        return {c.laddr for p in family for c in p.net_connections(kind="tcp") if c.status == "LISTEN"}

    before = open_ports()  # servers of other tests
    with DaskExecutor(workers=1) as executor:
        listening = open_ports() - before
        assert listening
        assert {address.ip for address in listening} == {"127.0.0.1"}
        answered = []
        for address in listening:
            for page in ("status", "health", "info/main/workers.html", "json/counts.json", "metrics"):
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{address.port}/{page}", timeout=5):
                        answered.append((address.port, page))
                except (urllib.error.HTTPError, OSError):
                    pass
        assert answered == []
        workers = set(executor.map(work.process, range(3)))
    assert not any(psutil.pid_exists(pid) for pid in workers)


@pytest.mark.parametrize("kind", ["joblib", "dask"])
def test_workers_end_with_the_process_that_was_killed(kind):
    code = (
        "from crimepatterns.execution import choose_executor\n"
        "from tests.unit.execution import work\n"
        "if __name__ == '__main__':\n"
        f"    with choose_executor({kind!r}, workers=2) as executor:\n"
        "        for pid in executor.map(work.process, range(10_000)):\n"
        "            print(pid, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        workers = {int(process.stdout.readline()) for _ in range(12)}
        process.kill()
    assert len(workers) == 2
    end = time.monotonic() + 30
    while any(psutil.pid_exists(pid) for pid in workers):
        assert time.monotonic() < end, "workers go on without the process that started them"
        time.sleep(0.1)


def test_the_settings_choose():
    assert isinstance(choose_executor(workers=1), SerialExecutor)
    assert isinstance(choose_executor("serial", workers=4), SerialExecutor)
    assert choose_executor(workers=3) == JoblibExecutor(3)
    assert isinstance(choose_executor("dask", workers=3), DaskExecutor)
    assert isinstance(choose_executor(scheduler="tcp://127.0.0.1:1"), DaskExecutor)


def test_without_dask_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ExecutionError, match=r"crimepatterns\[cluster\]"), DaskExecutor(workers=2):
        pass


def test_a_cluster_is_imported_only_when_it_is_used():
    code = "import sys, crimepatterns.execution; sys.exit(bool({'distributed', 'dask', 'joblib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path.cwd()).returncode == 0
