"""Fixtures and the rule that a skip fails where everything is required."""

import os
from pathlib import Path

import pytest

REQUIRE_ALL = os.environ.get("REQUIRE") == "all" or os.environ.get("CI") == "true"
PROJECT = Path(__file__).resolve().parent.parent


def lacking(what: str) -> None:
    """Skip the test, or fail it where everything is required."""
    if REQUIRE_ALL:
        pytest.fail(f"{what} is required here (REQUIRE=all or CI=true)")
    pytest.skip(what)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real incident files beside the project."""
    folder = Path(os.environ.get("CRIMEPATTERNS_SHARED", PROJECT.parent / "shared")) / "data"
    if not folder.is_dir():
        lacking("real incident files (../shared/data)")
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of Debian's Chromium."""
    path = os.environ.get("CRIMEPATTERNS_CHROMIUM", "/usr/bin/chromium")
    if not Path(path).exists():
        lacking("Chromium (make setup-system)")
    return path
