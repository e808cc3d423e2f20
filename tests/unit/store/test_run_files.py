"""Runs of keys on disk: what was written is read, and damage is told."""

from pathlib import Path

import numpy as np
import pytest

from crimepatterns.errors import ArtefactError
from crimepatterns.store.run_files import drop_pages, open_run, run_files, write_run

FACTS = np.dtype([("a", "<u4"), ("b", "<i2")])


def test_ranges_come_back_as_one_run(tmp_path: Path) -> None:
    keys = np.arange(100, dtype=np.uint64) * 7
    facts = np.zeros(100, dtype=FACTS)
    facts["a"], facts["b"] = np.arange(100), -3
    ranges = ((keys[i : i + 30], facts[i : i + 30]) for i in range(0, 100, 30))
    assert write_run(tmp_path / "deep" / "run", ranges) == 100
    run = open_run(tmp_path / "deep" / "run", FACTS, rows=100)
    for _ in range(2):
        np.testing.assert_array_equal(run.keys, keys)
        np.testing.assert_array_equal(run.facts, facts)
        drop_pages(run)


def test_an_empty_run(tmp_path: Path) -> None:
    assert write_run(tmp_path / "run", []) == 0
    assert len(open_run(tmp_path / "run", FACTS, rows=0).keys) == 0


def test_a_short_file_is_damage(tmp_path: Path) -> None:
    write_run(tmp_path / "run", [(np.arange(9, dtype=np.uint64), np.zeros(9, dtype=FACTS))])
    for path in run_files(tmp_path / "run"):
        content = path.read_bytes()
        path.write_bytes(content[:-1])
        with pytest.raises(ArtefactError, match="clean --force"):
            open_run(tmp_path / "run", FACTS, rows=9)
        path.write_bytes(content)
    with pytest.raises(ArtefactError, match="damaged"):
        open_run(tmp_path / "other", FACTS, rows=9)
