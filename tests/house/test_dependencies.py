"""Nothing is installed without a pin: every lock states versions and digests, every direct dependency is in one."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).resolve().parents[2]
LOCKS = (
    "requirements.txt",
    "deployment/model_server/requirements.txt",
    "deployment/model_server/build-requirements.txt",
    "deployment/tracking/requirements.txt",
)
INSTALLS = ("Makefile", "deployment/model_server/Dockerfile", "deployment/infrastructure/ansible", "tools", ".github")
PINNED = re.compile(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*(?: ; .+)?")


def entries(path: Path) -> list[str]:
    """Requirements of a file, each with the lines that go on from it."""
    text = re.sub(r"^#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [entry.replace("\\\n", " ") for entry in re.split(r"\n(?=\S)", text.strip())]


def name_of(entry: str) -> str:
    return canonicalize_name(re.split(r"[=\[; ]", entry, maxsplit=1)[0])


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_nothing_but_versions_with_digests(lock: str) -> None:
    found = entries(PROJECT / lock)
    assert found
    for entry in found:
        requirement, *digests = re.split(r"\s+--hash=", entry)
        assert PINNED.fullmatch(re.sub(r"\[[^\]]*\]", "", requirement).strip()), requirement
        assert digests, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest.strip()) for digest in digests), requirement


def test_every_direct_dependency_is_locked_at_a_version_that_it_allows() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"]
    wanted = [*project["project"]["dependencies"], *(one for extra in extras.values() for one in extra)]
    locked = {name_of(entry): re.split(r"==|\s", entry)[1] for entry in entries(PROJECT / LOCKS[0])}
    for text in wanted:
        requirement = Requirement(text)
        if requirement.name == project["project"]["name"]:
            continue
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{text} is in no lock"
        assert requirement.specifier.contains(version, prereleases=True), f"{text}, locked at {version}"


def test_programs_of_the_checks_have_versions() -> None:
    for path in sorted((PROJECT / "deployment" / "infrastructure").glob("checks*.txt")):
        assert all(PINNED.fullmatch(entry) for entry in entries(path)), path.name


def test_packages_of_the_page_have_digests() -> None:
    lock = json.loads((PROJECT / "deployment/app/frontend/package-lock.json").read_text(encoding="utf-8"))
    packages = {name: facts for name, facts in lock["packages"].items() if name}
    assert packages
    for name, facts in packages.items():
        assert str(facts.get("integrity", "")).startswith("sha512-"), name


def test_what_is_installed_by_name_has_a_version() -> None:
    """An install from a hashed file, of this project itself, or of a name at a version; nothing else."""
    paths = [path for one in INSTALLS for path in (PROJECT / one, *(PROJECT / one).rglob("*")) if path.is_file()]
    found = 0
    for path in paths:
        if path.suffix == ".py":
            continue
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            told = re.search(r"(?:pip install|pipx run)\s+(.*)", line)
            if not told:
                continue
            found += 1
            words = told[1].rstrip("\\& ")
            pinned = "--require-hashes" in words or "==" in words or '-r "$file"' in words
            own = "--no-deps" in words or "--editable ." in words or "--editable '." in words
            assert pinned or own, f"{path.relative_to(PROJECT)}: {line.strip()}"
    assert found > 5


def test_known_faults_of_every_lock_are_asked_for() -> None:
    """The forge's job for known faults reads each lock that people install from."""
    jobs = yaml.safe_load((PROJECT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]
    steps = " ".join(str(step.get("run", "")) for step in jobs["dependencies"]["steps"])
    assert "pip-audit==" in steps
    for lock in LOCKS:
        assert f"-r {lock}" in steps, lock
