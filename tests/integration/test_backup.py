"""Backups: what is kept comes back, nothing else is touched, and what is broken is named."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from crimepatterns.config import Settings, load_settings
from crimepatterns.errors import ArtefactError, ConfigError, CrimePatternsError
from crimepatterns.operations.backup import back_up, check_backup, restore
from crimepatterns.operations.erasure import forget_everywhere
from crimepatterns.operations.pipeline import run_all, run_stage
from crimepatterns.operations.state_check import check_state
from crimepatterns.store.areas import read_study_area
from crimepatterns.store.digests import incidents_digest
from crimepatterns.store.incidents import read_incidents
from crimepatterns.store.layout import Layout
from crimepatterns.store.ledger import append_opening, read_ledger
from crimepatterns.store.model_stages import name_candidate, promote, read_stages
from small_disk import on_small_disk

OPTIONS = ["--set", "source.incidents=3000", "--set", "source.years=1"]


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A small city with raw records and cleaned incidents; never changed."""
    root = tmp_path_factory.mktemp("cleaned")
    settings = load_settings(overrides={"root": str(root), "source": {"incidents": 3000, "years": 1}})
    run_stage(settings, "ingest")
    run_stage(settings, "clean")
    append_opening(Layout(root, settings.city).ledger, {"opened": 1})
    return settings


@pytest.fixture
def city(cleaned: Settings, tmp_path: Path) -> Settings:
    """The same city, to be broken."""
    shutil.copytree(cleaned.root, tmp_path / "city", symlinks=True)
    return at(cleaned, tmp_path / "city")


def at(settings: Settings, root: Path) -> Settings:
    return settings.model_copy(update={"root": root})


def table_of(layout: Layout) -> pd.DataFrame:
    return read_incidents(layout.incidents, read_study_area(layout.study_area)).table


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    whole = [sys.executable, "-m", "crimepatterns", *arguments]
    return subprocess.run(whole, capture_output=True, text=True, check=False)


# -- there and back --------------------------------------------------------------------------------------------------


def test_a_lost_project_folder_comes_back(city: Settings, tmp_path: Path) -> None:
    layout = Layout(city.root, city.city)
    layout.saved_views.parent.mkdir(parents=True)
    layout.saved_views.write_text('{"views": []}')
    kept = back_up(city, tmp_path / "kept.tar")
    before, table = content(layout.raw), table_of(layout)
    shutil.rmtree(city.root)
    found = restore(city, tmp_path / "kept.tar", seal=kept.seal)
    assert not found.replaced
    assert layout.saved_views.read_text() == '{"views": []}'
    after = content(layout.raw)
    assert {name: after[name] for name in after} == {name: before[name] for name in after}
    assert set(before) - set(after) <= {".digests.json"}
    assert run_stage(city, "ingest").skipped
    assert not run_stage(city, "clean").skipped
    assert incidents_digest(table_of(layout)) == incidents_digest(table)
    assert not list(city.root.glob(".restore*"))


def test_the_drill_on_the_whole_product(small_city_run: Settings, tmp_path: Path) -> None:
    """After a restore with results only what lies under data/processed is made again; all later stages stand."""
    back_up(small_city_run, tmp_path / "kept.tar", results=True)
    there = at(small_city_run, tmp_path / "there")
    restore(there, tmp_path / "kept.tar")
    assert [one.name for one in run_all(there) if not one.skipped] == ["clean", "context"]
    was, now = (Layout(one.root, one.city) for one in (small_city_run, there))
    assert content(now.forecasts) == content(was.forecasts)
    assert content(now.models) == content(was.models)
    assert check_state(there).faults == ()


def test_a_city_whose_name_begins_alike_keeps_its_models(small_city_run: Settings, tmp_path: Path) -> None:
    shutil.copytree(small_city_run.root / "models", tmp_path / "city" / "models")
    mine = sorted(path.name for path in (tmp_path / "city" / "models").iterdir() if path.is_dir())
    other = tmp_path / "city" / "models" / "default-north-burglary-random_forest"
    shutil.copytree(tmp_path / "city" / "models" / mine[0], other)
    archive = back_up(at(small_city_run, tmp_path / "city"), tmp_path / "kept.tar")
    assert {name.split("/")[1] for name in archive.files if name.startswith("models/")} == set(mine)


def test_stages_of_models_go_back_with_them(city: Settings, tmp_path: Path) -> None:
    """An older log of stages put there by a restore is held to; one put there by hand is a fault."""
    home = city.root / "models" / "default-theft-random_forest"
    for version in ("a", "b"):
        (home / version).mkdir(parents=True)
        (home / version / "manifest.json").write_text('{"sha256": {}}')
    name_candidate(home, "a", reason="first")
    early = (home / "stages.jsonl").read_bytes()
    back_up(city, tmp_path / "kept.tar")
    promote(home, "b", reason="better")
    restore(city, tmp_path / "kept.tar", force=True)
    assert read_stages(home).champion == "a"
    promote(home, "b", reason="better")
    (home / "stages.jsonl").write_bytes(early)
    assert ["old copy" in fault.problem for fault in check_state(city).faults] == [True]


def test_keys_are_kept_only_when_named(city: Settings, tmp_path: Path) -> None:
    keys = city.root / "keys.json"
    keys.write_text("{}")
    assert "keys.json" not in back_up(city, tmp_path / "without.tar").files
    assert "keys.json" in back_up(city, tmp_path / "with.tar", also=[keys]).files
    keys.unlink()
    restore(city, tmp_path / "with.tar", force=True)
    assert keys.read_text() == "{}"
    (tmp_path / "elsewhere").write_text("x")
    with pytest.raises(ConfigError, match="no file below the project folder"):
        back_up(city, tmp_path / "more.tar", also=[tmp_path / "elsewhere"])


def test_forecasts_that_were_issued_come_back(city: Settings, tmp_path: Path) -> None:
    layout = Layout(city.root, city.city)
    kept = [layout.issued / "a" / "verified.json", layout.monitoring / "retirement.json"]
    for path in kept:
        path.parent.mkdir(parents=True)
        path.write_text("{}")
    back_up(city, tmp_path / "kept.tar")
    for path in kept:
        path.write_text('{"later": 1}')
    found = restore(city, tmp_path / "kept.tar", force=True)
    assert [path.read_text() for path in kept] == ["{}", "{}"]
    assert {"data/issued/default", "results/default/monitoring"} <= set(found.replaced)


def test_the_log_of_access_is_not_undone(city: Settings, tmp_path: Path) -> None:
    log = city.root / city.security.audit_file
    log.write_text("one\n")
    back_up(city, tmp_path / "kept.tar")
    log.write_text("one\ntwo\n")
    assert city.security.audit_file in restore(city, tmp_path / "kept.tar", force=True).kept
    assert log.read_text() == "one\ntwo\n"
    restore(at(city, tmp_path / "new"), tmp_path / "kept.tar")
    assert (tmp_path / "new" / city.security.audit_file).read_text() == "one\n"


def test_a_backup_never_replaces_one(city: Settings, tmp_path: Path) -> None:
    (tmp_path / "kept.tar").write_text("an older one")
    with pytest.raises(ConfigError, match="never replaces"):
        back_up(city, tmp_path / "kept.tar")
    assert (tmp_path / "kept.tar").read_text() == "an older one"


# -- what is refused -------------------------------------------------------------------------------------------------


def test_data_are_replaced_only_by_force(city: Settings, tmp_path: Path) -> None:
    back_up(city, tmp_path / "kept.tar")
    with pytest.raises(CrimePatternsError, match="--force replaces them"):
        restore(city, tmp_path / "kept.tar")
    found = restore(city, tmp_path / "kept.tar", force=True)
    assert "data/raw/default" in found.replaced
    assert found.kept == ("ledger/default.jsonl",)


def test_a_damaged_backup_changes_nothing(city: Settings, tmp_path: Path) -> None:
    back_up(city, tmp_path / "kept.tar")
    damaged = bytearray((tmp_path / "kept.tar").read_bytes())
    damaged[damaged.index(b"PAR1") + 9] ^= 1
    (tmp_path / "kept.tar").write_bytes(damaged)
    before = content(city.root / "data")
    with pytest.raises(ArtefactError, match="is not the file that was saved"):
        restore(city, tmp_path / "kept.tar", force=True)
    assert content(city.root / "data") == before
    assert not list(city.root.glob(".restore*"))


def test_a_backup_of_another_city_is_refused(city: Settings, tmp_path: Path) -> None:
    back_up(city, tmp_path / "kept.tar")
    other = city.model_copy(update={"city": "other", "root": tmp_path / "other"})
    with pytest.raises(CrimePatternsError, match="a backup of 'default', not of 'other'"):
        restore(other, tmp_path / "kept.tar")


def test_erased_records_do_not_come_back_unasked(city: Settings, tmp_path: Path) -> None:
    layout = Layout(city.root, city.city)
    gone = str(table_of(layout)["id"].iloc[0])
    back_up(city, tmp_path / "before.tar")
    assert forget_everywhere(city, [gone])["erased_rows"] >= 1
    back_up(city, tmp_path / "after.tar")
    with pytest.raises(CrimePatternsError, match="would bring them back"):
        restore(city, tmp_path / "before.tar", force=True)
    restore(city, tmp_path / "after.tar", force=True)
    run_stage(city, "ingest")
    run_stage(city, "clean")
    assert gone not in set(table_of(layout)["id"])
    restore(city, tmp_path / "before.tar", force=True, with_erased=True)


def test_openings_of_the_judge_span_are_not_undone(city: Settings, tmp_path: Path) -> None:
    ledger = Layout(city.root, city.city).ledger
    back_up(city, tmp_path / "kept.tar")
    append_opening(ledger, {"opened": 2})
    restore(city, tmp_path / "kept.tar", force=True)
    assert [line["opened"] for line in read_ledger(ledger)] == [1, 2]
    ledger.write_text('{"opened": 3}\n')
    before = content(city.root / "data")
    with pytest.raises(CrimePatternsError, match="contradict each other"):
        restore(city, tmp_path / "kept.tar", force=True)
    assert content(city.root / "data") == before


# -- disks that fail -------------------------------------------------------------------------------------------------


def python() -> str:
    return f"{sys.executable} -m crimepatterns"


def test_a_full_disk_leaves_no_half_backup(city: Settings, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    script = f"{python()} backup {disk}/kept.tar --set root={city.root}; echo status $?; ls -A {disk}"
    told = on_small_disk(disk, script, size="64k", environment=dict(os.environ))
    assert "error: No space left on device" in told
    assert "status 1" in told
    assert "kept.tar" not in told.split("status 1")[1].split("error:")[0]


def test_a_full_disk_during_a_restore_leaves_what_was_there(city: Settings, tmp_path: Path) -> None:
    back_up(city, tmp_path / "kept.tar")
    disk = tmp_path / "disk"
    size = sum(path.stat().st_size for path in city.root.rglob("*") if path.is_file())
    script = f"""
cp -a {city.root} {disk}/city
head -c 100M /dev/zero > {disk}/filling
{python()} restore {tmp_path}/kept.tar --force --set root={disk}/city; echo status $?
rm {disk}/filling
{python()} verify --set root={disk}/city; echo status $?
"""
    told = on_small_disk(disk, script, size=f"{size // 1024 + 600}k", environment=dict(os.environ))
    assert "error: No space left on device" in told
    assert "0 with a fault" in told
    assert told.count("status 1") == 1


@pytest.mark.parametrize("stage", ["ingest --force", "clean --force", "backup kept.tar"])
def test_a_read_only_disk_is_one_clear_line(city: Settings, tmp_path: Path, stage: str) -> None:
    disk = tmp_path / "disk"
    script = f"""
cp -a {city.root} {disk}/city
cd {disk}
mount -o remount,ro {disk}
{python()} {stage} --set root={disk}/city {" ".join(OPTIONS) if "backup" not in stage else ""}; echo status $?
mount -o remount,rw {disk}
{python()} verify --set root={disk}/city; echo status $?
"""
    told = on_small_disk(disk, script, size="64m", environment=dict(os.environ))
    assert "error: Read-only file system" in told
    assert "Traceback" not in told
    assert "0 with a fault" in told


def test_a_full_disk_during_cleaning_leaves_the_last_good_incidents(city: Settings, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    size = sum(path.stat().st_size for path in city.root.rglob("*") if path.is_file())
    script = f"""
cp -a {city.root} {disk}/city
head -c 100M /dev/zero > {disk}/filling
{python()} clean --force --set root={disk}/city {" ".join(OPTIONS)}; echo first $?
rm {disk}/filling
{python()} verify --set root={disk}/city; echo second $?
{python()} clean --force --set root={disk}/city {" ".join(OPTIONS)}; echo third $?
"""
    told = on_small_disk(disk, script, size=f"{size // 1024 + 900}k", environment=dict(os.environ))
    assert "No space left on device" in told
    assert "first 1" in told
    assert "second 0" in told
    assert "Traceback" not in told


def test_a_clock_that_jumps_makes_nothing_again(city: Settings) -> None:
    year = 366 * 86_400
    for jump in (year, -2 * year):
        for path in city.root.rglob("*"):
            stat = path.stat()
            os.utime(path, (stat.st_atime + jump, stat.st_mtime + jump))
        assert run_stage(city, "ingest").skipped
        assert run_stage(city, "clean").skipped


# -- looking at what is there ----------------------------------------------------------------------------------------


def test_a_whole_city_has_no_fault(cleaned: Settings) -> None:
    state = check_state(cleaned)
    assert state.files >= 3
    assert state.faults == ()


def test_every_kept_file_is_looked_at(city: Settings) -> None:
    """One flipped byte in any raw copy or cleaned file is found and named, though size and time are as they were."""
    layout = Layout(city.root, city.city)
    files = [*(layout.raw / "files").iterdir(), *layout.incidents.rglob("*.parquet")][:6]
    for path in files:
        stat, good = path.stat(), path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        faults = check_state(city).faults
        assert [Path(fault.path).name for fault in faults] == [path.name]
        assert "crimepatterns" in faults[0].advice
        path.write_bytes(good)


def test_a_corrupted_file_of_incidents_is_named_and_made_again(city: Settings) -> None:
    path = next(Layout(city.root, city.city).incidents.rglob("*.parquet"))
    path.chmod(0o644)
    path.write_bytes(b"PAR1" + b"\0" * 200)
    looked = command("verify", "--set", f"root={city.root}")
    assert looked.returncode == 1
    assert path.name in looked.stderr
    assert "crimepatterns clean --force" in looked.stderr
    assert not run_stage(city, "clean", force=True).skipped
    assert check_state(city).faults == ()


def test_a_lost_raw_copy_is_named_and_comes_back(city: Settings, tmp_path: Path) -> None:
    back_up(city, tmp_path / "kept.tar")
    (copy,) = (Layout(city.root, city.city).raw / "files").iterdir()
    copy.unlink()
    ran = command("clean", "--force", "--set", f"root={city.root}", *OPTIONS)
    assert ran.returncode == 1
    assert f"{copy} is gone" in ran.stderr
    restore(city, tmp_path / "kept.tar", force=True)
    run_stage(city, "clean", force=True)
    assert check_state(city).faults == ()


def test_damaged_evidence_is_named(city: Settings) -> None:
    layout = Layout(city.root, city.city)
    layout.ledger.write_text("{torn")
    (city.root / "data" / "raw" / city.city / "MANIFEST.json").write_text("{")
    problems = {fault.path: fault.problem for fault in check_state(city).faults}
    assert "line 1 is damaged" in problems["ledger/default.jsonl"]
    assert "damaged" in problems["data/raw/default/MANIFEST.json"]


def test_a_lost_model_file_is_named(small_city_run: Settings, tmp_path: Path) -> None:
    shutil.copytree(small_city_run.root, tmp_path / "city", symlinks=True)
    there = at(small_city_run, tmp_path / "city")
    lost = next((there.root / "models").glob("*/*/trained_model.skops"))
    lost.unlink()
    assert [(fault.path, fault.problem) for fault in check_state(there).faults] == [
        (str(lost.relative_to(there.root)), "is gone")
    ]
    (lost.parent / "manifest.json").unlink()
    assert any("manifest.json is missing" in fault.problem for fault in check_state(there).faults)


# -- the commands ----------------------------------------------------------------------------------------------------


def test_the_commands_tell_what_they_did(city: Settings, tmp_path: Path) -> None:
    root = ["--set", f"root={city.root}"]
    kept = command("backup", str(tmp_path / "kept.tar"), *root, "--json")
    assert kept.returncode == 0, kept.stderr
    facts = json.loads(kept.stdout)
    assert facts["city"] == "default"
    assert facts["bytes"] > 1000
    whole = command("verify", str(tmp_path / "kept.tar"), "--seal", facts["seal"])
    assert "is whole" in whole.stdout
    assert command("verify", str(tmp_path / "kept.tar"), "--seal", "0" * 64).returncode == 1
    back = command("restore", str(tmp_path / "kept.tar"), "--set", f"root={tmp_path}/new")
    assert back.returncode == 0, back.stderr
    assert "crimepatterns run makes again" in back.stdout
    assert json.loads(command("verify", "--json", *root).stdout)["faults"] == []
    assert check_backup(tmp_path / "kept.tar").seal == facts["seal"]
    assert "nothing to look at" in command("verify", "--set", f"root={tmp_path}/empty").stderr
