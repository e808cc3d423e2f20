"""One cluster of two worker processes for all tests here: starting it takes longer than using it."""

from collections.abc import Iterator

import pytest

from crimepatterns.execution import DaskExecutor


@pytest.fixture(scope="session")
def cluster() -> Iterator[DaskExecutor]:
    with DaskExecutor(workers=2) as executor:
        yield executor
