"""The commands about keys, as people type them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from crimepatterns.cli import app
from crimepatterns.errors import ConfigError


def keys(root: Path, *words: str) -> Any:
    done = CliRunner().invoke(app, ["keys", *words, "--set", f"root={root}"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def test_a_key_is_made_listed_and_revoked(tmp_path: Path) -> None:
    said = keys(tmp_path, "create", "--name", "night shift", "--role", "planner").stdout
    key = re.match(r"cp_([0-9a-f]{8})_\S{43}\n", said)
    assert key is not None
    assert "Authorization: Bearer" in said
    listed = keys(tmp_path, "list").stdout
    assert re.search(rf"{key[1]}\s+planner\s+in use\s+night shift", listed)
    assert key[0].strip() not in listed
    assert "Revoked" in keys(tmp_path, "revoke", key[1]).stdout
    (record,) = json.loads(keys(tmp_path, "list", "--json").stdout)["keys"]
    assert record["state"].startswith("revoked")
    assert set(record) == {"id", "name", "role", "created", "expires", "revoked", "state"}
    told = json.loads(keys(tmp_path, "audit", "--json").stdout)
    assert [entry["event"] for entry in told["last"]] == ["key created", "key revoked"]
    assert "night shift" not in json.dumps(told)


def test_a_key_for_some_days_says_until_when(tmp_path: Path) -> None:
    made = json.loads(keys(tmp_path, "create", "--name", "x", "--role", "analyst", "--days", "3", "--json").stdout)
    assert made["key"].startswith(f"cp_{made['id']}_")
    assert "in use until" in keys(tmp_path, "list").stdout


def test_what_cannot_be_is_told(tmp_path: Path) -> None:
    assert "keys create" in keys(tmp_path, "list").stdout
    with pytest.raises(ConfigError, match="keys list"):
        keys(tmp_path, "revoke", "00000000")
    assert keys(tmp_path, "create", "--name", "x", "--role", "chief").exit_code == 2


def test_a_changed_log_is_an_error(tmp_path: Path) -> None:
    for name in ("a", "b"):
        keys(tmp_path, "create", "--name", name, "--role", "public")
    log = tmp_path / "ledger" / "access.jsonl"
    log.write_text(log.read_text().replace("public", "analyst", 1))
    done = keys(tmp_path, "audit")
    assert "BROKEN at line 2" in done.stdout
    assert done.exit_code == 1
